"""`crossfade compare` killed or interrupted at its work: what was embedded stays, nothing else does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evaluation.scale_data import write_data, write_models

DOCUMENTS, QUERIES = 20_000, 1_200
STAGES = ["reading corpus", "embedding corpus", "searching", "timing queries", "testing differences"]

# The command as it is, but that it says on stderr which stage it is in, and takes vectors for large from 1 MiB on.
CHILD = """
import sys
from crossfade.cli.progress import StageBars
from crossfade.evaluation import beir, vector_file
beir.HELD_BYTES = vector_file.HELD_BYTES = 1 << 20
told = StageBars.__call__
def call(self, stage, done, total):
    print("at", stage, done, total, file=sys.stderr, flush=True)
    told(self, stage, done, total)
StageBars.__call__ = call
from crossfade.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("large")
    write_data(directory / "data", DOCUMENTS, QUERIES)
    write_models(directory / "base", directory / "candidate")
    return directory


def start(place: Path, work: Path, *more: str) -> subprocess.Popen[str]:
    (work / "tmp").mkdir(parents=True, exist_ok=True)
    options = ["--dataset", place / "data", "--base", place / "base", "--candidate", place / "candidate"]
    command = [sys.executable, "-c", CHILD, "compare", *map(str, options), "--json", str(work / "out.json"), *more]
    environment = {**os.environ, "TMPDIR": str(work / "tmp")}
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment, cwd=work
    )


def stop_when(process: subprocess.Popen[str], there: Callable[[str], bool], number: signal.Signals) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if there(line):
            process.send_signal(number)
            break
    process.stderr.read()
    process.stderr.close()
    return process.wait(60)


def left(work: Path) -> list[str]:
    """But for what ONNX Runtime notes of its sessions, which is none of ours."""
    return sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file() and path.name != ".ses")


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupt_leaves_nothing(place: Path, tmp_path: Path, stage: str) -> None:
    code = stop_when(start(place, tmp_path), lambda line: line.startswith(f"at {stage}"), signal.SIGINT)
    assert code == 130
    assert left(tmp_path) == []


OUTPUTS = ["--decision", "d.json", "--base-run-out", "base.trec", "--pool", "pool.jsonl", "--report", "report.html"]


@pytest.mark.parametrize(("stage", "whole"), [("deciding", False), ("writing", True)])
def test_an_interrupt_amid_deciding_and_writing(place: Path, tmp_path: Path, stage: str, whole: bool) -> None:
    def amid(line: str) -> bool:
        told = line.rsplit(maxsplit=2)
        return told[0] == f"at {stage}" and 0 < int(told[1]) < int(told[2])

    options = ["--least-queries", "5", *OUTPUTS]
    assert stop_when(start(place, tmp_path, *options), amid, signal.SIGINT) == 130
    found = left(tmp_path)
    # What was written before is whole, and of what was not nothing is left.
    assert set(found) <= ({"out.json", *OUTPUTS[1::2]} if whole else set())
    assert not any(name.endswith(".tmp") for name in found)


def test_a_killed_process_leaves_nothing_without_a_cache(place: Path, tmp_path: Path) -> None:
    code = stop_when(start(place, tmp_path), lambda line: line.startswith("at searching"), signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert left(tmp_path) == []


def test_a_killed_process_is_gone_on_with(place: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()

    def half(line: str) -> bool:
        return line.startswith("at embedding corpus") and int(line.split()[3]) > DOCUMENTS // 2

    code = stop_when(start(place, tmp_path, "--cache", str(cache)), half, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert sorted(path.suffix for path in cache.iterdir()) == [".journal", ".partial"]
    again = start(place, tmp_path, "--cache", str(cache))
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0
    first = next(line for line in said.splitlines() if line.startswith("at embedding corpus"))
    assert int(first.split()[3]) > DOCUMENTS // 2 - 5000  # it went on, and did not begin again
    assert [path.suffix for path in cache.iterdir()] == [".vectors", ".vectors"]
    resumed = json.loads((tmp_path / "out.json").read_text())
    fresh = start(place, tmp_path / "fresh")
    fresh.communicate(timeout=300)
    whole = json.loads((tmp_path / "fresh" / "out.json").read_text())
    assert resumed["difference"] == whole["difference"]
    assert resumed["queries"] == whole["queries"]
    assert len(whole["queries"]) == 1000
    assert whole["settings"]["queries_left_out"] == QUERIES - 1000


def test_a_full_cache_directory_is_named(place: Path, tmp_path: Path) -> None:
    """A process that may write no more than a few megabytes to a file meets what a full disk gives."""
    command = [
        "compare", "--dataset", place / "data", "--base", place / "base", "--candidate", place / "candidate",
        "--cache", tmp_path / "cache",
    ]  # fmt: skip
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 22, 1 << 22));"
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", limit + "from crossfade.cli.main import run; sys = __import__('sys');"
         "sys.exit(run(sys.argv[1:]))", *map(str, command)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"GB of vectors into {tmp_path / 'cache'}: File too large; make room there" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []
    assert time.monotonic() - begin < 240
