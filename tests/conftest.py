"""Where tests write: in memory where there is room, since a durable store waits for the disk at every step.

A run flushes well over a hundred thousand times. Where that takes a tenth of a millisecond nobody notices; where it
takes 30, it is an hour. What tests hold of the store does not depend on it: a killed process loses nothing that the
system has been given. CROSSFADE_TEST_DIRECTORY names another place. Where all there is is slow, tests of the store draw
fewer random cases, and the run's header says so.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")
LEAST_ROOM = 4 << 30
PREFIX = "crossfade-tests-"
LOCK = ".lock"
SLOW_SYNC_SECONDS = 0.003
FEWER = {"CROSSFADE_SEQUENCES": "60", "CROSSFADE_CRASHES": "40"}
_ROUNDS = 20

_made: Path | None = None
_lock = -1
_sync_seconds = 0.0


def pytest_configure(config: pytest.Config) -> None:
    """Before anything asks for a temporary directory."""
    global _made, _lock, _sync_seconds
    named = os.environ.get("CROSSFADE_TEST_DIRECTORY")
    parent = Path(named) if named else SHARED_MEMORY
    if config.option.basetemp is None and (named or _has_room(parent)):
        remove_left(parent)
        _made, _lock = make_directory(parent)
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
        with suppress(OSError):
            _remove(_made)
        os.close(_lock)


def make_directory(parent: Path) -> tuple[Path, int]:
    """A new directory, and the descriptor that keeps it locked: until it is closed, or the process ends however.

    A process's number would not tell whether that lives: numbers come again, and other containers that share /dev/shm
    have their own.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # a file system without locks: no other run can take it either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another run may have taken it for left between the two calls.
        if (path / LOCK).exists():
            return path, descriptor
        os.close(descriptor)


def remove_left(parent: Path) -> None:
    """Of runs that were killed: those whose lock can be taken. One without a lock is being made, or not of such a run.

    What cannot be opened is another user's.
    """
    for path in parent.glob(f"{PREFIX}*"):
        if path.is_symlink():
            continue
        with suppress(OSError):
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(descriptor)


def _remove(directory: Path) -> None:
    """The lock last: what is left of it when that is cut short must be found again."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


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
