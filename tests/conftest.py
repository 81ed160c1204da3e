"""Where tests write: in memory where there is room, since a durable store waits for the disk at every step.

A run flushes well over a hundred thousand times. Where that takes a tenth of a millisecond nobody notices; where it
takes 30, it is an hour. What tests hold of the store does not depend on it: a killed process loses nothing that the
system has been given. CROSSFADE_TEST_DIRECTORY names another place. Where all there is is slow, tests of the store draw
fewer random cases, and the run's header says so.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")
LEAST_ROOM = 4 << 30
PREFIX = "crossfade-tests-"
SLOW_SYNC_SECONDS = 0.003
FEWER = {"CROSSFADE_SEQUENCES": "60", "CROSSFADE_CRASHES": "40"}
_ROUNDS = 20

_made: Path | None = None
_sync_seconds = 0.0


def pytest_configure(config: pytest.Config) -> None:
    """Before anything asks for a temporary directory."""
    global _made, _sync_seconds
    named = os.environ.get("CROSSFADE_TEST_DIRECTORY")
    parent = Path(named) if named else SHARED_MEMORY
    if config.option.basetemp is None and (named or _has_room(parent)):
        _remove_left(parent)
        _made = parent / f"{PREFIX}{os.getpid()}"
        _made.mkdir(mode=0o700)
        os.environ["TMPDIR"] = str(_made)
        tempfile.tempdir = None
    _sync_seconds = sync_seconds(_place(config))
    if _sync_seconds > SLOW_SYNC_SECONDS:
        for name, count in FEWER.items():
            os.environ.setdefault(name, count)


def pytest_report_header(config: pytest.Config) -> str:
    """Where that is, and what a flush takes there."""
    said = f"writing to {_place(config)}, a flush takes {_sync_seconds * 1e3:.2f} ms"
    if _sync_seconds > SLOW_SYNC_SECONDS:
        said += "; slow: " + ", ".join(f"{name}={os.environ[name]}" for name in FEWER)
    return said


def pytest_unconfigure() -> None:
    """What failed tests have left is looked at with --basetemp."""
    if _made is not None:
        shutil.rmtree(_made, ignore_errors=True)


def sync_seconds(directory: Path) -> float:
    """What it takes to put a page at the end of a file there, and have it on the disk: the median of some."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_ROUNDS):
            begin = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return sorted(taken)[len(taken) // 2]


def _place(config: pytest.Config) -> Path:
    named = config.option.basetemp
    return Path(named).absolute().parent if named else Path(tempfile.gettempdir())


def _has_room(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= LEAST_ROOM


def _remove_left(parent: Path) -> None:
    """Of runs that were killed."""
    for path in parent.glob(f"{PREFIX}*"):
        number = path.name.removeprefix(PREFIX)
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(path, ignore_errors=True)
