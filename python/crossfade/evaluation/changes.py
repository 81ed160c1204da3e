"""What users will see change when one way to answer queries takes the place of another. It does not decide."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.evaluation.aligned import align
from crossfade.evaluation.array_run import RunLike
from crossfade.evaluation.churn import Churn, churn_of
from crossfade.evaluation.rank_overlap import RankOverlap, overlap_of

_SEEN = 10
_PERSISTENCE = 0.9
_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """Of two runs over the same queries. `churn` is of the first ten results."""

    rank_overlap: RankOverlap
    churn: Churn

    def sentence(self) -> str:
        """For people."""
        found = self.churn
        if not found.any:
            return f"Users see no change: the first {found.depth} results are the same for every query."
        return (
            f"What users will see change: another first result for {found.first:.0%} of the queries, and "
            f"{found.documents:.0%} of the first {found.depth} results (rank-biased overlap "
            f"{self.rank_overlap.mean:.2f}, 1 is no change)."
        )


def changes(base: RunLike, candidate: RunLike) -> Changes:
    """Rank-biased overlap and churn. Raises InvalidInput as `align` does."""
    aligned = align(base, candidate, depth=_DEPTH)
    return Changes(overlap_of(aligned, p=_PERSISTENCE), churn_of(aligned, depth=_SEEN))
