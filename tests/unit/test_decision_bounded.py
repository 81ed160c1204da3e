"""The bound that holds whatever the distribution: against exact binomial rates and the definition, query by query."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfade.evaluation.decision.bounded import BETS, lower_bound

changes = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30)


def wealth(change: list[float], margin: float) -> float:
    """The definition, query by query."""
    total = 0.0
    for share in BETS:
        held = 1.0
        for difference in change:
            held *= 1 + share * (difference + margin) / (1 - margin)
        total += held
    return total / len(BETS)


@settings(max_examples=100, deadline=None)
@given(changes, st.sampled_from([0.01, 0.025, 0.1]))
def test_it_is_where_the_wealth_reaches_what_the_level_asks(change: list[float], level: float) -> None:
    found = lower_bound(np.array(change), level)
    assert found is not None
    assert -1 <= found < 1
    below, above = found - 1e-6, found + 1e-6
    if below > -1:
        assert wealth(change, -below) >= 1 / level * (1 - 1e-9)
    if above < 1:
        assert wealth(change, -above) < 1 / level * (1 + 1e-9)


@settings(max_examples=50, deadline=None)
@given(changes)
def test_order_counts_for_nothing_and_a_loss_never_raises_it(change: list[float]) -> None:
    found = lower_bound(np.array(change), 0.025)
    assert lower_bound(np.array(sorted(change)), 0.025) == found
    worse = lower_bound(np.array([-1.0, *change[1:]]), 0.025)
    assert found is not None
    assert worse is not None
    assert worse <= found <= np.mean(change) + 1e-12


@pytest.mark.parametrize("level", [0.025, 0.1])
@pytest.mark.parametrize("n", [1, 6, 30, 100, 300])
@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("loss", [1.0, 0.5])
@pytest.mark.parametrize("gain", [0.0, 0.2])
def test_a_true_loss_of_the_margin_is_missed_at_most_at_the_level(
    level: float, n: int, margin: float, loss: float, gain: float
) -> None:
    """Exactly: two values with a mean of -margin, the chance of every count of losses summed where it is missed."""
    rate = (margin + gain) / (loss + gain)
    missed = 0.0
    for losses in range(n + 1):
        found = lower_bound(np.repeat([-loss, gain], [losses, n - losses]), level)
        assert found is not None
        if found <= -margin:
            break  # more losses only lower it
        missed += float(stats.binom.pmf(losses, n, rate))
    assert missed <= level


def test_ties_show_no_more_than_their_number_supports() -> None:
    """Where n queries lose nothing, Clopper and Pearson's exact bound of the rate of losses is 1 - level ** (1/n)."""
    for n in (1, 6, 20, 100, 300, 1000):
        found = lower_bound(np.zeros(n), 0.025)
        assert found is not None
        assert found < -(1 - 0.025 ** (1 / n))


def test_what_the_page_says_that_is_needed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "decision.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (0\.\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 5
    for margin, *needed in rows:
        for spread, text in zip((0.0, 0.1, 0.2, 0.3), needed, strict=True):
            n = int(text.replace(",", ""))
            enough, fewer = (lower_bound(np.resize([spread, -spread], size), 0.025) for size in (n, n - 2))
            assert enough is not None
            assert fewer is not None
            assert enough > -float(margin) >= fewer


def test_none_where_nothing_is_known_of_the_range() -> None:
    assert lower_bound(np.array([0.0, 1.1]), 0.025) is None
    assert lower_bound(np.array([]), 0.025) is None
    assert lower_bound(np.array([math.nan]), 0.025) is None
    assert lower_bound(np.array([-1.0]), 0.025) == -1.0
