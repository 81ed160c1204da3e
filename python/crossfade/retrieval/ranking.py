"""Top-k of a snapshot in the order that collections promise: score descending, then id ascending."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.kernels import rescore, top_k, top_k_rescored
from crossfade.retrieval.means import best_means, rows_of_documents
from crossfade.retrieval.places import Place, Places, hits_of, ids_of, places_of
from crossfade.retrieval.types import Hit
from crossfade.store.metadata import BoundFilter
from crossfade.store.types import Metric, Part, Snapshot

# Entries of one widened answer: bounds its memory (12 bytes each) when a whole collection ties.
_WIDENED_ENTRIES = 1 << 20
# Rows asked for a document, at first, where documents have several.
_ROWS_A_DOCUMENT = 3
# Of the rows that codes take for the best, how many get a score for each that is asked for, and how many at least.
# Twice as many are enough where vectors lie apart. Of 50,000 in 30 clusters, each within 3% of its centre, 0.940 of the
# best 10 are among the 22 best by codes, 0.980 among 32, 0.997 among 64; of the best 100, 0.985 among 202, 0.999 among
# 303.
_CANDIDATES = 3
_LEAST_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Walking:
    """How graphs and codes are used. `exact`: not at all. `ef`: how far graphs are walked; None: as each was measured
    to need."""

    exact: bool = False
    ef: int | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rows of a part that may be found: `bits` in little bit order, None for all; `count`: how many."""

    bits: NDArray[np.uint8] | None
    count: int


def allowed(part: Part, condition: BoundFilter | None) -> Allowed:
    """The living rows that the filter keeps."""
    if condition is None:
        return Allowed(part.live, part.count)
    if part.select is None:
        raise TypeError("a filter needs a part with metadata")
    chosen = part.select(condition)
    if part.live is None:
        return Allowed(chosen.bits, chosen.count)
    bits = part.live & chosen.bits
    return Allowed(bits, int(np.bitwise_count(bits).sum()))


def rank(
    queries: NDArray[np.float32],
    snapshot: Snapshot,
    k: int,
    metric: Metric,
    threads: int,
    condition: BoundFilter | None = None,
    walking: Walking = Walking(),
) -> list[list[Hit]]:
    """The best `k` documents of each query, fewer when fewer may be found. `queries`: float32, (n, dimension).

    A document's score is the best of its rows'. Parts with a graph are walked, those with codes alone are scanned by
    them; either may miss some of the best. Scores are exact all the same: those of the part's vectors.
    """
    return [hits_of(snapshot, each) for each in nearest(queries, snapshot, k, metric, threads, condition, walking)]


def nearest(
    queries: NDArray[np.float32],
    snapshot: Snapshot,
    k: int,
    metric: Metric,
    threads: int,
    condition: BoundFilter | None = None,
    walking: Walking = Walking(),
    best_chunks: int = 1,
) -> list[Places]:
    """As `rank`, before hits are made of it. `best_chunks`: a document's score is the mean of its so many best rows
    (`crossfade.retrieval.means`)."""
    lists: list[list[Places]] = []
    way = _Way(metric, threads, walking, best_chunks)
    for number, part in enumerate(snapshot.parts):
        may = allowed(part, condition)
        if may.count:
            lists.append(_Search(queries, (part, number), may, way).best(k))
    return merged(lists, len(queries), k)


def merged(lists: Sequence[list[Places]], queries: int, k: int) -> list[Places]:
    """The best `k` of each query of all the parts' lists, each of them in order."""
    if not lists:
        return [[] for _ in range(queries)]
    if len(lists) == 1:
        return lists[0]
    return [list(islice(heapq.merge(*each), k)) for each in zip(*lists, strict=True)]


@dataclass(frozen=True, slots=True)
class _Way:
    metric: Metric
    threads: int
    walking: Walking
    best_chunks: int


