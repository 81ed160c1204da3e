"""Rank-biased overlap of two runs (Webber, Moffat and Zobel 2010): how alike they are, where the top counts most.

`crossfade.correlation.rbo` is the same of one pair of rankings; this is of all queries at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.aligned import AlignedRuns, align
from crossfade.evaluation.array_run import RunLike
from crossfade.evaluation.order import Ties

_ROWS = 8192  # queries at once: what is computed of each rank takes some 50 bytes


@dataclass(frozen=True, slots=True)
class RankOverlap:
    """Extrapolated rank-biased overlap by query, from 0, disjoint, to 1, the same; `mean` over queries.

    `tied` counts the queries in which ties of scores were ordered by id; `only_base` and `only_candidate` those that
    one run alone answers: they count as 0.
    """

    mean: float
    per_query: dict[str, float]
    p: float
    depth: int
    tied: int
    only_base: int
    only_candidate: int


def rank_overlap(
    base: RunLike, candidate: RunLike, *, p: float = 0.9, depth: int = 100, ties: Ties = "float32"
) -> RankOverlap:
    """RBO_ext (Webber, Moffat and Zobel 2010, equation 32) of the first `depth` documents of each query.

    With X_d the overlap of the first d of both and s <= l their lengths, it is (1 - p) (Σ_{d=1..l} X_d / d p^(d-1) +
    Σ_{d=s+1..l} X_s (d - s) / (s d) p^(d-1)) + ((X_l - X_s) / l + X_s / s) p^l: the agreement seen is taken to go on
    below. `p`: how far down one looks, 1 / (1 - p) documents on average; the first ten carry 86% of the weight at 0.9.

    Ties: the rankings have none, because documents with equal scores are ordered by id in both runs, as trec_eval does
    (`align`). So a tie that both runs have in common counts as agreement, and one that a run breaks by score as
    whatever the ids make of it; `tied` says how many queries that concerns.

    Raises InvalidInput as `align` does, and for a `p` not between 0 and 1.
    """
    return overlap_of(align(base, candidate, depth=depth, ties=ties), p=p)


def overlap_of(aligned: AlignedRuns, *, p: float = 0.9) -> RankOverlap:
    """The same of runs that are aligned. Raises InvalidInput for a `p` not between 0 and 1."""
    values = overlaps(aligned, p)
    return RankOverlap(
        mean=float(values.mean()),
        per_query=dict(zip(aligned.query_ids, values.tolist(), strict=True)),
        p=p,
        depth=aligned.depth,
        tied=int(aligned.tied.sum()),
        only_base=aligned.only_base,
        only_candidate=aligned.only_candidate,
    )


def overlaps(aligned: AlignedRuns, p: float) -> NDArray[np.float64]:
    """RBO_ext of each query, shape (queries,); 0 where one ranking is empty, 1 where both are.

    A document at rank i of one and j of the other is in X_d from d = max(i, j) on, so that its part of the sums depends
    on max(i, j) and the lengths alone: equation 32 is summed over shared documents instead of over depths.
    """
    if not 0 < p < 1:
        raise InvalidInput(f"p must be between 0 and 1 (0.9 looks at ten documents on average), not {p}")
    count = len(aligned.query_ids)
    parts = [_overlaps(_rows(aligned, slice(start, start + _ROWS)), p) for start in range(0, max(count, 1), _ROWS)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _rows(aligned: AlignedRuns, rows: slice) -> AlignedRuns:
    return AlignedRuns(
        aligned.query_ids[rows],
        aligned.base_lengths[rows],
        aligned.candidate_lengths[rows],
        aligned.positions[rows],
        aligned.tied[rows],
        aligned.depth,
    )


def _overlaps(aligned: AlignedRuns, p: float) -> NDArray[np.float64]:
    depths = np.arange(1, aligned.positions.shape[1] + 1)
    weights = p ** (depths - 1.0)
    by_depth = np.concatenate([[0.0], np.cumsum(weights / depths)])  # Σ p^(d-1) / d up to d
    plain = np.concatenate([[0.0], np.cumsum(weights)])
    lengths = np.stack([aligned.base_lengths, aligned.candidate_lengths])
    both = lengths.min(axis=0) > 0
    short, long = np.maximum(lengths.min(axis=0), 1), np.maximum(lengths.max(axis=0), 1)
    shared = aligned.positions >= 0
    entered = np.maximum(aligned.positions, depths - 1)  # max(i, j) - 1
    below = p**long / long
    each = (1 - p) * (by_depth[long][:, None] - by_depth[entered]) + below[:, None]
    early = (shared & (entered < short[:, None])).sum(axis=1)  # X_s
    longer = (1 - p) * ((plain[long] - plain[short]) / short - (by_depth[long] - by_depth[short]))
    longer += p**long * (1 / short - 1 / long)
    values = np.where(shared, each, 0).sum(axis=1) + early * longer
    # Rounding may carry the sum past 1 by a last digit.
    found: NDArray[np.float64] = np.where(both, np.minimum(values, 1.0), (lengths.max(axis=0) == 0).astype(np.float64))
    return found
