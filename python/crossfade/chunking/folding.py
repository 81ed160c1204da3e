"""Chunks are searched, documents are asked for: the scores of a document's chunks folded into one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade.arguments import array, whole
from crossfade.errors import InvalidInput

_MOST = 1 << 31


class Fold(StrEnum):
    """How a document's score comes of those of its chunks that were found.

    MAX: the best one. MEAN: the mean of the best n, or of all that were found where they are fewer: a chunk that was
    not found counts as nothing, not as zero, so that a document of one good chunk is not outranked by a long one's
    mediocre many.
    """

    MAX = "max"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class FoldedHits:
    """The documents of each query, best first: score descending, equal scores by document id ascending (UTF-8 bytes).

    `documents`: int64, shape (queries, k): numbers of documents; `scores`: float32, the same shape; `chunks`: int64,
    the row of each document's best chunk, whose span is what to show; `counts`: int64, shape (queries,): how many of a
    row are there. What is behind is -1, and -infinity in `scores`.
    """

    documents: NDArray[np.int64]
    scores: NDArray[np.float32]
    chunks: NDArray[np.int64]
    counts: NDArray[np.int64]


class ChunkIndex:
    """Which document each chunk belongs to. Immutable; made once an index, for its ids are sorted here."""

    def __init__(self, ids: Sequence[str], chunk_counts: ArrayLike) -> None:
        """`ids[d]`: the id of document d; `chunk_counts`: how many chunks each has, in the order of their rows.

        Raises InvalidInput for lengths that differ, a negative count or an id twice.
        """
        counts = array(chunk_counts, "chunk_counts")
        if counts.shape != (len(ids),) or (counts.dtype.kind not in "iu" and counts.size):
            raise InvalidInput(
                f"chunk_counts must be one whole number for each of the {len(ids)} documents, not {counts.dtype} of "
                f"shape {counts.shape}"
            )
        counts = counts.astype(np.int64)
        if (counts < 0).any():
            raise InvalidInput(f"document {int(np.argmax(counts < 0))} has a negative number of chunks")
        # Python compares strings by code point, and UTF-8 bytes keep that order.
        order = sorted(range(len(ids)), key=ids.__getitem__)
        for one, other in itertools.pairwise(order):
            if ids[one] == ids[other]:
                raise InvalidInput(f"the id {ids[one]!r} is given to documents {one} and {other}: ids must be unique")
        self.ids = ids
        self.rank: NDArray[np.int64] = np.empty(len(ids), dtype=np.int64)
        self.rank[order] = np.arange(len(ids))
        self.document_of: NDArray[np.int64] = np.repeat(np.arange(len(ids), dtype=np.int64), counts)
        self.first_chunk: NDArray[np.int64] = np.concatenate(([0], np.cumsum(counts)))


def fold(
    scores: ArrayLike, rows: ArrayLike, index: ChunkIndex, k: SupportsIndex, how: Fold = Fold.MAX, best: int = 3
) -> FoldedHits:
    """The best `k` documents of each query, out of its hits among chunks.

    `scores`: real, shape (queries, depth); `rows`: the chunks' rows, whole numbers, the same shape; a row of -1 is no
    hit. Hits may be in any order; a chunk counts once. `best`: n of MEAN. A mean is computed in float64 and rounded
    once to float32, as scores are. Among equal chunks of a document the first one is shown.

    Raises InvalidInput for shapes that differ, NaN, a row that the index does not have, or a chunk twice.
    """
    wanted, best = whole(k, "k", 1, _MOST), whole(best, "best", 1, _MOST)
    try:
        how = Fold(how)
    except ValueError:
        raise InvalidInput(f"how must be one of {', '.join(Fold)}, not {how!r}") from None
    values, places = _checked(scores, rows, index)
    values, places = _in_order(values, places)
    queries, depth = values.shape
    wanted = min(wanted, depth, len(index.ids))
    if not queries or not wanted:
        return _nothing(queries, wanted)
    # One whole number a hit, equal for none: sorted, a query's hits lie by document, the best first.
    documents = np.where(places < 0, len(index.ids), index.document_of[places] if len(index.document_of) else 0)
    keys = np.sort(documents << 32 | np.arange(depth), axis=1)
    documents, position = keys >> 32, keys & 0xFFFFFFFF
    first = np.ones(keys.shape, dtype=np.bool_)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    sorted_scores = np.take_along_axis(values, position, axis=1)
    folded = sorted_scores if how is Fold.MAX or best == 1 else _means(sorted_scores, first, best)
    shown = first & (documents < len(index.ids))
    ranks = index.rank[np.minimum(documents, len(index.ids) - 1)]
    order = np.argsort(np.where(shown, _descending(folded) << 32 | ranks, np.iinfo(np.int64).max), axis=1)[:, :wanted]
    counts = np.minimum(shown.sum(axis=1), wanted)
    there = np.arange(wanted) < counts[:, np.newaxis]
    rows_shown = np.take_along_axis(places, np.take_along_axis(position, order, axis=1), axis=1)
    return FoldedHits(
        documents=np.where(there, np.take_along_axis(documents, order, axis=1), -1),
        scores=np.where(there, np.take_along_axis(folded, order, axis=1), np.float32(-np.inf)),
        chunks=np.where(there, rows_shown, -1),
        counts=counts,
    )


def _means(scores: NDArray[np.float32], first: NDArray[np.bool_], best: int) -> NDArray[np.float32]:
    """At each document's first hit, the mean of its first `best`; elsewhere nothing of use."""
    flat, starts = scores.astype(np.float64).ravel(), np.flatnonzero(first.ravel())
    lengths = np.diff(np.append(starts, flat.size))
    within = np.arange(flat.size) - np.repeat(starts, lengths)
    sums = np.add.reduceat(np.where(within < best, flat, 0.0), starts)
    result = np.zeros(flat.size, dtype=np.float32)
    result[starts] = sums / np.minimum(lengths, best)
    return result.reshape(scores.shape)


