"""What a leakage report means for a decision: only a clean one blocks nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from leakage_samples import clean_rows, planted_dataset, write_rows

from crossfade.errors import DataError
from crossfade.evaluation.decision.leakage import read_leakage
from crossfade.evaluation.leakage import LeakageSettings, find_leakage, gate

DATA = planted_dataset()


@pytest.mark.parametrize(
    ("more", "verdict"), [({}, "clean"), ({"query": 3}, "unclear"), ({"query": DATA.queries["q0"]}, "leak")]
)
def test_what_blocks(tmp_path: Path, more: dict[str, Any], verdict: str) -> None:
    train = write_rows(tmp_path / "train.jsonl", [*clean_rows(5), *([more] if more else [])])
    report = find_leakage(DATA, [train], LeakageSettings(skip_bad=True))
    path = tmp_path / "leakage.json"
    path.write_text(json.dumps(report.to_json()), encoding="utf-8")
    assert report.verdict == verdict
    assert read_leakage(path, DATA).blocked == gate(report)
    assert bool(gate(report)) == (verdict != "clean")


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leakage.json"
    path.write_text('{"verdict": "perhaps", "reasons": []}', encoding="utf-8")
    with pytest.raises(DataError, match='"leak", "clean" or "unclear"'):
        read_leakage(path, DATA)
