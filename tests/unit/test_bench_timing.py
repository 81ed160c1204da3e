"""Interleaved timing: every rival in every round, medians, and what the budget and the untimed step do."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from bench import timing
from bench.timing import FEWEST_ROUNDS, interleaved, spread


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(timing, "time", fake)
    return fake


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.spinning = 0.0  # until when a thread that is not timed works

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.worked

    def sleep(self, seconds: float) -> None:
        self.worked += min(seconds, max(0.0, self.spinning - self.now))
        self.now += seconds

    def taking(self, *seconds: float, log: list[str] | None = None, name: str = "") -> object:
        """A rival that takes so many seconds at each call, the last of them from then on."""
        left = list(seconds)

        def call() -> None:
            if log is not None:
                log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_medians_and_quartiles_without_the_warm_up(clock: Clock) -> None:
    found = interleaved({"a": clock.taking(50.0, 1.0, 2.0, 3.0, 4.0, 9.0)}, rounds=5)
    assert found == pytest.approx({"a": 3.0})
    assert found.statistics["a"]["rounds"] == 5
    assert (found.statistics["a"]["min"], found.statistics["a"]["max"]) == pytest.approx((1.0, 9.0))
    low, _, high = statistics.quantiles([1.0, 2.0, 3.0, 4.0, 9.0], n=4, method="inclusive")
    assert low - 1 <= found.statistics["a"]["q1"] <= low
    assert high <= found.statistics["a"]["q3"] <= high + 3
    assert spread(found.statistics["a"]) == pytest.approx(
        (found.statistics["a"]["q3"] - found.statistics["a"]["q1"]) / 3.0
    )


def test_nothing_is_timed_while_threads_still_work(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    begun: list[float] = []

    def call() -> None:
        begun.append(clock.now)
        clock.now += 1.0
        clock.spinning = clock.now + 0.095

    interleaved({"a": call}, rounds=3)
    pauses = [later - sooner - 1.0 for sooner, later in pairwise(begun)]
    assert pauses == pytest.approx([0.11] * 3, abs=0.011)  # idle for one more step after 95 ms
    assert capsys.readouterr().err == ""
    clock.spinning = 1e9
    interleaved({"a": clock.taking(1.0)}, rounds=1)
    assert "still work" in capsys.readouterr().err


def test_every_round_times_everyone_once_in_changing_orders_that_repeat(clock: Clock) -> None:
    def orders() -> list[tuple[str, ...]]:
        log: list[str] = []
        interleaved({name: clock.taking(1.0, log=log, name=name) for name in "abc"}, rounds=12)
        assert log[:3] == ["a", "b", "c"]
        return [tuple(log[start : start + 3]) for start in range(3, len(log), 3)]

    found = orders()
    assert len(found) == 12
    assert all(sorted(order) == ["a", "b", "c"] for order in found)
    assert len(set(found)) > 1
    assert found == orders()


@pytest.mark.parametrize(("budget", "rounds"), [(0.0, FEWEST_ROUNDS), (50.0, 5), (1e9, 9), (None, 9)])
def test_a_budget_ends_the_rounds_but_never_before_the_fewest(clock: Clock, budget: float | None, rounds: int) -> None:
    found = interleaved({"a": clock.taking(10.0)}, rounds=9, budget=budget)
    assert found.statistics["a"]["rounds"] == rounds


def test_the_step_before_is_not_timed(clock: Clock) -> None:
    calls: list[int] = []

    def before() -> None:
        calls.append(1)
        clock.now += 1000

    assert interleaved({"a": clock.taking(2.0), "b": clock.taking(3.0)}, rounds=4, before=before) == pytest.approx(
        {"a": 2.0, "b": 3.0}
    )
    assert len(calls) == 2 * 5


def test_the_order_of_the_rivals_is_kept(clock: Clock) -> None:
    assert list(interleaved({name: clock.taking(1.0) for name in "cab"}, rounds=3)) == ["c", "a", "b"]


@pytest.mark.parametrize(("rivals", "rounds"), [({}, 3), ({"a": lambda: None}, 0)])
def test_nothing_to_time_is_an_error(rivals: dict[str, object], rounds: int) -> None:
    with pytest.raises(ValueError, match="nothing to time"):
        interleaved(rivals, rounds)


def test_what_a_rival_raises_is_not_swallowed() -> None:
    def broken() -> None:
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        interleaved({"a": broken}, rounds=1)


def test_who_is_warm_already_is_not_called_but_for_the_rounds(clock: Clock) -> None:
    log: list[str] = []
    interleaved({"a": clock.taking(1.0, log=log)}, rounds=4, warm=True)
    assert len(log) == 4


def test_no_spread_where_no_time_passes() -> None:
    assert spread({"q1": 0.0, "median": 0.0, "q3": 0.0}) == 0.0
