"""A record is checked field by field; whatever is optional may be missing."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from report_samples import comparison

from crossfade.errors import InvalidInput
from crossfade.evaluation import record as evaluation_record
from crossfade.evaluation.results import Comparison
from crossfade.report import parse, render
from crossfade.report.shapes import IntervalRow
from crossfade.report.together import read_together
from crossfade.report.view import Pair, build

RECORD = comparison("ship", count=12)


def pair(record: dict[str, Any]) -> Pair:
    found = build(read_together(comparison=record)).pair
    assert found is not None
    return found


def rows(record: dict[str, Any]) -> list[IntervalRow]:
    return pair(record).differences.rows


def changed(path: str, value: Any) -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    place: Any = record
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("verdict", "maybe", "verdict must be one of ship, do_not_ship, inconclusive, blocked, found 'maybe'"),
        ("verdict", ["ship"], "found a list of 1"),
        ("verdict", None, "verdict is missing"),
        ("schema", 3, "schema must be 1 to 2: another version is another crossfade's, found 3"),
        ("schema", 0, "schema must be 1 to 2"),
        ("schema", 2, None),
        ("difference/AP/delta", 0.9, "difference.AP.delta must be candidate less base, "),
        ("settings", {"queries_left_out": 7}, "queries must be a list of "),
        ("settings", {"queries_left_out": 0}, None),
        ("reasons", "because", "reasons must be a list"),
        ("reasons/0", 7, "reasons[0] must be a text, found 7"),
        ("primary", "MAP", "primary must be a measure that difference holds, found 'MAP'"),
        ("primary", ["nDCG@10"], "primary must be a measure"),
        ("difference", {}, "difference must be an object of at least one measure"),
        ("difference/AP", [], "difference.AP must be an object"),
        ("difference/AP/delta", "0.1", "difference.AP.delta must be a finite number"),
        ("difference/AP/delta", math.nan, "difference.AP.delta must be a finite number"),
        ("difference/AP/delta", -math.inf, "difference.AP.delta must be a finite number"),
        ("difference/AP/delta", True, "difference.AP.delta must be a finite number"),
        ("difference/AP/delta", 10**400, "found a larger integer"),
        ("difference/AP/ci95", [0.1], "difference.AP.ci95 must be two numbers"),
        ("difference/AP/ci95", [0.2, 0.1], "the lower one first"),
        ("difference/AP/p", 1.5, "difference.AP.p must be a probability"),
        ("difference/AP/p_holm", -0.1, "difference.AP.p_holm must be a probability"),
        ("difference/AP/wins", -1, "difference.AP.wins must be a whole number"),
        ("difference/AP/wins", 2.5, "difference.AP.wins must be a whole number"),
        ("base", 3, "base must be an object"),
        ("base/measures/AP", None, "base.measures.AP is missing"),
        ("candidate/model/name", 5, "candidate.model.name must be a text"),
        ("candidate/latency_ms/p95", -1.0, "candidate.latency_ms.p95 must be 0 ms or more"),
        ("candidate/queries", 13, "base.queries is 12 and candidate.queries is 13"),
        ("candidate/dataset", "other", "base.dataset is 'python-docs' and candidate.dataset is 'other'"),
        ("base/per_query/nDCG@10/q001", "high", "base.per_query.nDCG@10.q001 must be a finite number"),
        ("queries", {"q": 1}, "queries must be a list"),
        ("queries/3/text", None, "queries[3].text is missing"),
        ("queries/3/query_id", ["a"], "queries[3].query_id must be a text"),
        ("queries/3/query_id", "q003\ud800", None),
        ("queries/3/base_results/2/grade", 1.5, "queries[3].base_results[2].grade must be a small whole number"),
        ("queries/3/base_results/2/score", math.nan, "queries[3].base_results[2].score must be a finite number"),
        ("settings", ["seed"], "settings must be an object"),
        ("settings/alpha", 0, "settings.alpha must be between 0 and 1"),
        ("base/settings/depth", math.inf, None),
        ("base/settings/note", "x" * 100_000, None),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, words: str | None) -> None:
    if words is None:
        render(changed(path, value))
        return
    with pytest.raises(InvalidInput) as caught:
        render(changed(path, value))
    assert words in str(caught.value)
    assert str(caught.value).startswith("comparison: ")
    assert len(str(caught.value)) < 400


def test_a_query_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="each query once"):
        render(changed("queries/3", copy.deepcopy(RECORD["queries"][4])))


@pytest.mark.parametrize("record", [None, [], "{}", 7, {1: 2}, {}])
def test_what_is_no_record_is_refused(record: Any) -> None:
    with pytest.raises(InvalidInput):
        render(record)


@pytest.mark.parametrize(
    ("path", "absent"),
    [
        ("queries", "All other queries"),
        ("base/latency_ms", "How fast they answer"),
        ("candidate/model/document_fingerprint", "fingerprint of the document encoder"),
        ("settings", "permutations"),
        ("base/documents", None),
        ("base/per_query", None),
        ("candidate/per_query/nDCG@10/q001", None),
        ("primary", None),
        ("difference/AP/p_holm", None),
        ("difference/AP/wins", None),
        ("base/latency_ms/samples", "timed for each model"),
        ("queries/2/relevant", None),
        ("queries/2/base_results", None),
        ("queries/2/base_results/1/grade", None),
        ("queries/2/base_results/1/title", None),
    ],
)
def test_what_is_optional_may_be_missing(path: str, absent: str | None) -> None:
    whole = render(RECORD)
    record = changed(path, None)
    if path == "base/documents":
        del record["candidate"]["documents"]
    page = render(record)
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    if absent:
        assert absent in whole
        assert absent not in page


def strip(record: dict[str, Any]) -> dict[str, Any]:
    """The least that a comparison is."""
    evaluation = {"dataset", "split", "queries", "model", "measures"}
    return {
        **{side: {key: record[side][key] for key in evaluation} for side in ("base", "candidate")},
        "difference": {
            measure: {key: found[key] for key in ("delta", "ci95", "p")}
            for measure, found in record["difference"].items()
        },
        "verdict": record["verdict"],
        "reasons": record["reasons"],
    }


def test_the_least_record_still_shows_verdict_and_differences() -> None:
    page = render(strip(RECORD))
    assert "Ship it" in page
    assert "Better / same / worse" not in page
    assert "Holm" not in page
    assert page.count('class="plot"') == len(RECORD["difference"]) + 1


def test_the_type_and_its_json_give_the_same_page() -> None:
    assert render(Comparison.from_json(RECORD)) == render(json.loads(json.dumps(RECORD)))


def test_wins_are_counted_where_the_record_does_not_say() -> None:
    expected = pair(RECORD).balance
    without = changed("difference/nDCG@10/wins", None)
    assert expected is not None
    assert pair(without).balance == expected
    for side in ("base", "candidate"):
        del without[side]["per_query"]
    assert pair(without).balance == expected


@pytest.mark.parametrize(
    ("measure", "found", "outcome"),
    [
        ("nDCG@10", {"delta": 0.1, "ci95": [0.01, 0.2], "p": 0.05, "p_holm": 0.3}, "better"),
        ("nDCG@10", {"delta": 0.1, "ci95": [-0.01, 0.2], "p": 0.04, "p_holm": 0.04}, "unclear"),
        ("nDCG@10", {"delta": -0.1, "ci95": [-0.2, -0.01], "p": 0.01, "p_holm": 0.3}, "worse"),
        ("AP", {"delta": -0.1, "ci95": [-0.2, 0.01], "p": 0.01, "p_holm": 0.05}, "worse"),
        ("AP", {"delta": 0.1, "ci95": [0.01, 0.2], "p": 0.02, "p_holm": 0.06}, "unclear"),
        ("AP", {"delta": 0.0, "ci95": [0.0, 0.0], "p": 0.0, "p_holm": 0.0}, "unclear"),
        ("Judged@10", {"delta": 0.1, "ci95": [0.01, 0.2], "p": 0.001, "p_holm": 0.001}, "judged"),
    ],
)
def test_marks_follow_the_verdict_rule(measure: str, found: dict[str, Any], outcome: str) -> None:
    record = changed(f"difference/{measure}", {**RECORD["difference"]["AP"], **found})
    for side, mean in (("base", 0.5), ("candidate", 0.5 + found["delta"])):
        record[side]["measures"][measure] = mean
    row = next(row for row in rows(record) if row.name == measure)
    assert row.outcome == outcome


def test_an_interval_is_drawn_where_it_lies() -> None:
    found = pair(RECORD).differences
    for row in found.rows:
        given, span = RECORD["difference"][row.name], row.span
        drawn = (span.left, span.point, span.right)
        assert drawn == tuple(found.axis.at(value) for value in (given["ci95"][0], given["delta"], given["ci95"][1]))
        mark = f'<line class="bar" x1="{span.left}%" x2="{span.right}%" y1="50%" y2="50%"/>'
        assert mark in render(RECORD)


def test_latency_bars_are_in_proportion() -> None:
    found = pair(RECORD).latency
    assert found is not None
    for row in found.rows:
        longest = max(RECORD[side]["latency_ms"]["p99"] for side in ("base", "candidate"))
        assert row.base_bar == pytest.approx(100 * RECORD["base"]["latency_ms"][row.name] / longest, abs=0.01)
        assert row.candidate_bar == pytest.approx(100 * RECORD["candidate"]["latency_ms"][row.name] / longest, abs=0.01)


def test_alpha_is_the_records_own() -> None:
    record = changed("settings/alpha", 0.0001)
    assert {row.outcome for row in rows(record)} == {"unclear"}


def test_the_newest_version_is_what_a_comparison_writes() -> None:
    assert parse.SCHEMA == evaluation_record.SCHEMA
