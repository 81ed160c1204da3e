"""The command line's streams as real processes meet them: closed pipes, full devices, poor encodings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_data import write_topics

PATIENCE = 120


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crossfade.cli.main", *(str(argument) for argument in arguments)]


@pytest.mark.parametrize("kind", ["table", "json"])
def test_a_reader_that_goes_away_is_no_error(minilm_bundle: Path, kind: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    options = ["--json"] if kind == "json" else []
    try:
        done = subprocess.run(
            command("model", "info", minilm_bundle, *options),
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_that_the_encoding_lacks_are_shown_escaped(minilm_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "mödel"
    shutil.copytree(minilm_bundle, bundle)
    done = subprocess.run(
        command("model", "info", bundle),
        capture_output=True, text=True, timeout=PATIENCE, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "m\\xf6del" in done.stdout


def test_a_server_that_cannot_say_its_address_ends_in_order(minilm_bundle: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("serve", "--listen", "127.0.0.1:0", "--model", f"base={minilm_bundle}"),
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "crossfade: error: No space left on device"
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_a_result_is_printed_even_when_its_file_cannot_be_written(minilm_bundle: Path, tmp_path: Path) -> None:
    write_topics(tmp_path / "topics")
    done = subprocess.run(
        command("evaluate", "--dataset", tmp_path / "topics", "--model", minilm_bundle, "--json", "/dev/full"),
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "nDCG@10" in done.stdout
    assert done.stderr == "crossfade: error: cannot write /dev/full: No space left on device\n"


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_full_stdout_is_one_line(minilm_bundle: Path, environment: dict[str, str]) -> None:
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("model", "info", minilm_bundle, "--json"),
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False, env=plain | environment,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "crossfade: error: No space left on device\n")