class _Search:
    """Queries against a part.

    The kernel orders equal scores by row, so a tie at the last place may leave out the lower id, and documents of
    several rows may leave fewer documents than rows: queries whose answer is not sure are asked again, deeper.
    """

    def __init__(self, queries: NDArray[np.float32], part: tuple[Part, int], may: Allowed, way: _Way) -> None:
        """`part`: with its number."""
        self._queries = queries
        self._part, self._number = part
        self._may = may
        self._way = way
        self._graph = None if way.walking.exact else self._part.graph

    def best(self, k: int) -> list[Places]:
        size = self._may.count
        best: list[Places] = [[] for _ in self._queries]
        left = np.arange(len(self._queries))
        rows = 1 if self._part.whole else _ROWS_A_DOCUMENT * self._way.best_chunks
        depth = min(size, k * rows + 1)
        while left.size:
            still: list[int] = []
            chunk = max(1, _WIDENED_ENTRIES // depth)
            for start in range(0, len(left), chunk):
                some = left[start : start + chunk]
                for query, found in zip(some.tolist(), self._found(some, depth, k), strict=True):
                    if found is None:
                        still.append(query)
                    else:
                        best[query] = found
            left = np.array(still, dtype=np.int64)
            depth = min(depth * 4, size)
        return best

    def _found(self, some: NDArray[np.int64], depth: int, k: int) -> list[Places | None]:
        """The best of some queries; None where `depth` rows are too few to be sure."""
        queries = self._queries if len(some) == len(self._queries) else self._queries[some]
        scores, rows = self._top(queries, depth)
        # A walk does not tell whether a tie goes on behind its last row: what it found is the answer.
        whole = depth == self._may.count or (self._graph is not None and self._part.whole)
        if self._part.whole or self._way.best_chunks == 1:
            answer: Callable[..., Places | None] = self._documents if self._part.whole else self._folded
            return [answer(scores[at], rows[at], k, whole) for at in range(len(some))]
        return [self._by_means(queries[at : at + 1], scores[at], rows[at], k, whole) for at in range(len(some))]

    def _top(self, queries: NDArray[np.float32], depth: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        part, bits, way = self._part, self._may.bits, self._way
        if self._graph is not None:
            ef = max(part.ef, 2 * depth) if way.walking.ef is None else way.walking.ef
            walked = self._graph.search(queries, depth, ef=ef, mask=bits, threads=way.threads)
            return walked.scores, walked.indices
        vectors, metric, threads = part.vectors, way.metric, way.threads
        candidates = max(depth * _CANDIDATES, _LEAST_CANDIDATES)
        if part.codes is None or way.walking.exact or candidates >= self._may.count:
            found = top_k(queries, vectors, depth, metric=metric, mask=bits, threads=threads)
        else:
            found = top_k_rescored(
                queries, part.codes, vectors, depth, candidates=candidates, metric=metric, mask=bits, threads=threads
            )
        return found.scores, found.indices

    def _documents(self, scores: NDArray[np.float32], rows: NDArray[np.int64], k: int, whole: bool) -> Places | None:
        """Rows are documents. `whole`: these are all there are."""
        wanted = min(k, len(scores))
        last = scores[wanted - 1]
        if not whole and scores[-1] == last:
            return None
        if len(scores) > wanted and scores[wanted] == last:
            # A tie crosses the cut, and may be as large as the collection: take its lowest ids, and sort no more of it.
            above = int(np.count_nonzero(scores > last))
            within = rows[above : above + int(np.count_nonzero(scores == last))]
            lowest = heapq.nsmallest(wanted - above, zip(ids_of(self._part, within), within.tolist(), strict=True))
            below = -float(last)
            tail = [(below, name, self._number, row) for name, row in lowest]
            return [*self._sorted(scores[:above], rows[:above]), *tail]
        return self._sorted(scores[:wanted], rows[:wanted])

    def _folded(self, scores: NDArray[np.float32], rows: NDArray[np.int64], k: int, whole: bool) -> Places | None:
        """Each document once, by the best of its rows; of equal ones the first in the document."""
        return folded(places_of(self._part, self._number, rows, scores), k, whole=whole)

    def _by_means(
        self, query: NDArray[np.float32], scores: NDArray[np.float32], rows: NDArray[np.int64], k: int, whole: bool
    ) -> Places | None:
        """Each document once, by the mean of the best of all its rows, those that were not found among them."""
        part, way, last = self._part, self._way, float(scores[-1])
        if not whole:
            mine = rows_of_documents(part, self._may.bits, rows)
            scored = rescore(query, part.vectors, mine[None], len(mine), metric=way.metric, threads=way.threads)
            scores, rows = scored.scores[0], scored.indices[0]
        places = best_means(part, self._number, rows, scores, way.best_chunks, k)
        # No row beyond is above the last, and so no document's mean is.
        return places if whole or (len(places) == k and -places[-1][0] > last) else None

    def _sorted(self, scores: NDArray[np.float32], rows: NDArray[np.int64]) -> Places:
        places = places_of(self._part, self._number, rows, scores)
        tied: Any = (scores[1:] == scores[:-1]).any()
        if tied:
            places.sort()
        return places


def folded(rows: Places, k: int, *, whole: bool, with_ties: bool = False) -> Places | None:
    """The best `k` documents of rows in the order of their scores, each once, by the best of its rows; of equal ones by
    the first. None where there may be others: `whole`, these are all rows; `with_ties`, and otherwise all that score as
    the last of them.
    """
    best: dict[str, Place] = {}
    cut = np.inf  # of the k-th document
    for place in rows:
        if place[0] > cut:
            whole = True
            break
        if place[1] not in best:
            best[place[1]] = place
            if len(best) == k:
                cut, whole = place[0], whole or with_ties
    return heapq.nsmallest(k, best.values()) if whole else None
