"""A leakage report as evidence: what it counted is believed, what it concludes is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from leakage_samples import clean_rows, planted_dataset, write_rows

from crossfade.errors import DataError
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.evidence import DataRef
from crossfade.evaluation.decision.leakage import read_leakage
from crossfade.evaluation.decision.leakage_gate import objections
from crossfade.evaluation.leakage import LeakageSettings, find_leakage

DATASET = planted_dataset()


def data_of(dataset: Dataset) -> DataRef:
    return DataRef("planted", "test", 80, dataset.corpus_hash, dataset.queries_hash, dataset.qrels_hash)


def report(folder: Path, leaking: int = 0, **settings: Any) -> dict[str, Any]:
    texts = list(DATASET.queries.values())[:leaking]
    rows = [*clean_rows(20), *({"anchor": text, "positive": "nothing of the kind"} for text in texts)]
    return find_leakage(DATASET, [write_rows(folder / "train.jsonl", rows)], LeakageSettings(**settings)).to_json()


def against(folder: Path, data: Any, limit: float = 0.0) -> list[str]:
    path = folder / "report.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return objections(read_leakage(path), data_of(DATASET), limit)


def test_a_report_of_clean_rows_clears_and_says_what_it_read(tmp_path: Path) -> None:
    assert against(tmp_path, report(tmp_path)) == []
    found = read_leakage(tmp_path / "report.json")
    assert (found.rows, found.skipped, found.queries, found.queries_touched) == (20, 0, 60, 0)
    assert [(Path(each.path).name, each.rows, each.ignored) for each in found.files] == [("train.jsonl", 20, [])]
    assert len(found.files[0].sha256) == 64
    assert found.overlap.phrases == 0.7
    assert "contradiction" in found.counted


def test_the_word_clean_and_a_generous_limit_of_its_own_count_for_nothing(tmp_path: Path) -> None:
    leaky = report(tmp_path, leaking=3, limit=1.0)
    assert leaky["verdict"] == "clean"
    assert against(tmp_path, leaky) == [
        "3 of 60 evaluation queries are touched by the training data (5.00%); none may be."
    ]
    assert against(tmp_path, leaky, limit=0.05) == []
    assert against(tmp_path, {**report(tmp_path, leaking=3), "verdict": "clean", "reasons": []})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "no leakage report"),
        ({"verdict": "fine"}, "no leakage report"),
        ({"queries_touched": 0}, "contradicts itself: queries_touched is 0, and touched names 3"),
        ({"queries_touched": 0, "touched": []}, "one counted pair concerns 3"),
        ({"queries": 2}, "3 of 2 queries are touched"),
        ({"skipped": 4}, "skipped is 4, and its files say otherwise"),
        ({"rows": 4}, "rows is 4, and its files say otherwise"),
        ({"skipped": -1}, "skipped is -1"),
        ({"pairs": {}}, "pairs lacks query-query"),
        ({"settings": {}}, "no leakage report"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        against(tmp_path, {**report(tmp_path, leaking=3), **changes})


@pytest.mark.parametrize("data", [{"verdict": "clean", "reasons": []}, [], "clean", None])
def test_the_word_alone_is_no_report(tmp_path: Path, data: Any) -> None:
    with pytest.raises(DataError, match="no leakage report"):
        against(tmp_path, data)


@pytest.mark.parametrize(
    "changes", [{"counted": "query-query"}, {"limit": "0"}, {"model": {}}, {"overlap": {"phrases": 7}}]
)
def test_settings_of_another_kind_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = report(tmp_path)
    with pytest.raises(DataError, match="no leakage report"):
        against(tmp_path, {**made, "settings": {**made["settings"], **changes}})
