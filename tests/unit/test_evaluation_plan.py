"""What a comparison costs, said before it begins: counts, what the cache holds, disk, money."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from rich.console import Console

from crossfade.cli import costs_ahead
from crossfade.cli.costs_ahead import duration, plan_and_say, with_costs
from crossfade.cli.progress import StageBars
from crossfade.errors import InvalidInput
from crossfade.evaluation import plan as planning
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.compare import compare
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.protocol import Prices
from crossfade.evaluation.evaluate import EvaluationSettings
from crossfade.evaluation.forecast import Forecast, PlannedStage
from crossfade.evaluation.index import CorpusIndexes
from crossfade.evaluation.plan import Plan, Planned, plan_comparison, small

OTHER = FakeBundle("other", "cf1-other", "cf1-other")
TUNED = FakeBundle("tuned", query_fingerprint="cf1-tuned")


@pytest.fixture(autouse=True)
def _short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_PROBE_SECONDS", 0.01)
    monkeypatch.setattr(planning, "_PROBE_ROWS", 1024)
    monkeypatch.setattr(planning, "_PROBE_QUERIES", 4)


def planned(
    candidate: FakeBundle = OTHER, *, data: Dataset | None = None, arm: Arm | None = None, cache: Path | None = None
) -> Planned:
    return Planned(
        {"toy": data or toy_dataset(700, 600)},
        {"base": FakeEncoder(), "candidate": FakeEncoder(candidate)},
        {"base": Arm(), "candidate": arm or Arm()},
        EvaluationSettings(["nDCG@10"], latency_samples=100),
        cache,
    )


def told(plan: Plan) -> list[tuple[str, str, int]]:
    return [(stage.name, stage.of, stage.work) for stage in plan.stages]


def test_every_stage_is_there_in_its_order() -> None:
    plan = plan_comparison(planned())
    assert told(plan) == [
        ("embedding corpus", "base", 700),
        ("embedding corpus", "candidate", 700),
        ("searching", "base", 600),
        ("searching", "candidate", 600),
        ("timing queries", "", 100),
        ("measuring", "", 120_000),
        ("testing differences", "", 600),
        ("comparing rankings", "", 120_000),
    ]
    assert all(stage.seconds is not None and stage.seconds > 0 for stage in plan.stages)
    assert plan.seconds == sum(stage.seconds or 0 for stage in plan.stages)
    assert plan.price(2.0) == pytest.approx(plan.seconds / 3600 * plan.cores * 2.0)
    assert (plan.disk, plan.directory, plan.unknown) == (0, None, False)
    assert plan.to_json()["seconds"] == plan.seconds


def test_no_more_results_are_planned_than_there_are_documents() -> None:
    deep = replace(planned(), evaluation=EvaluationSettings(["nDCG@10"], depth=5000), decides=True)
    work = {name: work for name, _, work in told(plan_comparison(deep))}
    assert [work[name] for name in ("measuring", "comparing rankings", "deciding")] == [2 * 600 * 700] * 3


def test_a_decision_and_its_prices_are_stages_too() -> None:
    names = [name for name, _, _ in told(plan_comparison(replace(planned(), decides=True, priced=True)))]
    assert names[4:] == [
        "timing queries",
        "measuring",
        "measuring throughput",
        "testing differences",
        "comparing rankings",
        "deciding",
    ]


def test_progress_follows_the_plan() -> None:
    """Each stage that is told of in a comparison is one that was planned, and all of them end."""
    asked = planned()
    forecast = Forecast(plan_comparison(asked).stages)
    names = {stage.name for stage in forecast.stages}
    base, candidate = asked.encoders.values()

    def progress(stage: str, done: int, total: int) -> None:
        assert stage in names
        forecast(stage, done, total)

    compare(asked.datasets["toy"], base, candidate, asked.evaluation, progress=progress)
    assert sorted(forecast.taken) == list(range(len(forecast.stages)))
    assert forecast.remaining() == 0


def test_a_corpus_that_both_embed_alike_is_planned_once() -> None:
    names = [name for name, _, _ in told(plan_comparison(planned(TUNED)))]
    assert names.count("embedding corpus") == 1


def test_what_the_cache_holds_costs_nothing(tmp_path: Path) -> None:
    data = toy_dataset(700, 600)
    CorpusIndexes(data, cache=tmp_path).vectors(FakeEncoder())
    plan = plan_comparison(planned(data=data, cache=tmp_path))
    assert [row for row in told(plan) if row[0] == "embedding corpus"] == [("embedding corpus", "candidate", 700)]
    assert (plan.disk, plan.directory) == (700 * 16 * 4, tmp_path)


def test_a_disk_without_room_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InvalidInput, match=f"the vectors take 0.00 GB and {tmp_path} has 0.00 GB free: make room"):
        plan_comparison(planned(cache=tmp_path))
    plan_comparison(planned())  # in memory


def test_what_cannot_be_known_is_said_to_be_so() -> None:
    plan = plan_comparison(planned(arm=Arm(mode="hybrid")))
    assert plan.unknown
    assert [stage.seconds for stage in plan.stages if stage.of == "candidate" and stage.name == "searching"] == [None]


def test_small_data_need_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    few = planned(data=toy_dataset(40, 30))
    assert small(few)
    assert not small(planned())
    with StageBars() as bars:
        assert plan_and_say(few, None, bars) == {}
        assert plan_and_say(planned(), None, bars) == {}  # some tenths of a second
        assert bars.told() == {}
    assert capsys.readouterr().err == ""
    assert with_costs({"a": 1}, {}, bars) == {"a": 1}


def test_long_work_is_told_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(costs_ahead, "WORTH_SAYING", 0.0)
    with StageBars() as bars:
        said = plan_and_say(planned(arm=Arm(mode="hybrid")), Prices(cpu_hour=0.5, currency="EUR"), bars)
    error = capsys.readouterr().err
    assert error.startswith("cost: at least ")
    assert "EUR at 0.5 an hour of a core" in error
    assert "  embedding corpus (base): 700 documents, 0 s\n" in error
    assert "  searching (candidate): 600 queries, not known before it runs\n" in error
    assert said["price"]["currency"] == "EUR"
    settings = with_costs({"a": 1}, said, bars)
    assert {"seconds", "memory_bytes", "seconds_taken", "stages"} <= settings["plan"].keys()


def follow(*, terminal: bool, seconds: float) -> tuple[str, dict[str, Any]]:
    """Two stages of so many seconds each, told of every second."""
    now = [0.0]
    stages = [PlannedStage(name, of, seconds, kind=name) for name, of in (("embedding", "[base]"), ("searching", ""))]
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80, color_system=None)
    with StageBars(console) as bars:
        bars.follow(Forecast(stages, lambda: now[0]))
        for stage in stages:
            for second in range(1, int(seconds) + 1):
                now[0] += 1.0
                bars(stage.name, second, int(seconds))
    return stream.getvalue(), bars.told()


def test_one_bar_is_drawn_for_all_stages() -> None:
    output, found = follow(terminal=True, seconds=100)
    assert "embedding, [base]" in output
    assert "left" in output
    assert found["seconds_taken"] == 200.0
    assert found["seconds_seen_after_a_minute"] == pytest.approx(200.0)


def test_a_log_gets_a_line_a_minute() -> None:
    output, _ = follow(terminal=False, seconds=100)
    assert output.splitlines() == [
        "30%, 2:20 left: embedding, [base]",
        "60%, 1:20 left: searching",
        "90%, 0:20 left: searching",
    ]
    assert follow(terminal=False, seconds=20)[0] == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (99, "99 s"), (840, "14 min"), (5400, "90 min"), (36000, "10.0 h")]
)
def test_durations_are_said_shortly(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_the_first_call_of_all_pays_for_is_no_part_of_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []

    def work(places: range) -> None:
        calls.append(len(places))
        clock[0] += (60.0 if len(calls) == 1 else 0.0) + 0.001 * len(places)

    monkeypatch.setattr(planning.time, "perf_counter", lambda: clock[0])
    count, seconds = planning._timed(1000, work, 0.5)
    assert calls == [16, 16, 32, 64, 128, 256]
    assert seconds == pytest.approx(0.001 * count)
