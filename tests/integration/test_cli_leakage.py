"""`crossfade leakage` and `crossfade dataset split` as people and scripts call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from leakage_samples import clean_rows, planted_dataset, write_rows

from crossfade.cli.main import run
from crossfade.evaluation.beir import read_beir, write_beir
from crossfade.evaluation.leakage import LeakageReport
from crossfade.report import render

DATA = planted_dataset()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_beir(tmp_path / "data", DATA.documents, DATA.queries, {"test": DATA.qrels})
    write_rows(tmp_path / "clean.jsonl", clean_rows(30))
    leaking = {"query": DATA.queries["q3"].upper(), "positive": "x", "source": "a"}
    write_rows(tmp_path / "leaking.jsonl", [*clean_rows(30), leaking])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_leak_is_shown_and_is_no_failure_unless_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["leakage", "--train", "leaking.jsonl", "--dataset", "data"]
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for text in (
        "leaking.jsonl: 31 rows", "not looked at: source", "verdict: leak", "leaking.jsonl:31: query-query, normalised",
        "1 of 60 evaluation queries are touched", "thresholds: characters 0.85, phrases 0.7, containment 0.9",
    ):  # fmt: skip
        assert text in shown.out
    assert run([*arguments, "--fail-on-leak"]) == 1
    assert run([*arguments, "--fail-on-leak", "--limit", "0.02"]) == 0
    assert run([*arguments, "--fail-on-leak", "--counted", "positive-relevant,contradiction"]) == 0
    assert run(["leakage", "--train", "clean.jsonl", "--dataset", "data", "--fail-on-leak"]) == 0


def test_the_record_and_the_clean_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["leakage", "--train", "leaking.jsonl", "--dataset", "data", "--clean-out", "out.jsonl"]
    assert run([*arguments, "--json", "-"]) == 0
    report = LeakageReport.from_json(json.loads(capsys.readouterr().out))
    assert (report.verdict, report.leaking_rows, report.touched) == ("leak", 1, ["q3"])
    assert (folder / "out.jsonl").read_bytes() == (folder / "clean.jsonl").read_bytes()
    assert run([*arguments, "--json", "record.json", "--report", "leaks.html"]) == 0
    page = (folder / "leaks.html").read_text("utf-8")
    assert page == render(leakage=json.loads((folder / "record.json").read_text("utf-8")))
    assert "Training data leak" in page
    assert LeakageReport.from_json(json.loads((folder / "record.json").read_text("utf-8"))).files == report.files
    assert "out.jsonl: 30 rows, 1 left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--train", "absent.jsonl"], "absent.jsonl: no such file"),
        (["--train", "clean.jsonl", "--split", "dev"], "no split 'dev'"),
        (["--train", "clean.jsonl", "--counted", "query"], "no such pair of sides: 'query'"),
        (["--train", "clean.jsonl", "--phrases", "1.2"], "phrases must be above 0 and at most 1"),
        (["--train", "clean.jsonl", "--clean-out", "clean.jsonl"], "would overwrite clean.jsonl, which --train reads"),
        (["--train", "clean.jsonl", "--clean-out", "no/where.jsonl"], "there is no directory no"),
        (["--train", "clean.jsonl", "--query-field", "frage", "--positive-field", "a", "--negative-field", "b"],
         "clean.jsonl:1: no field of it is known"),
        ([], "--train"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_line(
    folder: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leakage", *arguments, "--dataset", "data"]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_split_is_made_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dataset", "split", "--dataset", "data", "--split", "test", "--out", "data"]
    assert run([*arguments, "--shares", "train=0.75,held=0.25"]) == 0
    shown = capsys.readouterr().out
    assert "60 queries in 60 groups by near-copies or relevant documents in common; the largest has 1" in shown
    assert "data: qrels/train.tsv, qrels/held.tsv" in shown
    assert [len(read_beir(folder / "data", name).queries) for name in ("train", "held")] == [45, 15]
    assert run([*arguments, "--shares", "train=0.5,held=0.5", "--overwrite", "--group-by", "query", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["sizes"], record["by"], record["seed"]) == ({"train": 30, "held": 30}, "query", 17)
    for shares, says in (("train", "'train' is no split"), ("a=0.5,a=0.5", "twice"), ("train=0.5,new=0.5", "already")):
        assert run([*arguments, "--shares", shares]) == 2
        assert says in capsys.readouterr().err
