"""Bootstrap intervals of coefficients of agreement, over units drawn with replacement.

The percentile interval (Efron and Tibshirani 1993, chapter 13). Units that have the same pattern of judgments are drawn
together, as a multinomial weight, which has the same distribution as drawing them one by one. The interval speaks about
other pairs like these, judged by the same judges; pairs of one query that are alike make it too narrow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossfade.evaluation.judgments.patterns import Floats, Integers
from crossfade.evaluation.judgments.results import Coefficient
from crossfade.intervals import Bootstrap

_LEAST_DEFINED = 0.95  # of the resamples: an interval of fewer would speak of the lucky ones only
_BLOCK = 1 << 21  # weights at a time


def coefficient(
    compute: Callable[[Floats | None], Floats],
    frequency: Integers,
    bootstrap: Bootstrap,
    *,
    otherwise: str,
) -> Coefficient:
    """A coefficient with its interval.

    `compute`: weights of shape (resamples, patterns), None for the data as they are, to values of shape (resamples,),
    NaN where undefined. `frequency`: units of each pattern. `otherwise`: what to say when the data have no such figure.
    """
    units = int(frequency.sum())
    if not units:
        return Coefficient(None, None, 0, "no pair was judged by two")
    value = float(compute(None)[0])
    if np.isnan(value):
        return Coefficient(None, None, units, otherwise)
    if units < 2:
        return Coefficient(value, None, units, "one pair alone has no interval")
    found = _resampled(compute, frequency, bootstrap)
    defined = found[~np.isnan(found)]
    if len(defined) < _LEAST_DEFINED * len(found):
        share = 1 - len(defined) / len(found)
        return Coefficient(value, None, units, f"no interval: {share:.0%} of the resamples hold one grade only")
    tail = (1 - bootstrap.confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Coefficient(value, (float(low), float(high)), units)


def _resampled(compute: Callable[[Floats | None], Floats], frequency: Integers, bootstrap: Bootstrap) -> Floats:
    random = np.random.default_rng(bootstrap.seed)
    units = int(frequency.sum())
    rows = max(1, _BLOCK // len(frequency))
    values = []
    for start in range(0, bootstrap.resamples, rows):
        size = min(rows, bootstrap.resamples - start)
        weights = random.multinomial(units, frequency / units, size=size).astype(np.float64)
        values.append(compute(weights))
    found: Floats = np.concatenate(values)
    return found
