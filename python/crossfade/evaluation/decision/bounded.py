"""A lower confidence bound of a mean difference that holds whatever the distribution, at any number of queries.

A bootstrap interval and a sign-flip test of non-inferiority both trust the losses that they saw. Where losses are rare
and large (one query in twenty loses everything), a sample without any of them has no spread, and both then call a true
loss of the margin impossible. This bound asks one thing alone: that no difference lies outside -1 and 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BETS = 0.5 ** np.arange(6)
"""Shares of the stake, shape (6,). The best share for a spread s and a margin m is about m / s**2, and half or twice
the best wins nearly as fast; below 1/32 many thousands of queries are needed whatever is staked."""

_HALVINGS = 60  # 2**-59 of the range: nearer than a double tells apart
_ROUNDING = 1e-9  # differences of measures that were rounded


def lower_bound(change: NDArray[np.float64], level: float) -> float | None:
    """What the true mean lies above but for a rate of at most `level`. None where a difference lies outside -1 and 1.

    `change`: shape (n,), independent, all of them in [-1, 1]; their order counts for nothing. The bound is in [-1, 1).

    The bound of Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", with a
    mixture of fixed bets for a sample whose size was fixed beforehand. Suppose that the true mean is at most -m. A bet
    that stakes the share c in [0, 1] multiplies its wealth by 1 + c (d + m) / (1 - m) at a difference d: never
    negative, as d >= -1, and at most 1 on average. Queries are independent, so the wealth after all of them, and the
    mean of it over bets that were fixed beforehand, is at most 1 on average; by Markov's inequality it reaches
    1 / level with probability at most `level`. Each factor grows with m, so the means that are not refuted are those
    above one bound, which is found by halving.
    """
    if change.size == 0 or not np.abs(change).max() <= 1 + _ROUNDING:
        return None
    values, counts = np.unique(np.clip(change, -1.0, 1.0), return_counts=True)
    # `high` is always refuted, or 1, as no mean lies below -1.
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        margin = (low + high) / 2
        if _log_wealth(values, counts, margin) >= -math.log(level):
            high = margin
        else:
            low = margin
    return -high


def _log_wealth(values: NDArray[np.float64], counts: NDArray[np.int64], margin: float) -> float:
    """Natural logarithm of the mixture's wealth against a mean of -margin, margin below 1."""
    if margin >= 1:
        return math.inf
    with np.errstate(divide="ignore"):  # the whole stake is lost at a difference of -1: log 0
        grown = np.log1p(np.maximum(BETS[:, None] * (values + margin) / (1 - margin), -1.0)) @ counts
    return float(np.logaddexp.reduce(grown)) - math.log(BETS.size)
