"""Documents by words: the order that is promised, where rows tie by the hundred and documents have several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.lexical import AnalyserSettings, Segment, Tail, build
from crossfade.retrieval.places import hits_of
from crossfade.retrieval.words import matching, rank_words
from crossfade.store.strings import Strings
from crossfade.store.types import Part, Snapshot

SETTINGS = AnalyserSettings("plain", "none")


def strings(ids: list[str]) -> Strings:
    encoded = [name.encode() for name in ids]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in encoded])]).astype(np.int64)
    return Strings(offsets, np.frombuffer(b"".join(encoded), np.uint8))


def snapshot(
    folder: Path, texts: list[str], ids: list[str], cut: int, live: NDArray[np.bool_] | None, *, whole: bool, bare: bool
) -> Snapshot:
    """The rows before the cut in a segment, those behind in a tail. `bare`: no spans, no keys."""
    build(folder / "segment", [texts[:cut]], SETTINGS)
    tail = Tail(SETTINGS)
    tail.append(texts[cut:])
    parts = []
    named = ((strings(ids[:cut]), Segment(folder / "segment")), (ids[cut:], tail.view()))
    for (names, text), start in zip(named, (0, cut), strict=True):
        rows = np.arange(start, start + len(names))
        spans = np.stack([rows, rows + 1], axis=1).astype(np.int32)
        vectors = np.zeros((len(names), 1), np.float32)
        some = None if live is None else live[rows]
        count = len(names) if some is None else int(some.sum())
        bits = None if some is None else np.packbits(some, bitorder="little")
        part = Part(names, vectors, bits, count, whole=whole, text=text)
        parts.append(part if bare else replace(part, spans=spans, documents=rows.astype(np.int64)))
    return Snapshot(tuple(parts))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("k", [1, 7, 400])
@pytest.mark.parametrize("dead", [None, 3, 40])
def test_the_lowest_ids_of_all_that_tie(tmp_path: Path, whole: bool, k: int, dead: int | None) -> None:
    rng = np.random.default_rng(k)
    rows = 4_000
    # One word of all rows, so that thousands tie; one of some; and a few longer rows.
    texts = ["same" + " other" * (row % 40 == 0) + " long" * (row % 9 == 0) for row in range(rows)]
    names = [f"é-{number:05d}" for number in rng.permutation(rows).tolist()]
    # All rows of a document lie in one part.
    ids = names if whole else [names[row // 3] if row < 3_000 else names[row] for row in range(rows)]
    live = None if dead is None else np.arange(rows) % dead != 0
    bare = dead == 3
    snap = snapshot(tmp_path, texts, ids, 3_000, live, whole=whole, bare=bare)
    queries = ["same", "other", "same other", "long long same", "nowhere"]
    found = matching(queries, snap, k, threads=1)
    assert rank_words(queries, snap, k, threads=1) == [hits_of(snap, each) for each in found]
    parts = [lexical.Part(part.text, part.live) for part in snap.parts if part.text is not None]
    for given, query in zip(found, queries, strict=True):
        (all_rows,) = lexical.search([query], parts, rows)
        best: dict[str, float] = {}
        places: dict[str, set[tuple[int, int]]] = {}
        for part, row, score in zip(*(column.tolist() for column in all_rows), strict=True):
            name = snap.parts[part].ids[row]
            best.setdefault(name, score)
            if score == best[name]:
                places.setdefault(name, set()).add((part, row))
        wanted = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k]
        hits = hits_of(snap, given)
        assert [(hit.id, hit.score) for hit in hits] == wanted
        for hit, (_, _, part, row) in zip(hits, given, strict=True):
            assert (part, row) in places[hit.id]
            row += 3_000 * part
            assert (hit.span, hit.key) == ((None, -1) if bare else ((row, row + 1), row))
