"""Disks that are full, read-only, damaged or shared: an error that says what to do, no wrong answer; work goes on."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import read_only
from store_disks import NAMES, ext4_mounted, fill, filled, grow, mounted, opened, remounted, says, segment_files, settle
from store_model import SETTINGS, State, alive, check, contents, next_write, observed, spec_of, write

from crossfade.errors import CrossfadeError, InvalidInput, StoreError
from crossfade.store import DurableStore, database


class TestFullDisk:
    def test_writes_are_refused_whole_and_go_on_when_there_is_room(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        chance = random.Random(2)
        with mounted(disk, "size=4m"):
            with opened(disk / "store") as store:
                collection = store.create(spec_of("c"))
                state: State = {}
                for _ in range(20):
                    grow(collection, state, chance)
                could_not_seal = 0
                for _ in range(2):
                    ballast = disk / "ballast"
                    fill(ballast)
                    refused = 0
                    while refused < 5:
                        versions = next_write(state, NAMES, chance)
                        try:
                            write(collection, versions)
                        except StoreError as error:
                            refused += says(error, "make room", "its room")
                            versions = {}
                        settle(collection, state, versions)
                    if collection.index.unsealed_rows:  # or all that came was refused
                        with pytest.raises(StoreError, match="make room"):
                            collection.seal()
                        could_not_seal += 1
                    check(collection, state)
                    ballast.unlink()
                    for _ in range(10):
                        grow(collection, state, chance)
                    collection.seal()
                    check(collection, state)
                assert could_not_seal
            with opened(disk / "store") as store:
                check(store.get("c"), state)

    def test_a_store_with_a_full_disk_under_it_is_opened(self, tmp_path: Path) -> None:
        """What needs no room works; what does says so."""
        disk = tmp_path / "disk"
        with mounted(disk, "size=4m"):
            state = filled(disk / "store")
            fill(disk / "ballast")
            try:
                with opened(disk / "store") as store:
                    check(store.get("c"), state)
            except StoreError as error:
                says(error, "make room", "its room")
            (disk / "ballast").unlink()
            with opened(disk / "store") as store:
                check(store.get("c"), state)

    def test_a_limit_on_the_size_of_files(self, tmp_path: Path) -> None:
        state: State = {}
        chance = random.Random(3)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with opened(tmp_path / "store") as store:
                collection = store.create(spec_of("c"))
                for _ in range(5):
                    grow(collection, state, chance)
                size = (tmp_path / "store" / "crossfade.db-wal").stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40_000, before[1]))
                refused = 0
                while refused < 3:
                    versions = next_write(state, NAMES, chance)
                    try:
                        write(collection, versions)
                    except StoreError:
                        refused += 1
                        versions = {}
                    settle(collection, state, versions)
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
                with pytest.raises(StoreError, match="cannot be written"):
                    collection.seal()
                check(collection, state)
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                for _ in range(5):
                    grow(collection, state, chance)
                collection.seal()
                check(collection, state)
            with opened(tmp_path / "store") as store:
                check(store.get("c"), state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    def test_a_backup_that_does_not_fit_leaves_nothing(self, tmp_path: Path) -> None:
        state = filled(tmp_path / "store")
        disk = tmp_path / "disk"
        with mounted(disk, "size=64k"), opened(tmp_path / "store") as store:
            with pytest.raises(StoreError):
                store.backup(disk / "backup")
            assert list(disk.iterdir()) == []
            check(store.get("c"), state)


class TestReadOnlyDisk:
    def test_is_not_opened(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        with mounted(disk, "size=8m"):
            state = filled(disk / "store")
            remounted(disk, "ro")
            with pytest.raises(StoreError, match="is on a read-only disk, and cannot be written or served"):
                opened(disk / "store")
            remounted(disk, "rw")
            with opened(disk / "store") as store:
                check(store.get("c"), state)

    @pytest.mark.parametrize("upkeep", [False, True])
    def test_becomes_so_while_it_is_open(self, tmp_path: Path, upkeep: bool) -> None:
        """As a disk's file system does when it meets an error. Writes are refused whole, searches go on, and when it is
        mounted again all is there that was acknowledged."""
        image, disk = tmp_path / "image", tmp_path / "disk"
        with ext4_mounted(image, disk):
            state = self._cut_off(disk, upkeep)
            shutil.copy(image, tmp_path / "as-it-was")
        again = tmp_path / "again"
        with ext4_mounted(tmp_path / "as-it-was", again), opened(again / "store") as store:
            collection = store.get("c")
            check(collection, state)
            grow(collection, state, random.Random(9))
            collection.seal()
            assert collection.heal() == 0
            check(collection, state)

    @pytest.mark.skipif(not read_only.AVAILABLE, reason="its filter of system calls is written for Linux on x86-64")
    def test_becomes_so_and_is_writable_again(self, tmp_path: Path) -> None:
        """And all the while the store is open."""
        state: State = {}
        chance = random.Random(10)
        with opened(tmp_path / "store") as store:
            collection = store.create(spec_of("c"))
            for _ in range(3):
                for _ in range(12):
                    grow(collection, state, chance)
                collection.seal()
                last = {"d0": abs(state.get("d0", 0)) + 1}  # so that there is a tail to be sealed
                write(collection, last)
                state.update(last)

                def try_all() -> None:
                    for _ in range(4):
                        versions = next_write(state, NAMES, chance)
                        with pytest.raises(StoreError, match="nothing of this call was taken"):
                            write(collection, versions)
                        check(collection, state)
                    with pytest.raises(StoreError, match="Read-only file system"):
                        collection.seal()
                    assert collection.heal() == 0
                    check(collection, state)

                read_only.on_a_read_only_disk(try_all)
                check(collection, state)
                while collection.keep_up():
                    pass
                check(collection, state)
        with opened(tmp_path / "store") as store:
            check(store.get("c"), state)
            assert store.get("c").heal() == 0

    def _cut_off(self, disk: Path, upkeep: bool) -> State:
        """What was acknowledged."""
        state: State = {}
        chance = random.Random(8)
        with DurableStore(disk / "store", SETTINGS, upkeep=upkeep) as store:
            collection = store.create(spec_of("c"))
            for number in range(30):
                grow(collection, state, chance)
                if number % 8 == 7:
                    collection.seal()
            remounted(disk, "abort")
            for _ in range(5):
                with pytest.raises(StoreError, match="nothing of this call was taken; check the disk, its mount and"):
                    write(collection, next_write(state, NAMES, chance))
                check(collection, state)
            with pytest.raises(StoreError, match="nothing of this call was taken; check the disk, its mount and"):
                store.create(spec_of("other"))
            with pytest.raises(StoreError, match="Read-only file system"):
                store.backup(disk / "backup")
            if not upkeep:
                with pytest.raises(StoreError, match="Read-only file system; what was acknowledged is in the database"):
                    collection.seal()
            assert collection.heal() == 0
            check(collection, state)
            assert [each.spec.name for each in store.all()] == ["c"]
        return state


class TestShared:
    def test_another_process_has_it_open(self, tmp_path: Path) -> None:
        state = filled(tmp_path / "store")
        program = (
            "import sys; from pathlib import Path; from crossfade.store import DurableStore\n"
            "store = DurableStore(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "store"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"open\n"
            with pytest.raises(StoreError, match="is open in another process: stop that one"):
                opened(tmp_path / "store")
            other.kill()
        with opened(tmp_path / "store") as store:
            check(store.get("c"), state)
            with pytest.raises(StoreError, match="is open in another process"):
                opened(tmp_path / "store")

    def test_another_program_has_the_database_locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
        state = filled(tmp_path / "store")
        locker = sqlite3.connect(tmp_path / "store" / "crossfade.db", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="another program holds the database locked: close it and try again"):
            opened(tmp_path / "store")
        locker.execute("ROLLBACK")
        with opened(tmp_path / "store") as store:
            locker.execute("BEGIN EXCLUSIVE")
            collection = store.get("c")
            with pytest.raises(StoreError, match="another program holds the database locked"):
                write(collection, {"new": 1})
            check(collection, state)
            locker.execute("ROLLBACK")
            write(collection, {"new": 1})
            check(collection, state | {"new": 1})
        locker.close()


class TestDatabase:
    def test_of_another_program(self, tmp_path: Path) -> None:
        (tmp_path / "store").mkdir()
        path = tmp_path / "store" / "crossfade.db"
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE theirs (x)")
        other.close()
        before = path.read_bytes()
        with pytest.raises(StoreError, match="is a database of another program: name another directory"):
            opened(tmp_path / "store")
        assert path.read_bytes() == before

    def test_of_a_newer_format(self, tmp_path: Path) -> None:
        filled(tmp_path / "store")
        with sqlite3.connect(tmp_path / "store" / "crossfade.db") as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()
        with pytest.raises(StoreError, match="has format 99, and this crossfade knows formats up to"):
            opened(tmp_path / "store")

    def test_no_database_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / "crossfade.db").write_bytes(b"not a database " * 1000)
        with pytest.raises(StoreError, match="not a crossfade store, or damaged: name another directory, or restore"):
            opened(tmp_path / "store")

    @pytest.mark.parametrize("gone", [True, False])
    def test_emptied_or_removed(self, tmp_path: Path, gone: bool) -> None:
        filled(tmp_path / "store")
        path = tmp_path / "store" / "crossfade.db"
        path.unlink() if gone else path.write_bytes(b"")
        kept = segment_files(tmp_path / "store")
        with pytest.raises(StoreError, match="restore the last backup"):
            opened(tmp_path / "store")
        assert segment_files(tmp_path / "store") == kept

    def test_damaged(self, tmp_path: Path) -> None:
        """What SQLite finds is told with what to do; it has no checksums, so that some values may be others."""
        state = filled(tmp_path / "store", writes=40)
        sound = (tmp_path / "store" / "crossfade.db").read_bytes()
        chance = random.Random(5)
        told = 0
        for number in range(40):
            copy = tmp_path / f"copy-{number}"
            copy.mkdir()
            data = bytearray(sound)
            if number < 10:
                data = data[: chance.randrange(1, len(data))]
            else:  # the head of a page, which says where its cells are
                page = chance.randrange(len(data) // 8192) * 8192
                data[page : page + 16] = chance.randbytes(16)
            (copy / "crossfade.db").write_bytes(data)
            try:
                with opened(copy) as store:
                    check(store.get("c"), state)
            except CrossfadeError as error:
                told += says(error, "restore the last backup", "name another directory")
        assert told > 20


class TestBackup:
    def test_an_older_one_under_newer_segments(self, tmp_path: Path) -> None:
        """Rows that had died since live again; rows that came since are gone, and others get their keys."""
        for late in (False, True):
            directory, backup = tmp_path / f"store-{late}", tmp_path / f"backup-{late}"
            state = filled(directory)
            chance = random.Random(6)
            with opened(directory) as store:
                collection = store.get("c")
                store.backup(backup)
                then = dict(state)
                for _ in range(20):
                    grow(collection, state, chance)
                    if late and chance.random() < 0.3:
                        collection.seal()
                        while collection.keep_up():
                            pass
                collection.seal()
            for path in directory.glob("crossfade.db*"):
                path.unlink()
            shutil.copy(backup / "crossfade.db", directory / "crossfade.db")
            with opened(directory) as store:
                collection = store.get("c")
                check(collection, then)
                for _ in range(20):
                    grow(collection, then, chance)
                collection.seal()
                check(collection, then)
            with opened(directory) as store:
                check(store.get("c"), then)

    def test_of_a_store_that_is_written_to_is_one_moment_of_its_history(self, tmp_path: Path) -> None:
        chance = random.Random(7)
        history: list[State] = []
        stopped = threading.Event()
        with DurableStore(tmp_path / "store", SETTINGS) as store:
            collection = store.create(spec_of("c"))
            state: State = {}
            grow(collection, state, chance)
            history.append(alive(state))

            def go_on() -> None:
                while not stopped.is_set():
                    versions = next_write(state, NAMES, chance)
                    history.append(alive(state | versions))
                    write(collection, versions)
                    state.update(versions)

            writer = threading.Thread(target=go_on)
            writer.start()
            began = []
            for number in range(4):
                began.append(len(history))
                store.backup(tmp_path / f"backup-{number}")
            stopped.set()
            writer.join()
            with pytest.raises(InvalidInput, match="is there already"):
                store.backup(tmp_path / "backup-0")
            check(collection, state)
        for number, least in enumerate(began):
            with opened(tmp_path / f"backup-{number}") as store:
                found = observed(store.get("c"), NAMES)
                assert found in history[least - 2 if least > 1 else 0 :]
                assert contents(store.get("c").snapshot()) == found
                assert len(store.get("c")) == len(found)
