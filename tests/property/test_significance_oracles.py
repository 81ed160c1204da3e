"""Intervals, paired tests, power and corrections against SciPy's."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from crossfade.equivalence import equivalence_test, non_inferiority_test
from crossfade.intervals import Bootstrap, difference_interval
from crossfade.power import minimum_detectable_effect, power, queries_needed
from crossfade.significance import (
    benjamini_hochberg,
    bootstrap_test,
    holm,
    randomisation_test,
    t_test,
    wilcoxon_test,
)

SEEDS = st.integers(0, 2**32)
EFFECTS = st.sampled_from([0.0, 0.05, 0.3])


def mean_difference(base: NDArray[Any], candidate: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    result: NDArray[Any] = np.mean(candidate - base, axis=axis)
    return result


def samples(seed: int, n: int, effect: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values in 64ths, whose differences are exact: ties and zeros are what they are on paper."""
    random = np.random.default_rng(seed)
    base = np.round(64 * random.random(n)) / 64
    return base, np.round(64 * (base + random.normal(effect, 0.2, n))) / 64


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 11), effect=EFFECTS)
def test_randomisation_like_scipy_over_all_assignments(seed: int, n: int, effect: float) -> None:
    base, candidate = samples(seed, n, effect)
    wanted = stats.permutation_test(
        (base, candidate), mean_difference, permutation_type="samples", n_resamples=2**n, vectorized=True
    ).pvalue
    found = randomisation_test(base, candidate)
    assert found.exact
    assert found.p == pytest.approx(wanted, abs=1e-15)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, n=st.integers(13, 90), effect=EFFECTS)
def test_drawn_randomisation_like_scipy(seed: int, n: int, effect: float) -> None:
    base, candidate = samples(seed, n, effect)
    found = randomisation_test(base, candidate, permutations=5_000, seed=seed)
    assume(not found.exact)
    theirs = stats.permutation_test(
        (base, candidate), mean_difference, permutation_type="samples", n_resamples=5_000, vectorized=True,
        rng=np.random.default_rng(seed + 1),
    ).pvalue  # fmt: skip
    # Six standard deviations of the difference of two proportions; SciPy's adds one to each of its tails.
    p = max(found.p, theirs)
    assert abs(found.p - theirs) <= 6 * np.sqrt(2 * p * (1 - min(p, 0.5)) / 5_000) + 2 / 5_001


