"""What waits in memory to become segments: how much of it there may be, and that what is made of it is what would be
made of the database."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade.errors import StoreError
from crossfade.retrieval.ranking import Walking, rank
from crossfade.store import (
    CollectionSettings,
    CollectionSpec,
    Document,
    DurableCollection,
    DurableStore,
    Precision,
    StoreSettings,
)
from crossfade.store.segment import MANIFEST, Range
from crossfade.store.state import Open, Sealed

DIMENSION = 8
SETTINGS = StoreSettings(seal_rows=10, unsealed_rows=30)


def vector_of(number: int) -> NDArray[np.float32]:
    return np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)


def document_of(number: int) -> Document:
    metadata = {"n": number, "kind": f"k{number % 3}", "tags": ["all", f"t{number % 4}"]} if number % 5 else {}
    return Document(f"d{number:04}", f"title {number}", f"word{number} said {number % 7} times " * 3, metadata)


def made(directory: Path, settings: StoreSettings = SETTINGS, precision: Precision = "f32") -> DurableStore:
    store = DurableStore(directory, settings, upkeep=False)
    store.create(CollectionSpec("c", DIMENSION, "ip", "cf1"), CollectionSettings(precision=precision))
    return store


def write(collection: DurableCollection, numbers: range) -> None:
    documents = [document_of(number) for number in numbers]
    spans = [
        [(0, 8), (8, len(each.text))] if number % 2 else [(0, 8)]
        for number, each in zip(numbers, documents, strict=True)
    ]
    vectors = np.array([vector_of(n) for n, each in zip(numbers, spans, strict=True) for _ in each])
    collection.upsert(documents, vectors, spans=spans)


def assert_found(collection: DurableCollection, numbers: Iterable[int]) -> None:
    """All of them, and nothing else."""
    snapshot = collection.snapshot()
    assert not snapshot.incomplete
    (hits,) = rank(np.ones((1, DIMENSION), np.float32), snapshot, 10_000, "ip", 1, walking=Walking(exact=True))
    assert {hit[0] for hit in hits} == {document_of(number).id for number in numbers}


def tails(collection: DurableCollection) -> list[int]:
    return [source.rows for source in collection.index.state.unsealed]


def test_a_tail_that_is_long_takes_no_more_rows(tmp_path: Path) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        for first in range(0, 20, 4):
            write(collection, range(first, first + 4))
        # Six rows a call: each tail ends with the call that has made it long enough.
        assert tails(collection) == [12, 12, 6]
        assert_found(collection, range(20))
        assert collection.seal_due()
        assert tails(collection) == [12, 6]
        assert [collection.seal_due(), collection.seal_due()] == [True, False]
        assert tails(collection) == [6]
        collection.delete(["d0001", "d0019"])
        collection.seal()
        assert tails(collection) == [0]
        assert [source.segment.rows for source in collection.index.in_use()] == [12, 12, 4]
        assert len(collection) == 18
        assert_found(collection, [n for n in range(20) if n not in (1, 19)])


def test_so_much_waits_in_memory_and_no_more(tmp_path: Path) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        most = 0
        for first in range(0, 200, 4):
            write(collection, range(first, first + 4))
            most = max(most, collection.index.unsealed_rows)
        # What is beyond when a call comes is sealed before its rows are added.
        assert 30 < most <= 30 + 6
        assert_found(collection, range(200))


def test_characters_are_counted_too(tmp_path: Path) -> None:
    with made(tmp_path / "s", StoreSettings(seal_characters=400, seal_rows=100, unsealed_rows=200)) as store:
        collection = store.collection("c")
        for first in range(0, 100, 4):
            write(collection, range(first, first + 4))
            characters = sum(source.tail.characters for source in collection.index.state.unsealed)
            assert characters < 2 * 400 + 2 * 400
        assert_found(collection, range(100))


def test_one_call_may_be_longer_than_all(tmp_path: Path) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        write(collection, range(100))
        assert tails(collection) == [150, 0]
        write(collection, range(100, 104))
        assert tails(collection) == [6]
        assert_found(collection, range(104))


def test_who_writes_is_told_where_the_disk_takes_no_segment(tmp_path: Path) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        write(collection, range(4))
        place = collection.index.directory
        place.parent.mkdir(exist_ok=True)
        place.write_text("what is no directory")
        said = "a segment cannot be written to .*what was acknowledged is in the database"
        for written in range(4, 100, 4):
            try:
                write(collection, range(written, written + 4))
            except StoreError as error:
                assert re.match(said, str(error))  # noqa: PT017 - the first, whichever it is
                break
        else:
            pytest.fail("all were taken")
        assert 20 <= written < 100
        assert_found(collection, range(written))
        place.unlink()
        write(collection, range(written, written + 4))
        assert_found(collection, range(written + 4))
    with DurableStore(tmp_path / "s", SETTINGS, upkeep=False) as store:
        assert_found(store.collection("c"), range(written + 4))


def test_a_store_opens_where_the_disk_takes_no_segment(tmp_path: Path) -> None:
    """What fits into memory is found from there; of more it is said that it is not."""
    with made(tmp_path / "s", StoreSettings()) as store:
        write(store.collection("c"), range(150))
        place = store.collection("c").index.directory
    place.parent.mkdir(exist_ok=True)
    place.write_text("what is no directory")
    with DurableStore(tmp_path / "s", StoreSettings(seal_rows=10, unsealed_rows=240), upkeep=False) as store:
        collection = store.collection("c")
        assert len(tails(collection)) > 1
        assert_found(collection, range(150))
        place.unlink()
        collection.seal()
    shutil.rmtree(place)
    place.write_text("what is no directory")
    with DurableStore(tmp_path / "s", SETTINGS, upkeep=False) as store:
        collection = store.collection("c")
        assert collection.snapshot().incomplete
        assert collection.delete(["d0003"]) == 1
        place.unlink()
        assert collection.mend()
        assert_found(collection, [n for n in range(150) if n != 3])


@pytest.mark.parametrize("precision", ["f32", "f16", "int8"])
def test_what_is_made_of_a_tail_is_what_is_made_of_the_database(tmp_path: Path, precision: Precision) -> None:
    with made(tmp_path / "s", StoreSettings(), precision) as store:
        collection = store.collection("c")
        index = collection.index
        for first in range(0, 2_000, 250):
            write(collection, range(first, first + 250))
        collection.seal()
        (source,) = index.in_use()
        of_tail = files_of(source.segment.directory)
        index._write(source.range)
        assert files_of(source.segment.directory) == of_tail
        assert len(of_tail) > 10


def files_of(directory: Path) -> dict[str, bytes]:
    """Of each file what it holds, but for names that are drawn: those of the words by their kind."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.suffix != ".json":
            found[path.suffix if path.parent.name == "text" else path.name] = path.read_bytes()
    manifest = json.loads(json.loads((directory / MANIFEST).read_text())["manifest"])
    return found | {"manifest": json.dumps({**manifest, "files": len(manifest["files"])}).encode()}


