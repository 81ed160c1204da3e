"""The time that is left, under a clock that is moved by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from crossfade.evaluation.forecast import Forecast, PlannedStage


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def stage(name: str, of: str, planned: float | None, kind: str = "", **more: object) -> PlannedStage:
    return PlannedStage(name, of, planned, kind=kind, **more)  # type: ignore[arg-type]


def simulate(stages: Sequence[PlannedStage], true: Sequence[float], *, at: float = 60.0) -> tuple[float, float]:
    """(the total as it was seen `at` seconds, the true one): every stage takes its true time, in a hundred steps."""
    clock = Clock()
    forecast = Forecast(stages, clock)
    chance, seen = random.Random(1), None
    for each, seconds in zip(stages, true, strict=True):
        parts = [chance.uniform(0.5, 1.5) for _ in range(100)]
        for step, part in enumerate(parts, start=1):
            clock.now += seconds * part / sum(parts)
            forecast(each.name, step, 100)
            if seen is None and clock.now - 1000.0 >= at:
                seen = forecast.total()
    assert forecast.remaining() == pytest.approx(0, abs=1e-9)
    assert seen is not None
    return seen, clock.now - 1000.0


WHOLE = [
    stage("embedding", "base", 45.0, "embed a"),
    stage("embedding", "candidate", 45.0, "embed b"),
    stage("searching", "base", 290.0, "search"),
    stage("searching", "candidate", 290.0, "search"),
    stage("timing", "", 130.0, "timing"),
    stage("testing", "", 10.0, "tests"),
]


@pytest.mark.parametrize("error", [0.8, 1.0, 1.25])
def test_a_plan_that_is_nearly_right_is_right_after_a_minute(error: float) -> None:
    seen, true = simulate(WHOLE, [each.seconds * error for each in WHOLE if each.seconds])
    assert seen == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize("error", [0.1, 0.4, 3.0, 10.0])
def test_a_wrong_guess_of_the_first_stage_is_mended_while_it_runs(error: float) -> None:
    stages = [stage("embedding", "base", 400.0, "embed"), stage("embedding", "candidate", 400.0, "embed")]
    seen, true = simulate(stages, [400.0 * error, 400.0 * error], at=min(60.0, 100 * error))
    assert seen == pytest.approx(true, rel=0.3)


def test_what_is_learnt_of_one_side_holds_for_the_other() -> None:
    clock = Clock()
    stages = [stage("searching", "base", 10.0, "search"), stage("searching", "candidate", 20.0, "search")]
    forecast = Forecast(stages, clock)
    assert forecast.remaining() == 30.0
    clock.now += 40.0
    forecast("searching", 5, 5)
    assert forecast.remaining() == pytest.approx(80.0)
    assert forecast.total() == pytest.approx(120.0)


def test_uneven_work_follows_its_curve() -> None:
    """The second half of the corpus is nine times as long as the first."""
    curve = np.interp(np.linspace(0, 1, 11), [0, 0.5, 1], [0, 0.1, 1]).tolist()
    clock = Clock()
    forecast = Forecast([stage("embedding", "", 100.0, "e", curve=curve)], clock)
    clock.now += 40.0
    forecast("embedding", 50, 100)
    assert forecast.total() == pytest.approx(400.0)


def test_what_a_cache_holds_is_not_waited_for() -> None:
    clock = Clock()
    forecast = Forecast([stage("embedding", "", 50.0, "e", done_before=0.5)], clock)
    clock.now += 30.0
    forecast("embedding", 75, 100)
    assert forecast.total() == pytest.approx(60.0)


def test_a_stage_that_nobody_could_plan_is_learnt_while_it_runs() -> None:
    clock = Clock()
    forecast = Forecast([stage("reranking", "", None), stage("testing", "", 5.0, "t")], clock)
    assert forecast.remaining() == 5.0
    clock.now += 10.0
    forecast("reranking", 1, 4)
    assert forecast.remaining() == pytest.approx(35.0)


def test_stages_that_are_left_out_or_unknown_do_no_harm() -> None:
    clock = Clock()
    forecast = Forecast([stage("a", "", 10.0, "a"), stage("b", "", 10.0, "b"), stage("c", "", 10.0, "c")], clock)
    forecast("never planned", 1, 2)
    assert forecast.remaining() == 30.0
    clock.now += 1.0
    forecast("b", 1, 2)
    assert forecast.running is not None
    assert forecast.running.name == "b"
    clock.now += 1.0
    forecast("b", 2, 2)
    assert forecast.running is None
    assert forecast.remaining() == pytest.approx(10.0)
    forecast("a", 1, 1)  # it is past
    assert forecast.remaining() == pytest.approx(10.0)
    assert [each["seconds"] for each in forecast.to_json()] == [None, 2.0, None]


def test_nothing_to_do_is_done() -> None:
    forecast = Forecast([], Clock())
    forecast("searching", 0, 0)
    assert forecast.total() == 0
    assert Forecast([stage("a", "", 0.0, "a")], Clock()).remaining() == 0