@settings(max_examples=15, deadline=None)
@given(
    seed=SEEDS,
    n=st.integers(30, 80),
    skew=st.booleans(),
    confidence=st.sampled_from([0.8, 0.95]),
    method=st.sampled_from(["percentile", "bca"]),
)
def test_interval_like_scipy(
    seed: int, n: int, skew: bool, confidence: float, method: Literal["percentile", "bca"]
) -> None:
    base, candidate = samples(seed, n, 0.05)
    if skew:
        candidate = candidate**3
    theirs = stats.bootstrap(
        (base, candidate), mean_difference, paired=True, method=method, n_resamples=10_000,
        confidence_level=confidence, vectorized=True, rng=np.random.default_rng(seed + 1), batch=500,
    )  # fmt: skip
    ours = difference_interval(base, candidate, Bootstrap(10_000, confidence, method, seed))
    assert ours.estimate == pytest.approx(mean_difference(base, candidate))
    # Both ends are sample quantiles of one nearly normal distribution: their standard error is
    # sqrt(t (1 - t) / resamples) / density, and six of those of the difference of two are allowed; with BCa the place
    # of the quantile is itself estimated, from a share of resamples near one half, which moves it twice as far.
    tail = (1 - confidence) / 2
    z = stats.norm.ppf(tail)
    density = stats.norm.pdf(z) / theirs.standard_error
    allowed = 6 * np.sqrt(2 * tail * (1 - tail) / 10_000) / density
    if method == "bca":
        allowed += 2 * 6 * np.sqrt(2 * 0.25 / 10_000) / (stats.norm.pdf(0) / theirs.standard_error)
    assert abs(ours.low - theirs.confidence_interval.low) <= allowed
    assert abs(ours.high - theirs.confidence_interval.high) <= allowed


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(2, 400), effect=EFFECTS)
def test_t_like_scipy(seed: int, n: int, effect: float) -> None:
    base, candidate = samples(seed, n, effect)
    change = candidate - base
    assume(np.ptp(change) > 0)
    theirs = stats.ttest_rel(candidate, base)
    found = t_test(base, candidate)
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-12, abs=1e-14)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-11)
    assert found.effect_size == pytest.approx(change.mean() / change.std(ddof=1), rel=1e-12)


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(20, 90), effect=EFFECTS)
def test_bootstrap_test_is_near_t(seed: int, n: int, effect: float) -> None:
    """With nearly normal differences the studentised bootstrap's distribution is nearly Student's."""
    base, candidate = samples(seed, n, effect)
    found = bootstrap_test(base, candidate, resamples=4_000, seed=seed)
    assert found.statistic == t_test(base, candidate).statistic
    assert found.p == pytest.approx(t_test(base, candidate).p, abs=0.12)


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(1, 120), effect=EFFECTS, continuity=st.booleans(), distinct=st.booleans())
def test_wilcoxon_like_scipy(seed: int, n: int, effect: float, continuity: bool, distinct: bool) -> None:
    base, candidate = samples(seed, n, effect)
    if distinct:  # no ties, no zeros: every magnitude is another whole number
        random = np.random.default_rng(seed)
        base, candidate = np.zeros(n), (random.permutation(n) + 1.0) * np.where(random.random(n) < 0.3, -1, 1)
    change = candidate - base
    assume(change.any())
    found = wilcoxon_test(base, candidate, continuity=continuity)
    magnitudes = np.abs(change)
    assert found.exact == (n <= 50 and change.all() and np.unique(magnitudes).size == n)
    theirs = stats.wilcoxon(change, correction=continuity, method="exact" if found.exact else "asymptotic")
    assert found.statistic == theirs.statistic
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-10)
    ranks = stats.rankdata(magnitudes[change != 0]) * np.sign(change[change != 0])
    assert found.effect_size == pytest.approx(ranks.sum() / np.abs(ranks).sum(), abs=1e-12)


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_like_scipy_and_the_definition(p_values: list[float]) -> None:
    """Holm 1979: the i-th smallest is adjusted to the greatest (m - j + 1) p(j) over j <= i, at most 1."""
    order = np.argsort(p_values, kind="stable")
    steps = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    wanted = np.empty(len(p_values))
    wanted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    np.testing.assert_allclose(holm(p_values), wanted, rtol=1e-15)
    np.testing.assert_allclose(benjamini_hochberg(p_values), stats.false_discovery_control(p_values), rtol=1e-14)


@settings(deadline=None)
@given(seed=SEEDS, n=st.integers(2, 200), effect=EFFECTS, margin=st.floats(0.01, 1), alpha=st.floats(0.001, 0.4))
def test_equivalence_like_two_of_scipys_tests(seed: int, n: int, effect: float, margin: float, alpha: float) -> None:
    base, candidate = samples(seed, n, effect)
    assume(np.ptp(candidate - base) > 0)
    above = stats.ttest_rel(candidate + margin, base, alternative="greater")
    below = stats.ttest_rel(candidate - margin, base, alternative="less")
    found = equivalence_test(base, candidate, margin, alpha=alpha)
    assert (found.p_lower, found.p_upper) == pytest.approx((above.pvalue, below.pvalue), rel=1e-9, abs=1e-300)
    assert found.p == max(found.p_lower, found.p_upper)
    interval = stats.ttest_rel(candidate, base).confidence_interval(1 - 2 * alpha)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)
    one_sided = non_inferiority_test(base, candidate, margin, alpha=alpha)
    assert (one_sided.p, one_sided.low) == (found.p_lower, found.low)
    assert one_sided.non_inferior == (above.pvalue <= alpha)
    assert found.equivalent == (above.pvalue <= alpha and below.pvalue <= alpha)


@settings(deadline=None)
@given(
    n=st.integers(2, 5_000),
    alpha=st.floats(0.001, 0.3),
    target=st.floats(0.35, 0.99),
    deviation=st.floats(0.01, 10),
)
def test_power_like_scipys_noncentral_t(n: int, alpha: float, target: float, deviation: float) -> None:
    effect = minimum_detectable_effect(deviation, n, alpha=alpha, power=target)
    shift, critical = math.sqrt(n) * effect / deviation, stats.t.isf(alpha / 2, n - 1)
    # The lower tail as the upper one of the mirror image: SciPy's lower tail is NaN where it should underflow.
    wanted = stats.nct.sf(critical, n - 1, shift) + stats.nct.sf(critical, n - 1, -shift)
    assert power(effect, deviation, n, alpha=alpha) == pytest.approx(target, abs=1e-12)
    assert wanted == pytest.approx(target, abs=1e-9)
    assert queries_needed(effect * (1 + 0.1 / n), deviation, alpha=alpha, power=target) == n
