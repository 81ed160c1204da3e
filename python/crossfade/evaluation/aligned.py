"""Two runs side by side: at which rank the candidate has what the base has, for all queries at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice, repeat

import numpy as np
from numpy.typing import NDArray

from crossfade import tables
from crossfade.errors import InvalidInput
from crossfade.evaluation.order import Ties, trec_order

RunLike = tables.Run | Mapping[str, Mapping[str, float]]
"""A run: query id to document id to score, as a table or a mapping."""

_ABSENT = -1


@dataclass(frozen=True, slots=True)
class AlignedRuns:
    """The first `depth` documents of two runs, for each query that either of them answers.

    `query_ids`: those of the base in its order, then what only the candidate has. `base_lengths`,
    `candidate_lengths`: how many documents each has, shape (queries,), int64; 0 where a run lacks the query.
    `positions`: shape (queries, depth), int64: the rank from 0 that the candidate gives to the base's document at this
    rank, -1 where it is not among the candidate's first `depth`, or the base has no document at this rank.
    `tied`: shape (queries,), bool: whether either ranking holds, or is cut at, a tie of scores, so that what is
    compared is in part the order of ids.
    """

    query_ids: tuple[str, ...]
    base_lengths: NDArray[np.int64]
    candidate_lengths: NDArray[np.int64]
    positions: NDArray[np.int64]
    tied: NDArray[np.bool_]

    @property
    def depth(self) -> int:
        return int(self.positions.shape[1])

    @property
    def only_base(self) -> int:
        """Queries that the base alone answers."""
        return int(((self.base_lengths > 0) & (self.candidate_lengths == 0)).sum())

    @property
    def only_candidate(self) -> int:
        """Queries that the candidate alone answers."""
        return int(((self.base_lengths == 0) & (self.candidate_lengths > 0)).sum())

    def cut(self, depth: int) -> AlignedRuns:
        """The same to a lesser depth. `tied` stays what it is at the greater one."""
        if not 1 <= depth <= self.depth:
            raise InvalidInput(f"depth must be from 1 to {self.depth}, to which the runs were aligned, not {depth}")
        head = self.positions[:, :depth]
        return AlignedRuns(
            self.query_ids,
            np.minimum(self.base_lengths, depth),
            np.minimum(self.candidate_lengths, depth),
            np.where(head < depth, head, _ABSENT),
            self.tied,
        )


def align(base: RunLike, candidate: RunLike, *, depth: int = 100, ties: Ties = "float32") -> AlignedRuns:
    """Hold the first `depth` documents of two runs side by side. Linear in their size.

    Ties are ordered as trec_eval does, in both runs alike: score descending, at the precision that `ties` names, then
    document id descending. A ranking may be shorter than `depth`.

    Raises InvalidInput for a run without queries, a score that is not finite, and a depth below 1.
    """
    if depth < 1:
        raise InvalidInput(f"depth must be 1 or more, not {depth}")
    sides = [_Ranked(run, depth, ties, name) for run, name in ((base, "base"), (candidate, "candidate"))]
    first, second = sides
    query_ids = tuple(dict.fromkeys(chain(first.rankings, second.rankings)))
    empty: list[str] = []
    flat: list[int] = []
    lengths = np.zeros((2, len(query_ids)), dtype=np.int64)
    for row, query_id in enumerate(query_ids):
        ours, theirs = first.rankings.get(query_id, empty), second.rankings.get(query_id, empty)
        place = dict(zip(theirs, range(len(theirs)), strict=True))
        flat.extend(map(place.get, ours, repeat(_ABSENT)))
        lengths[:, row] = len(ours), len(theirs)
    positions = np.full((len(query_ids), depth), _ABSENT, dtype=np.int64)
    positions[np.arange(depth) < lengths[0][:, None]] = np.fromiter(flat, dtype=np.int64, count=len(flat))
    tied = np.fromiter((any(query_id in side.tied for side in sides) for query_id in query_ids), dtype=np.bool_)
    return AlignedRuns(query_ids, lengths[0], lengths[1], positions, tied)


class _Ranked:
    """The heads of a run's rankings, in trec_eval's order, and which of them have ties."""

    def __init__(self, run: RunLike, depth: int, ties: Ties, name: str) -> None:
        table = run if isinstance(run, tables.Run) else tables.Run.from_dict(run)
        if not len(table):
            raise InvalidInput(f"the {name} run has no queries: there is nothing to compare")
        found = table.to_dict()  # best first, ties of double precision by id descending
        lengths = np.fromiter(map(len, found.values()), dtype=np.int64, count=len(found))
        scores = np.fromiter(chain.from_iterable(map(dict.values, found.values())), dtype=np.float64, count=table.rows)
        with np.errstate(over="ignore"):  # beyond float32 all are equal, as in trec_eval
            compared = scores.astype(np.float32) if ties == "float32" else scores
        starts = np.cumsum(lengths) - lengths
        query = np.repeat(np.arange(len(found)), lengths)
        rank = np.arange(len(scores)) - starts[query]
        beside = query[1:] == query[:-1]
        equal = beside & (compared[1:] == compared[:-1])
        ids = list(found)
        self.tied = {ids[row] for row in np.unique(query[1:][equal & (rank[1:] <= depth)]).tolist()}
        self.rankings = {query_id: list(islice(ranking, depth)) for query_id, ranking in found.items()}
        # Equal at the precision asked for and different in double: the order of ids was not applied to them.
        for row in np.unique(query[1:][equal & (scores[1:] != scores[:-1])]).tolist():
            ordered = trec_order(found[ids[row]], ties)
            self.rankings[ids[row]] = [document_id for document_id, _ in ordered[:depth]]
