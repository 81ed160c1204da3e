"""`crossfade evaluate` with a real model, through the command line's own door and as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytrec_eval
from evaluation_data import TOPICS, write_topics

from crossfade.cli.main import run
from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.trec import read_run
from crossfade.models.bundle import Bundle


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("data") / "topics")


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def evaluate(dataset: Path, model: Path, *options: object) -> int:
    return run(["evaluate", "--dataset", str(dataset), "--model", str(model), *map(str, options)])


def test_table_json_and_run_agree(
    topics: Path, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_path, run_path = tmp_path / "out.json", tmp_path / "out.run"
    assert evaluate(topics, minilm_bundle, "--json", record_path, "--run-out", run_path) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\x1b" not in captured.out
    record = json.loads(record_path.read_text())
    bundle = Bundle.load(minilm_bundle)
    assert (record["dataset"], record["split"]) == ("topics", "test")
    assert (record["queries"], record["documents"]) == (30, 31)
    assert record["model"]["name"] == "minilm"
    assert record["model"]["fingerprint"] == bundle.query_fingerprint
    assert list(record["measures"]) == ["nDCG@10", "AP", "RR", "R@10", "R@100", "P@10"]
    assert set(record["latency_ms"]) == {"p50", "p95", "p99", "samples"}
    for measure, value in record["measures"].items():
        assert f"{measure} {value:.4f}" in " ".join(captured.out.split())
    # Outside witness: trec_eval on the run that was written.
    dataset = read_beir(topics)
    with run_path.open() as stream:
        written = pytrec_eval.parse_run(stream)
    oracle = pytrec_eval.RelevanceEvaluator(dataset.qrels, {"ndcg_cut.10"}).evaluate(written)
    assert record["measures"]["nDCG@10"] == pytest.approx(sum(row["ndcg_cut_10"] for row in oracle.values()) / 30)
    assert record["measures"]["nDCG@10"] > 0.9
    assert read_run(run_path)["q0"].keys() == {f"d{row}" for row in range(len(TOPICS))} | {"empty"}


def test_json_alone_on_stdout(topics: Path, minilm_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(topics, minilm_bundle, "--measures", "R@5, nDCG@3", "--depth", 7, "--json", "-") == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record["measures"]) == ["R@5", "nDCG@3"]
    assert record["settings"]["depth"] == 7


def test_the_second_run_takes_its_vectors_from_the_cache(
    topics: Path, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = []
    entries = []
    for _ in range(2):
        assert evaluate(topics, minilm_bundle, "--cache", tmp_path / "cache", "--json", "-") == 0
        records.append(json.loads(capsys.readouterr().out))
        entries.append([(path.name, path.stat().st_ino) for path in (tmp_path / "cache").iterdir()])
    assert records[0]["per_query"] == records[1]["per_query"]
    assert len(entries[0]) == 1
    assert entries[0] == entries[1]


def test_absent_documents_are_kept_when_allowed_and_said(
    minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_topics(tmp_path / "topics")
    with (directory / "qrels" / "test.tsv").open("a") as stream:
        stream.write("q0\tgone\t1\n")
    assert evaluate(directory, minilm_bundle) == 2
    captured = capsys.readouterr()
    assert "qrels/test.tsv:62: judged document 'gone' is not in the corpus" in captured.err
    assert evaluate(directory, minilm_bundle, "--allow-absent", "--measures", "R@100") == 0
    captured = capsys.readouterr()
    assert "1 judgment names a document that the corpus lacks" in captured.out
    assert f"{(29 + 0.5) / 30:.4f}" in captured.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "dev"], "no split 'dev'; the splits there are: test"),
        (["--measures", "nDCG@10,Magic@3"], "Magic@3"),
        (["--measures", ","], "names no measure"),
        (["--measures", "R@500"], "set the depth to 500 or more (--depth)"),
        (["--depth", "0"], "depth is 0"),
        (["--depth", "x"], "Invalid value for '--depth'"),
        (["--json", "{tmp}/missing/out.json"], "there is no directory {tmp}/missing; create it first"),
        (["--run-out", "{tmp}"], "it is a directory"),
        (["--run-out", "-"], "--run-out needs a file"),
        (["--run-out", "{tmp}/same", "--json", "{tmp}/same"], "--run-out and --json name the same file"),
        (["--cache", "/proc/cache"], "cannot make the cache directory /proc/cache"),
        (["--threads", "-1"], "threads"),
        (["--model", "{tmp}/none"], "model bundle {tmp}/none does not exist"),
        (["--model", "{tmp}"], "bundle.toml"),
        (["--dataset", "{tmp}/none"], "{tmp}/none: no such directory"),
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
    assert evaluate(topics, minilm_bundle, *filled) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("crossfade: error: ")
    assert captured.err.count("\n") == 1
    assert message.replace("{tmp}", str(tmp_path)) in captured.err
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_found_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path / "no-data", tmp_path / "no-model", "--json", "/proc/out.json") == 2
    assert "cannot write /proc/out.json" in capsys.readouterr().err


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crossfade.cli.main", *map(str, arguments)]


def test_a_process_prints_no_traceback(topics: Path, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "qrels").mkdir()
    (tmp_path / "toy" / "qrels" / "test.tsv").write_text("q\td\t1\n")
    (tmp_path / "toy" / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n{"_id": "r" "text": "y"}\n')
    done = subprocess.run(
        command("evaluate", "--dataset", tmp_path / "toy", "--model", tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"crossfade: error: {tmp_path}/toy/queries.jsonl:2: not JSON: Expecting ',' delimiter at column 13\n"
    )


def test_ctrl_c_leaves_nothing_half_made(minilm_bundle: Path, tmp_path: Path) -> None:
    directory = write_topics(tmp_path / "topics")
    with (directory / "corpus.jsonl").open("a") as stream:
        for row in range(20_000):
            stream.write(json.dumps({"_id": f"x{row}", "text": "many words to read " * 20}) + "\n")
    cache, output = tmp_path / "cache", tmp_path / "out.json"
    process = subprocess.Popen(
        command("evaluate", "--dataset", directory, "--model", minilm_bundle, "--cache", cache, "--json", output),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CROSSFADE_BATCH_TOKENS": "512"},
    )
    try:
        # The cache's directory appears when everything is loaded and embedding begins.
        deadline = time.monotonic() + 120
        while not cache.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert cache.exists()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert stderr == "crossfade: interrupted\n"
    assert stdout == ""
    assert list(cache.iterdir()) == []
    assert not output.exists()
    assert not list(tmp_path.rglob("*.tmp"))
