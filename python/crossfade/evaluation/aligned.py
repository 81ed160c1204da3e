"""Two runs side by side: at which rank the candidate has what the base has, for all queries at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade import tables
from crossfade.errors import InvalidInput
from crossfade.evaluation.array_run import PIECE, ArrayRun, RunLike, as_table, pieces, some
from crossfade.evaluation.order import Ties

_ABSENT = -1


@dataclass(frozen=True, slots=True)
class AlignedRuns:
    """The first `depth` documents of two runs, for each query that either of them answers.

    `query_ids`: those of the base in its order, then what only the candidate has. `base_lengths`, `candidate_lengths`:
    how many documents each has, shape (queries,), int64; 0 where a run lacks the query. `positions`: shape (queries,
    ranks), int32, with at most `depth` ranks: the rank from 0 that the candidate gives to the base's document at this
    rank, -1 where it is not among the candidate's first `depth`, or the base has no document at this rank. `tied`:
    shape (queries,), bool: whether either ranking holds, or is cut at, a tie of scores, so that what is compared is in
    part the order of ids.
    """

    query_ids: tuple[str, ...]
    base_lengths: NDArray[np.int64]
    candidate_lengths: NDArray[np.int64]
    positions: NDArray[np.int32]
    tied: NDArray[np.bool_]
    depth: int

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
            np.where(head < depth, head, np.int32(_ABSENT)),
            self.tied,
            depth,
        )


def align(base: RunLike, candidate: RunLike, *, depth: int = 100, ties: Ties = "float32") -> AlignedRuns:
    """Hold the first `depth` documents of two runs side by side. Linear in their size.

    Ties are ordered as trec_eval does, in both runs alike: score descending, at the precision that `ties` names, then
    document id descending. A ranking may be shorter than `depth`.

    Raises InvalidInput for a run without queries, a score that is not finite, and a depth below 1.
    """
    for run, name in ((base, "base"), (candidate, "candidate")):
        if not len(run):
            raise InvalidInput(f"the {name} run has no queries: there is nothing to compare")
    if isinstance(base, tables.Run) or isinstance(candidate, tables.Run):
        return _aligned(as_table(base), as_table(candidate), depth, ties)
    queries = list(dict.fromkeys([*base, *candidate]))
    if len(queries) <= PIECE or not (isinstance(base, ArrayRun) or isinstance(candidate, ArrayRun)):
        return _aligned(as_table(base), as_table(candidate), depth, ties)
    parts = [
        _aligned(as_table(some(base, each)), as_table(some(candidate, each)), depth, ties) for each in pieces(queries)
    ]
    return _joined(parts)


def _aligned(base: tables.Run, candidate: tables.Run, depth: int, ties: Ties) -> AlignedRuns:
    query_ids, lengths, positions, tied = base.align(candidate, depth, ties=ties)
    if not positions.shape[1]:  # not one document in either: one rank, so that there is a first
        positions = np.full((len(query_ids), 1), _ABSENT, dtype=np.int32)
    return AlignedRuns(query_ids, lengths[0], lengths[1], positions, tied, depth)


def _joined(parts: list[AlignedRuns]) -> AlignedRuns:
    """Of other queries each. Those that only the candidate answers stand behind those of the base, part by part."""
    width = max(part.positions.shape[1] for part in parts)
    positions = np.full((sum(len(part.query_ids) for part in parts), width), _ABSENT, dtype=np.int32)
    start = 0
    for part in parts:
        positions[start : start + len(part.query_ids), : part.positions.shape[1]] = part.positions
        start += len(part.query_ids)
    return AlignedRuns(
        tuple(query for part in parts for query in part.query_ids),
        np.concatenate([part.base_lengths for part in parts]),
        np.concatenate([part.candidate_lengths for part in parts]),
        positions,
        np.concatenate([part.tied for part in parts]),
        parts[0].depth,
    )
