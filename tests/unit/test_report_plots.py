"""Marks stand where the figures say."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.report import plots

DIFFERENCES = st.floats(-1, 1).map(lambda value: round(value, 6))


@given(st.lists(DIFFERENCES, min_size=1, max_size=12))
def test_an_axis_holds_every_value_and_zero(values: list[float]) -> None:
    axis = plots.difference_axis(values)
    places = [axis.at(value) for value in [*values, 0.0]]
    assert all(0 <= place <= 100 for place in places)
    assert [place for _, place in sorted(zip(values, places, strict=False))] == sorted(places[:-1])
    assert 2 <= len(axis.ticks) <= 6
    assert [tick.label for tick in axis.ticks].count("0") == 1
    assert len({tick.label for tick in axis.ticks}) == len(axis.ticks)
    zero = next(tick for tick in axis.ticks if tick.label == "0")
    assert zero.at == pytest.approx(axis.at(0.0), abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.03, 0.002, [-0.03, -0.02, -0.01, 0]),
        (-1, 1.5, [-1, -0.5, 0, 0.5, 1, 1.5]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, values: list[float]) -> None:
    assert plots.tick_values(low, high, 5) == pytest.approx(values)


@pytest.mark.parametrize(("step", "places"), [(1, 0), (0.1, 1), (0.25, 2), (0.025, 3), (0.002, 3), (50, 0), (2.5, 1)])
def test_decimals_tell_ticks_apart(step: float, places: int) -> None:
    assert plots.decimals(step) == places


def test_equal_models_still_have_an_axis_and_bars() -> None:
    assert len(plots.difference_axis([0.0, 0.0]).ticks) >= 2
    plot = plots.waterfall([(0.0, "a", 0), (0.0, "b", 1)])
    assert plot is not None
    assert [bar.outcome for bar in plot.bars] == ["tie", "tie"]


@given(st.lists(DIFFERENCES, min_size=1, max_size=60))
def test_bars_fall_from_gains_to_losses(deltas: list[float]) -> None:
    plot = plots.waterfall([(delta, f"q{index}", index) for index, delta in enumerate(deltas)])
    assert plot is not None
    assert len(plot.bars) == len(deltas)
    for bar in plot.bars:
        assert 0 <= bar.left < bar.left + bar.width <= 100.01
        assert -0.11 <= bar.top <= bar.top + bar.height <= plots.WATERFALL_HEIGHT + 0.11
        assert bar.query is not None
        assert bar.outcome == plots.outcome(deltas[bar.query])
        if bar.outcome == "win":
            assert bar.top + bar.height == pytest.approx(plot.zero, abs=0.2)
        if bar.outcome == "loss":
            assert bar.top == pytest.approx(plot.zero, abs=0.2)
    assert [deltas[bar.query or 0] for bar in plot.bars] == sorted(deltas, reverse=True)


def test_bar_heights_are_in_proportion() -> None:
    plot = plots.waterfall([(0.8, "a", 0), (0.4, "b", 1), (-0.2, "c", 2)])
    assert plot is not None
    tall, middle, low = (bar.height for bar in plot.bars)
    assert tall == pytest.approx(200 * 0.8, abs=0.1)
    assert middle == pytest.approx(tall / 2, abs=0.1)
    assert low == pytest.approx(tall / 4, abs=0.1)


def test_thousands_of_queries_share_bars() -> None:
    deltas = [index / 2500 - 1 for index in range(5001)]
    plot = plots.waterfall([(delta, "q", 1) for delta in deltas])
    assert plot is not None
    assert plot.grouped == 13
    assert len(plot.bars) <= plots.MAX_BARS
    assert plot.bars[0].label.endswith("mean of 13 queries")
    assert all(bar.query is None for bar in plot.bars)
    ends = [bar.top + bar.height if bar.outcome == "loss" else bar.top for bar in plot.bars]
    assert all(first <= second for first, second in itertools.pairwise(ends))


def test_no_query_no_waterfall() -> None:
    assert plots.waterfall([]) is None
