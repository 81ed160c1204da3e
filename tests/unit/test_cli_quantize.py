"""`crossfade model quantize`: what it prints, and what it refuses before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import WORDS, Tiny, write_model

from crossfade.cli.main import run
from crossfade.evaluation.beir import write_beir
from crossfade.models import Bundle, Precision
from crossfade.models.importing import import_model
from crossfade.store.types import Document


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("base")
    return import_model(str(write_model(directory / "source", Tiny())), directory / "bundle", name="base").path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data") / "toy"
    documents = [Document(f"d{row}", word, " ".join(WORDS[row : row + 5])) for row, word in enumerate(WORDS)]
    queries = {f"q{row}": f"how {document.text}" for row, document in enumerate(documents)}
    write_beir(directory, documents, queries, {"test": {f"q{row}": {f"d{row}": 1} for row in range(len(documents))}})
    return directory


def error(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("crossfade: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_json(base: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made"
    options = ["--precision", "int8", "--dataset", str(dataset), "--dataset", str(dataset), "--threads", "1"]
    assert run(["model", "quantize", str(base), str(output), *options, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    record = json.loads(captured.out)
    made = Bundle.load(output)
    assert made.precision is Precision.INT8
    assert record["bundle"]["document_fingerprint"] == made.document_fingerprint
    assert record["bundle"]["parent"]["document_fingerprint"] == record["source"]["document_fingerprint"]
    assert record["bundle"]["bytes"] < record["source"]["bytes"]
    parity = record["parity"]
    assert parity["texts"] == 4 * len(WORDS)
    assert 0.9 < parity["min"] <= parity["p1"] <= parity["p50"] <= 1
    assert parity["min"] <= parity["mean"] <= 1
    for kind in ("short", "long"):
        speed = record["speed"][kind]
        assert speed["ratio"] == pytest.approx(speed["quantised"] / speed["source"])
    first, second = record["retrieval"]
    assert first == second
    assert (first["dataset"], first["split"], first["queries"]) == ("toy", "test", len(WORDS))
    for measure in ("nDCG@10", "R@100"):
        difference = first["difference"][measure]
        assert difference["delta"] == pytest.approx(first["quantised"][measure] - first["source"][measure])
        assert difference["ci95"][0] <= difference["ci95"][1]


def test_tables(base: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--precision", "fp16", "--dataset", str(dataset), "--name", "half"]
    assert run(["model", "quantize", str(base), str(tmp_path / "made"), *options]) == 0
    table = capsys.readouterr().out
    assert "half (fp16), made from base: " in table
    assert Bundle.load(tmp_path / "made").document_fingerprint in table
    assert " MB before, " in table
    assert float(table.split("parity: cosine min ")[1].split(",")[0]) > 0.999
    assert "speed, short texts" in table
    assert [line.split()[:4] for line in table.splitlines() if line.lstrip().startswith("toy/test")] == [
        ["toy/test", str(len(WORDS)), "nDCG@10", table.split("nDCG@10")[1].split()[0]],
        ["toy/test", str(len(WORDS)), "R@100", "1.0000"],
    ]


def test_without_judgments(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossfade.evaluation.texts.MOST", 100)
    assert run(["model", "quantize", str(base), str(tmp_path / "made"), "--precision", "int8"]) == 0
    table = capsys.readouterr().out
    assert "texts of the documentation inside this Python" in table
    assert "retrieval: not measured, for want of judgments; give a judged data set (--dataset DIR)" in table
    options = ["--precision", "int8", "--overwrite", "--json"]
    assert run(["model", "quantize", str(base), str(tmp_path / "made"), *options]) == 0
    assert json.loads(capsys.readouterr().out)["retrieval"] == []


def test_what_is_refused(base: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made"
    for arguments, message in [
        ([str(base), str(base), "--precision", "int8"], "is already a model bundle"),
        ([str(base), str(output)], "Missing option '--precision'"),
        ([str(base), str(output), "--precision", "int4"], "'int4' is not one of 'int8', 'fp16'"),
        ([str(tmp_path), str(output), "--precision", "int8"], "is not a model bundle"),
        ([str(base), str(output), "--precision", "int8", "--dataset", str(tmp_path)], "no split 'test'"),
        ([str(base), str(output), "--precision", "int8", "--dataset", str(dataset), "--split", "dev"], "'dev'"),
        ([str(base), str(output), "--precision", "int8", "--name", "a b"], "cannot name a bundle"),
    ]:
        assert run(["model", "quantize", *arguments]) == 2
        assert message in error(capsys)
    assert list(tmp_path.iterdir()) == []
    assert run(["model", "quantize", str(base), str(output), "--precision", "int8", "--dataset", str(dataset)]) == 0
    capsys.readouterr()
    for precision in ("int8", "fp16"):
        assert run(["model", "quantize", str(output), str(tmp_path / "again"), "--precision", precision]) == 2
        assert "is in int8 already: quantise base, which it was made from" in error(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
