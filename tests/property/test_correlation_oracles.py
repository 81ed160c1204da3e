"""Kendall's tau against SciPy's, AP correlation against published values, rank-biased overlap by its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from crossfade.correlation import ap_correlation, kendall_tau, rbo
from crossfade.errors import InvalidInput

VALUES = st.integers(-4, 4).map(lambda v: v / 2) | st.floats(-1e6, 1e6)
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=60)

# Three pairs of ten scores, as they are and rounded to tenths, with the coefficients of Urbano and Marrero's R package
# ircor to four digits: tau_AP, tau_AP,a with the rounded y, tau_AP,b with neither and with both rounded.
PUBLISHED = [
    (
        [0.897, 0.372, 0.908, 0.898, 0.661, 0.062, 0.177, 0.384, 0.498, 0.992],
        [0.82, 0.406, 0.817, 0.953, 0.673, 0.073, 0.364, 0.547, 0.589, 0.988],
        (0.8519, 0.7454, 0.8333, 0.7321),
    ),
    (
        [0.266, 0.573, 0.202, 0.945, 0.629, 0.206, 0.687, 0.77, 0.718, 0.38],
        [0.263, 0.843, 0.728, 0.928, 0.08, 0.114, 0.467, 0.641, 0.973, 0.644],
        (0.2504, 0.2692, 0.2880, 0.297),
    ),
    (
        [0.185, 0.573, 0.944, 0.129, 0.468, 0.553, 0.761, 0.405, 0.976, 0.445],
        [0.845, 0.272, 0.275, 0.924, 0.605, 0.334, 0.162, 0.872, 0.018, 0.25],
        (-0.6971, -0.5558, -0.668, -0.7047),
    ),
]


@given(pairs=PAIRS)
def test_kendall_like_scipy(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    assume(np.unique(x).size > 1 and np.unique(y).size > 1)
    assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_kendall_of_many_like_scipy() -> None:
    random = np.random.default_rng(2)
    x = random.integers(0, 500, 20_001)
    y = x + random.integers(-200, 200, 20_001)
    assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize(("x", "y", "coefficients"), PUBLISHED)
def test_ap_correlation_as_published(x: list[float], y: list[float], coefficients: tuple[float, ...]) -> None:
    # R rounds a half as it is stored in binary, and NumPy to even: the 0.25 of the third y is 0.2 in both.
    rounded_x, rounded_y = np.round(x, 1), np.round(y, 1)
    found = (
        ap_correlation(x, y),
        ap_correlation(x, rounded_y),
        ap_correlation(x, y, ties="agreement"),
        ap_correlation(rounded_x, rounded_y, ties="agreement"),
    )
    assert found == pytest.approx(coefficients, abs=5e-5)
    assert ap_correlation(rounded_y, rounded_x, ties="agreement") == pytest.approx(found[3], abs=1e-15)


def test_a_swap_at_the_top_costs_more() -> None:
    truth = np.arange(10, 0, -1)
    top, bottom = truth.copy(), truth.copy()
    top[[0, 1]], bottom[[8, 9]] = top[[1, 0]], bottom[[9, 8]]
    assert kendall_tau(truth, top) == kendall_tau(truth, bottom)
    assert ap_correlation(truth, top) < ap_correlation(truth, bottom) < 1 == ap_correlation(truth, truth)
    swapped_head = ["b", "a", *"cdefghij"], list("abcdefghij")
    swapped_tail = [*"abcdefgh", "j", "i"], list("abcdefghij")
    assert rbo(*swapped_head) < rbo(*swapped_tail) < 1


@given(
    first=st.lists(st.sampled_from("abcdefghijkl"), min_size=1, unique=True),
    second=st.lists(st.sampled_from("ghijklmnopqr"), min_size=1, unique=True),
    p=st.floats(0.05, 0.98),
)
def test_overlap_is_agreement_carried_on(first: list[str], second: list[str], p: float) -> None:
    """RBO_ext is the sum (1 - p) Σ p^(d-1) A_d over all depths, with agreement as Webber et al. extrapolate it: the
    longer ranking beyond the shorter's end is matched at the rate seen at that end, and all beyond as at the last."""
    shorter, longer = sorted((len(first), len(second)))

    def overlap(d: int) -> float:
        return len(set(first[:d]) & set(second[:d]))

    def agreement(d: int) -> float:
        if d <= shorter:
            return overlap(d) / d
        if d <= longer:
            return (overlap(d) + overlap(shorter) * (d - shorter) / shorter) / d
        return agreement(longer)

    deepest = math.ceil(math.log(1e-17) / math.log(p)) + longer
    wanted = (1 - p) * math.fsum(p ** (d - 1) * agreement(d) for d in range(1, deepest + 1))
    assert rbo(first, second, p=p) == pytest.approx(wanted, abs=1e-12)


def test_any_hashable_item_will_do() -> None:
    assert rbo([1, 2, 3], (1, 2, 3)) == pytest.approx(1)
    assert rbo(np.array([1, 2]), [2, 1], p=0.5) == pytest.approx(0.5)  # type: ignore[arg-type]
    assert rbo([("a", 1)], [("a", 2)]) == 0


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: kendall_tau([1, 2], [1]), "x has 2 values, y 1"),
        (lambda: kendall_tau([1], [1]), "at least two items"),
        (lambda: kendall_tau([[1]], [1]), r"x must have one axis \(items,\)"),
        (lambda: kendall_tau([1, math.nan], [1, 2]), "value 1 of x is NaN"),
        (lambda: kendall_tau([1, 1], [1, 2]), "all values of x are tied"),
        (lambda: ap_correlation([2, 1, 2], [1, 2, 3]), "the truth ties items 0 and 2"),
        (lambda: ap_correlation([2, 1], [1, 1], ties="agreement"), "all values of y are tied"),
        (lambda: ap_correlation([2, 1], [1, 1], ties="c"), "ties 'c' is not known"),  # type: ignore[arg-type]
        (lambda: rbo([], ["a"]), "the first ranking is empty"),
        (lambda: rbo(["a"], ["b", "c", "b"]), "the second ranking holds the item at rank 3 twice"),
        (lambda: rbo("abc", ["a"]), "must be a sequence of ids, not the str 'abc'"),
        (lambda: rbo([["a"]], ["a"]), "item at rank 1 cannot be hashed"),  # type: ignore[list-item]
        (lambda: rbo(["a"], ["a"], p=1), "p must lie between 0 and 1"),
        (lambda: rbo(["a"], ["a"], p="x"), "p must be a number between 0 and 1"),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_order_is_refused(call: Callable[[], Any], part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        call()
