"""A process killed while collections are restored into a store that has others: it has all of them or none, and the
same command, given again, goes on to the same end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from restore_samples import NAMES, aliases, fill, said
from store_model import SETTINGS, State, check, next_write, spec_of, write

from crossfade.store import DurableStore
from crossfade.store.backup import backup_of
from crossfade.store.checking import check_store
from crossfade.store.readonly import summaries
from crossfade.store.restoring import restore_collections

CHILD = """
import sys
from pathlib import Path
from crossfade.store.restoring import restore_collections
restore_collections(Path(sys.argv[1]), Path(sys.argv[2]), {"a": "a", "b": "b"})
"""
# Of two collections one has two indexes.
POINTS = ["copy.begun:1", "copy.begun:2", "copy.index-written:1", "copy.index-written:3", "restore.written"]
POINTS += ["restore.committed"]
KEPT: State = dict.fromkeys(NAMES, 1)
SAMPLES = Path(__file__).parents[1] / "unit" / "data"


class Given:
    def __init__(self, directory: Path) -> None:
        """A backup of `a` and `b`, and a store that has neither."""
        self.states = fill(directory / "filled")
        self.backup, self.store = directory / "backup", directory / "store"
        backup_of(directory / "filled", self.backup)
        with DurableStore(self.store, SETTINGS, upkeep=False) as store:
            write(store.create(spec_of("kept")), KEPT)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("given"))


def child(backup: Path, directory: Path, fault: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(backup), str(directory)],
        env={**os.environ, "CROSSFADE_FAULT": fault, "OPENBLAS_NUM_THREADS": "1"},
    )


def settled(given: Given, directory: Path, there: bool | None) -> None:
    """All or nothing, as `there` says; after another try all, and it goes on."""
    found = {each.spec.name for each in summaries(directory)}
    assert found in ({"kept"}, {"kept", "a", "b"})
    assert there in (None, "a" in found)
    assert check_store(directory).sound
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        check(store.collection("kept"), KEPT)
    if "a" not in found:
        assert aliases(directory) == {}
        restore_collections(given.backup, directory, {"a": "a", "b": "b"})
    assert {path.name for path in directory.iterdir()} - {"segments"} == {"crossfade.db", "lock"}
    assert aliases(directory) == aliases(given.backup)
    for name in ("a", "b"):
        assert said(directory, name) == said(given.backup, name)
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        for name, before in given.states.items():
            collection, state, chance = store.collection(name), dict(before), random.Random(1)
            check(collection, state)
            for _ in range(5):
                versions = next_write(state, NAMES, chance)
                write(collection, versions)
                state.update(versions)
            collection.seal()
            check(collection, state)
    assert check_store(directory).sound


@pytest.mark.parametrize("point", POINTS)
def test_an_end_at_a_named_point(given: Given, tmp_path: Path, point: str) -> None:
    directory = Path(shutil.copytree(given.store, tmp_path / "store"))
    assert child(given.backup, directory, point).wait() == -signal.SIGKILL
    settled(given, directory, point == "restore.committed")


@pytest.mark.parametrize("point", POINTS[:-2])
def test_an_end_while_a_store_is_made(given: Given, tmp_path: Path, point: str) -> None:
    directory = tmp_path / "store"
    assert child(given.backup, directory, point).wait() == -signal.SIGKILL
    assert not directory.exists()
    restore_collections(given.backup, directory, {"a": "a", "b": "b"})
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    for name in ("a", "b"):
        assert said(directory, name) == said(given.backup, name)


def test_an_end_at_any_moment(given: Given, tmp_path: Path) -> None:
    begin = time.monotonic()
    assert child(given.backup, Path(shutil.copytree(given.store, tmp_path / "whole"))).wait() == 0
    taken = time.monotonic() - begin
    chance = random.Random(3)
    for turn in range(8):
        directory = Path(shutil.copytree(given.store, tmp_path / str(turn)))
        process = child(given.backup, directory)
        with suppress(subprocess.TimeoutExpired):
            process.wait(taken * chance.uniform(0.5, 1))
        process.kill()
        process.wait()
        settled(given, directory, None)


def test_an_end_while_an_older_backup_is_migrated(given: Given, tmp_path: Path) -> None:
    """In a copy beside the store, which is gone when that is opened next."""
    program = CHILD.replace('{"a": "a", "b": "b"}', '{"first": "first"}')
    directory, backup = Path(shutil.copytree(given.store, tmp_path / "store")), tmp_path / "old"
    shutil.copytree(SAMPLES / "store-format-1", backup)
    ended = subprocess.run(
        [sys.executable, "-c", program, str(backup), str(directory)],
        env={**os.environ, "CROSSFADE_FAULT": "migration.written"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert (directory / ".restoring" / "copy.db").exists()
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        assert [each.spec.name for each in store.all()] == ["kept"]
    assert not (directory / ".restoring").exists()
    restore_collections(backup, directory, {"first": "first"})
    assert {each.spec.name for each in summaries(directory)} == {"kept", "first"}
    assert not (directory / ".restoring").exists()
