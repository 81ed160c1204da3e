"""Records as JSON: there and back, strict where it matters."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.evaluation.record import SCHEMA
from crossfade.evaluation.results import (
    Comparison,
    Difference,
    Evaluation,
    Latency,
    ModelRef,
    QueryComparison,
    RankedDocument,
)


def evaluation(name: str = "base") -> Evaluation:
    return Evaluation(
        dataset="toy",
        split="test",
        queries=1,
        documents=2,
        model=ModelRef(name, "cf1-q", "cf1-d"),
        measures={"nDCG@10": 0.5},
        latency_ms=Latency(1.0, 2.0, 3.0, 1),
        per_query={"nDCG@10": {"q": 0.5}},
        missing_queries=1,
        settings={"depth": 100, "versions": {"python": "3"}},
    )


def comparison() -> Comparison:
    ranked = RankedDocument("d", 0.25, "Title", "text", None)
    return Comparison(
        base=evaluation(),
        candidate=evaluation("tuned"),
        primary="nDCG@10",
        difference={"nDCG@10": Difference(0.25, (-0.125, 0.5), 0.04, 0.05, 1, 0, 0, 0.1)},
        verdict="inconclusive",
        reasons=["Because."],
        queries=[QueryComparison("q", "why?", 0.25, 0.75, [ranked], [ranked], [], 3)],
        settings={"seed": 1},
    )


def test_evaluation_json_has_the_public_keys() -> None:
    record = evaluation().to_json()
    assert record["schema"] == 1, "a record that an older reader would read right bears the older version"
    assert {key: record[key] for key in ("dataset", "split", "queries", "measures")} == {
        "dataset": "toy",
        "split": "test",
        "queries": 1,
        "measures": {"nDCG@10": 0.5},
    }
    assert record["model"] == {"name": "base", "fingerprint": "cf1-q", "document_fingerprint": "cf1-d"}
    assert record["latency_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0, "samples": 1}


def test_comparison_json_has_the_public_keys() -> None:
    record = comparison().to_json()
    assert {"schema", "base", "candidate", "difference", "verdict", "reasons"} <= record.keys()
    assert record["difference"]["nDCG@10"]["ci95"] == [-0.125, 0.5]
    assert record["difference"]["nDCG@10"]["delta"] == 0.25
    assert record["difference"]["nDCG@10"]["p"] == 0.04
    assert record["queries"][0]["delta"] == 0.5
    assert record["queries"][0]["base_results"][0]["grade"] is None


def test_records_survive_the_file() -> None:
    assert Evaluation.from_json(json.loads(json.dumps(evaluation().to_json(), allow_nan=False))) == evaluation()
    assert Comparison.from_json(json.loads(json.dumps(comparison().to_json(), allow_nan=False))) == comparison()


def test_absent_optional_and_unknown_keys_are_fine() -> None:
    record = evaluation().to_json()
    del record["missing_queries"], record["settings"], record["schema"]
    record["from_the_future"] = True
    assert Evaluation.from_json(record).missing_queries == 0


def broken(change: dict[str, Any]) -> dict[str, Any]:
    """The comparison's record with values at dotted paths replaced; ... removes."""
    record = copy.deepcopy(comparison().to_json())
    for path, value in change.items():
        *parents, last = path.split("/")
        place: Any = record
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        key: Any = int(last) if isinstance(place, list) else last
        if value is ...:
            del place[key]
        else:
            place[key] = value
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base/model": ...}, "base.model: missing (a field of Evaluation)"),
        ({"base/queries": "1"}, "base.queries: '1' is not an integer"),
        ({"base/queries": True}, "base.queries: True is not an integer"),
        ({"base/measures/nDCG@10": True}, "base.measures.nDCG@10: True is not a finite number"),
        ({"base/measures/nDCG@10": None}, "base.measures.nDCG@10: None is not a finite number"),
        ({"base/measures/nDCG@10": float("nan")}, "base.measures.nDCG@10: nan is not a finite number"),
        ({"difference/nDCG@10/ci95": [1]}, "difference.nDCG@10.ci95: [1] is not an array of 2"),
        ({"verdict": "perhaps"}, "verdict: 'perhaps' is not one of ship, do_not_ship, inconclusive"),
        ({"reasons": "none"}, "reasons: 'none' is not an array"),
        ({"reasons": [3]}, "reasons[0]: 3 is not a string"),
        ({"queries/0/base_results/0/grade": "x"}, "queries[0].base_results[0].grade: 'x' is not an integer"),
        ({"queries/0": 5}, "queries[0]: 5 is not an object (QueryComparison)"),
        ({"settings": []}, "settings: [] is not an object"),
        ({"schema": SCHEMA + 1}, "upgrade crossfade"),
        ({"schema": "new"}, "schema: 'new' is no version"),
    ],
)
def test_a_damaged_record_is_refused_by_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Comparison.from_json(broken(change))
    assert message in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="is not an object"):
        Comparison.from_json(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_no_nan_leaves(value: float) -> None:
    record = evaluation()
    record.measures["nDCG@10"] = value
    with pytest.raises(InvalidInput, match=r"measures\.nDCG@10: (nan|inf) cannot be recorded"):
        record.to_json()


def test_what_json_has_no_form_for_is_refused() -> None:
    record = evaluation()
    record.settings["path"] = object()
    with pytest.raises(InvalidInput, match=r"settings\.path: object cannot be recorded as JSON"):
        record.to_json()
