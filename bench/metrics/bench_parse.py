"""Reading a TREC run of 1,000,000 lines, from the file to what can be evaluated.

ir_measures' reader yields one named tuple a line; it is timed to its last line, and once more with the dictionaries
that its own evaluation makes of them. pytrec_eval's reader makes dictionaries. `--quick` takes a tenth of the lines
and records nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import ir_measures
import numpy as np
import pytrec_eval

from bench.harness import OURS, installed, interleaved, report, save
from crossfade.tables import Run

DEPTH = 100


def write(path: Path, queries: int) -> None:
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as stream:
        for query in range(queries):
            documents = random.choice(8_000_000, DEPTH, replace=False).tolist()
            scores = sorted(random.random(DEPTH).tolist(), reverse=True)
            for rank, (document, score) in enumerate(zip(documents, scores, strict=True), start=1):
                stream.write(f"{query} Q0 {document} {rank} {score!r} bench\n")


def read_lines_with_ir_measures(path: Path) -> Iterator[ir_measures.ScoredDoc]:
    read: Callable[[str], Iterator[ir_measures.ScoredDoc]] = ir_measures.read_trec_run
    return read(str(path))


def read_with_ir_measures(path: Path) -> dict[str, dict[str, float]]:
    run: dict[str, dict[str, float]] = {}
    for row in read_lines_with_ir_measures(path):
        run.setdefault(row.query_id, {})[row.doc_id] = row.score
    return run


def read_with_pytrec_eval(path: Path) -> dict[str, dict[str, float]]:
    with path.open(encoding="utf-8") as stream:
        run: dict[str, dict[str, float]] = pytrec_eval.parse_run(stream)
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    versions = installed("ir-measures", "pytrec-eval-terrier")
    queries = 1_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        write(path, queries)
        if Run.read_trec(path).to_dict() != read_with_ir_measures(path):
            raise SystemExit("ir_measures reads another run: the figures would mean nothing")
        seconds = interleaved(
            {
                OURS: lambda: Run.read_trec(path),
                "ir_measures": lambda: deque(read_lines_with_ir_measures(path), maxlen=0),
                "ir_measures, dictionaries": lambda: read_with_ir_measures(path),
                "pytrec_eval": lambda: read_with_pytrec_eval(path),
                "crossfade, dictionaries": lambda: Run.read_trec(path).to_dict(),
            },
            rounds=3 if quick else 5,
        )
    cases = [report(f"reading a TREC run of {queries * DEPTH:,} lines", seconds, "lines", queries * DEPTH)]
    if not quick:
        save("parse", cases, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
