"""One page of several records: what stands where, what is left out, and where the marks of a scatter plot go."""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import decision, diagnosis, evidence, frontier, protocol, records
from report_samples import comparison
from test_report_page import Tree

from crossfade.evaluation.decision.protocol import Gates
from crossfade.evaluation.decision.record import make_record
from crossfade.evaluation.results import Comparison
from crossfade.report import render
from crossfade.report.scatter import HEIGHT, Dot, Scatter, scatter

COMPARED = comparison("ship", count=40)
RECORDS = records(COMPARED)
MADE = Comparison.from_json(COMPARED)
ORDER = [
    "fix", "measures", "ladder", "causes", "slices", "balance", "queries", "latency", "frontier", "trust", "facts",
]  # fmt: skip


def sections(page: str) -> list[str]:
    return re.findall(r'<section class="section" id="(\w+)"', page)


def words(page: str) -> str:
    return " ".join(" ".join(Tree(page).text).split())


def test_sections_stand_in_the_order_of_the_questions() -> None:
    page = render(COMPARED, **RECORDS)
    assert sections(page) == ORDER
    tree = Tree(page)
    assert [link["href"][1:] for link in tree.all("a")][1:] == ORDER
    assert tree.all("a")[0] == {"class": "skip", "href": "#content"}
    assert all(later <= earlier + 1 for earlier, later in zip(tree.headings, tree.headings[1:], strict=False))
    assert "Not in this report" not in page


@pytest.mark.parametrize(
    ("kinds", "there", "title"),
    [
        (["decision"], ["fix", "measures", "slices", "balance", "queries", "latency", "trust", "facts"], None),
        (["diagnosis"], ["fix", "ladder", "causes", "facts"], "Search words too"),
        (["frontier"], ["frontier", "facts"], "2 of 3 on the frontier"),
        (["leakage"], ["trust", "facts"], "Training data leak"),
        (["leakage", "frontier"], ["frontier", "trust", "facts"], "2 of 3 on the frontier"),
        (["diagnosis", "frontier"], ["fix", "ladder", "causes", "frontier", "facts"], "Search words too"),
    ],
)
def test_what_is_not_given_is_left_out_and_said(kinds: list[str], there: list[str], title: str | None) -> None:
    page = render(**{kind: RECORDS[kind] for kind in kinds})
    assert sections(page) == there
    if title is not None:
        assert f'<h1 id="verdict">{title}</h1>' in page
    missing = page.split("Not in this report")[1]
    for kind, command in (("diagnosis", "diagnose"), ("frontier", "frontier"), ("leakage", "leakage")):
        assert (f"crossfade {command} --json" in missing) is (kind not in kinds)


def test_a_decision_leads_and_its_gates_say_how_to_clear_them() -> None:
    page = render(COMPARED, decision=RECORDS["decision"])
    assert '<h1 id="verdict">Blocked</h1>' in page
    assert page.index("To clear it:") < page.index('id="measures"')
    shown = re.findall(r'<li class="(blocks|waived|passed)"', page)
    assert shown == sorted(shown, key=["blocks", "waived", "passed"].index)
    gates = RECORDS["decision"]["outcome"]["gates"]
    assert len(shown) == len(gates)
    text = words(page)
    for gate in gates:
        assert gate["reason"] in text
        assert gate["passed"] or gate["waived"] or gate["remedy"] in text
    assert "Waived, with the reason: it moves to another index" in text


def test_slices_and_guard_sets_have_their_figures_and_margins() -> None:
    page = render(decision=RECORDS["decision"])
    found = [each for each in RECORDS["decision"]["outcome"]["findings"] if each["subject"] != "measure"]
    assert {each["name"] for each in found} == {"even", "odd", "general"}
    part = page.split('id="slices"')[1].split("</section>")[0]
    for each in found:
        assert f"{each['delta']:+.3f}".replace("-", "−") in part
        assert f"{each['n']:,}" in part
    assert part.count('class="margin"') == 2
    assert "43% of the queries get another first result." in part


def test_a_slice_that_falls_is_said_with_its_losses() -> None:
    worse = comparison("do_not_ship", count=60, seed=3)
    records(worse)
    made = decision(Comparison.from_json(worse), gates=Gates(least_queries=10))
    page = render(worse, decision=made)
    fallen = [each for each in made["outcome"]["findings"] if each["subject"] == "slice" and each["harmed"]]
    assert fallen
    assert "falls: nDCG@10 went from" in words(page)


def test_a_margin_of_the_gain_is_drawn() -> None:
    made = decision(MADE, superiority_margin=0.02)
    part = render(decision=made).split('id="measures"')[1].split("</section>")[0]
    assert part.count('class="margin"') == 1
    assert "the gain that had to be exceeded, +0.020" in part


