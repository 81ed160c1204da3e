"""Whether a difference is small enough not to matter: equivalence and non-inferiority, the door to the Rust tests.

A difference that is not significant is not thereby shown to be absent. These tests turn the question round: they reject
the hypothesis that the difference reaches a margin, which is chosen before the figures are seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from crossfade import _native, arguments
from crossfade.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class EquivalenceTest:
    """Two one-sided tests of the mean difference, candidate minus base, against the margins `lower` and `upper`.

    `low`, `high`: the interval of confidence 1 - 2 alpha. `p_lower`, `p_upper`: of the hypotheses that the true
    difference is at or below `lower`, and at or above `upper`. `p`: the greater of the two, the test's own.
    """

    lower: float
    upper: float
    alpha: float
    effect: float
    low: float
    high: float
    p_lower: float
    p_upper: float
    n: int

    @property
    def p(self) -> float:
        return max(self.p_lower, self.p_upper)

    @property
    def equivalent(self) -> bool:
        """Whether the difference is shown to lie within the margins."""
        return self.p <= self.alpha


@dataclass(frozen=True, slots=True)
class NonInferiorityTest:
    """A one-sided test of the hypothesis that the candidate is worse than the base by `margin` or more.

    `low`: the lower end of the one-sided interval of confidence 1 - alpha.
    """

    margin: float
    alpha: float
    effect: float
    low: float
    p: float
    n: int

    @property
    def non_inferior(self) -> bool:
        """Whether the candidate is shown to be worse by less than the margin, if at all."""
        return self.p <= self.alpha


def equivalence_test(
    base: ArrayLike, candidate: ArrayLike, margin: float | tuple[float, float], *, alpha: float = 0.05
) -> EquivalenceTest:
    """Two one-sided paired t tests (TOST; Schuirmann 1987).

    `base`, `candidate`: shape (queries,), one measure's values, paired by query. `margin`: m for (-m, m), or two
    numbers that surround zero, in the measure's own unit. Equal values for every query are equivalent within any
    margin.

    Raises InvalidInput for samples that are empty, of different lengths or not finite, fewer than two queries,
    differences that are all alike and not zero, a margin that is not positive, or an `alpha` not between 0 and 1/2.
    """
    if isinstance(margin, tuple):
        if len(margin) != 2:
            raise InvalidInput(f"margin must be one number or two, not {margin!r}")
        lower, upper = (arguments.real(end, "margin", "a number") for end in margin)
    else:
        upper = _margin(margin)
        lower = -upper
    effect, low, high, p_lower, p_upper, n = _test(base, candidate, (lower, upper), alpha)
    return EquivalenceTest(lower, upper, alpha, effect, low, high, p_lower, p_upper, n)


def non_inferiority_test(
    base: ArrayLike, candidate: ArrayLike, margin: float, *, alpha: float = 0.05
) -> NonInferiorityTest:
    """The lower of the two one-sided tests alone: is the candidate worse by less than `margin`, if at all?

    Arguments and errors as of `equivalence_test`; `margin` is one positive number.
    """
    width = _margin(margin)
    effect, low, _, p, _, n = _test(base, candidate, (-width, math.inf), alpha)
    return NonInferiorityTest(width, alpha, effect, low, p, n)


def _margin(margin: float) -> float:
    expected = "a positive number in the measure's own unit, such as 0.01"
    width = arguments.real(margin, "margin", expected)
    if not 0 < width < math.inf:
        raise InvalidInput(f"margin must be {expected}, not {margin!r}")
    return width


def _test(
    base: ArrayLike, candidate: ArrayLike, margins: tuple[float, float], alpha: float
) -> tuple[float, float, float, float, float, int]:
    pair = arguments.sample(base, "base"), arguments.sample(candidate, "candidate")
    return _native.equivalence_test(*pair, *margins, arguments.real(alpha, "alpha", "a number between 0 and 1/2"))
