"""Documents by the mean of their best chunks: what a search makes of rows where a document's best one is not enough.

Computed exactly: the mean of the best n of all of a document's rows that may be found, whether the search came by them
or not; of all its rows where they are fewer than n. By words, a row that shares none with the query is not found, and
counts as nothing, not as zero. A mean is added up in float64; of vectors' scores it is rounded once to float32, as they
are.

Which documents those are: rows come best first, and a mean is never above its best row. So once the k-th mean of the
documents whose rows were seen is above the last row that was seen, no other document belongs among the k. Until then
the search looks deeper, at worst at every row. Where rows are scanned, or found by their words, these are the k
documents of the greatest means, exactly, as `crossfade.chunking.fold` of all rows' scores has them. Where graphs are
walked or codes compared, a document is missed all of whose best rows are missed.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from crossfade.retrieval.places import Places, places_of
from crossfade.store.types import Part

Scores = NDArray[np.float32] | NDArray[np.float64]


def rows_of_documents(part: Part, bits: NDArray[np.uint8] | None, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """All rows of the documents that some rows are of, ascending. `bits`: which rows of the part may be found, in
    little bit order, None for all; `rows`: int64, shape (n,), that may be.

    O(n log(rows of the longest document)): rows of a document that may be found lie one after the other.
    """
    numbers = _numbers(part)
    documents, first = np.unique(numbers[rows], return_index=True)
    starts = rows[first]
    below = _reach(numbers, documents, starts, -1)
    lengths = below + _reach(numbers, documents, starts, 1) + 1
    each = np.repeat(starts - below - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    # A write that failed may have left rows of the same number, dead, beside those that are alive.
    kept = numbers[each] == np.repeat(documents, lengths)
    if bits is not None:
        kept &= (bits[each >> 3] >> (each & 7).astype(np.uint8) & 1).astype(np.bool_)
    return np.sort(each[kept])


def _numbers(part: Part) -> NDArray[np.int64]:
    """Of each row the number of its document."""
    if part.documents is None:
        raise TypeError("a part in which documents have several rows needs to say which are whose")
    return part.documents


def _reach(
    numbers: NDArray[np.int64], documents: NDArray[np.int64], rows: NDArray[np.int64], step: int
) -> NDArray[np.int64]:
    """How many rows of the same document lie before (`step` -1) or behind (1) each of `rows`, without a gap: or more,
    where behind a gap there are others of that document."""
    room = rows if step < 0 else len(numbers) - 1 - rows
    same, other = np.zeros_like(rows), np.ones_like(rows)  # how far it is the same, and where not any more
    while True:
        # Twice as far each time, until it is another document or the part's end; then in halves.
        growing = other <= room
        growing[growing] = numbers[rows[growing] + step * other[growing]] == documents[growing]
        if not growing.any():
            break
        same[growing] = other[growing]
        other[growing] *= 2
    other = np.minimum(other, room + 1)
    while (open_ := np.flatnonzero(other - same > 1)).size:
        middle = (same[open_] + other[open_]) // 2
        found = numbers[rows[open_] + step * middle] == documents[open_]
        same[open_[found]] = middle[found]
        other[open_[~found]] = middle[~found]
    return same


def best_means(part: Part, number: int, rows: NDArray[np.int64], scores: Scores, best: int, k: int) -> Places:
    """The `k` best documents among those of `rows`, which are all rows of them that count, each with its best row.

    `number`: the part's. `rows`: int64, shape (n,), in the order of their `scores`, equal ones ascending; `scores`:
    shape (n,); a mean is of their type. `best`: how many rows of a document count.
    """
    if not len(rows):
        return []
    documents = _numbers(part)[rows]
    order = np.argsort(documents, kind="stable")
    documents = documents[order]
    starts = np.flatnonzero(np.append(True, documents[1:] != documents[:-1]))
    lengths = np.diff(np.append(starts, len(rows)))
    within = np.arange(len(rows)) - np.repeat(starts, lengths)
    values = scores[order].astype(np.float64)
    sums = np.add.reduceat(np.where(within < best, values, 0.0), starts)
    # Not above its best row by a rounding: the search ends by that.
    exact = np.minimum(sums / np.minimum(lengths, best), values[starts])
    means: Scores = exact.astype(np.float32) if scores.dtype == np.float32 else exact
    firsts = rows[order[starts]]
    if len(means) > k:
        last = -np.partition(-means, k - 1)[k - 1]
        chosen = np.flatnonzero(means >= last)
        means, firsts = means[chosen], firsts[chosen]
    return heapq.nsmallest(k, places_of(part, number, firsts, means))