def test_the_ladder_marks_arms_as_diagnose_does() -> None:
    part = render(diagnosis=RECORDS["diagnosis"]).split('id="ladder"')[1].split("</section>")[0]
    outcomes = re.findall(r'<li class="(base|better|worse|unclear)">', part)
    assert outcomes == ["base", "unclear", "worse", "better"]
    for sign in ("○ −0.003", "▼ −0.071", "▲ +0.049"):
        assert sign in part
    assert part.count('class="baseline"') == 4
    assert "no query carries a filter" in part


def test_causes_have_counts_shares_and_examples() -> None:
    page = render(diagnosis=RECORDS["diagnosis"])
    part = words(page)
    for expected in ("Ranked low", "5 42%", "Semantic mismatch", "Truncated", "2 17%", "wing", "17 Retrieval"):
        assert expected in part
    assert page.count('class="fold failure') == 3 + 3 + 2 + 2
    assert "The best relevant document stands at rank 41." in part


def test_the_checklist_has_answers_figures_and_sources() -> None:
    page = render(diagnosis=RECORDS["diagnosis"])
    assert re.findall(r'<li class="answer-(\w+)"', page) == ["yes", "no", "unknown"] * 3
    for item in RECORDS["diagnosis"]["checklist"]:
        assert item["question"] in page
        assert item["figure"] in page


def test_no_failure_is_said_as_one() -> None:
    whole = diagnosis(MADE, failed=0, causes=[], failures=[], terms=[], clusters=[], answers=None)
    page = render(diagnosis=whole)
    assert "none has failed" in words(page)
    assert "Retrieval or generation" not in page


def test_thresholds_and_counts_of_leaks_are_there() -> None:
    text = words(render(leakage=RECORDS["leakage"]))
    for expected in ("characters 0.85, phrases 0.7, containment 0.9", "does not count", "No query may be touched."):
        assert expected in text
    assert "Semantic" not in text, "no model looked for paraphrases"
    assert "train.jsonl:7" in text


def test_equal_records_give_equal_pages() -> None:
    assert render(COMPARED, **RECORDS) == render(COMPARED, **records(comparison("ship", count=40)))


def test_many_failures_do_not_make_a_large_page() -> None:
    many: dict[str, Any] = diagnosis(MADE)
    pattern = many["failures"]
    many["failures"] = [{**pattern[row % 12], "query_id": f"n{row}"} for row in range(20_000)]
    many["causes"] = [{"cause": "ranked_low", "count": 20_000, "share": 1.0, "examples": ["n0", "n1", "n2", "n3"]}]
    many["clusters"] = [{"terms": ["a"], "queries": [f"n{row}" for row in range(9_000)], "causes": {"ranked_low": 9}}]
    page = render(diagnosis=many)
    assert len(page.encode()) < 150_000
    assert "9,000 queries about" in words(page)


def test_an_untested_protocol_is_drawn_too() -> None:
    given = replace(evidence(MADE), slices=[], guards=[])
    page = render(decision=make_record(protocol(guards=[], slices=[], waivers=[]), given))
    assert "slices" not in sections(page)
    assert "queries" not in sections(page)
    assert "balance" in sections(page)


def test_thousands_of_slices_are_cut_and_those_that_fall_are_kept() -> None:
    made: dict[str, Any] = copy.deepcopy(RECORDS["decision"])
    outcome = made["outcome"]
    pattern = next(each for each in outcome["findings"] if each["name"] == "odd")
    fallen = {**pattern, "name": "team=fallen", "harmed": True, "delta": -0.5, "low": -0.6, "high": -0.4}
    outcome["findings"] += [{**pattern, "name": f"team={row}"} for row in range(3_000)] + [fallen]
    gate = {"kind": "release", "passed": True, "reason": "fine", "remedy": ""}
    outcome["gates"] += [{**gate, "name": f"slice:team={row}"} for row in range(3_000)]
    outcome["gates"].append({**gate, "name": "slice:team=fallen", "passed": False, "remedy": "mend it"})
    outcome["reasons"] = [f"Reason {row}." for row in range(50)]
    page = render(decision=made)
    text = words(page)
    assert len(page.encode()) < 700_000
    assert "team=fallen" in page.split('id="slices"')[1]
    assert "of them that lose less are in the record alone" in text
    assert "mend it" in text
    assert "the first 200 of them" in text
    assert "30 more are in the record." in text


COUNTS = [2, 3, 7, 12, 40, 60]


@pytest.mark.parametrize("count", COUNTS)
def test_a_frontier_of_many_models_is_drawn(count: int) -> None:
    page = render(frontier=frontier(MADE, count))
    assert page.count('class="dot best"') + page.count('class="dot"') == 3 * count
    for row in frontier(MADE, count)["points"]:
        assert row["name"] in page


