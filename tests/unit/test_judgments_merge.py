"""Merge rules by table, and what a merge does with judges, ties and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judgment_samples import judged

from crossfade.errors import InvalidInput
from crossfade.evaluation.judgments.merge import MergeSettings, merge
from crossfade.evaluation.judgments.rules import candidates, merge_grades


@pytest.mark.parametrize(
    ("grades", "rule", "between"),
    [
        ([2], "majority", (2, 2)),
        ([0, 2, 2], "majority", (2, 2)),
        ([0, 1, 2], "majority", (0, 2)),
        ([3, 3, 0, 0, 1], "majority", (0, 3)),
        ([0, 2, 3], "median", (2, 2)),
        ([0, 2], "median", (1, 1)),
        ([0, 1], "median", (0, 1)),
        ([0, 0, 1, 3], "median", (0, 1)),
        ([0, 0, 1], "mean", (0, 0)),
        ([0, 1, 1], "mean", (1, 1)),
        ([0, 1], "mean", (0, 1)),
        ([2, 3, 3, 2], "mean", (2, 3)),
        ([0, 1, 3], "max", (3, 3)),
        ([0, 1, 3], "min", (0, 0)),
    ],
)
def test_rules(grades: list[int], rule: Any, between: tuple[int, int]) -> None:
    low, high = between
    for order in (grades, grades[::-1]):
        assert candidates(order, rule) == between
        assert merge_grades(order, rule, "lower") == low
        assert merge_grades(order, rule, "higher") == high
        assert merge_grades(order, rule, "drop") == (low if low == high else None)
    if low != high:
        with pytest.raises(InvalidInput, match=f"the {rule} of .* is a tie"):
            merge_grades(grades, rule, "refuse")


GRADES = {
    "anna": {"q1/d1": 2, "q1/d2": 0, "q2/d1": 1},
    "ben": {"q1/d1": 2, "q1/d2": 1, "q2/d2": 3},
    "m": {"q1/d1": 0, "q1/d2": 1, "q2/d1": 0},
}


def test_a_merge_counts_what_it_did(tmp_path: Path) -> None:
    found = merge(judged(tmp_path, GRADES, models=("m",)))
    assert found.qrels == {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1, "d2": 3}}
    assert (found.unanimous, found.single, found.undecided, found.too_few, found.pairs) == (1, 2, 0, 0, 4)
    assert found.grades == {"0": 1, "1": 1, "2": 1, "3": 1}
    (open_one,) = found.disagreements
    assert (open_one.document_id, open_one.grades, open_one.merged, open_one.by) == (
        "d2",
        {"anna": 0, "ben": 1},
        0,
        "tie",
    )
    assert [(each.name, each.kind, each.judgments, each.used) for each in found.judges] == [
        ("anna", "human", 3, True),
        ("ben", "human", 3, True),
        ("m", "model", 3, False),
    ]


def test_a_model_counts_only_by_name(tmp_path: Path) -> None:
    judgments = judged(tmp_path, GRADES, models=("m",))
    found = merge(judgments, MergeSettings(include_models=("m",)))
    assert found.qrels["q1"] == {"d1": 2, "d2": 1}
    assert found.judges[2].used
    with pytest.raises(InvalidInput, match="judge 'anna' is a person and counts anyway"):
        merge(judgments, MergeSettings(include_models=("anna",)))
    with pytest.raises(InvalidInput, match="no judge 'x'"):
        merge(judgments, MergeSettings(include_models=("x",)))
    only = judged(tmp_path, {"m": {"q1/d1": 1}}, models=("m",))
    with pytest.raises(InvalidInput, match=r"all judges are models \('m'\)"):
        merge(only)
    assert merge(only, MergeSettings(include_models=("m",))).qrels == {"q1": {"d1": 1}}


def test_an_adjudicator_overrules_and_the_rest_goes_by_another_rule(tmp_path: Path) -> None:
    grades = {**GRADES, "chief": {"q1/d2": 3}}
    settings = MergeSettings("adjudicated", adjudicator="chief", otherwise="max", min_judges=2)
    found = merge(judged(tmp_path, grades), settings)
    assert found.qrels == {"q1": {"d1": 2, "d2": 3}, "q2": {"d1": 1}}
    assert found.too_few == 1
    assert {each.document_id: each.by for each in found.disagreements} == {"d1": "max", "d2": "adjudicated"}
    alone = merge(
        judged(tmp_path, {"chief": {"q1/d1": 1}}), MergeSettings("adjudicated", adjudicator="chief", min_judges=2)
    )
    assert alone.qrels == {"q1": {"d1": 1}}
    with pytest.raises(InvalidInput, match="the adjudicator 'm' is a model: include it by name"):
        merge(judged(tmp_path, GRADES, models=("m",)), MergeSettings("adjudicated", adjudicator="m"))


def test_dropped_and_refused_ties(tmp_path: Path) -> None:
    judgments = judged(tmp_path, {"anna": GRADES["anna"], "ben": GRADES["ben"]})
    found = merge(judgments, MergeSettings(ties="drop"))
    assert found.qrels["q1"] == {"d1": 2}
    assert (found.undecided, found.disagreements[0].merged) == (1, None)
    with pytest.raises(InvalidInput, match=r"tied on document 'd2' for query 'q1' \(anna 0, ben 1; rule majority\)"):
        merge(judgments, MergeSettings(ties="refuse"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "best"}, "merge rule 'best' is not known: use majority"),
        ({"ties": "coin"}, "ties 'coin' is not known"),
        ({"otherwise": "adjudicated"}, "rule 'adjudicated' is not known"),
        ({"rule": "adjudicated"}, "an adjudicator and the rule"),
        ({"adjudicator": "anna"}, "an adjudicator and the rule"),
        ({"rule": "adjudicated", "adjudicator": "x"}, "no judge 'x'"),
        ({"min_judges": 0}, "at least 0 judges"),
        ({"min_judges": 4}, "nothing is left to write: of 4 judged pairs 4 have fewer than 4 judges"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        merge(judged(tmp_path, GRADES), MergeSettings(**settings))


def test_no_grade_is_no_merge() -> None:
    with pytest.raises(InvalidInput, match="there is no grade"):
        merge_grades([])
    with pytest.raises(InvalidInput, match="merge rule 'x' is not known"):
        merge_grades([1], "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="ties 'x' is not known"):
        merge_grades([1, 2], "majority", "x")  # type: ignore[arg-type]
