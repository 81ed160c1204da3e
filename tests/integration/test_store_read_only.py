"""A store on a disk that was made read-only: all of it can be read and taken elsewhere, what is only in its log too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from store_model import SETTINGS, State, check, spec_of, write

from crossfade.cli.main import run
from crossfade.errors import StoreError
from crossfade.store import DurableStore, read_only_disk
from crossfade.store.backup import backup_of, restore
from crossfade.store.checking import check_store
from crossfade.store.readonly import reading, summaries
from crossfade.store.restoring import restore_collections
from crossfade.store.working_copy import working_copy

CHILD = """
import os, signal, sys
from pathlib import Path
from store_model import SETTINGS, spec_of, write
from crossfade.store import DurableStore
store = DurableStore(Path(sys.argv[1]), SETTINGS, upkeep=False)
collection = store.create(spec_of("c"))
for turn in range(6):
    write(collection, {f"d{n}": 1 for n in range(5 * turn, 5 * turn + 5)})
    if turn == 4:
        collection.seal()
        store.database.checkpoint(keep=1 << 30)
os.kill(os.getpid(), signal.SIGKILL)
"""
STATE: State = {f"d{number}": 1 for number in range(30)}
IN_THE_FILE: State = {f"d{number}": 1 for number in range(25)}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose server was killed: five of its documents are in the log alone."""
    directory = tmp_path_factory.mktemp("killed") / "store"
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "unit"), *sys.path])
    ended = subprocess.run([sys.executable, "-c", CHILD, directory], env={**os.environ, "PYTHONPATH": paths})
    assert ended.returncode == -signal.SIGKILL
    file = sqlite3.connect(f"file:{directory / 'crossfade.db'}?immutable=1", uri=True)
    assert file.execute("SELECT count(*) FROM documents_1").fetchone() == (len(IN_THE_FILE),)
    file.close()
    return directory


@contextmanager
def disk(place: Path) -> Iterator[Callable[[str], None]]:
    """A file system in memory, at first to be written; gives a way to remount it. Skips where that is not allowed."""
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", place]).returncode:
        pytest.skip("mounting a file system needs more rights than this process has")
    try:
        yield lambda how: subprocess.run(["mount", "-o", f"remount,{how}", place], check=True) and None
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def with_log(directory: Path) -> State:
    return STATE


def without_shared_memory(directory: Path) -> State:
    (directory / "crossfade.db-shm").unlink()
    return STATE


def closed(directory: Path) -> State:
    DurableStore(directory, SETTINGS, upkeep=False).close()
    assert sorted(path.name for path in directory.iterdir()) == ["crossfade.db", "lock", "segments"]
    return STATE


def backed_up(directory: Path) -> State:
    backup_of(directory, directory.with_name("copy"))
    shutil.rmtree(directory)
    directory.with_name("copy").rename(directory)
    return STATE


def database_elsewhere(directory: Path) -> State:
    """Linked to: SQLite has the log where the file is."""
    there = directory.with_name("there")
    there.mkdir()
    for name in ("crossfade.db", "crossfade.db-wal"):
        (directory / name).rename(there / name)
    (directory / "crossfade.db-shm").unlink()
    (directory / "crossfade.db").symlink_to(there / "crossfade.db")
    return STATE


LEFT = [with_log, without_shared_memory, closed, backed_up, database_elsewhere]


@pytest.fixture(params=LEFT, ids=lambda each: each.__name__)
def left(request: pytest.FixtureRequest, killed: Path, tmp_path: Path) -> Iterator[Path]:
    """A store on a read-only disk, as one of the ways to leave one leaves it."""
    with disk(tmp_path / "disk") as remount:
        directory = Path(shutil.copytree(killed, tmp_path / "disk" / "store"))
        assert request.param(directory) == STATE
        remount("ro")
        yield directory


def held(directory: Path) -> None:
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        check(store.collection("c"), STATE)


def test_it_is_listed_checked_backed_up_and_restored(left: Path, tmp_path: Path) -> None:
    before = sorted(left.iterdir())
    (summary,) = summaries(left)
    assert summary.documents == len(STATE)
    found = check_store(left)
    assert found.sound
    assert found.segments == len(list(left.glob("segments/*/*")))
    backup_of(left, tmp_path / "backup")
    restore(left, tmp_path / "restored")
    backup_of(left, tmp_path / "one", collections=["c"])
    restore_collections(left, tmp_path / "another", {"c": "c"})
    with DurableStore(tmp_path / "there", SETTINGS, upkeep=False) as store:
        write(store.create(spec_of("d")), {"d0": 1})
    restore_collections(left, tmp_path / "there", {"c": "c"})
    for name in ("backup", "restored", "one", "another", "there"):
        held(tmp_path / name)
    assert sorted(left.iterdir()) == before


