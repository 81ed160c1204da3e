"""`crossfade model` through the door that users take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossfade.cli.main import run
from crossfade.models import Bundle


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error; nothing else may have been said."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("crossfade: error: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    return captured.err


def test_import_prints_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle"
    options = ["--name", "base", "--max-tokens", "128", "--query-prompt", "query: ", "--pooling", "cls"]
    assert run(["model", "import", "minilm", "-o", str(output), *options, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    facts = json.loads(captured.out)
    bundle = Bundle.load(output)
    assert facts == {
        "name": "base",
        "path": str(output),
        "dimension": 384,
        "max_tokens": 128,
        "pooling": "cls",
        "normalise": True,
        "precision": "fp32",
        "prompts": {"query": "query: ", "document": "", "named": {}},
        "query_adapter": False,
        "document_fingerprint": bundle.document_fingerprint,
        "query_fingerprint": bundle.query_fingerprint,
        "bytes": facts["bytes"],
        "parent": None,
    }
    assert 90e6 < facts["bytes"] < 92e6

    assert run(["model", "import", "minilm", "-o", str(output)]) == 2
    assert "is already a model bundle" in line_of(capsys)
    assert run(["model", "import", "minilm", "-o", str(output), "--overwrite"]) == 0
    assert Bundle.load(output).name == "minilm"


def test_info_as_a_table_and_as_json(minilm_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle.load(minilm_bundle)
    assert run(["model", "info", str(minilm_bundle)]) == 0
    table = capsys.readouterr().out
    rows = dict(line.split("  ", 1) for line in table.splitlines())
    assert rows["document fingerprint"].strip() == bundle.document_fingerprint
    assert rows["query fingerprint"].strip() == f"{bundle.query_fingerprint} (the same)"
    assert rows["path"].strip() == str(minilm_bundle)
    assert "\x1b" not in table
    assert run(["model", "info", str(minilm_bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["document_fingerprint"] == bundle.document_fingerprint


def test_info_of_an_adapted_bundle(minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from crossfade.models.adapter import write_adapter_bundle

    base = Bundle.load(minilm_bundle)
    tuned = write_adapter_bundle(base, np.eye(384, dtype=np.float32), None, tmp_path / "tuned", name="tuned")
    assert run(["model", "info", str(tuned.path)]) == 0
    table = capsys.readouterr().out
    assert "minilm (query_adapter)" in table
    assert tuned.query_fingerprint in table
    assert "(the same)" not in table
    assert run(["model", "info", str(tuned.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parent"]["name"] == "minilm"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "no-such-model", "-o", "OUT"], "'no-such-model' is not a model directory"),
        (["import", "minilm", "-o", "OUT", "--pooling", "max"], "'max' is not one of 'mean', 'cls', 'last_token'"),
        (["import", "minilm", "-o", "OUT", "--max-tokens", "513"], "from 1 to 512, the number of positions"),
        (["import", "minilm", "-o", "OUT", "--max-tokens", "many"], "Invalid value for '--max-tokens'"),
        (["import", "minilm", "-o", "OUT", "--name", "a b"], "'a b' cannot name a bundle"),
        (["import", "minilm", "-o", "/proc/none/bundle"], "/proc/none: No such file or directory"),
        (["import", "minilm"], "Missing option '--output' / '-o'"),
        (["import"], "Missing argument"),
        (["info", "OUT"], "does not exist"),
        (["info", "."], "is not a model bundle"),
        ([], "Missing command"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    output = tmp_path / "bundle"
    assert run(["model", *(str(output) if argument == "OUT" else argument for argument in arguments)]) == 2
    assert message in line_of(capsys)
    assert list(tmp_path.iterdir()) == []


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "crossfade.cli.main", *arguments]


def test_a_corrupt_bundle_in_a_real_process(minilm_bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in ("bundle.toml", "tokenizer.json"):
        (broken / file).write_bytes((minilm_bundle / file).read_bytes())
    (broken / "model.onnx").write_bytes((minilm_bundle / "model.onnx").read_bytes()[:1000])
    found = subprocess.run(command("model", "info", str(broken)), capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith(
        f"crossfade: error: {broken / 'model.onnx'} is not the file that the bundle was made"
    )
    assert "Traceback" not in found.stderr


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while the graph is written: exit code 130, one line, an empty directory."""
    with subprocess.Popen(
        command("model", "import", "minilm", "-o", str(tmp_path / "bundle")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        while not any(tmp_path.glob(".bundle.*.partial")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "crossfade: interrupted\n"
    assert list(tmp_path.iterdir()) == []
