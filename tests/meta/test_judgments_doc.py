"""docs/judgments.md: its commands are run in their order, with judges who fill in what the pools ask; its code runs."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from judgment_samples import DOCUMENTS, QUERIES, row, write_rows

from crossfade.cli.main import run
from crossfade.evaluation.beir import write_beir
from crossfade.evaluation.trec import write_run

TEXT = (Path(__file__).parents[2] / "docs" / "judgments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
PAIRS = [(query_id, document.id) for query_id in QUERIES for document in DOCUMENTS]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands find."""
    write_beir(tmp_path / "notes", DOCUMENTS, QUERIES, {"test": {"q1": {"d1": 1}}})
    write_run(tmp_path / "base.run", {query_id: {"d1": 3, "d2": 2, "d3": 1} for query_id in QUERIES})
    write_run(tmp_path / "tuned.run", {query_id: {"d4": 3, "d2": 2.5, "d1": 2} for query_id in QUERIES})
    write_rows(tmp_path / "model.jsonl", [row(*pair, "model", 1, judge_kind="model") for pair in PAIRS])
    write_rows(tmp_path / "chief.jsonl", [row("q2", "d1", "chief", 3)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill_in(path: Path, grades: list[int]) -> None:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for each in rows:
        each["grade"] = str(grades[PAIRS.index((each["query_id"], each["document_id"])) % len(grades)])
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_every_command_does_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) == 6
    told = []
    for line in COMMANDS:
        code = run(shlex.split(line)[1:])
        captured = capsys.readouterr()
        assert code == 0, (line, captured.err)
        told.append(captured.out)
        for judge, grades in (("anna", [0, 1, 2]), ("ben", [0, 1, 1])):
            if line.endswith(f"--out {judge}.csv"):
                fill_in(folder / f"{judge}.csv", grades)
    pools, agreement, imports = told[:2], told[2], told[3:]
    assert all("to judge: 5 pairs of 2 queries, blind, shuffled" in each for each in pools)
    assert "Krippendorff's alpha, ordinal" in agreement
    assert "Model model, against people:" in agreement
    assert "left out because of a tie" in imports[0]
    assert "adjudicated by chief, otherwise mean" in imports[1]
    assert "q2\td1\t3" in (folder / "notes" / "qrels" / "round2.tsv").read_text()
    assert json.loads(imports[2])["included_models"] == ["model"]


def test_the_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [block for kind, block in BLOCKS if kind == "python"]
    for block in blocks:
        exec(compile(block, "docs/judgments.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_every_rule_is_told() -> None:
    section = TEXT.split("\n## Merging\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)))) == {
        "majority",
        "median",
        "mean",
        "max",
        "min",
        "adjudicated",
    }
