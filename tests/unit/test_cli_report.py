"""`crossfade report`: one page from stored records, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_records import records
from report_samples import comparison

from crossfade.cli.main import run
from crossfade.report import render

COMPARED = comparison("ship", count=20)
RECORDS = {**records(COMPARED), "comparison": COMPARED}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind, record in RECORDS.items():
        (tmp_path / f"{kind}.json").write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(*kinds: str) -> list[str]:
    return [word for kind in kinds for word in (f"--{kind}", f"{kind}.json")]


def test_all_records_make_one_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "out.html", *options(*RECORDS)]) == 0
    assert capsys.readouterr() == ("", "")
    assert (folder / "out.html").read_text(encoding="utf-8") == render(**RECORDS)


@pytest.mark.parametrize("kind", sorted(RECORDS))
def test_any_record_alone_makes_a_page(folder: Path, kind: str) -> None:
    assert run(["report", "out.html", *options(kind)]) == 0
    assert (folder / "out.html").read_text(encoding="utf-8") == render(**{kind: RECORDS[kind]})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out.html"], "give --comparison, --decision, --diagnosis, --frontier, --leakage"),
        (["out.html", "--leakage", "absent.json"], "absent.json: no such file"),
        (["out.html", "--leakage", "broken.json"], "broken.json: cannot be read as JSON"),
        (["out.html", "--leakage", "nan.json"], "NaN is no number in JSON"),
        (["out.html", "--leakage", "frontier.json"], "leakage: pairs is missing"),
        (["leakage.json", "--leakage", "leakage.json"], "OUT would overwrite leakage.json, which --leakage reads"),
        (["no/where.html", "--leakage", "leakage.json"], "there is no directory no"),
        (["-", "--leakage", "leakage.json"], "OUT needs a file"),
        (["out.html", "--comparison", "comparison.json", "--leakage", "other.json"], "dataset: 'python-docs' in the"),
        ([], "OUT"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "nan.json").write_text('{"queries": NaN}', encoding="utf-8")
    (folder / "other.json").write_text(json.dumps({**RECORDS["leakage"], "dataset": "else"}), encoding="utf-8")
    (folder / "out.html").write_text("old", encoding="utf-8")
    assert run(["report", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert (folder / "out.html").read_text(encoding="utf-8") == "old"
    assert json.loads((folder / "leakage.json").read_text(encoding="utf-8")) == RECORDS["leakage"]
