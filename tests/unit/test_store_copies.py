"""Backups, restoring, looking and checking: beside a store that is open, and of damaged ones."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ingest_samples import contents, made

from crossfade.errors import InvalidInput, NotFound, StoreError
from crossfade.store import Document, DurableStore, StoreSettings, precision, segment
from crossfade.store.backup import backup_of, restore
from crossfade.store.checking import check_store
from crossfade.store.readonly import summaries


def filled(directory: Path, count: int = 100, text: str = "text") -> DurableStore:
    store = DurableStore(directory, StoreSettings(seal_rows=10), upkeep=False)
    collection = made(store)
    documents = [Document(f"d{n}", text=text, metadata={"n": n}) for n in range(count)]
    collection.upsert(documents, np.arange(2 * count, dtype=np.float32).reshape(count, 2))
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with filled(tmp_path / "store") as opened:
        yield opened


def test_a_backup_of_a_store_that_is_open_and_written_to(store: DurableStore, tmp_path: Path) -> None:
    collection, stop = store.get("c"), threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            # All or nothing, so that a torn copy would show.
            batch = [Document(f"w{n}", text=str(turn)) for n in range(20)]
            collection.upsert(batch, np.full((20, 2), turn, np.float32))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for turn in range(5):
            backup_of(tmp_path / "store", tmp_path / f"backup{turn}")
    finally:
        stop.set()
        thread.join()
    for turn in range(5):
        with DurableStore(tmp_path / f"backup{turn}", upkeep=False) as copy:
            found = contents(copy.get("c"))
            assert len(found) in (100, 120)
            assert len({document.text for name, (document, _) in found.items() if name.startswith("w")}) <= 1


def test_a_backup_is_one_file_and_stays_so(store: DurableStore, tmp_path: Path) -> None:
    backup_of(tmp_path / "store", tmp_path / "first")
    store.backup(tmp_path / "second")
    for name in ("first", "second"):
        assert check_store(tmp_path / name).sound
        assert summaries(tmp_path / name) == summaries(tmp_path / "store")
        assert [path.name for path in (tmp_path / name).iterdir()] == ["crossfade.db"]


ROOT = os.geteuid() == 0


def permissions(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return f"{stat.S_IMODE(found.st_mode):o}", found.st_uid, found.st_gid


def protected(directory: Path, mode: int, directory_mode: int) -> tuple[int, int]:
    """Such a store, somebody else's where that can be; whose it is."""
    owner = (12_345, 23_456) if ROOT else (os.getuid(), os.getgid())
    for path, given in ((directory / "crossfade.db", mode), (directory, directory_mode)):
        path.chmod(given)
        os.chown(path, *owner)
    return owner


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
@pytest.mark.parametrize(
    ("mode", "directory_mode", "copied"),
    [
        (0o600, 0o755, 0o700),
        (0o640, 0o755, 0o750),
        (0o660, 0o750, 0o750),
        (0o644, 0o700, 0o700),
        (0o644, 0o755, 0o755),
        (0o664, 0o775, 0o775),
    ],
)
def test_whoever_may_not_read_the_database_reads_no_copy(
    store: DurableStore, tmp_path: Path, umask: int, mode: int, directory_mode: int, copied: int
) -> None:
    owner = protected(tmp_path / "store", mode, directory_mode)
    before = os.umask(umask)
    try:
        backup_of(tmp_path / "store", tmp_path / "beside")
        store.backup(tmp_path / "within")
        restore(tmp_path / "within", tmp_path / "restored")
    finally:
        os.umask(before)
    for name in ("beside", "within", "restored"):
        assert permissions(tmp_path / name / "crossfade.db") == (f"{mode:o}", *owner)
        assert permissions(tmp_path / name) == (f"{copied:o}", *owner)


@pytest.mark.parametrize(("mode", "left", "directory_left"), [(0o640, "600", "700"), (0o644, "644", "755")])
def test_a_group_that_is_not_the_databases_gets_no_more_than_everybody(
    store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, left: str, directory_left: str
) -> None:
    owner = protected(tmp_path / "store", mode, 0o755)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    # Where the tests are not root's, the owner is the same, and then the group is nothing to be told apart by.
    monkeypatch.setattr(os, "fchown", refuse)
    backup_of(tmp_path / "store", tmp_path / "backup")
    mine = (os.geteuid(), os.getegid())
    expected = (left, directory_left) if mine != owner else (f"{mode:o}", "750" if mode == 0o640 else "755")
    assert permissions(tmp_path / "backup" / "crossfade.db") == (expected[0], *mine)
    assert permissions(tmp_path / "backup") == (expected[1], *mine)


