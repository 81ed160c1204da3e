"""Bits that flip in the database: `check` finds them in every column of every table, none is served as what was
written, and the rest goes on."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlite_cells import place_of, settle

from crossfade.cli.main import run
from crossfade.errors import Conflict, CrossfadeError, Damaged, InvalidInput, StoreError
from crossfade.store import CollectionSettings, CollectionSpec, Document, DurableStore, Precision, StoreSettings
from crossfade.store.backup import backup_of, restore
from crossfade.store.checking import check_store
from crossfade.store.documents import StoredDocument
from crossfade.store.readonly import summaries
from crossfade.store.readonly import versions as versions_of

DIMENSION = 4
COUNT = 6
SETTINGS = StoreSettings(seal_rows=64)
SPEC = CollectionSpec("c", DIMENSION, "ip", "cf1-one")
VICTIM = 3  # its key and its row's key: documents are written in one call
NAME = f"doc-{VICTIM - 1}"

DOCUMENT = ("key", "id", "version", "title", "text", "metadata", "crc")
ROW = ("key", "document", "start", "stop", "vector", "crc")
LINES = {
    "collections": (
        *("number", "name", "metric", "sequence", "documents", "current", "versions", "settings"),
        *("version_floor", "crc"),
    ),
    "indexes": (
        *("number", "collection", "version", "dimension", "document_fingerprint", "arrived", "documents"),
        *("complete_to", "settings", "crc"),
    ),
    "epochs": ("index", "arrived", "token", "crc"),
    "aliases": ("revision", "name", "collection", "version", "crc"),
}
IN_LINES = [(table, column) for table, columns in LINES.items() for column in columns]
IN_ROWS = [("documents_1", column) for column in DOCUMENT] + [("rows_1", column) for column in ROW]


def vectors() -> NDArray[np.float32]:
    return np.arange(COUNT * DIMENSION, dtype=np.float32).reshape(COUNT, DIMENSION) + np.float32(0.5)


def documents() -> list[Document]:
    return [Document(f"doc-{n}", f"title {n}", f"words of number {n}", {"lang": "en"}) for n in range(COUNT)]


def opened(directory: Path) -> DurableStore:
    return DurableStore(directory, SETTINGS, upkeep=False)


def filled(directory: Path, *, sealed: bool, precision: Precision = "f32") -> Path:
    with opened(directory) as store:
        collection = store.create(SPEC, CollectionSettings(precision=precision))
        collection.upsert(documents(), vectors())
        collection.create_index(DIMENSION, "cf1-two")
        store.set_alias("live", "c", 1)
        if sealed:
            collection.seal()
    settle(directory / "crossfade.db")
    return directory


@pytest.fixture(params=[False, True], ids=["in the tail", "in a segment"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return filled(tmp_path / "store", sealed=request.param)


def flip(directory: Path, table: str, column: str, rowid: int, bit: int = 0) -> None:
    path = directory / "crossfade.db"
    first, last = place_of(path, table, column, rowid)
    data = bytearray(path.read_bytes())
    data[(first + last + 1) // 2] ^= 1 << bit
    path.write_bytes(data)


def found_in(collection: Any) -> dict[str, list[float]]:
    """By document, its vector, of all that may be found by version 1."""
    found: dict[str, list[float]] = {}
    for part in collection.snapshot(1).parts:
        alive = np.ones(len(part.ids), np.bool_)
        if part.live is not None:
            alive = np.unpackbits(part.live, count=len(part.ids), bitorder="little").astype(np.bool_)
        for row in np.flatnonzero(alive).tolist():
            found[part.ids[row]] = part.vectors[row].tolist()
    return found


def assert_honest(directory: Path) -> None:
    """Whatever is said is what was written; what is not said is said to be missing; a store that cannot tell says what
    to do."""
    refused = None
    try:
        look_at(directory)
    except StoreError as error:
        refused = str(error)
    assert refused is None or "restore the last backup" in refused


def look_at(directory: Path) -> None:
    truth = dict(zip([each.id for each in documents()], vectors().tolist(), strict=True))
    with opened(directory) as store:
        collection = store.collection("c")
        found = found_in(collection)
        assert all(truth[name] == vector for name, vector in found.items())
        assert len(found) == COUNT or collection.snapshot(1).incomplete
        missing = refused = 0
        for document in documents():
            try:
                (read,) = collection.documents([document.id])
                (version,) = collection.versions([document.id])
            except Damaged:
                refused += 1
                continue
            assert read in (document, None)
            assert version == (1 if read else 0)
            missing += read is None
        assert missing + refused <= 2  # a key that became another document's stands in the way of that one
        collection.seal()  # and what upkeep makes of it is no other
        assert all(truth[name] == vector for name, vector in found_in(collection).items())


class TestEveryColumn:
    @pytest.mark.parametrize(("table", "column"), IN_ROWS)
    @pytest.mark.parametrize("bit", [0, 1, 6, 7])
    def test_of_documents_and_rows(self, directory: Path, table: str, column: str, bit: int) -> None:
        assert check_store(directory).sound
        flip(directory, table, column, VICTIM, bit)
        found = check_store(directory)
        assert found.row_faults or found.database_faults
        assert_honest(directory)

    @pytest.mark.parametrize(("table", "column"), IN_LINES)
    @pytest.mark.parametrize("bit", [0, 2, 7])
    def test_of_the_small_tables(self, tmp_path: Path, table: str, column: str, bit: int) -> None:
        directory = filled(tmp_path / "store", sealed=True)
        flip(directory, table, column, 1, bit)
        assert check_store(directory).database_faults
        assert_honest(directory)

    def test_these_are_all_columns(self, directory: Path) -> None:
        database = sqlite3.connect(directory / "crossfade.db")
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            (table, row[1])
            for table in tables
            if not table.startswith("sqlite_") and table != "rows_2"
            for row in database.execute(f"PRAGMA table_info({table})")
        }
        database.close()
        assert columns == {*IN_LINES, *IN_ROWS}

    def test_whatever_a_byte_of_a_row_becomes(self, tmp_path: Path) -> None:
        source = filled(tmp_path / "source", sealed=False)
        chance = random.Random(1)
        for turn in range(60):
            directory = Path(shutil.copytree(source, tmp_path / str(turn)))
            table, columns = chance.choice([("documents_1", DOCUMENT), ("rows_1", ROW)])
            path = directory / "crossfade.db"
            first, last = place_of(path, table, chance.choice(columns), VICTIM)
            data = bytearray(path.read_bytes())
            data[chance.randint(first, last)] ^= chance.randint(1, 255)
            path.write_bytes(data)
            assert not check_store(directory).sound
            assert_honest(directory)


def test_any_bit_of_the_file(tmp_path: Path) -> None:
    """Where none of the database's bytes matter, nothing is found; wherever one does, what is served is right."""
    source = filled(tmp_path / "source", sealed=False)
    size = (source / "crossfade.db").stat().st_size
    chance = random.Random(2)
    sound = 0
    for turn in range(80):
        directory = Path(shutil.copytree(source, tmp_path / str(turn)))
        path = directory / "crossfade.db"
        data = bytearray(path.read_bytes())
        data[chance.randrange(size)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            found = check_store(directory)
        except StoreError:
            continue
        if found.sound:
            sound += 1
            with opened(directory) as store:
                assert len(found_in(store.collection("c"))) == COUNT
                assert store.collection("c").documents([each.id for each in documents()]) == documents()
        shutil.rmtree(directory)
    assert sound < 80


class TestTheRestGoesOn:
    @pytest.mark.parametrize("column", ["title", "text", "metadata", "version", "crc"])
    def test_a_damaged_document(self, directory: Path, column: str, caplog: pytest.LogCaptureFixture) -> None:
        flip(directory, "documents_1", column, VICTIM)
        others = [each for each in documents() if each.id != NAME]
        (fault,) = check_store(directory).row_faults
        assert (fault.collection, fault.id, fault.index_version) == ("c", NAME, None)
        with opened(directory) as store:
            collection = store.collection("c")
            assert collection.documents([each.id for each in others]) == others
            told = f"collection 'c': document '{NAME}' in the database is not what .* upsert it again, or restore"
            with pytest.raises(Damaged, match=told) as raised:
                collection.documents([NAME, "doc-0"])
            assert (raised.value.collection, raised.value.ids) == ("c", (NAME,))
            # A hit of a search goes without its document, and the next search says that it may not be all.
            assert collection.documents([NAME, "doc-0"], [VICTIM, 1]) == [None, others[0]]
            assert collection.snapshot().incomplete
            with pytest.raises(Damaged):
                collection.upsert([Document(NAME)], vectors()[:1], expected=[1])
            with pytest.raises(Conflict):
                collection.upsert([Document("doc-0")], vectors()[:1], expected=[7])
            # Written again, it is whole, and no version that it ever had is given again.
            collection.upsert([Document(NAME, text="again")], vectors()[:1])
            assert collection.documents([NAME]) == [Document(NAME, text="again")]
            assert collection.versions([NAME])[0] > 1
            assert not collection.snapshot().incomplete
            assert len(found_in(collection)) == len(collection) == COUNT
        assert check_store(directory).sound
        assert any("damaged" in record.message for record in caplog.records)

    @pytest.mark.parametrize("column", ["title", "text", "metadata", "version", "crc"])
    def test_versions_name_it_and_make_no_document(
        self, directory: Path, column: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flip(directory, "documents_1", column, VICTIM)
        names = [each.id for each in documents()]
        with opened(directory) as store:
            collection = store.collection("c")
            # Texts are read and summed, and neither decoded nor parsed: of 5,000 ids that took longer than all else.
            monkeypatch.setattr(StoredDocument, "__new__", None)
            with pytest.raises(Damaged) as raised:
                collection.versions(names)
            assert raised.value.ids == (NAME,)
            assert collection.versions([*(name for name in names if name != NAME), "no such"]) == [1] * (COUNT - 1) + [
                0
            ]
            assert collection.snapshot().incomplete

    def test_a_damaged_document_is_deleted(self, directory: Path) -> None:
        flip(directory, "documents_1", "text", VICTIM)
        with opened(directory) as store:
            collection = store.collection("c")
            assert collection.delete([NAME]) == 1
            assert collection.documents([NAME]) == [None]
            collection.upsert([Document(NAME)], vectors()[:1], expected=[0])
            assert collection.versions([NAME])[0] > COUNT
            assert not collection.snapshot().incomplete
        assert check_store(directory).sound

    @pytest.mark.parametrize("column", ["start", "stop", "vector", "crc"])
    def test_a_damaged_row_that_nothing_else_holds(self, tmp_path: Path, column: str) -> None:
        directory = filled(tmp_path / "store", sealed=False)
        flip(directory, "rows_1", column, VICTIM)
        (fault,) = check_store(directory).row_faults
        assert (fault.collection, fault.id, fault.index_version) == ("c", NAME, 1)
        for _ in range(2):  # and so at every opening, once it is sealed without it
            with opened(directory) as store:
                collection = store.collection("c")
                assert set(found_in(collection)) == {each.id for each in documents()} - {NAME}
                assert collection.snapshot().incomplete
                assert collection.heal_rows() == 0
                collection.seal()
                assert collection.snapshot().incomplete
        with opened(directory) as store:
            collection = store.collection("c")
            collection.upsert([Document(NAME)], vectors()[VICTIM - 1 : VICTIM])
            assert len(found_in(collection)) == COUNT
            assert not collection.snapshot().incomplete
        assert check_store(directory).sound

    def test_an_index_is_filled_with_the_others(self, directory: Path) -> None:
        flip(directory, "documents_1", "text", VICTIM)
        with opened(directory) as store:
            collection = store.collection("c")
            keys = [key for key, _ in collection.pending(2, 100)]
            assert keys == [key for key in range(1, COUNT + 1) if key != VICTIM]
            assert collection.fill(2, keys, np.ones((len(keys), DIMENSION), np.float32)) == len(keys)
            with pytest.raises(Damaged, match=NAME):
                collection.pending(2, 100)
            with pytest.raises(InvalidInput, match="lacks 1 documents"):
                collection.set_current(2)
            collection.upsert([Document(NAME)], vectors()[:1])
            ((key, document),) = collection.pending(2, 100)
            assert (key > COUNT, document.id) == (True, NAME)


class TestHealing:
    @pytest.mark.parametrize("precision", ["f32", "int8"])
    @pytest.mark.parametrize("column", ["document", "start", "stop", "vector", "crc"])
    def test_a_row_that_a_segment_holds(self, tmp_path: Path, column: str, precision: Precision) -> None:
        directory = filled(tmp_path / "store", sealed=True, precision=precision)
        flip(directory, "rows_1", column, VICTIM)
        assert not check_store(directory).sound
        with opened(directory) as store:
            collection = store.collection("c")
            assert len(found_in(collection)) == COUNT  # the segment was made before
            assert collection.heal_rows() == 1
            assert collection.heal_rows() == 0
        assert check_store(directory).sound
        shutil.rmtree(directory / "segments")
        assert_honest(directory)

    @pytest.mark.parametrize("column", ["document", "vector"])
    def test_by_the_command(self, tmp_path: Path, column: str, capsys: pytest.CaptureFixture[str]) -> None:
        directory = filled(tmp_path / "store", sealed=True)
        flip(directory, "rows_1", column, VICTIM)
        assert run(["store", "check", str(directory)]) == 2
        assert run(["store", "check", str(directory), "--heal"]) == 0
        assert "1 vectors mended" in capsys.readouterr().out
        assert_honest(directory)

    def test_halves_prove_nothing(self, tmp_path: Path) -> None:
        directory = filled(tmp_path / "store", sealed=True, precision="f16")
        flip(directory, "rows_1", "vector", VICTIM)
        with opened(directory) as store:
            assert store.collection("c").heal_rows() == 0
        assert check_store(directory).row_faults

    def test_a_copy_that_is_damaged_too(self, tmp_path: Path) -> None:
        directory = filled(tmp_path / "store", sealed=True)
        flip(directory, "rows_1", "vector", VICTIM)
        (vectors_file,) = directory.glob("segments/1/*/vectors.f32")
        data = bytearray(vectors_file.read_bytes())
        data[DIMENSION * 4 * (VICTIM - 1)] ^= 1
        vectors_file.write_bytes(data)
        with DurableStore(directory, StoreSettings(check_on_open=False), upkeep=False) as store:
            assert store.collection("c").heal_rows() == 0
        assert check_store(directory).row_faults

    @pytest.mark.parametrize("work", ["seal", "merge"])
    def test_upkeep_mends_what_it_comes_by(self, tmp_path: Path, work: str) -> None:
        directory = filled(tmp_path / "store", sealed=work == "merge")
        with DurableStore(directory, StoreSettings(merge_factor=1), upkeep=False) as store:
            collection = store.collection("c")
            with store.database.writing() as connection:  # as a bit that flips while it is open
                connection.execute("UPDATE rows_1 SET vector = zeroblob(16) WHERE key = ?", (VICTIM,))
            if work == "seal":  # which is made of what is in memory, and then mends as any segment does
                collection.seal()
            assert collection.index.merge()
            assert len(found_in(collection)) == COUNT
            assert not collection.snapshot().incomplete
        assert check_store(directory).sound
        assert_honest(directory)


class TestCopies:
    @pytest.mark.parametrize(("table", "column"), [("documents_1", "text"), ("rows_1", "vector"), ("epochs", "token")])
    def test_nothing_damaged_is_copied_unasked(self, directory: Path, table: str, column: str) -> None:
        backup, again = directory.with_name("backup"), directory.with_name("again")
        rowid = 1 if table == "epochs" else VICTIM
        backup_of(directory, backup)
        flip(directory, table, column, rowid)
        flip(backup, table, column, rowid)
        for copy in (backup_of, restore):
            source = directory if copy is backup_of else backup
            with pytest.raises(Damaged, match=r"is not copied: .* --with-damage"):
                copy(source, again)
            assert not again.exists()
        backup_of(directory, again, with_damage=True)
        assert not check_store(again).sound

    def test_of_a_store_that_is_open(self, directory: Path, tmp_path: Path) -> None:
        flip(directory, "documents_1", "text", VICTIM)
        with opened(directory) as store:
            with pytest.raises(Damaged):
                store.backup(tmp_path / "copy")
            store.backup(tmp_path / "copy", with_damage=True)


def test_a_database_whose_indexes_do_not_agree_is_said_to_be_damaged(tmp_path: Path) -> None:
    directory = filled(tmp_path / "store", sealed=False)
    flip(directory, "documents_1", "key", VICTIM, bit=4)
    with opened(directory) as store, pytest.raises(CrossfadeError, match="restore the last backup"):
        store.collection("c").upsert([Document(NAME)], vectors()[:1])


@pytest.mark.parametrize("sealed", [False, True])
def test_what_is_deleted_is_not_found_through_a_row_that_cannot_be_removed(tmp_path: Path, sealed: bool) -> None:
    directory = filled(tmp_path / "store", sealed=sealed)
    flip(directory, "rows_1", "key", VICTIM)  # 3 becomes 2: the index on documents leads to no row
    with opened(directory) as store:
        collection = store.collection("c")
        with pytest.raises(Damaged, match="restore the last backup"):
            collection.delete([NAME])
        assert len(collection) == COUNT
        assert collection.delete(["doc-0"]) == 1
        assert "doc-0" not in found_in(collection)


@pytest.mark.parametrize(
    ("table", "column"),
    [("collections", "documents"), ("collections", "settings"), ("indexes", "document_fingerprint")],
)
def test_a_list_shows_no_damaged_line(tmp_path: Path, table: str, column: str) -> None:
    directory = filled(tmp_path / "store", sealed=True)
    assert [each.documents for each in summaries(directory)] == [COUNT]
    flip(directory, table, column, 1)
    for look in (summaries, lambda path: versions_of(path, "c")):
        with pytest.raises(Damaged, match=f"the table of {table} is damaged"):
            look(directory)


def test_a_write_that_is_led_to_another_document_does_not_replace_it(tmp_path: Path) -> None:
    directory = filled(tmp_path / "store", sealed=False)
    flip(directory, "documents_1", "key", VICTIM, bit=1)  # 3 becomes 1: whoever looks for 1 may find it
    with opened(directory) as store:
        for document in documents():
            with suppress(StoreError):
                store.collection("c").upsert([document], vectors()[:1])
    database = sqlite3.connect(directory / "crossfade.db")
    there = {name for (name,) in database.execute("SELECT id FROM documents_1 NOT INDEXED")}
    database.close()
    assert there >= {each.id for each in documents()} - {NAME}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
