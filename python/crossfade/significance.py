"""Paired tests of one measure of two systems over the same queries, and corrections for several of them: the door to
the Rust tests.

All tests are two-sided and take `base` and `candidate` of shape (queries,), paired by query. Those that draw at random
give equal results for equal seeds on every machine and at any number of threads. `docs/statistics.md` says which to use
when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native, arguments
from crossfade.errors import InvalidInput

Test = Literal["randomisation", "bootstrap", "t", "wilcoxon"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What a paired test found.

    `statistic`: the mean difference (randomisation), Student's t (bootstrap, t) or the lesser rank sum (Wilcoxon).
    `p`: two-sided. `effect`: the mean difference, candidate minus base. `effect_size`: Cohen's d of the differences,
    mean over standard deviation (Cohen 1988, section 2.3), or for Wilcoxon the matched-pairs rank-biserial correlation
    (Kerby 2014); 0 where the differences are all zero, and d is None where they are all alike otherwise. `n`:
    queries. `exact`: whether p comes from every outcome there is. `draws`, `seed`: of a test that drew at random, else
    None.
    """

    method: Test
    statistic: float
    p: float
    effect: float
    effect_size: float | None
    n: int
    exact: bool
    draws: int | None = None
    seed: int | None = None


def randomisation_test(
    base: ArrayLike, candidate: ArrayLike, *, permutations: int = 10_000, seed: int = 0
) -> PairedTest:
    """Fisher's paired randomisation test on the mean difference (Smucker, Allan and Carterette 2007).

    Under the null hypothesis each query's difference is as likely to have the other sign. When all sign assignments of
    the differences that are not zero number at most `permutations`, each is looked at: p is exact. Otherwise that many
    are drawn, and p = (1 + times at least as extreme) / (1 + permutations), which is never 0 (Phipson and Smyth 2010).

    Raises InvalidInput for samples that are empty, of different lengths or not finite, `permutations` not between
    1 and 10,000,000, or a seed not between 0 and 2**64 - 1.
    """
    count, seed = arguments.draws(permutations, "permutations"), arguments.seed(seed)
    found = _native.randomisation_test(*_pair(base, candidate), count, seed)
    exact = found[-1]
    return PairedTest("randomisation", *found, draws=None if exact else count, seed=None if exact else seed)


def bootstrap_test(base: ArrayLike, candidate: ArrayLike, *, resamples: int = 10_000, seed: int = 0) -> PairedTest:
    """The paired bootstrap test, studentised (Efron and Tibshirani 1993, section 16.4; for retrieval Sakai 2006).

    The differences are moved to a mean of zero and drawn again; p = (1 + #{|t*| >= |t|}) / (1 + resamples).

    Raises InvalidInput for samples that are empty, of different lengths or not finite, fewer than two queries,
    differences that are all alike and not zero, `resamples` not between 1 and 10,000,000, or a seed not between 0 and
    2**64 - 1.
    """
    count, seed = arguments.draws(resamples, "resamples"), arguments.seed(seed)
    found = _native.bootstrap_test(*_pair(base, candidate), count, seed)
    return PairedTest("bootstrap", *found, draws=count, seed=seed)


def t_test(base: ArrayLike, candidate: ArrayLike) -> PairedTest:
    """Student's paired t test: mean / (s / sqrt(n)) with n - 1 degrees of freedom.

    Raises InvalidInput for samples that are empty, of different lengths or not finite, fewer than two queries, and for
    differences that are all alike and not zero.
    """
    return PairedTest("t", *_native.t_test(*_pair(base, candidate)))


def wilcoxon_test(base: ArrayLike, candidate: ArrayLike, *, continuity: bool = False) -> PairedTest:
    """Wilcoxon's (1945) signed-rank test. Differences of zero are dropped; equal ones share their average rank.

    p is exact for at most 50 differences with neither zeros nor ties. Otherwise it is the normal approximation, its
    variance corrected for ties; `continuity` moves the statistic half a rank towards its mean. Ties are exact
    equalities of the differences as float64: round the values first where they carry noise.

    Raises InvalidInput for samples that are empty, of different lengths or not finite.
    """
    return PairedTest("wilcoxon", *_native.wilcoxon_test(*_pair(base, candidate), bool(continuity)))


def holm(p_values: Iterable[float]) -> list[float]:
    """Holm's (1979) adjusted p values, in the order given: hold each against the level of the whole family.

    Raises InvalidInput for a p value that is not between 0 and 1.
    """
    return _native.holm(_p_values(p_values))


def benjamini_hochberg(p_values: Iterable[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) adjusted p values, in the order given.

    Rejecting those at most q keeps the expected share of false rejections at most q, for independent or positively
    dependent tests. Raises InvalidInput for a p value that is not between 0 and 1.
    """
    return _native.benjamini_hochberg(_p_values(p_values))


def _pair(base: ArrayLike, candidate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return arguments.sample(base, "base"), arguments.sample(candidate, "candidate")


def _p_values(p_values: Iterable[float]) -> list[float]:
    if not isinstance(p_values, Iterable):
        raise InvalidInput(f"p_values must be the p values of one family, such as a list, not {p_values!r}")
    values: list[float] = arguments.sample(list(p_values), "p_values", "tests").tolist()
    return values