def test_a_place_that_keeps_no_permissions_gets_no_copy_of_what_has_them(
    store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected(tmp_path / "store", 0o600, 0o700)
    change = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _: change(descriptor, 0o755))
    with pytest.raises(StoreError, match="readable by others than the database is"):
        backup_of(tmp_path / "store", tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_of_a_database_that_lies_elsewhere(tmp_path: Path) -> None:
    filled(tmp_path / "store").close()
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    (tmp_path / "store" / "crossfade.db").rename(place / "crossfade.db")
    (tmp_path / "store" / "crossfade.db").symlink_to(place / "crossfade.db")
    (tmp_path / "store").chmod(0o755)
    backup_of(tmp_path / "store", tmp_path / "backup")
    assert permissions(tmp_path / "backup")[0] == "700"


def test_a_database_that_nobody_may_write_is_restored_as_a_store_that_can_be(
    store: DurableStore, tmp_path: Path
) -> None:
    backup_of(tmp_path / "store", tmp_path / "backup")
    (tmp_path / "backup" / "crossfade.db").chmod(0o440)
    restore(tmp_path / "backup", tmp_path / "restored")
    assert permissions(tmp_path / "restored" / "crossfade.db")[0] == "640"


def test_a_backup_is_restored_as_it_was(store: DurableStore, tmp_path: Path) -> None:
    backup_of(tmp_path / "store", tmp_path / "backup")
    expected = contents(store.get("c"))
    store.get("c").delete(["d1"])
    restore(tmp_path / "backup", tmp_path / "deep" / "restored")
    with DurableStore(tmp_path / "deep" / "restored", upkeep=False) as copy:
        assert contents(copy.get("c")) == expected


def test_what_is_there_is_not_written_over(store: DurableStore, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for make in (backup_of, restore):
        with pytest.raises(InvalidInput, match="is there already: name a directory that is not"):
            make(tmp_path / "store", tmp_path / "there")
        with pytest.raises(NotFound, match="there is no store in"):
            make(tmp_path / "none", tmp_path / "target")
        with pytest.raises(StoreError, match="cannot be written: Not a directory"):
            make(tmp_path / "store", tmp_path / "store" / "lock" / "target")
    assert not (tmp_path / "target").exists()
    assert not (tmp_path / "none").exists()


def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    filled(tmp_path / "store", 3000, text="long text " * 20).close()
    backup_of(tmp_path / "store", tmp_path / "backup")
    path = tmp_path / "backup" / "crossfade.db"
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 8192, 7):
        content[page * 8192 : page * 8192 + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        restore(tmp_path / "backup", tmp_path / "restored")
    path.write_bytes(bytes(100))
    with pytest.raises(StoreError, match=r"not a crossfade store|is not the database"):
        restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    assert not list(tmp_path.glob(".*building"))


def test_summaries_beside_the_open_store(store: DurableStore, tmp_path: Path) -> None:
    made(store, "another", dimension=5)
    store.get("c").delete(["d1", "d2"])
    first, second = summaries(tmp_path / "store")
    assert (first.spec, first.documents, first.rows) == (store.get("another").spec, 0, 0)
    assert (second.spec, second.documents, second.rows) == (store.get("c").spec, 98, 98)
    with pytest.raises(NotFound, match="there is no store in"):
        summaries(tmp_path)


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "crossfade.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StoreError, match="is not the database of a crossfade store"):
        summaries(tmp_path)


def test_a_sound_store(store: DurableStore, tmp_path: Path) -> None:
    assert check_store(tmp_path / "store").sound
    store.get("c").seal()
    found = check_store(tmp_path / "store")
    assert (found.sound, found.segments) == (True, 1)
    assert found.segment_bytes > 0


@pytest.mark.parametrize("name", [precision.VECTORS, segment.ID_TEXT, segment.KEYS, segment.COLUMNS, segment.MANIFEST])
def test_every_damaged_segment_file_is_named_and_healed(store: DurableStore, tmp_path: Path, name: str) -> None:
    collection = store.get("c")
    collection.seal()
    expected = contents(collection)
    (path,) = (tmp_path / "store" / "segments").rglob(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    (fault,) = check_store(tmp_path / "store").segment_faults
    assert str(path) in fault
    collection.heal()
    store.close()
    with DurableStore(tmp_path / "store", upkeep=False) as again:
        assert contents(again.get("c")) == expected
    assert check_store(tmp_path / "store").sound


def test_segments_of_lost_writes_are_found(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as store:
        store.backup(tmp_path / "backup")
        store.get("c").upsert([Document("x")], np.ones((1, 2), np.float32))
        store.get("c").seal()
    (tmp_path / "backup" / "crossfade.db").replace(tmp_path / "store" / "crossfade.db")
    with DurableStore(tmp_path / "store", upkeep=False) as store:
        store.get("c").upsert([Document("y")], np.ones((1, 2), np.float32))
    # Opening has removed it; were it not for that, this would name it.
    assert check_store(tmp_path / "store").sound


def test_a_damaged_database(tmp_path: Path) -> None:
    filled(tmp_path / "store", 3000, text="long text " * 20).close()
    path = tmp_path / "store" / "crossfade.db"
    content = bytearray(path.read_bytes())
    for page in range(20, len(content) // 8192, 5):
        content[page * 8192 : page * 8192 + 3000] = bytes(3000)
    path.write_bytes(content)
    found = check_store(tmp_path / "store")
    assert found.database_faults
    assert not found.sound
