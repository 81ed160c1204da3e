"""`crossfade diagnose`: the commands of docs/diagnosis.md as they stand there, what they print, what they refuse."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from evaluation_data import TOPICS, write_topics
from plain_onnx import sentence_model, write_export
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.evaluation.beir import write_beir
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.models.importing import import_model
from crossfade.report import render
from crossfade.store.types import Document

DOCUMENT = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def commands() -> list[list[str]]:
    text = DOCUMENT.read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"```\n(.*?)```", text, flags=re.S) if each.startswith("$ crossfade")]
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ crossfade ")) for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, minilm_bundle: Path) -> Path:
    """A directory as the document has it: data, base, other, tuned, answers.jsonl."""
    place = tmp_path_factory.mktemp("diagnose")
    write_topics(place / "data")
    (place / "base").symlink_to(minilm_bundle)
    for seed, name in ((1, "other"), (2, "tuned")):
        source = write_model(place / f"{name}-source", Tiny(seed=seed))
        import_model(str(source), place / name)
    answers = [
        {"query_id": "q0", "contexts": ["d0"], "answer": "knead", "correct": True},
        {"query_id": "q1", "contexts": ["d2"], "answer": "a car", "correct": False},
        {"query_id": "q2", "contexts": ["d2"], "answer": "a hill", "score": 0.1},
    ]
    (place / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in answers))
    return place


def test_the_document_has_commands() -> None:
    assert len(commands()) == 3


@pytest.mark.slow
def test_the_commands_of_the_document(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    outputs = []
    for command in commands():
        assert run(command) == 0, capsys.readouterr().err
        outputs.append(capsys.readouterr().out)
    for text in outputs[:2]:
        tables = [line for line in text.splitlines() if line.startswith(" ")]  # prose is for the window to wrap
        assert max(map(len, tables)) <= 100
        assert "recommendation: nothing is wrong" in text
        for item in ("BM25", "hybrid", "rerank: MaxSim", "Is there a rollback plan?"):
            assert item in text
    assert "answers: 2 of 3 are wrong: 1 without a relevant context (retrieval), 1 in spite of one" in outputs[1]
    record = json.loads((place / "diagnosis.json").read_text())
    found = Diagnosis.from_json(record)
    kinds = {each.kind for each in found.arms}
    assert {"lexical", "hybrid", "reranking", "base_model", "quantised", "adapter", "tuned"} <= kinds
    assert [each.name for each in found.arms if each.kind == "reranking"] == ["rerank: MaxSim", "rerank: other"]
    assert found.baseline.measures["nDCG@10"].mean > 0.9
    third = Diagnosis.from_json(json.loads(outputs[2]))
    assert third.settings["computed"] == []
    assert {each.kind for each in third.left_out if "--skip" in each.reason} == {"reranking", "quantised"}
    assert third.arms[0] == found.arms[0]


def test_a_model_without_token_vectors_is_diagnosed_without_them(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_export(tmp_path / "source", Tiny(), sentence_model(Tiny(), with_tokens=False))
    import_model(str(tmp_path / "source"), tmp_path / "pooled")
    command = ["diagnose", "--dataset", place / "data", "--model", tmp_path / "pooled", "--reranker", place / "other"]
    command += ["--skip", "quantised", "--latency-samples", "2", "--json", tmp_path / "out.json"]
    assert run([*map(str, command)]) == 0, capsys.readouterr().err
    assert "not measured: rerank: MaxSim: " in capsys.readouterr().out
    found = Diagnosis.from_json(json.loads((tmp_path / "out.json").read_text()))
    assert [each.name for each in found.arms if each.kind == "reranking"] == ["rerank: other"]


def test_failures_are_shown_with_their_causes(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two documents are gone; one matter is at the end of a long text."""
    long = "The council met on Tuesday and talked about the budget for roads. " * 40
    documents = [Document(f"d{row}", title, text) for row, (title, text, _) in enumerate(TOPICS)]
    documents[5] = Document("d5", "Minutes", f"{long} {TOPICS[5][1]}")
    near = [Document(f"n{row}", "", f"Ice and birds, part {row}, and who lives there.") for row in range(12)]
    kept = [each for each in documents if each.id not in {"d0", "d1"}]
    queries = {f"q{row}": query for row, (_, _, query) in enumerate(TOPICS)}
    qrels = {f"q{row}": {f"d{row}": 1} for row in range(len(TOPICS))}
    write_beir(tmp_path, [*kept, *near], queries, {"test": qrels})
    command = [
        "diagnose",
        "--dataset",
        tmp_path,
        "--model",
        place / "base",
        "--skip",
        "reranking",
        "--skip",
        "quantised",
    ]
    command += ["--json", tmp_path / "out.json", "--report", tmp_path / "out.html"]
    assert run([*map(str, command)]) == 0, capsys.readouterr().err
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert page == render(diagnosis=json.loads((tmp_path / "out.json").read_text()))
    assert "Missing document" in page
    text = capsys.readouterr().out
    found = Diagnosis.from_json(json.loads((tmp_path / "out.json").read_text()))
    assert {each.query_id: each.cause for each in found.failures} == {
        "q0": "missing_document",
        "q1": "missing_document",
        "q5": "truncated",
    }
    assert "missing_document" in text
    assert "q5: bird that cannot fly" in text
    assert any(each.kind == "chunking" for each in found.arms)
    assert found.recommendation.action == "fix_data"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "0"], "k is 0; expected 1 to the depth"),
        (["--measure", "nDCG@500"], "only 100 are taken"),
        (["--measure", "nonsense"], "nonsense"),
        (["--skip", "everything"], "everything"),
        (["--answers", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--split", "dev"], "no split 'dev'"),
        (["--also", "nowhere"], "nowhere"),
        (["--json", "nowhere/out.json"], "cannot write nowhere/out.json"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(
    place: Path,
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    assert run(["diagnose", "--dataset", "data", "--model", "base", "--skip", "quantised", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
