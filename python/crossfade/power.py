"""What a two-sided paired t test can find: the door to the Rust power calculations.

With differences that are normal with standard deviation s, n queries and a true mean difference of Δ, the test's t is
noncentral with noncentrality sqrt(n) Δ / s and n - 1 degrees of freedom; its power is the probability that |t| passes
the critical value of level alpha (Cohen 1988, chapter 2). `deviation` is s with n - 1 below the line
(`differences.std(ddof=1)`), `alpha` the two-sided level.
"""

from __future__ import annotations

from typing import SupportsIndex

from crossfade import _native, arguments

_FRACTION = "a number between 0 and 1"
_MOST_QUERIES = 2**40


def power(effect: float, deviation: float, n: SupportsIndex, *, alpha: float = 0.05) -> float:
    """The probability that the test finds a true mean difference of `effect`.

    Raises InvalidInput for `n` < 2, a `deviation` that is not positive, an `effect` that is not finite, or an `alpha`
    not between 0 and 1.
    """
    return _native.power(_real(effect, "effect"), _real(deviation, "deviation"), _queries(n), _level(alpha))


def minimum_detectable_effect(deviation: float, n: SupportsIndex, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The true mean difference that the test finds with probability `power`.

    Raises InvalidInput as `power` does, and for a `power` not between `alpha` and 1.
    """
    return _native.detectable_effect(
        _real(deviation, "deviation"), _queries(n), _level(alpha), arguments.real(power, "power", _FRACTION)
    )


def queries_needed(effect: float, deviation: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """The least number of queries with which the test finds `effect` with probability `power`.

    Raises InvalidInput as `minimum_detectable_effect` does, and for an effect of zero or too small for any number of
    queries.
    """
    return _native.queries_needed(
        _real(effect, "effect"),
        _real(deviation, "deviation"),
        _level(alpha),
        arguments.real(power, "power", _FRACTION),
    )


def _real(value: float, name: str) -> float:
    return arguments.real(value, name, "a number in the measure's own unit")


def _queries(n: SupportsIndex) -> int:
    return arguments.whole(n, "n", 2, _MOST_QUERIES)


def _level(alpha: float) -> float:
    return arguments.real(alpha, "alpha", _FRACTION)
