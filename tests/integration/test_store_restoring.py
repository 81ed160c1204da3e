"""Single collections backed up and restored: whole, beside others, and never over what is there."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from restore_samples import NAMES, aliases, fill, said
from store_model import SETTINGS, State, alive, check, contents, next_write, observed, spec_of, write

from crossfade.cli.main import run
from crossfade.errors import AlreadyExists, Damaged, InvalidInput, NotFound, StoreError
from crossfade.store import Document, DurableStore
from crossfade.store.backup import backup_of, restore
from crossfade.store.checking import check_store
from crossfade.store.readonly import all_aliases, summaries
from crossfade.store.restoring import restore_collections

SAMPLES = Path(__file__).parents[1] / "unit" / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, State]]:
    directory = tmp_path_factory.mktemp("made") / "store"
    return directory, fill(directory)


@pytest.fixture
def filled(made: tuple[Path, dict[str, State]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "filled"))


@pytest.fixture
def states(made: tuple[Path, dict[str, State]]) -> dict[str, State]:
    return {name: dict(state) for name, state in made[1].items()}


def holds(directory: Path, name: str, state: State) -> None:
    """It does, and goes on: it is written to, and opened again."""
    assert check_store(directory).sound
    chance = random.Random(name)
    for _ in range(2):
        with DurableStore(directory, SETTINGS, upkeep=False) as store:
            collection = store.collection(name)
            check(collection, state)
            assert collection.heal() == 0
            for _ in range(6):
                versions = next_write(state, NAMES, chance)
                write(collection, versions)
                state.update(versions)
            collection.seal()
            check(collection, state)
    assert check_store(directory).sound


class TestBackup:
    def test_of_one_collection_is_a_store_of_it(self, filled: Path, tmp_path: Path, states: dict[str, State]) -> None:
        backup_of(filled, tmp_path / "backup", collections=["a"])
        assert [path.name for path in (tmp_path / "backup").iterdir()] == ["crossfade.db"]
        assert said(tmp_path / "backup", "a") == said(filled, "a")
        assert aliases(tmp_path / "backup") == {"live": ("a", 0), "next": ("a", 2)}
        assert check_store(tmp_path / "backup").sound
        restore(tmp_path / "backup", tmp_path / "again")
        holds(tmp_path / "again", "a", states["a"])
        with DurableStore(tmp_path / "again", upkeep=False) as store:
            assert [each.spec.name for each in store.all()] == ["a"]
            assert [each.version for each in store.collection("a").index_versions()] == [1, 2]
            assert store.get("next").spec.dimension == 3

    def test_of_several(self, filled: Path, tmp_path: Path) -> None:
        with DurableStore(filled, upkeep=False) as store:
            store.create(spec_of("more"))
        backup_of(filled, tmp_path / "backup", collections=["b", "a"])
        assert [each.spec.name for each in summaries(tmp_path / "backup")] == ["a", "b"]
        assert set(aliases(tmp_path / "backup")) == {"live", "next", "other"}

    def test_numbers_of_its_old_place_are_not_given_again(self, filled: Path, tmp_path: Path) -> None:
        """A segment, or a revision of an alias, that somebody has kept from there is of nothing here."""
        backup_of(filled, tmp_path / "backup", collections=["a"])
        revisions = {each.revision for each in all_aliases(filled)}
        assert min(each.revision for each in all_aliases(tmp_path / "backup")) > max(revisions)
        assert summaries(tmp_path / "backup")[0].number > max(each.number for each in summaries(filled))
        shutil.copytree(filled / "segments", tmp_path / "backup" / "segments")
        with DurableStore(tmp_path / "backup", SETTINGS, upkeep=False) as store:
            assert store.collection("a").heal() == 0
        assert check_store(tmp_path / "backup").sound

    def test_it_takes_no_room_for_the_others(self, filled: Path, tmp_path: Path) -> None:
        with DurableStore(filled, SETTINGS, upkeep=False) as store:
            store.create(spec_of("large")).upsert(
                [Document(str(n), text="x" * 5000) for n in range(500)], np.ones((500, 8), np.float32)
            )
        backup_of(filled, tmp_path / "backup", collections=["a"])
        assert (tmp_path / "backup" / "crossfade.db").stat().st_size < 500_000
        assert (filled / "crossfade.db").stat().st_size > 2_500_000

    def test_while_it_is_written_to_is_one_moment_of_its_history(self, filled: Path, tmp_path: Path) -> None:
        stopped = threading.Event()
        with DurableStore(filled, SETTINGS) as store:
            collections = [store.create(spec_of(name)) for name in ("x", "y")]

            def go_on() -> None:
                version = 0
                while not stopped.is_set():
                    version += 1
                    for collection in collections:
                        write(collection, dict.fromkeys(NAMES, version))

            writer = threading.Thread(target=go_on)
            writer.start()
            try:
                for turn in range(4):
                    backup_of(filled, tmp_path / str(turn), collections=["y", "x"])
            finally:
                stopped.set()
                writer.join()
        for turn in range(4):
            with DurableStore(tmp_path / str(turn), SETTINGS, upkeep=False) as copy:
                seen = [observed(copy.collection(name), NAMES) for name in ("x", "y")]
                for name, state in zip(("x", "y"), seen, strict=True):
                    assert contents(copy.collection(name).snapshot()) == state
                versions = [max(state.values(), default=0) for state in seen]
                assert all(set(state.values()) <= {version} for state, version in zip(seen, versions, strict=True))
                assert versions[0] - versions[1] in (0, 1)

    def test_what_is_not_there(self, filled: Path, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="no collection 'c': there are a, b"):
            backup_of(filled, tmp_path / "deep" / "backup", collections=["a", "c"])
        with pytest.raises(NotFound, match="no collection 'live': it is an alias of collection 'a'"):
            backup_of(filled, tmp_path / "deep" / "backup", collections=["live"])
        assert not (tmp_path / "deep").exists()

    def test_damage(self, filled: Path, tmp_path: Path) -> None:
        with DurableStore(filled, SETTINGS, upkeep=False) as store, store.database.writing() as connection:
            connection.execute("UPDATE documents_1 SET text = CAST(x'ff' AS TEXT)")
        with pytest.raises(Damaged, match=r"^the store .* --with-damage copies them as they are"):
            backup_of(filled, tmp_path / "backup", collections=["a"])
        assert not (tmp_path / "backup").exists()
        backup_of(filled, tmp_path / "other", collections=["b"])
        backup_of(filled, tmp_path / "backup", collections=["a"], with_damage=True)
        assert said_bytes(tmp_path / "backup") == said_bytes(filled)
        assert len(check_store(tmp_path / "backup").row_faults) == len(said_bytes(filled))


def said_bytes(directory: Path) -> list[tuple[bytes, int]]:
    connection = sqlite3.connect(directory / "crossfade.db")
    (number,) = connection.execute("SELECT number FROM collections WHERE name = 'a'").fetchone()
    found = connection.execute(f"SELECT CAST(text AS BLOB), crc FROM documents_{number} ORDER BY key").fetchall()
    connection.close()
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    with DurableStore(tmp_path / "target", SETTINGS, upkeep=False) as store:
        write(store.create(spec_of("other-one")), {"d1": 1})
        for name in ("p", "q"):  # so that numbers are others than in the backup
            store.create(spec_of(name))
            store.drop(name)
    return tmp_path / "target"


class TestRestore:
    def test_into_a_store_that_is_there(self, filled: Path, target: Path, states: dict[str, State]) -> None:
        (copied,) = restore_collections(filled, target, {"a": "a"})
        assert (copied.name, copied.aliases, copied.left) == ("a", ("live", "next"), ())
        assert said(target, "a") == said(filled, "a")
        assert aliases(target) == {"live": ("a", 0), "next": ("a", 2)}
        holds(target, "a", states["a"])
        holds(target, "other-one", {"d1": 1})

    def test_under_another_name(self, filled: Path, target: Path, states: dict[str, State]) -> None:
        (copied,) = restore_collections(filled, target, {"a": "of-monday"})
        assert (copied.name, copied.aliases, copied.left) == ("of-monday", (), ("live", "next"))
        assert said(target, "of-monday") == said(filled, "a")
        assert aliases(target) == {}
        holds(target, "of-monday", states["a"])

    def test_beside_what_it_was_copied_from(self, filled: Path, states: dict[str, State]) -> None:
        """A store is its own backup."""
        restore_collections(filled, filled, {"a": "a-again"})
        assert said(filled, "a-again") == said(filled, "a")
        for name in ("a-again", "a"):
            holds(filled, name, dict(states["a"]))

    def test_a_collection_that_was_dropped_comes_back(self, filled: Path, tmp_path: Path) -> None:
        backup_of(filled, tmp_path / "backup", collections=["a"])
        before, revisions = said(filled, "a"), {each.revision for each in all_aliases(filled)}
        with DurableStore(filled, upkeep=False) as store:
            store.drop("a")
        restore_collections(tmp_path / "backup", filled, {"a": "a"})
        assert said(filled, "a") == before
        assert {each.revision for each in all_aliases(filled) if each.collection == "a"}.isdisjoint(revisions)

    def test_aliases_that_are_taken_stay_where_they_point(self, filled: Path, target: Path) -> None:
        with DurableStore(target, upkeep=False) as store:
            store.set_alias("live", "other-one")
            store.create(spec_of("next"))
        (copied,) = restore_collections(filled, target, {"a": "a"})
        assert (copied.aliases, copied.left) == ((), ("live", "next"))
        assert aliases(target) == {"live": ("other-one", 0)}

    def test_into_a_new_store(self, filled: Path, tmp_path: Path, states: dict[str, State]) -> None:
        restore_collections(filled, tmp_path / "deep" / "new", {"a": "a", "b": "c"})
        assert aliases(tmp_path / "deep" / "new") == {"live": ("a", 0), "next": ("a", 2)}
        holds(tmp_path / "deep" / "new", "a", states["a"])
        holds(tmp_path / "deep" / "new", "c", states["b"])

    def test_within_the_process_that_has_it_open(self, filled: Path, target: Path, states: dict[str, State]) -> None:
        with DurableStore(target, SETTINGS) as store:
            store.restore_collections(filled, {"a": "a"})
            check(store.collection("a"), states["a"])
            assert store.get("next").spec.dimension == 3
            with pytest.raises(AlreadyExists, match="collection 'a' exists already"):
                store.restore_collections(filled, {"b": "b", "a": "a"})
            with pytest.raises(NotFound):
                store.collection("b")
        holds(target, "a", states["a"])

    @pytest.mark.parametrize("number", [1, 3])
    def test_of_an_older_format(self, number: int, tmp_path: Path, target: Path) -> None:
        old = Path(shutil.copytree(SAMPLES / f"store-format-{number}", tmp_path / "old"))
        before = (old / "crossfade.db").read_bytes()
        backup_of(old, tmp_path / "backup", collections=["second"])
        restore_collections(old, target, {"second": "second"})
        assert (old / "crossfade.db").read_bytes() == before
        assert said(target, "second") == said(tmp_path / "backup", "second")
        shutil.copytree(old, tmp_path / "migrated")
        with DurableStore(tmp_path / "migrated", SETTINGS, upkeep=False) as store:
            state = observed(store.collection("second"), [f"d{each}" for each in range(15)])
        assert said(target, "second") == said(tmp_path / "migrated", "second")
        assert state
        for directory in (target, tmp_path / "backup"):
            assert [path.name for path in directory.iterdir() if path.name.startswith(("migrating", "."))] == []
            holds(directory, "second", dict(state))


class TestRefusals:
    """And nothing has changed."""

    @pytest.fixture(autouse=True)
    def unchanged(self, target: Path) -> Any:
        before = dump(target)
        yield
        assert dump(target) == before
        assert {path.name for path in target.iterdir()} <= {"crossfade.db", "lock", "segments"}

    def test_what_is_there_is_not_written_over(self, filled: Path, target: Path) -> None:
        with pytest.raises(AlreadyExists, match=r"collection 'other-one' exists already: choose another name \(--as\)"):
            restore_collections(filled, target, {"b": "b", "a": "other-one"})

    def test_names(self, filled: Path, target: Path) -> None:
        with pytest.raises(NotFound, match="no collection 'live': it is an alias"):
            restore_collections(filled, target, {"live": "live"})
        with pytest.raises(InvalidInput, match="collection name 'a/b' cannot be used"):
            restore_collections(filled, target, {"a": "a/b"})
        with pytest.raises(InvalidInput, match="two collections cannot both be called 'c'"):
            restore_collections(filled, target, {"a": "c", "b": "c"})

    def test_a_store_that_is_open(self, filled: Path, target: Path) -> None:
        with (
            DurableStore(target, SETTINGS, upkeep=False),
            pytest.raises(StoreError, match="is open in another process: stop that one, or name another directory"),
        ):
            restore_collections(filled, target, {"a": "a"})

    def test_damage(self, filled: Path, target: Path, tmp_path: Path) -> None:
        with DurableStore(filled, SETTINGS, upkeep=False) as store, store.database.writing() as connection:
            connection.execute("UPDATE rows_1 SET vector = zeroblob(32) WHERE key = (SELECT max(key) FROM rows_1)")
        with pytest.raises(Damaged, match=r"^the backup .* holds 1 things .* nothing of it was taken: collection 'a'"):
            restore_collections(filled, target, {"b": "b", "a": "a"})
        restore_collections(filled, tmp_path / "new", {"a": "a"}, with_damage=True)
        assert len(check_store(tmp_path / "new").row_faults) == 1

    def test_lost_documents_are_missed(self, filled: Path, target: Path) -> None:
        with sqlite3.connect(filled / "crossfade.db") as connection:
            connection.execute("DELETE FROM documents_1 WHERE key = (SELECT max(key) FROM documents_1)")
        connection.close()
        with pytest.raises(Damaged, match="and was written with"):
            restore_collections(filled, target, {"a": "a"})

    def test_a_disk_without_room(self, filled: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 0, 1000))
        with pytest.raises(StoreError, match=r"has 0 MB left, and the collections take more than .* nothing was chang"):
            restore_collections(filled, target, {"a": "a"})

    def test_a_disk_that_becomes_full(self, filled: Path, target: Path, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]).returncode:
            pytest.skip("mounting a file system needs more rights than this process has")
        try:
            directory = Path(shutil.copytree(target, disk / "store"))
            before = dump(directory)
            size = (directory / "crossfade.db").stat().st_size
            (disk / "ballast").write_bytes(bytes((1 << 20) - size - 150_000))
            with pytest.raises(StoreError, match=r"make room|its room"):
                restore_collections(filled, directory, {"a": "a", "b": "b"})
            (disk / "ballast").unlink()
            assert dump(directory) == before
            restore_collections(filled, directory, {"a": "a"})
            assert said(directory, "a") == said(filled, "a")
        finally:
            subprocess.run(["umount", "-l", disk], check=True)

    def test_no_stores(self, filled: Path, target: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(NotFound, match=r"there is no store in .*empty"):
            restore_collections(filled, tmp_path / "empty", {"a": "a"})
        with pytest.raises(NotFound, match=r"there is no store in .*empty"):
            restore_collections(tmp_path / "empty", target, {"a": "a"})
        (tmp_path / "empty" / "crossfade.db").write_bytes(b"")
        with pytest.raises(StoreError, match="is not the database of a crossfade store"):
            restore_collections(filled, tmp_path / "empty", {"a": "a"})

    def test_an_interrupt(self, filled: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(point: str) -> None:
            if point == "restore.written":
                raise KeyboardInterrupt

        monkeypatch.setattr("crossfade.store.faults.passed", interrupt)
        with pytest.raises(KeyboardInterrupt):
            restore_collections(filled, target, {"a": "a"})


def dump(directory: Path) -> list[str]:
    connection = sqlite3.connect(directory / "crossfade.db")
    found = [line for line in connection.iterdump() if 'INSERT INTO "epochs"' not in line]
    connection.close()
    return found


def test_by_the_commands(filled: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*words: object) -> str:
        assert run(["store", *map(str, words)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    def refused(*words: object) -> str:
        assert run(["store", *map(str, words)]) == 2
        return capsys.readouterr().err

    backup = tmp_path / "backup"
    documents = len(alive(observed_in(filled, "a")))
    assert f"1 collections, {documents} documents" in told("backup", filled, backup, "--collection", "a")
    assert told("restore", backup, target, "--collection", "a").splitlines() == [
        f"a in {target}: {documents} documents, {summaries(filled)[0].rows} rows, aliases live, next"
    ]
    again = told("restore", backup, target, "--collection", "a", "--as", "a2").splitlines()
    assert again[1] == "not made: aliases live, next (`crossfade store alias set` points one to a2)"
    found = json.loads(told("restore", filled, tmp_path / "new", "--collection", "a", "--collection", "b", "--json"))
    assert [(each["name"], each["aliases"], each["aliases_left"]) for each in found["collections"]] == [
        ("a", ["live", "next"], []),
        ("b", ["other"], []),
    ]
    assert "collection 'a' exists already" in refused("restore", backup, target, "--collection", "a")
    assert "--as is for one collection" in refused("restore", backup, target, "--as", "c")
    two = ("--collection", "a", "--collection", "b")
    assert "--as is for one collection" in refused("restore", filled, target, *two, "--as", "c")
    assert "names 'a' twice" in refused("backup", filled, tmp_path / "x", "--collection", "a", "--collection", "a")
    assert "is there already" in refused("restore", backup, target)
    with DurableStore(target, upkeep=False):
        assert "is open in another process: stop that one" in refused("restore", backup, target, "--collection", "a")


def observed_in(directory: Path, name: str) -> State:
    with DurableStore(directory, upkeep=False) as store:
        return observed(store.collection(name), NAMES)
