"""The paired tests against SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from crossfade.measures import holm, paired_bootstrap, paired_randomisation

SEEDS = st.integers(0, 2**32)


def mean_difference(base: NDArray[Any], candidate: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    result: NDArray[Any] = np.mean(candidate - base, axis=axis)
    return result


def samples(seed: int, n: int, effect: float) -> tuple[NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    base = random.random(n).round(2)
    return base, (base + random.normal(effect, 0.2, n)).round(2)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 11), effect=st.sampled_from([0.0, 0.05, 0.3]))
def test_randomisation_like_scipy_over_all_assignments(seed: int, n: int, effect: float) -> None:
    base, candidate = samples(seed, n, effect)
    exact = stats.permutation_test(
        (base, candidate), mean_difference, permutation_type="samples", n_resamples=2**n, vectorized=True
    ).pvalue
    p = paired_randomisation(base, candidate, permutations=20_000, seed=seed)
    # Six standard deviations of the proportion, and the one that is added above and below the line.
    assert abs(p - exact) <= 6 * np.sqrt(exact * (1 - exact) / 20_000) + 1 / 20_001


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, n=st.integers(30, 80), effect=st.sampled_from([0.0, 0.05]), confidence=st.sampled_from([0.8, 0.95]))
def test_interval_like_scipy(seed: int, n: int, effect: float, confidence: float) -> None:
    base, candidate = samples(seed, n, effect)
    theirs = stats.bootstrap(
        (base, candidate), mean_difference, paired=True, method="percentile", n_resamples=10_000,
        confidence_level=confidence, vectorized=True, rng=np.random.default_rng(seed + 1), batch=500,
    )  # fmt: skip
    ours = paired_bootstrap(base, candidate, resamples=10_000, confidence=confidence, seed=seed)
    assert ours.delta == pytest.approx(mean_difference(base, candidate))
    # Both ends are sample quantiles of one nearly normal distribution: their standard error is
    # sqrt(t (1 - t) / resamples) / density, and six of those of the difference of two are allowed.
    tail = (1 - confidence) / 2
    density = stats.norm.pdf(stats.norm.ppf(tail)) / theirs.standard_error
    allowed = 6 * np.sqrt(2 * tail * (1 - tail) / 10_000) / density
    assert abs(ours.low - theirs.confidence_interval.low) <= allowed
    assert abs(ours.high - theirs.confidence_interval.high) <= allowed


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """Holm 1979: the i-th smallest is adjusted to the greatest (m - j + 1) p(j) over j <= i, at most 1."""
    order = np.argsort(p_values, kind="stable")
    steps = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    wanted = np.empty(len(p_values))
    wanted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    np.testing.assert_allclose(holm(p_values), wanted, rtol=1e-15)
