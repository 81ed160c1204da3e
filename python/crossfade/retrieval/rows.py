"""Rows in place of hits: for whoever searches so many queries that an object for each hit would be the larger part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.kernels import top_k
from crossfade.retrieval.ranking import Walking, rank
from crossfade.store.types import Metric, Part, Snapshot


class RankedRows(NamedTuple):
    """The best rows of every query, in the order of `Retriever.search_texts`: score descending, then id ascending.

    `rows`: int32, `scores`: float32, both of shape (queries, min(k, rows of the collection)).
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


def rank_rows(
    queries: NDArray[np.float32],
    snapshot: Snapshot,
    k: int,
    metric: Metric,
    threads: int,
    places: Mapping[str, int],
) -> RankedRows:
    """What `ranking.rank` finds when it looks at every vector, bit for bit, as arrays.

    `places`: document id to row. Raises InvalidInput unless the snapshot is one part of whole documents, all alive.
    """
    if not snapshot.parts:
        return RankedRows(np.empty((len(queries), 0), np.int32), np.empty((len(queries), 0), np.float32))
    part = snapshot.parts[0]
    if len(snapshot.parts) > 1 or part.live is not None or not part.whole:
        raise InvalidInput("rows are told of one part of whole documents that are all there: search for hits instead")
    wanted = min(k, part.count)
    found = top_k(queries, part.vectors, min(k + 1, part.count), metric=metric, threads=threads)
    rows, scores = found.indices[:, :wanted].astype(np.int32), found.scores[:, :wanted].copy()
    equal = found.scores[:, 1:] == found.scores[:, :-1]
    for query in np.flatnonzero(equal.any(axis=1)).tolist():
        if found.scores.shape[1] > wanted and equal[query, wanted - 1]:
            # A tie crosses the cut: which of its documents belong here is said where hits are.
            (hits,) = rank(queries[query : query + 1], snapshot, k, metric, threads, None, Walking(exact=True))
            rows[query] = [places[hit.id] for hit in hits]
            scores[query] = [hit.score for hit in hits]
        else:
            _order_ties(rows[query], scores[query], part)
    return RankedRows(rows, scores)


def _order_ties(rows: NDArray[np.int32], scores: NDArray[np.float32], part: Part) -> None:
    """Equal scores by id, in place: the kernel orders them by row. Scores are in order already."""
    ids: Sequence[str] = part.ids
    pairs = zip((-scores).tolist(), rows.tolist(), strict=True)
    rows[:] = [row for _, row in sorted(pairs, key=lambda pair: (pair[0], ids[pair[1]]))]