NAMES = st.text("abcdefgh-", min_size=1, max_size=30)
DOTS = st.lists(
    st.tuples(st.floats(0, 1e6), st.floats(0, 1), st.booleans(), NAMES), min_size=2, max_size=40
)  # fmt: skip


@given(DOTS)
def test_points_stand_where_their_figures_say_and_labels_apart(drawn: list[tuple[float, float, bool, str]]) -> None:
    dots = [Dot(name, x, y, y - 0.01, y + 0.01, best) for x, y, best, name in drawn]
    plot = scatter("p99", "ms", "nDCG@10", dots)
    assert isinstance(plot, Scatter)
    for mark in plot.marks:
        assert 0 <= mark.x <= 100
        assert 0 <= mark.high <= mark.y <= mark.low <= HEIGHT
    by_x = sorted(zip(dots, plot.marks, strict=True), key=lambda pair: pair[0].x)
    assert [mark.x for _, mark in by_x] == sorted(mark.x for mark in plot.marks)
    by_y = sorted(zip(dots, plot.marks, strict=True), key=lambda pair: -pair[0].y)
    assert [mark.y for _, mark in by_y] == sorted(mark.y for mark in plot.marks)
    lines = sorted(mark.y + mark.label_at for mark in plot.marks if mark.label)
    assert all(later - earlier >= 13.7 for earlier, later in itertools.pairwise(lines))
    assert all(0 < line < HEIGHT for line in lines)
    for step in plot.steps:
        assert step.x1 <= step.x2
        assert step.y2 <= step.y1


def test_the_line_joins_what_nobody_beats_in_two_figures() -> None:
    dots = [Dot(name, x, y, y, y, True) for name, x, y in (("a", 1, 0.2), ("b", 2, 0.5), ("c", 3, 0.4), ("d", 4, 0.9))]
    plot = scatter("p99", "ms", "nDCG@10", dots)
    assert plot is not None
    a, b, c, d = plot.marks
    corners = {(step.x1, step.y1) for step in plot.steps} | {(step.x2, step.y2) for step in plot.steps}
    assert {(a.x, a.y), (b.x, b.y), (d.x, d.y)} <= corners
    assert (c.x, c.y) not in corners


def test_a_wide_range_is_drawn_by_its_logarithm() -> None:
    wide = scatter("p99", "ms", "R@10", [Dot("a", 1, 0.1, 0.1, 0.1, True), Dot("b", 100, 0.2, 0.2, 0.2, True)])
    near = scatter("p99", "ms", "R@10", [Dot("a", 1, 0.1, 0.1, 0.1, True), Dot("b", 2, 0.2, 0.2, 0.2, True)])
    none = scatter("USD", "USD", "R@10", [Dot("a", 0, 0.1, 0.1, 0.1, True), Dot("b", 9, 0.2, 0.2, 0.2, True)])
    assert [plot is not None and plot.log for plot in (wide, near, none)] == [True, False, False]
    assert wide is not None
    assert "logarithmic scale" in wide.alt


def test_an_interval_says_on_which_side_of_zero_it_ends() -> None:
    found = copy.deepcopy(COMPARED)
    found["difference"][found["primary"]].update(delta=-0.004, ci95=[-0.0098, -0.0003])
    found["candidate"]["measures"][found["primary"]] = found["base"]["measures"][found["primary"]] - 0.004
    page = words(render(found))
    assert page.count("−0.010 to −0.0003") == 2  # tile and table


def test_the_bar_of_a_cause_is_as_long_as_its_share() -> None:
    found = diagnosis(MADE)
    page = render(None, diagnosis=found)
    bars = page[page.index("Causes, most frequent first") :].split("</ul>")[0]
    drawn = [float(width) for width in re.findall(r'width="([0-9.]+)%"', bars) if width != "100"]
    assert drawn == pytest.approx([100 * each["share"] for each in found["causes"] if each["share"] < 1], abs=0.01)


def test_a_verdict_beside_a_leak_that_it_did_not_ask_for_says_so_first() -> None:
    page = words(render(COMPARED, leakage=RECORDS["leakage"]))
    assert "Beware: the training data hold copies of what" in page
    assert page.index("Why Beware") < page.index("How far apart they are")
    worse = comparison("do_not_ship", count=40)
    assert "Beware" not in words(render(worse, leakage=records(worse)["leakage"]))


def test_two_ways_to_answer_with_one_model_are_told_apart() -> None:
    record = copy.deepcopy(COMPARED)
    for side, mode in (("base", "dense"), ("candidate", "hybrid")):
        record[side]["model"]["name"] = "minilm"
        record[side]["retrieval"] = {"mode": mode, "exact": True}
    page = words(render(record))
    assert "The candidate (hybrid) is better than the base (dense) on these queries." in page
    assert "minilm is better than minilm" not in page
