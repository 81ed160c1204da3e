"""Exact top-k of a snapshot in the order that collections promise: score descending, then id ascending."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.kernels import top_k
from crossfade.retrieval.types import Hit
from crossfade.store.types import Metric, Snapshot

# Entries of one widened answer: bounds its memory (12 bytes each) when a whole collection ties.
_WIDENED_ENTRIES = 1 << 20


def rank(queries: NDArray[np.float32], snapshot: Snapshot, k: int, metric: Metric, threads: int) -> list[list[Hit]]:
    """The best `k` documents of each query, fewer when the snapshot holds fewer.

    `queries`: float32, shape (n, dimension). The kernel orders equal scores by row, so a tie at the k-th place may
    leave out the lower id: one result more than asked for shows such a tie, and those queries are answered again,
    deeper, until the whole tie is in hand.
    """
    size = len(snapshot.ids)
    if size == 0:
        return [[] for _ in queries]
    wanted = min(k, size)
    depth = min(wanted + 1, size)
    scores, rows = top_k(queries, snapshot.vectors, depth, metric=metric, threads=threads)
    hits: list[list[Hit]] = [[]] * len(queries)
    cut = np.flatnonzero(scores[:, wanted - 1] == scores[:, -1]) if depth > wanted else np.empty(0, np.int64)
    for query in np.setdiff1d(np.arange(len(queries)), cut).tolist():
        hits[query] = _ordered(scores[query], rows[query], snapshot, wanted)
    while cut.size:
        depth = min(depth * 4, size)
        still: list[int] = []
        chunk = max(1, _WIDENED_ENTRIES // depth)
        for start in range(0, len(cut), chunk):
            part = cut[start : start + chunk]
            scores, rows = top_k(queries[part], snapshot.vectors, depth, metric=metric, threads=threads)
            for position, query in enumerate(part.tolist()):
                if depth < size and scores[position, wanted - 1] == scores[position, -1]:
                    still.append(query)
                else:
                    hits[query] = _ordered(scores[position], rows[position], snapshot, wanted)
        cut = np.array(still, dtype=np.int64)
    return hits


def _ordered(scores: NDArray[np.float32], rows: NDArray[np.int64], snapshot: Snapshot, wanted: int) -> list[Hit]:
    """The first `wanted` hits of one query whose ties are all in hand."""
    ids = snapshot.ids
    last = scores[wanted - 1]
    if len(scores) > wanted and scores[wanted] == last:
        # A tie crosses the cut, and may be as large as the collection: take its lowest ids, and sort no more of it.
        above = int(np.count_nonzero(scores > last))
        within = rows[above : above + int(np.count_nonzero(scores == last))]
        chosen = heapq.nsmallest(wanted - above, (ids[row] for row in within.tolist()))
        tail = [Hit(name, float(last)) for name in chosen]
        return [*_sorted(scores[:above], rows[:above], ids), *tail]
    return _sorted(scores[:wanted], rows[:wanted], ids)


def _sorted(scores: NDArray[np.float32], rows: NDArray[np.int64], ids: Sequence[str]) -> list[Hit]:
    names = [ids[row] for row in rows.tolist()]
    hits = list(map(Hit._make, zip(names, scores.tolist(), strict=True)))
    tied: Any = (scores[1:] == scores[:-1]).any()
    if tied:
        # Python compares strings by code point, and UTF-8 bytes keep that order.
        hits.sort(key=lambda hit: (-hit.score, hit.id))
    return hits
