"""Where tests write: a run's directory is its own while it lives, and goes when it was killed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "conftest.py"
SPEC = importlib.util.spec_from_file_location("tests_conftest", SOURCE)
assert SPEC is not None and SPEC.loader is not None  # noqa: PT018  # for mypy
place = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(place)

KILLED = """
import importlib.util, os, pathlib, sys
spec = importlib.util.spec_from_file_location("place", sys.argv[1])
place = importlib.util.module_from_spec(spec)
spec.loader.exec_module(place)
path, _ = place.make_directory(pathlib.Path(sys.argv[2]))
(path / "deep").mkdir()
(path / "deep" / "file").touch()
print(path, flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_a_directory_stays_while_its_run_lives_and_goes_when_it_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(SOURCE), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        place.remove_left(tmp_path)
        assert (path / "deep" / "file").exists()
        process.stdin.close()
        process.wait()
    assert path.exists()
    place.remove_left(tmp_path)
    assert not path.exists()


def test_a_directory_is_new_whatever_is_there(tmp_path: Path) -> None:
    """What a run with this process's number left does not stop it."""
    left = tmp_path / f"{place.PREFIX}{os.getpid()}"
    left.mkdir()
    path, descriptor = place.make_directory(tmp_path)
    try:
        assert path != left
        assert path.stat().st_mode & 0o777 == 0o700
        place.remove_left(tmp_path)
        assert path.exists()
    finally:
        os.close(descriptor)
    place.remove_left(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [left.name]


def test_what_a_link_points_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / place.LOCK).touch()
    (tmp_path / f"{place.PREFIX}link").symlink_to(tmp_path / "other")
    place.remove_left(tmp_path)
    assert (tmp_path / "other" / place.LOCK).exists()
