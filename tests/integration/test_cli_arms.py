"""`crossfade evaluate` and `crossfade compare` with other ways to answer queries than by vectors alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation_data import write_topics
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.models.importing import import_model


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("data") / "topics")


class Shell:
    def __init__(self, topics: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._topics = topics
        self._capsys = capsys

    def done(self, command: str, *options: object) -> str:
        assert run([command, "--dataset", str(self._topics), *map(str, options)]) == 0, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def told(self, command: str, *options: object) -> Any:
        return json.loads(self.done(command, *options, "--json", "-"))

    def refused(self, command: str, *options: object) -> str:
        assert run([command, "--dataset", str(self._topics), *map(str, options)]) == 2
        captured = self._capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err.removeprefix("crossfade: error: ").rstrip()

    def store(self, *words: object) -> None:
        assert run(["store", *map(str, words)]) == 0, self._capsys.readouterr().err
        self._capsys.readouterr()


@pytest.fixture
def shell(topics: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return Shell(topics, capsys)


def test_the_simpler_remedies_beside_the_model(shell: Shell, minilm_bundle: Path, topics: Path) -> None:
    model = ("--model", minilm_bundle)
    arms: dict[str, tuple[object, ...]] = {
        "dense": model,
        "lexical": ("--mode", "lexical"),
        "hybrid": (*model, "--mode", "hybrid"),
        "reranked": (*model, "--reranker", minilm_bundle),
        "chunks": (*model, "--chunking", "sentences", "--chunk-size", 20),
    }
    records = {name: shell.told("evaluate", *options) for name, options in arms.items()}
    figures = {name: record["measures"]["nDCG@10"] for name, record in records.items()}
    assert figures["lexical"] < 0.8 < 0.9 < figures["dense"]
    assert min(figures[name] for name in ("hybrid", "reranked", "chunks")) > figures["lexical"]
    assert {name: record["schema"] for name, record in records.items()} == {"dense": 1, **dict.fromkeys([*arms][1:], 2)}
    assert {name: record["retrieval"]["mode"] for name, record in records.items()} == {
        **dict.fromkeys(arms, "dense"),
        "lexical": "lexical",
        "hybrid": "hybrid",
    }
    assert records["lexical"]["model"]["name"] == "BM25"
    assert records["reranked"]["retrieval"]["reranker"]["name"] == "minilm"
    assert records["reranked"]["retrieval"]["reranker"]["fingerprint"].startswith("maxsim:")
    assert records["chunks"]["retrieval"]["chunking"]["size"] == 20
    assert records["chunks"]["settings"]["rows"] >= 31
    hashes = {
        json.dumps([record["settings"][f"{name}_hash"] for name in ("corpus", "queries", "qrels")])
        for record in records.values()
    }
    assert len(hashes) == 1
    # A model that nothing would read is not loaded.
    text = shell.done("evaluate", *arms["lexical"], "--model", topics)
    assert "model BM25 (bm25:" in text
    assert "queries answered by words (BM25)" in text
    assert "answered" not in shell.done("evaluate", *model)


def test_two_arms_of_one_model_are_compared(shell: Shell, minilm_bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    words = ("--base-mode", "lexical", "--candidate", minilm_bundle, "--candidate-mode", "hybrid")
    text = shell.done("compare", *words, "--report", report)
    assert "base       BM25 (bm25:" in text
    assert ", by words (BM25)" in text
    assert "candidate  minilm" in text
    assert "verdict: ship it" in text
    assert "Queries are answered by words (BM25) by the base" in text
    assert "retrieval mode" in report.read_text()
    record = shell.told("compare", *words)
    assert [record[side]["retrieval"]["mode"] for side in ("base", "candidate")] == ["lexical", "hybrid"]
    more = ("--candidate-chunking", "tokens", "--candidate-chunk-size", 16, "--candidate-chunk-overlap", 4)
    told = shell.told("compare", "--base", minilm_bundle, "--candidate", minilm_bundle, *more)
    assert told["candidate"]["retrieval"]["chunking"]["overlap"] == 4
    assert told["base"]["retrieval"]["chunking"] == {}


def test_a_stores_collection_as_it_is(shell: Shell, minilm_bundle: Path, topics: Path, tmp_path: Path) -> None:
    store, model = tmp_path / "store", ("--model", minilm_bundle)
    shell.store("create", store, "c", *model, "--chunking", "sentences")
    shell.store("ingest", store, "c", topics, *model)
    place = ("--store", store, "--collection", "c")
    record = shell.told("evaluate", *model, *place)
    assert record["retrieval"]["collection"] == "c"
    assert (record["retrieval"]["exact"], record["retrieval"]["chunking"]["method"]) == (False, "sentences")
    assert record["measures"]["nDCG@10"] > 0.9
    assert shell.told("evaluate", *model, *place, "--exact")["retrieval"]["exact"] is True
    assert shell.told("evaluate", *place, "--mode", "lexical")["model"]["name"] == "BM25"
    text = shell.done("evaluate", *model, *place, "--mode", "hybrid")
    assert "queries answered by vectors and words together of chunks (sentences), in collection c" in text
    assert "leave --chunking out" in shell.refused("evaluate", *model, *place, "--chunking", "tokens")
    assert "leave --cache out" in shell.refused("evaluate", *model, *place, "--cache", tmp_path / "cache")
    assert "no collection 'd'" in shell.refused("evaluate", *model, "--store", store, "--collection", "d")
    assert "there is no store in" in shell.refused("evaluate", *model, "--store", tmp_path / "x", "--collection", "c")
    other = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "other").path
    assert "collection 'c' holds" in shell.refused("evaluate", "--model", other, *place)
    shell.store("ingest", store, "c", lines(tmp_path), *model)
    assert "collection 'c' has 32 documents and topics 31" in shell.refused("evaluate", *model, *place)


def lines(directory: Path) -> Path:
    path = directory / "more.jsonl"
    path.write_text('{"_id": "more", "text": "More."}\n')
    return path


def test_what_does_not_go_together(shell: Shell, minilm_bundle: Path, tmp_path: Path) -> None:
    model = ("--model", minilm_bundle)
    for words, message in (
        ((), "--model is missing: mode dense searches by vectors"),
        (("--mode", "lexical", "--chunking", "tokens"), "--model is missing: chunks are measured in a model's tokens"),
        ((*model, "--mode", "sparse"), "Invalid value for '--mode'"),
        ((*model, "--chunk-size", 5), 'chunking method "whole" has no size'),
        ((*model, "--store", tmp_path), "--store and --collection go together"),
        ((*model, "--collection", "c"), "--store and --collection go together"),
        ((*model, "--exact"), "--exact is for a store"),
        ((*model, "--reranker", tmp_path / "none"), "does not exist"),
    ):
        assert message in shell.refused("evaluate", *words)
    assert "--candidate is missing: mode hybrid" in shell.refused(
        "compare", "--base", minilm_bundle, "--candidate-mode", "hybrid"
    )
    assert "--base is missing: mode dense" in shell.refused("compare", "--candidate", minilm_bundle)