@pytest.mark.parametrize(("dead", "rows"), [(2, 30), (12, 18)])
def test_what_is_dead_is_written_too_where_it_is_little(tmp_path: Path, dead: int, rows: int) -> None:
    with made(tmp_path / "s", StoreSettings()) as store:
        collection = store.collection("c")
        write(collection, range(0, 60, 2))
        collection.delete([f"d{number:04}" for number in range(0, 2 * dead, 2)])
        collection.seal()
        (source,) = collection.index.in_use()
        assert source.segment.rows == rows
        assert_found(collection, range(2 * dead, 60, 2))
    with DurableStore(tmp_path / "s", upkeep=False) as store:
        assert_found(store.collection("c"), range(2 * dead, 60, 2))


def test_what_is_written_while_a_tail_is_sealed_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        write(collection, range(12))
        index, make = collection.index, collection.index._write_tail

        def meanwhile(source: Open, stopped: object) -> object:
            write(collection, range(6, 16))
            collection.delete(["d0000"])
            return make(source, stopped)  # type: ignore[arg-type]

        monkeypatch.setattr(index, "_write_tail", meanwhile)
        assert index.seal()
        monkeypatch.undo()
        assert_found(collection, range(1, 16))
        assert isinstance(index.state.entries[0].source, Sealed)
        assert index.state.entries[0].source.range == Range(0, 18)


