"""`crossfade judgments`, through the door that users take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judgment_samples import DOCUMENTS, QUERIES, row, write_rows

from crossfade.cli.main import run
from crossfade.evaluation.beir import read_beir, write_beir
from crossfade.evaluation.judgments.results import AgreementReport, MergeRecord
from crossfade.evaluation.trec import write_run

PATIENCE = 120


class Shell:
    """A data set, two runs, two people, a model, and what the commands say."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.notes = directory / "notes"
        write_beir(self.notes, DOCUMENTS, QUERIES, {"test": {"q1": {"d1": 1}}})
        self.anna = write_rows(
            directory / "anna.jsonl",
            [row("q1", "d1", "anna", 2), row("q1", "d2", "anna", 0), row("q2", "d2", "anna", 1)],
        )
        self.ben = directory / "ben.tsv"
        self.ben.write_text("q1\td1\t2\nq1\td2\t1\nq2\td2\t1\n")
        self.model = write_rows(directory / "m.jsonl", [row("q1", "d1", "m", 0), row("q1", "d2", "m", 1)])
        self.files = [self.anna, self.ben, self.model]
        write_run(directory / "base.run", {"q1": {"d1": 2, "d2": 1}, "q2": {"d3": 2, "d2": 1}})
        write_run(directory / "tuned.run", {"q1": {"d1": 2, "d4": 1}, "q2": {"d2": 2, "d3": 1}})
        self.runs = ["--run", directory / "base.run", "--run", f"new={directory / 'tuned.run'}"]
        self._capsys = capsys

    def done(self, *arguments: object) -> str:
        assert run(["judgments", *map(str, arguments)]) == 0, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def told(self, *arguments: object) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: object) -> str:
        assert run(["judgments", *map(str, arguments)]) == 2
        captured = self._capsys.readouterr()
        assert captured.err.count("\n") == 1, captured.err
        assert captured.out == ""
        return captured.err.removeprefix("crossfade: error: ").rstrip()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_import(shell: Shell) -> None:
    words = ("import", *shell.files, "--dataset", shell.notes, "--merge", "majority", "--model-judge", "m")
    text = shell.done(*words, "--out", "people")
    assert "notes/people: 3 judgments of 2 queries; merged by majority, ties: lower" in text
    assert "in disagreement: 1, of which tied 1" in text
    assert read_beir(shell.notes, "people").qrels == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 1}}
    assert shell.refused(*words, "--out", "people").startswith("split 'people' is there already")
    told = shell.told(*words, "--out", "people", "--replace", "--include-model-judges", "m")
    record = MergeRecord.from_json(told)
    assert (record.included_models, record.grades) == (["m"], {"1": 2, "2": 1})
    assert told == json.loads((shell.notes / "qrels" / "people.judgments.json").read_text("utf-8"))
    text = shell.done(*words, "--out", "both", "--include-model-judges", "m")
    assert "Judgments of models are merged with those of people, as asked: m." in text
    assert "tied on document 'd2'" in shell.refused(*words, "--out", "strict", "--ties", "refuse")
    assert not (shell.notes / "qrels" / "strict.tsv").exists()


def test_refusals_of_import(shell: Shell) -> None:
    words = ("--dataset", shell.notes, "--merge", "majority", "--out", "x")
    assert "judged document 'd1' for query 'q1' before" in shell.refused("import", shell.anna, shell.anna, *words)
    assert "replaced by a later judgment of the same judge: 3" in shell.done(
        "import", shell.anna, shell.anna, *words, "--last"
    )
    assert "no such file" in shell.refused("import", shell.directory / "none.csv", *words[:-1], "y")
    assert "Missing option '--merge'" in shell.refused("import", shell.anna, "--dataset", shell.notes, "--out", "y")
    assert "'nobody'" in shell.refused("import", shell.anna, *words[:-1], "y", "--model-judge", "nobody")


def test_agreement(shell: Shell) -> None:
    told = shell.told("agreement", f"anna={shell.anna}", f"benjamin={shell.ben}", shell.model, "--model-judge", "m")
    report = AgreementReport.from_json(told)
    assert [(each.name, each.kind) for each in report.judges] == [
        ("anna", "human"),
        ("benjamin", "human"),
        ("m", "model"),
    ]
    assert [(pair.first, pair.second) for pair in report.pairs] == [("anna", "benjamin")]
    assert report.pairs[0].percent.value == pytest.approx(2 / 3)
    assert report.settings["seed"] == 17
    text = shell.done("agreement", *shell.files, "--model-judge", "m", "--resamples", 100, "--seed", 3)
    for part in ("people together", "Fleiss' kappa (2 judgments a pair)", "anna and ben", "Model m, against people:"):
        assert part in text
    alone = shell.done("agreement", shell.anna)
    assert "no pair was judged by two" in alone
    assert "nan" not in alone.lower()


def test_pool(shell: Shell) -> None:
    out = shell.directory / "pool.csv"
    text = shell.done("pool", "--dataset", shell.notes, *shell.runs, "--depth", 2, "--judge", "anna", "--out", out)
    assert "union: 5 pairs, judged already: 1" in text
    assert "to judge: 4 pairs of 2 queries, blind, shuffled" in text
    assert "tuned" not in out.read_text()
    told = shell.told(
        "pool", "--dataset", shell.notes, *shell.runs, "--from", "disagreements", "--no-blind", "--judged", shell.anna,
        "--out", shell.directory / "pool.jsonl",
    )  # fmt: skip
    assert (told["pool"], told["judged"], [each["name"] for each in told["systems"]]) == (2, 3, ["base", "new"])
    rows = [json.loads(line) for line in (shell.directory / "pool.jsonl").read_text().splitlines()]
    assert [(each["document_id"], each["ranks"]) for each in rows] == [
        ("d4", {"base": None, "new": 2}),
        ("d3", {"base": 1, "new": 2}),
    ]
    again = shell.directory / "again.csv"
    judged = write_rows(shell.directory / "all.jsonl", [row(q, d.id, "ben", 1) for q in QUERIES for d in DOCUMENTS])
    text = shell.done("pool", "--dataset", shell.notes, *shell.runs, "--judged", judged, "--out", again)
    assert "nothing is left to judge: no file was written" in text
    assert not again.exists()
    assert "end its name in" in shell.refused(
        "pool", "--dataset", shell.notes, *shell.runs, "--out", shell.notes / "p.x"
    )
    assert "there is no directory" in shell.refused(
        "pool", "--dataset", shell.notes, *shell.runs, "--out", shell.directory / "no" / "p.csv"
    )


def test_as_a_process(shell: Shell) -> None:
    """stdout holds the record alone, whatever the locale."""
    words = [sys.executable, "-m", "crossfade.cli.main", "judgments", "agreement", str(shell.anna), "--json"]
    environment = {**os.environ, "LC_ALL": "C"}
    finished = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True, env=environment)
    assert json.loads(finished.stdout)["schema"] == 1
    assert finished.stderr == ""
