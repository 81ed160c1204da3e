"""Ratios, limits and reach; and the table that shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench import table
from bench.cases import OURS, Limit, skipped_case, timed_case, valued_case


def case(**reach: float) -> dict[str, Any]:
    """We take 2 s, the peer 5 s; the probe does twice the work of the case in 3 s."""
    probe = Limit(lambda: None, work=8e9, needs=4e9, unit="GB/s")
    return timed_case("a case", {OURS: 2.0, "peer": 5.0}, "queries", 10, limits={"memory": (3.0, probe)}, reach=reach)


def test_a_ratio_is_our_speed_over_theirs_and_a_limit_is_scaled_to_the_work_of_the_case() -> None:
    found = case()
    assert found["limits"]["memory"] == {
        "seconds": pytest.approx(1.5),  # half of the probe's work, in half of its 3 s
        "figure": pytest.approx(8 / 3),  # 8e9 bytes in 3 s
        "figure_unit": "GB/s",
    }
    assert found["ratios"] == pytest.approx({"peer": 2.5, "memory": 0.75})


def test_reach_is_met_at_the_figure_itself_and_missed_below_it() -> None:
    found = case(peer=2.5, memory=0.76)
    assert [(one["against"], one["met"]) for one in found["reach"]] == [("peer", True), ("memory", False)]


def test_a_peer_that_is_not_there_has_no_reach() -> None:
    assert case(absent=2.0)["reach"] == []


def test_values_and_their_reach() -> None:
    found = valued_case("recall", "R@100", {"f16": 1.0, "int8": 0.99}, {"f16": 1.0, "int8": 0.999}, {"f16": "extra"})
    assert [one["met"] for one in found["reach"]] == [True, False]
    assert found["details"] == {"f16": "extra"}


@pytest.mark.parametrize("found", [case(peer=2.0), valued_case("a", "R", {"x": 1.0}, {}), skipped_case("a", "why")])
def test_a_case_is_json(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found)) == found


def test_the_table_shows_project_peer_ratio_and_limit_side_by_side() -> None:
    text = "\n".join(table.lines(case(peer=2.0, memory=0.9)))
    rows = {line.split("  ")[1].strip(): line.split() for line in text.splitlines() if line.startswith("  ")}
    assert rows["crossfade"][-1] == "5"
    assert rows["peer"][-4:] == ["2", "2.50x", "2", "met"]
    assert rows["limit: memory 2.7 GB/s"][-4:] == ["0.75", "0.9", "NOT", "MET"]


def test_a_quick_run_gives_no_verdict() -> None:
    found = case(peer=2.0, memory=0.9)
    assert "met" not in "\n".join(table.lines(found, quick=True)).lower()
    assert table.summary([("kernels/f32", found)], quick=True) == ["", table.QUICK]


def test_the_table_shows_values_and_skipped_cases() -> None:
    assert table.lines(valued_case("recall", "R@100", {"f16": 0.99991}, {"f16": 0.999}))[-1].split() == [
        "f16", "0.99991", "0.999", "met",
    ]  # fmt: skip
    assert table.lines(skipped_case("MaxSim", "this build has no max_sim"))[-1] == (
        "MaxSim: skipped: this build has no max_sim"
    )


def test_the_summary_names_every_aim_and_every_skipped_case() -> None:
    text = "\n".join(
        table.summary([("kernels/f32", case(peer=2.0, memory=0.9)), ("kernels/x", skipped_case("b", "no b here"))])
    )
    assert "reach: 1 of 2 met" in text
    assert "kernels/f32: a case" in text
    assert "kernels/x: b: no b here" in text


def test_no_summary_of_nothing() -> None:
    assert table.summary([]) == []