def test_a_store_that_is_opened_keeps_a_documents_rows_together(tmp_path: Path) -> None:
    """However the rows that are read at a time fall."""
    with made(tmp_path / "s", StoreSettings()) as store:
        collection = store.collection("c")
        for number, rows in enumerate([127, 3, 125, 4, 1, 126, 129, 2, 300, 7]):
            text = "words " * rows
            spans = [(6 * row, 6 * row + 5) for row in range(rows)]
            collection.upsert(
                [Document(f"d{number}", text=text)], np.ones((rows, DIMENSION), np.float32), spans=[spans]
            )
    with DurableStore(tmp_path / "s", StoreSettings(seal_rows=100, unsealed_rows=1_000), upkeep=False) as store:
        collection = store.collection("c")
        parts = [set(part.ids) for part in collection.snapshot().parts]
        assert len(parts) > 2
        assert sum(map(len, parts)) == len(set.union(*parts)) == 10
        assert collection.index.unsealed_rows == 824


def test_segments_are_merged_while_tails_wait(tmp_path: Path) -> None:
    settings = StoreSettings(seal_rows=10, unsealed_rows=40, merge_factor=2)
    with made(tmp_path / "s", settings) as store:
        collection = store.collection("c")
        for first in range(0, 100, 4):
            write(collection, range(first, first + 4))
        assert len(tails(collection)) > 2
        before = len(collection.index.in_use())
        assert collection.improve()
        assert len(collection.index.in_use()) < before
        assert_found(collection, range(100))


def test_what_was_found_before_a_store_was_closed_is_found_when_it_is_opened(tmp_path: Path) -> None:
    """A call beyond what may wait is no reason to build a segment first."""
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        write(collection, range(8))
        collection.seal()
        write(collection, range(8, 28))
        write(collection, range(28, 40))
        assert collection.index.unsealed_rows > SETTINGS.unsealed_rows
    with DurableStore(tmp_path / "s", SETTINGS) as store:
        assert_found(store.collection("c"), range(40))


@pytest.mark.parametrize("upkeep", [False, True])
def test_characters_are_counted_at_opening_too(tmp_path: Path, upkeep: bool) -> None:
    """Few rows may have long texts: what may not wait in memory is not read into it."""
    with made(tmp_path / "s", StoreSettings()) as store:
        collection = store.collection("c")
        write(collection, range(4))
        collection.seal()
        write(collection, range(4, 40))
        characters, rows = collection.index.state.last.tail.characters, collection.index.unsealed_rows
    enough = StoreSettings(seal_rows=100, unsealed_rows=100, seal_characters=-(-characters // 2))
    with DurableStore(tmp_path / "s", enough, upkeep=False) as store:
        assert tails(store.collection("c")) == [rows]
    less = replace(enough, seal_characters=characters // 2 - 1)
    with DurableStore(tmp_path / "s", less, upkeep=upkeep) as store:
        collection = store.collection("c")
        assert sum(tails(collection)) == 0
        collection.mend()  # which upkeep may have done
        assert_found(collection, range(40))
        write(collection, range(40, 44))
        assert_found(collection, range(44))


def test_a_closed_store_writes_nothing(tmp_path: Path) -> None:
    with made(tmp_path / "s") as store:
        collection = store.collection("c")
        write(collection, range(30))
        assert collection.index.is_crowded
    with pytest.raises(StoreError, match="the store is closed"):
        write(collection, range(30, 34))
    assert not list((tmp_path / "s").glob("segments/*/*"))


def test_characters_of_what_never_came_to_be_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path / "s", StoreSettings(seal_characters=500)) as store:
        collection = store.collection("c")
        write(collection, range(4))
        before = collection.index.state.last.tail.characters
        monkeypatch.setattr("crossfade.store.collection.faults.passed", _raising_at("ingest.written"))
        for _ in range(20):
            with pytest.raises(StoreError):
                write(collection, range(4, 8))
        monkeypatch.undo()
        assert collection.index.state.last.tail.characters == before
        assert tails(collection) == [6]


def _raising_at(point: str) -> Callable[[str], None]:
    def passed(name: str) -> None:
        if name == point:
            raise StoreError("as on a full disk")

    return passed