def _descending(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers from -2^31 on that ascend as the scores descend; both zeros are one."""
    bits = (scores + np.float32(0)).view(np.int32).astype(np.int64)
    return -np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _checked(scores: ArrayLike, rows: ArrayLike, index: ChunkIndex) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    values, places = array(scores, "scores"), array(rows, "rows")
    if values.ndim != 2 or values.shape != places.shape:
        raise InvalidInput(
            "scores and rows must both have the axes (queries, depth), not the shapes "
            f"{values.shape} and {places.shape}"
        )
    if (values.dtype.kind not in "fiu" or places.dtype.kind not in "iu") and values.size:
        raise InvalidInput(f"scores must be real and rows whole numbers, not {values.dtype} and {places.dtype}")
    values = values.astype(np.float32)
    places = places.astype(np.int64)
    chunks = len(index.document_of)
    wrong = (places < -1) | (places >= chunks)
    if wrong.any():
        query, hit = np.argwhere(wrong)[0].tolist()
        raise InvalidInput(f"query {query}, hit {hit}: there is no chunk {places[query, hit]}, the index has {chunks}")
    bad = np.isnan(values) & (places >= 0)
    if bad.any():
        query, hit = np.argwhere(bad)[0].tolist()
        raise InvalidInput(f"query {query}, hit {hit}: its score is NaN, which has no place in an order")
    ordered = np.sort(places, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        query, at = np.argwhere(twice)[0].tolist()
        raise InvalidInput(f"query {query}: the chunk {ordered[query, at]} is among its hits twice")
    return values, places


def _in_order(values: NDArray[np.float32], places: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """By score descending, then row ascending, as the kernels give them; -1 behind."""
    values = np.where(places < 0, np.float32(-np.inf), values)
    after, before = values[:, 1:], values[:, :-1]
    later = (places[:, 1:] > places[:, :-1]) | (places[:, 1:] < 0)
    if ((before > after) | ((before == after) & later)).all():
        return values, places
    order = np.lexsort((np.where(places < 0, _MOST, places), -values), axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(places, order, axis=1)


def _nothing(queries: int, wanted: int) -> FoldedHits:
    nobody = np.full((queries, wanted), -1, dtype=np.int64)
    scores = np.full((queries, wanted), -np.inf, dtype=np.float32)
    return FoldedHits(nobody, scores, nobody.copy(), np.zeros(queries, dtype=np.int64))
