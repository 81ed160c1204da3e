"""`crossfade compare` with real models: verdicts both ways, JSON, report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_data import write_topics

from crossfade.cli.main import run
from crossfade.evaluation.results import Comparison
from crossfade.models.adapter import write_adapter_bundle
from crossfade.models.bundle import Bundle


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("data") / "topics")


@pytest.fixture(scope="module")
def spoiled_bundle(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with a query adapter that turns queries into noise; documents stay as they were."""
    base = Bundle.load(minilm_bundle)
    noise = np.random.default_rng(3).standard_normal((base.dimension, base.dimension)).astype(np.float32)
    target = tmp_path_factory.mktemp("bundles") / "spoiled"
    return write_adapter_bundle(base, noise, None, target, name="spoiled").path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def compare(dataset: Path, base: Path, candidate: Path, *options: object) -> int:
    places = ["--dataset", str(dataset), "--base", str(base), "--candidate", str(candidate)]
    return run(["compare", *places, *map(str, options)])


def test_a_worse_candidate_does_not_ship_and_that_is_no_failure(
    topics: Path,
    minilm_bundle: Path,
    spoiled_bundle: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "out.json"
    assert compare(topics, minilm_bundle, spoiled_bundle, "--cache", cache, "--json", path) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\x1b" not in captured.out
    assert "verdict: do not ship it" in captured.out
    assert "candidate  spoiled (cf1-" in captured.out
    record = json.loads(path.read_text())
    assert {"base", "candidate", "difference", "verdict", "reasons"} <= record.keys()
    assert record["verdict"] == "do_not_ship"
    found = record["difference"]["nDCG@10"]
    low, high = found["ci95"]
    assert low <= found["delta"] <= high < 0
    assert found["p"] < 0.01
    assert record["base"]["model"]["name"] == "minilm"
    assert record["base"]["model"]["document_fingerprint"] == record["candidate"]["model"]["document_fingerprint"]
    assert record["base"]["model"]["fingerprint"] != record["candidate"]["model"]["fingerprint"]
    # One document encoder, one corpus, one entry.
    assert len(list(cache.iterdir())) == 1
    for reason in record["reasons"]:
        assert f"- {reason}\n" in captured.out
    table = " ".join(captured.out.split())
    assert f"nDCG@10 {record['base']['measures']['nDCG@10']:.4f}" in table
    assert f"{found['delta']:+.4f} {low:+.4f} {high:+.4f}" in table
    assert "worse" in table
    comparison = Comparison.from_json(record)
    first = comparison.queries[-1]
    assert first.base_results[0].title
    assert {result.grade for query in comparison.queries for result in query.base_results} == {0, 2, None}


def test_a_better_candidate_ships(
    topics: Path, minilm_bundle: Path, spoiled_bundle: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(topics, spoiled_bundle, minilm_bundle, "--cache", cache, "--json", "-", "--measures", "RR,P@5") == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert record["verdict"] == "ship"
    assert record["primary"] == "RR"
    assert list(record["difference"]) == ["RR", "P@5"]


def test_a_model_against_itself_is_inconclusive(
    topics: Path, minilm_bundle: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(topics, minilm_bundle, minilm_bundle, "--cache", cache) == 0
    assert "verdict: inconclusive" in capsys.readouterr().out


def test_the_report_is_drawn_from_the_record(
    topics: Path, minilm_bundle: Path, spoiled_bundle: Path, cache: Path, tmp_path: Path
) -> None:
    from crossfade.report import render

    record, report = tmp_path / "out.json", tmp_path / "out.html"
    options = ["--cache", cache, "--json", record, "--report", report, "--seed", 5]
    assert compare(topics, minilm_bundle, spoiled_bundle, *options) == 0
    page = report.read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert page == render(json.loads(record.read_text()))
    assert "spoiled" in page
    assert json.loads(record.read_text())["settings"]["seed"] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--measures", "Judged@10,RR"], "Judged@10 describes the judgments only"),
        (["--report", "/proc/report.html"], "cannot write /proc/report.html"),
        (["--report", "-"], "--report needs a file"),
        (["--seed", "-1"], "seed"),
        (["--candidate", "{tmp}/none"], "model bundle {tmp}/none does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    topics: Path,
    minilm_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    filled = [option.replace("{tmp}", str(tmp_path)) for option in options]
    assert compare(topics, minilm_bundle, minilm_bundle, *filled) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message.replace("{tmp}", str(tmp_path)) in captured.err


def test_the_table_fits_a_terminal_of_80_columns(
    topics: Path,
    minilm_bundle: Path,
    spoiled_bundle: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("crossfade.cli.output._PIPE_WIDTH", 80)
    assert compare(topics, minilm_bundle, spoiled_bundle, "--cache", cache) == 0
    table = capsys.readouterr().out
    assert "…" not in table
    assert max(len(line) for line in table.splitlines() if line.startswith((" nDCG", " R@100"))) <= 80
    assert "worse" in table