def test_by_the_commands(
    left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*words: object) -> str:
        assert run(["store", *map(str, words)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    def refused(*words: object) -> str:
        assert run([*map(str, words)]) == 2
        return capsys.readouterr().err

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert json.loads(told("list", left, "--json"))[0]["documents"] == len(STATE)
    assert told("check", left).startswith("sound")
    assert told("version", "list", left, "c")
    assert told("alias", "list", left)
    hits = json.loads(told("search", left, "c", "d29 1", "--mode", "lexical", "-k", 3, "--json"))["hits"]
    assert hits[0]["id"] == "d29"
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "30 documents" in told("backup", left, tmp_path / "backup")
    held(tmp_path / "backup")
    for words in (
        ("serve", "--model", "m=none", "--store", left),
        ("store", "create", left, "d", "--dimension", 2, "--fingerprint", "f"),
        ("store", "drop", left, "c"),
        ("store", "compact", left),
        ("store", "alias", "set", left, "a", "c"),
        ("store", "restore", left, left, "--collection", "c", "--as", "d"),
    ):
        assert "is on a read-only disk, and cannot be written or served: `crossfade store list`" in refused(*words)
    assert "Read-only file system; name a directory on a disk that can be written" in refused(
        "store", "backup", left, left.with_name("backup")
    )


class TestSearch:
    def test_segments_are_read_where_they_are(self, left: Path) -> None:
        with working_copy(left) as copy:
            linked = [path for path in (copy / "segments").rglob("*") if path.is_file()]
            assert all(path.is_symlink() for path in linked)
            assert len(linked) == sum(path.is_file() for path in (left / "segments").rglob("*"))
            held(copy)
        assert not copy.exists()

    def test_a_damaged_segment_is_built_again_in_the_copy(self, killed: Path, tmp_path: Path) -> None:
        with disk(tmp_path / "disk") as remount:
            directory = Path(shutil.copytree(killed, tmp_path / "disk" / "store"))
            path, *_ = sorted(directory.glob("segments/*/*/keys.i64"))
            path.write_bytes(bytes(path.stat().st_size))
            remount("ro")
            with working_copy(directory) as copy:
                held(copy)
            assert path.read_bytes() == bytes(path.stat().st_size)

    def test_no_room(self, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 0, 1000))
        expected = r"read-only disk, .* has 0 MB; set TMPDIR to a directory with room"
        with pytest.raises(StoreError, match=expected), working_copy(left):
            pass

    def test_nowhere_to_put_it(self, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(left))
        expected = r"Read-only file system; set TMPDIR to a directory with room"
        with pytest.raises(StoreError, match=expected), working_copy(left):
            pass


def test_beside_a_server_that_has_it_open_where_it_can_be_written(tmp_path: Path) -> None:
    """As a container that sees the store's disk read-only does."""
    seen = tmp_path / "seen"
    with ExitStack() as mounts, DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as store:
        collection = store.create(spec_of("c"))
        write(collection, IN_THE_FILE)
        mounts.enter_context(bound(tmp_path / "store", seen))
        for name in ("d98", "d99"):
            write(collection, {name: 1})
            (summary,) = summaries(seen)
            assert summary.documents == len(collection)
        backup_of(seen, tmp_path / "backup")
    with DurableStore(tmp_path / "backup", SETTINGS, upkeep=False) as copy:
        check(copy.collection("c"), {**IN_THE_FILE, "d98": 1, "d99": 1})


@contextmanager
def bound(directory: Path, place: Path) -> Iterator[None]:
    """The directory a second time, read-only."""
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", directory, place]).returncode:
        pytest.skip("mounting a file system needs more rights than this process has")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("way", [closed, without_shared_memory])
def test_what_was_written_elsewhere_meanwhile_is_no_backup(
    killed: Path, tmp_path: Path, way: Callable[[Path], State]
) -> None:
    directory = Path(shutil.copytree(killed, tmp_path / "store"))
    way(directory)
    with bound(directory, tmp_path / "seen"):
        assert read_only_disk.is_read_only(tmp_path / "seen" / "crossfade.db")
        with (
            pytest.raises(StoreError, match="was written while it was read"),
            reading(tmp_path / "seen"),
            DurableStore(directory, SETTINGS, upkeep=False) as store,
        ):
            write(store.collection("c"), {"d0": 2})


def test_a_change_that_was_cut_short(killed: Path, tmp_path: Path) -> None:
    """SQLite would have to write to undo it, and would pass over it as the file is immutable."""
    with disk(tmp_path / "disk") as remount:
        directory = tmp_path / "disk" / "store"
        backup_of(killed, directory)
        program = (
            "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('UPDATE documents_1 SET title = ?', "
            "('x' * 9000,)); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", program, directory / "crossfade.db"])
        assert (directory / "crossfade.db-journal").stat().st_size
        remount("ro")
        with pytest.raises(StoreError, match=r"copy crossfade.db and crossfade.db-journal to a directory"):
            summaries(directory)
        place = tmp_path / "elsewhere"
        place.mkdir()
        for name in ("crossfade.db", "crossfade.db-journal"):
            shutil.copy(directory / name, place / name)
        held(place)


def test_a_disk_that_can_be_written_is_read_as_ever(killed: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(killed, tmp_path / "store"))
    assert not read_only_disk.is_read_only(directory / "crossfade.db")
    assert not read_only_disk.is_read_only(tmp_path / "none" / "crossfade.db")
    with sqlite3.connect(directory / "crossfade.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM documents_1").fetchone()
    connection.close()
    assert summaries(directory)[0].documents == count == len(STATE)
