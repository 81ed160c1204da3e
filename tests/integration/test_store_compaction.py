"""The database's file made smaller: nothing is lost, whenever it ends, and what stands in the way is said."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

import pytest
from store_model import SETTINGS, State, check, next_write, spec_of, write

from crossfade.cli.main import run
from crossfade.errors import Damaged, NotFound, StoreError
from crossfade.store import DurableStore, compaction, schema
from crossfade.store.checking import check_store
from crossfade.store.compaction import compact
from crossfade.store.database import COMPACTING

NAMES = [f"d{number}" for number in range(30)]
WRITES = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """A store of which half was dropped, with segments and a tail."""
    directory, state, chance = tmp_path_factory.mktemp("made") / "store", State(), random.Random(1)
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        kept, dropped = store.create(spec_of("kept")), store.create(spec_of("dropped"))
        for number in range(WRITES):
            versions = next_write(state, NAMES, chance)
            write(kept, versions)
            state.update(versions)
            write(dropped, {f"x{number}-{each}": 1 for each in range(60)})
            if number % 15 == 14:
                kept.seal()
        store.drop("dropped")
    return directory, state


@pytest.fixture
def copy(made: tuple[Path, State], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "store"))


def assert_whole(directory: Path, state: State) -> None:
    """And goes on: it is written to, opened again, and no number of what was dropped is given again."""
    assert check_store(directory).sound
    for _ in range(2):
        with DurableStore(directory, SETTINGS, upkeep=False) as store:
            assert [path.name for path in directory.glob(f"{COMPACTING}*")] == []
            kept = store.collection("kept")
            check(kept, state)
            assert kept.heal() == 0
            name = f"new{len(store.all())}"
            assert store.create(spec_of(name)).number > 2
            write(store.collection(name), {"a": 1})
    assert check_store(directory).sound


def size(directory: Path) -> int:
    return (directory / "crossfade.db").stat().st_size


def test_it_is_smaller_and_holds_the_same(copy: Path, made: tuple[Path, State]) -> None:
    told: list[tuple[str, int, int]] = []
    before = size(copy)
    segments = sorted(path.relative_to(copy) for path in copy.glob("segments/*/*"))
    found = compact(copy, tell=lambda *each: told.append(each))
    assert (found.before, found.after) == (before, size(copy))
    assert found.after < before / 2
    assert sorted(path.name for path in copy.iterdir()) == ["crossfade.db", "lock", "segments"]
    assert sorted(path.relative_to(copy) for path in copy.glob("segments/*/*")) == segments
    assert told[-1][0] == "compacting"
    assert told[-1][1] == told[-1][2]
    database = sqlite3.connect(f"file:{copy / 'crossfade.db'}?immutable=1", uri=True)
    assert database.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert database.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    assert database.execute("PRAGMA page_size").fetchone() == (8192,)
    database.close()
    assert_whole(copy, made[1])


def test_by_the_command(copy: Path, made: tuple[Path, State], capsys: pytest.CaptureFixture[str]) -> None:
    before = size(copy)
    assert run(["store", "compact", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(copy),
        "bytes_before": before,
        "bytes_after": size(copy),
    }
    assert run(["store", "compact", str(copy)]) == 0
    assert "MB before" in capsys.readouterr().out
    assert run(["store", "compact", str(copy / "none")]) == 2
    assert_whole(copy, made[1])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_who_may_read_it_stays(copy: Path, made: tuple[Path, State], mode: int) -> None:
    (copy / "crossfade.db").chmod(mode)
    modes: set[int] = set()

    def tell(*_: object) -> None:
        modes.update(path.stat().st_mode & 0o777 for path in copy.glob(f"{COMPACTING}*"))

    compact(copy, tell=tell)
    assert modes == {mode}  # not for a moment, either
    assert (copy / "crossfade.db").stat().st_mode & 0o777 == mode
    assert_whole(copy, made[1])


def test_an_owner_that_cannot_be_kept_is_said(
    copy: Path, made: tuple[Path, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.fchmod", refuse)
    before = (copy / "crossfade.db").read_bytes()
    with pytest.raises(StoreError, match=r"the owner and permissions of the database.*nothing was changed"):
        compact(copy)
    assert (copy / "crossfade.db").read_bytes() == before
    assert_whole(copy, made[1])


def test_a_database_on_another_disk_stays_there(copy: Path, made: tuple[Path, State], tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (copy / "crossfade.db").rename(there / "store.db")
    (copy / "crossfade.db").symlink_to(there / "store.db")
    (there / COMPACTING).write_bytes(b"of one that was killed")
    found = compact(copy)
    assert (copy / "crossfade.db").is_symlink()
    assert (there / "store.db").stat().st_size == found.after < found.before
    assert [path.name for path in there.iterdir()] == ["store.db"]
    assert_whole(copy, made[1])


POINTS = ["compact.copied", "compact.closed", "compact.renamed"]
CHILD = (
    "import sys; from pathlib import Path; from crossfade.store.compaction import compact; compact(Path(sys.argv[1]))"
)


def child(directory: Path, fault: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)],
        env={**os.environ, "CROSSFADE_FAULT": fault, "OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("point", POINTS)
def test_an_end_at_a_named_point(copy: Path, made: tuple[Path, State], point: str) -> None:
    before = size(copy)
    assert child(copy, point).wait() == -signal.SIGKILL
    assert (size(copy) < before) == (point == "compact.renamed")
    assert_whole(copy, made[1])


def test_an_end_at_any_moment(copy: Path, made: tuple[Path, State], tmp_path: Path) -> None:
    begin = time.monotonic()
    assert child(Path(shutil.copytree(copy, tmp_path / "whole"))).wait() == 0
    taken = time.monotonic() - begin
    chance = random.Random(3)
    for turn in range(6):
        directory = Path(shutil.copytree(copy, tmp_path / str(turn)))
        process = child(directory)
        with suppress(subprocess.TimeoutExpired):
            process.wait(taken * chance.uniform(0.5, 0.9) / 2)
        process.kill()
        process.wait()
        assert_whole(directory, made[1])


def test_it_is_given_up(copy: Path, made: tuple[Path, State], monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compaction, "_STEPS", 1)
    with pytest.raises(KeyboardInterrupt):
        compact(copy, tell=tell)
    assert_whole(copy, made[1])


class TestWhatStandsInTheWay:
    def test_a_disk_without_room(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 0, 1000))
        before = (copy / "crossfade.db").read_bytes()
        with pytest.raises(StoreError, match=r"has 0 MB left, and the copy needs .* make room first"):
            compact(copy)
        assert (copy / "crossfade.db").read_bytes() == before

    def test_a_store_that_is_open(self, copy: Path) -> None:
        with DurableStore(copy, SETTINGS, upkeep=False), pytest.raises(StoreError, match="is open in another process"):
            compact(copy)

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no store"):
            compact(tmp_path / "none")
        assert not (tmp_path / "none").exists()

    def test_somebody_who_reads(self, copy: Path, made: tuple[Path, State], monkeypatch: pytest.MonkeyPatch) -> None:
        """Its log would be taken for the new database's."""
        monkeypatch.setattr("crossfade.store.database._BUSY_SECONDS", 0.01)
        with DurableStore(copy, SETTINGS, upkeep=False):
            pass
        reader = sqlite3.connect(copy / "crossfade.db", isolation_level=None)
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM collections").fetchone()
        with pytest.raises(StoreError, match=r"holds the database locked|another program reads"):
            compact(copy)
        reader.close()
        assert_whole(copy, made[1])

    def test_damage(self, copy: Path, made: tuple[Path, State]) -> None:
        with DurableStore(copy, SETTINGS, upkeep=False) as store, store.database.writing() as connection:
            connection.execute("UPDATE documents_1 SET text = 'another'")
        before = size(copy)
        with pytest.raises(Damaged, match="is not copied"):
            compact(copy)
        assert size(copy) == before
        assert compact(copy, with_damage=True).after < before
        assert len(check_store(copy).row_faults) == sum(version > 0 for version in made[1].values())
