"""A million training rows held against an evaluation of 1,000 queries and 5,000 relevant documents.

A million, or as many as `bench.size` says. Rows are generated: an anchor of 4 to 14 words, a positive and a hard
negative of 20 to 60, drawn by Zipf's law, with copies of evaluation texts planted in one row of a hundred: as they are,
with two words swapped, with a sentence more. The whole of `crossfade leakage` is timed, reading and parsing JSON
included, with the growth of the process's memory.

Peers are timed on the texts alone, in memory, and on a hundredth of the rows: a Python set, which finds only what is
the same byte for byte, and datasketch's MinHashLSH (128 permutations, threshold 0.7, 3-word sequences), which knows one
measure of the three, and whose candidates are not verified. `--quick` takes a fiftieth of the rows.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import OURS, installed, measure, report_values, session
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.leakage import LeakageReport, LeakageSettings, find_leakage
from crossfade.overlap import Overlap
from crossfade.store.types import Document

ROWS = 1_000_000
QUERIES, DOCUMENTS = 1_000, 5_000
WORDS = 50_000
PLANTED = 100  # one row of so many
LIMIT_SECONDS = 300.0
PIECE = 20_000  # rows written at once
SET = "Python set, exact copies only"
CLEAR_PEAK = Path("/proc/self/clear_refs")
DATASKETCH = "datasketch MinHashLSH, unverified"


class Writer:
    """Texts by Zipf's law."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, WORDS + 1)
        self._cumulated = np.cumsum(weights / weights.sum())
        self._names = np.array([name(word) for word in range(WORDS)])

    def texts(self, count: int, least: int, most: int) -> list[str]:
        lengths = self._random.integers(least, most + 1, count)
        drawn = np.searchsorted(self._cumulated, self._random.random(int(lengths.sum())))
        words = self._names[np.minimum(drawn, WORDS - 1)]
        return [" ".join(part) for part in np.split(words, np.cumsum(lengths)[:-1])]


def name(word: int) -> str:
    """A word that can be said, of two syllables or more, so that words share pieces as those of a language do."""
    syllables = [first + second for first in "bcdfghklmnprstvwz" for second in "aeiou"]
    said = ""
    while word or len(said) < 4:
        word, place = divmod(word, len(syllables))
        said += syllables[place]
    return said


def evaluation() -> Dataset:
    writer = Writer(1)
    queries = {f"q{row}": text for row, text in enumerate(writer.texts(QUERIES, 4, 14))}
    documents = [Document(f"d{row}", "", text) for row, text in enumerate(writer.texts(DOCUMENTS, 20, 60))]
    qrels = {f"q{row}": {f"d{row * 5 + more}": 1 for more in range(5)} for row in range(QUERIES)}
    return Dataset("generated", "test", documents, queries, qrels)


def write(path: Path, rows: int, data: Dataset) -> tuple[list[str], int]:
    """Training rows, and the first hundredth of their texts for the peers; how many rows have a copy planted."""
    writer, chance = Writer(2), random.Random(3)
    queries, documents = list(data.queries.values()), [document.text for document in data.documents]
    sample: list[str] = []
    planted = 0
    with path.open("w", encoding="utf-8") as stream:
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            sides = (writer.texts(count, 4, 14), writer.texts(count, 20, 60), writer.texts(count, 20, 60))
            for row, (anchor, positive, negative) in enumerate(zip(*sides, strict=True), start=start):
                if row % PLANTED == 0:
                    planted += 1
                    if planted % 2:
                        anchor = changed(chance.choice(queries), chance)
                    else:
                        positive = changed(chance.choice(documents), chance)
                stream.write(json.dumps({"anchor": anchor, "positive": positive, "negative": negative}) + "\n")
                if row < max(rows // 100, 1_000):
                    sample += [anchor, positive, negative]
    return sample, planted


def changed(text: str, chance: random.Random) -> str:
    words = text.split()
    what = chance.randrange(3)
    if what == 1:
        one, other = chance.sample(range(len(words)), 2)
        words[one], words[other] = words[other], words[one]
    return " ".join(words) + (". And one more sentence behind it." if what == 2 else "")


def whole(title: str, path: Path, data: Dataset, rows: int, planted: int) -> None:
    before = memory("VmRSS")
    CLEAR_PEAK.write_text("5")
    begin = time.perf_counter()
    report: LeakageReport = find_leakage(data, [path], LeakageSettings())
    seconds = time.perf_counter() - begin
    grown = memory("VmHWM") - before
    if report.rows != rows:
        raise SystemExit(f"{rows} rows were written and {report.rows} read")
    found = report.leaking_rows / planted
    if not 0.95 <= found <= 1.01:
        raise SystemExit(f"{planted} rows have copies planted, {report.leaking_rows} were found")
    values = {"rows a second": rows / seconds}
    least = {"rows a second": ROWS / LIMIT_SECONDS}
    details = {
        "seconds": seconds,
        "memory grown, MiB": grown,
        "bytes": path.stat().st_size,
        "leaking of planted": found,
    }
    report_values(title, "rows a second", values, least, details=details)
    print(f"  {seconds:.1f} s, {grown:.0f} MiB more memory, {report.leaking_rows:,} of {planted:,} planted rows found")


def memory(what: str) -> float:
    """MiB of this process now (VmRSS), or at most since the peak was cleared (VmHWM)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def peers(title: str, texts: list[str], data: Dataset) -> None:
    known = [*data.queries.values(), *(document.text for document in data.documents)]
    index = Overlap(known)
    exact = frozenset(known)
    rivals: dict[str, Callable[[], object]] = {
        OURS: lambda: index.find(texts),
        "crossfade, one thread": lambda: index.find(texts, threads=1),
        SET: lambda: [text for text in texts if text in exact],
    }
    if installed("datasketch")["datasketch"] is not None:
        rivals[DATASKETCH] = datasketch_search(known, texts)
    measure(title, rivals, unit="texts", amount=len(texts), rounds=3, budget=10.0, reach={DATASKETCH: 10.0})


def datasketch_search(known: list[str], texts: list[str]) -> Callable[[], object]:
    library: Any = importlib.import_module("datasketch")

    def signature(text: str) -> Any:
        made = library.MinHash(num_perm=128)
        words = text.split()
        made.update_batch([" ".join(words[at : at + 3]).encode() for at in range(max(len(words) - 2, 1))])
        return made

    lsh = library.MinHashLSH(threshold=0.7, num_perm=128)
    for place, text in enumerate(known):
        lsh.insert(place, signature(text))
    return lambda: [lsh.query(signature(text)) for text in texts]


def main() -> int:
    rows = session().rows(ROWS, quick=ROWS // 50)
    data = evaluation()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "train.jsonl"
        sample, planted = write(path, rows, data)
        title = f"training rows held against {QUERIES:,} queries and {DOCUMENTS:,} documents, {rows:,} rows"
        if session().wants(title):
            whole(title, path, data, rows, planted)
        title = f"texts held against {QUERIES + DOCUMENTS:,} known ones, {len(sample):,} texts"
        if session().wants(title):
            peers(title, sample, data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
