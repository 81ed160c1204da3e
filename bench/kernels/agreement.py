"""Answers are compared before anything is timed: the speed of a wrong answer means nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.kernels.peers import Answer

UNIT_ROUNDOFF = 2.0**-24


class Disagreement(SystemExit):
    """Two rivals gave different answers; the bench ends."""


def rounding(dimension: int) -> float:
    """How far two float32 inner products of the same two unit vectors may lie apart.

    Each is within gamma(d) |q|.|r| of the exact one (Higham 2002, section 3.1), and |q|.|r| is at most 1.
    """
    return 2 * dimension * UNIT_ROUNDOFF / (1 - dimension * UNIT_ROUNDOFF)


def check(name: str, theirs: Answer, ours: Answer, tolerance: float) -> None:
    """Equal scores within `tolerance`, and equal rows but for those that tie, within it, with the last one.

    Raises Disagreement, naming the rival and the query.
    """
    if theirs[0].shape != ours[0].shape:
        raise Disagreement(f"{name} answers in shape {theirs[0].shape}, crossfade in {ours[0].shape}")
    apart = np.abs(theirs[0].astype(np.float64) - ours[0]).max(axis=1)
    for query in np.flatnonzero(~(apart <= tolerance)).tolist():
        raise Disagreement(f"{name} and crossfade differ by {apart[query]:.3g} in a score of query {query}")
    for query, (left, right) in enumerate(zip(theirs[1], ours[1], strict=True)):
        last = ours[0][query, -1]
        for scores, rows, others in ((theirs[0][query], left, right), (ours[0][query], right, left)):
            lonely = ~np.isin(rows, others)
            if (scores[lonely] > last + 2 * tolerance).any():
                raise Disagreement(f"{name} and crossfade find different rows for query {query}")


def recall(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """The mean share of each query's `wanted` rows that are among those `found`."""
    shares = [np.isin(want, got).mean() for got, want in zip(found, wanted, strict=True)]
    return float(np.mean(shares))
