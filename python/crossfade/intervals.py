"""Bootstrap intervals of means over queries: the door to the Rust intervals.

The percentile interval (Efron and Tibshirani 1993, chapter 13) runs between two percentiles of the means of resamples,
interpolated linearly (Hyndman and Fan 1996, type 7). BCa (Efron 1987; Efron and Tibshirani 1993, section 14.3) moves
both for bias and skewness. Resample i draws from stream i of the seed: equal seeds give equal results on every machine
and at any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from numpy.typing import ArrayLike

from crossfade import _native, arguments
from crossfade.errors import InvalidInput

Method = Literal["percentile", "bca"]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How queries are drawn again: `resamples` times, at most 10,000,000, and an interval that covers `confidence` of
    what comes out."""

    resamples: int = 10_000
    confidence: float = 0.95
    method: Method = "percentile"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` queries and the ends of its interval, with the settings that it came from."""

    estimate: float
    low: float
    high: float
    n: int
    bootstrap: Bootstrap


def mean_interval(values: ArrayLike, bootstrap: Bootstrap | None = None) -> Interval:
    """The interval of the mean of one measure. `values`: shape (queries,).

    Raises InvalidInput for a sample that is empty or not finite, settings out of range, and for BCa when all resamples
    lie on one side of the mean.
    """
    return mean_intervals(arguments.sample(values, "values")[:, None], bootstrap)[0]


def mean_intervals(values: ArrayLike, bootstrap: Bootstrap | None = None) -> tuple[Interval, ...]:
    """The interval of the mean of each measure, in the order of the columns, over the same resamples.

    `values`: shape (queries, measures), as `MeasureTable.values`. Raises as `mean_interval` does, and for more than
    2**28 means, resamples times measures.
    """
    bootstrap = bootstrap or Bootstrap()
    array = arguments.table(values, "values")
    found = _native.bootstrap_means(array, *_settings(bootstrap))
    return tuple(Interval(*ends, array.shape[0], bootstrap) for ends in found)


def difference_interval(base: ArrayLike, candidate: ArrayLike, bootstrap: Bootstrap | None = None) -> Interval:
    """The interval of the mean difference, candidate minus base.

    `base`, `candidate`: shape (queries,), one measure's values, paired by query. Raises as `mean_interval` does, and
    for samples of different lengths.
    """
    bootstrap = bootstrap or Bootstrap()
    first, second = arguments.sample(base, "base"), arguments.sample(candidate, "candidate")
    return Interval(*_native.bootstrap_difference(first, second, *_settings(bootstrap)), first.size, bootstrap)


def _settings(bootstrap: Bootstrap) -> tuple[int, float, str, int]:
    if bootstrap.method not in get_args(Method):
        raise InvalidInput(f'method {bootstrap.method!r} is not known: use "percentile" or "bca"')
    expected = "a number between 0 and 1 (0.95 is usual)"
    return (
        arguments.draws(bootstrap.resamples, "resamples"),
        arguments.real(bootstrap.confidence, "confidence", expected),
        bootstrap.method,
        arguments.seed(bootstrap.seed),
    )
