"""Records beside a comparison are checked field by field too, and one page is of one data set."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from report_records import HASH, records
from report_samples import comparison

from crossfade.errors import InvalidInput
from crossfade.evaluation.decision.record import DecisionRecord
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.evaluation.frontier import Frontier
from crossfade.evaluation.leakage.results import LeakageReport
from crossfade.report import render

COMPARED = comparison("ship", count=24)
RECORDS = records(COMPARED)
KINDS = sorted(RECORDS)


def changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    """`value` None: the field is taken out."""
    record = copy.deepcopy(COMPARED if kind == "comparison" else RECORDS[kind])
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
    ("kind", "path", "value", "words"),
    [
        ("decision", "format", "else", "format must be"),
        ("decision", "schema", 2, "schema must be 1"),
        ("decision", "outcome/verdict", "maybe", "outcome.verdict must be one of ship, do_not_ship"),
        ("decision", "outcome/gates/0/passed", 1, "outcome.gates[0].passed must be true or false"),
        ("decision", "outcome/gates/0/kind", "odd", "outcome.gates[0].kind must be one of evidence, release"),
        ("decision", "outcome/findings", [], "outcome.findings must be a list that begins with nDCG@10"),
        ("decision", "outcome/findings/1/low", 7.0, "outcome.findings[1].high must be at least low, 7"),
        ("decision", "outcome/findings/1/n", -1, "outcome.findings[1].n must be a whole number"),
        ("decision", "outcome/findings/1/p_harm", 2, "outcome.findings[1].p_harm must be a probability"),
        ("decision", "protocol/alpha", 1.0, "protocol.alpha must be between 0 and 1"),
        ("decision", "evidence/queries", [], "evidence.queries must be a list of at least one query"),
        ("decision", "evidence/queries/3", 4, "evidence.queries[3] must be a text"),
        (
            "decision",
            "evidence/values/nDCG@10/base",
            [0.1],
            "evidence.values.nDCG@10.base must be a list of 24 numbers",
        ),
        ("decision", "evidence/base/latency_ms/p99", -1, "evidence.base.latency_ms.p99 must be 0 ms or more"),
        ("decision", "evidence/base/cost/per_million_queries", "1", "evidence.base.cost.per_million_queries must be a"),
        ("decision", "evidence/data/corpus_sha256", None, "evidence.data.corpus_sha256 is missing"),
        ("decision", "evidence/judged/base", [], "evidence.judged.base must be a list of at least one share"),
        ("decision", "regressions/0/query/base_value", "x", "regressions[0].query.base_value must be a finite number"),
        ("decision", "churn/first", 1.5, "churn.first must be a probability"),
        ("diagnosis", "schema", 9, "schema must be 1"),
        ("diagnosis", "arms", [], "arms must be a list that begins with the baseline"),
        ("diagnosis", "arms/1/difference/ci95", [1, 0], "arms[1].difference.ci95 must be two numbers"),
        ("diagnosis", "arms/1/measures/nDCG@10/mean", math.nan, "arms[1].measures.nDCG@10.mean must be a finite"),
        ("diagnosis", "arms/1/cost/index_bytes", 1.5, "arms[1].cost.index_bytes must be a whole number"),
        ("diagnosis", "causes/0/share", 1.2, "causes[0].share must be a probability"),
        ("diagnosis", "causes/0/examples/0", "nobody", "causes[0].examples[0] must be the id of a query among"),
        ("diagnosis", "failures/0/evidence", [], "failures[0].evidence must be an object"),
        ("diagnosis", "checklist/2/answer", "perhaps", "checklist[2].answer must be one of yes, no, unknown"),
        ("diagnosis", "recommendation/action", "pray", "recommendation.action must be one of fix_data"),
        ("diagnosis", "answers/right", "66", "answers.right must be a whole number"),
        ("frontier", "schema", 2, "schema must be 1"),
        ("frontier", "points", [], "points must be a list of at least one model"),
        ("frontier", "points/0/pareto", "yes", "points[0].pareto must be true or false"),
        ("frontier", "points/0/cost/per_million_queries", -1, "points[0].cost.per_million_queries must be 0 or more"),
        ("frontier", "points/0/latency_ms", None, "points[0].latency_ms is missing"),
        ("leakage", "pairs", None, "pairs is missing"),
        ("leakage", "pairs/query-query/rows/near", "9", "pairs.query-query.rows.near must be a whole number"),
        ("leakage", "verdict", "fine", "verdict must be one of leak, clean, unclear"),
        ("leakage", "settings/counted", "all", "settings.counted must be a list"),
        ("leakage", "settings/overlap/phrases", None, "settings.overlap.phrases is missing"),
        ("leakage", "examples/0/kind", "odd", "examples[0].kind must be one of exact"),
    ],
)
def test_a_wrong_field_is_named(kind: str, path: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        render(**{kind: changed(kind, path, value)})
    assert str(caught.value).startswith(f"{kind}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [None, [], "{}", 7, {1: 2}, {}])
def test_what_is_no_record_is_refused(kind: str, wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        render(**{kind: wrong})


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_record_is_refused(kind: str) -> None:
    for other in [COMPARED, *(RECORDS[name] for name in KINDS if name != kind)]:
        with pytest.raises(InvalidInput, match="crossfade "):
            render(**{kind: other})


def test_nothing_makes_no_page() -> None:
    with pytest.raises(InvalidInput, match="give a comparison, decision, diagnosis, frontier or leakage"):
        render()


@pytest.mark.parametrize(
    ("kind", "reader"),
    [
        ("decision", DecisionRecord),
        ("diagnosis", Diagnosis),
        ("frontier", Frontier),
        ("leakage", LeakageReport),
    ],
)
def test_the_type_and_its_json_give_the_same_page(kind: str, reader: Any) -> None:
    stored = json.loads(json.dumps(RECORDS[kind]))
    assert render(**{kind: reader.from_json(stored)}) == render(**{kind: stored})


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        ("diagnosis", "dataset", "other", "dataset: 'python-docs' in the comparison, 'other' in the diagnosis"),
        ("frontier", "split", "train", "split: 'test' in the comparison, 'train' in the frontier"),
        ("leakage", "queries", 23, "queries: 24 in the comparison, 23 in the leakage"),
        ("diagnosis", "documents", 7, "documents: 4312 in the comparison, 7 in the diagnosis"),
        ("leakage", "settings/corpus_hash", HASH, "the corpus of the comparison and of the leakage are not the same"),
        ("frontier", "settings/qrels_hash", HASH, "the judgments of the comparison and of the frontier"),
        ("diagnosis", "arms/0/model/fingerprint", "cf1-else", "no model is in both"),
        ("decision", "evidence/data/queries_sha256", "cd" * 32, "the queries of the comparison and of the decision"),
        ("decision", "evidence/candidate/fingerprint", "cf1-else", "the comparison's candidate is minilm-python-docs"),
        ("decision", "outcome/findings/0/base", 0.111, "nDCG@10 of the base is"),
    ],
)
def test_records_of_other_things_are_refused_by_name(kind: str, path: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        render(COMPARED, **{kind: changed(kind, path, value)})
    assert words in str(caught.value)


def test_a_frontier_of_other_models_is_refused() -> None:
    other = copy.deepcopy(RECORDS["frontier"])
    for row, point in enumerate(other["points"]):
        point["model"].update(name=f"other-{row}", fingerprint=f"cf1-other-{row}")
    with pytest.raises(
        InvalidInput, match=r"the comparison is of minilm .* the frontier of other-0 .*no model is in both"
    ):
        render(COMPARED, frontier=other)


def test_a_comparison_without_the_hashes_of_its_decision_is_refused() -> None:
    bare = changed("comparison", "base/settings/corpus_hash", None)
    with pytest.raises(InvalidInput, match="the comparison none: it cannot be told to be of the same data"):
        render(bare, decision=RECORDS["decision"])


def test_a_comparison_under_another_protocol_is_refused() -> None:
    other = changed("comparison", "settings/decision", {"rule": 1, "protocol_sha256": HASH})
    with pytest.raises(InvalidInput, match="the comparison follows the protocol"):
        render(other, decision=RECORDS["decision"])


def test_what_a_decision_leaves_open_may_be_missing() -> None:
    for path in ("regressions", "churn", "rank_overlap", "evidence/guards", "evidence/slices"):
        record = changed("decision", path, None)
        if path.startswith("evidence"):
            record["outcome"]["findings"] = [
                each for each in record["outcome"]["findings"] if each["subject"] == "measure"
            ]
        assert "</html>" in render(decision=record)
