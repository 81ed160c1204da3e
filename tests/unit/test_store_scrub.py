"""Segments that are damaged while a store is open, or lost before it is: seen, taken out, built again, while the rest
is searched."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade.errors import StoreError
from crossfade.retrieval.ranking import Walking, rank
from crossfade.store import CollectionSpec, Document, DurableCollection, DurableStore, StoreSettings, checksums, graphs
from crossfade.store.collection import DurableCollection as Collection
from crossfade.store.index import Index
from crossfade.store.settings import GraphSettings
from crossfade.store.state import Sealed

DIMENSION, ROWS, PARTS = 16, 64, 3
PATIENCE_SECONDS = 60.0
GRAPH = GraphSettings(least_rows=ROWS, sample=4, threads=1)
SETTINGS = StoreSettings(seal_rows=ROWS, unsealed_rows=ROWS, merge_factor=9, graph=GRAPH, scrub_seconds=0.05)


def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((ROWS * PARTS, DIMENSION)).astype(np.float32)


def name_of(row: int) -> str:
    return f"d{row:04}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three segments with graphs."""
    with DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as store:
        collection = store.create(CollectionSpec("c", DIMENSION, "ip", "cf1"))
        for first in range(0, ROWS * PARTS, ROWS):
            rows = range(first, first + ROWS)
            collection.upsert([Document(name_of(row), text=f"word{row}") for row in rows], vectors()[first:][:ROWS])
        while collection.keep_up():
            pass
    return tmp_path / "store"


def found(collection: DurableCollection) -> set[str]:
    query = np.ones((1, DIMENSION), np.float32)
    (hits,) = rank(query, collection.snapshot(), 10_000, "ip", 1, walking=Walking(exact=True))
    return {hit[0] for hit in hits}


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def whole(collection: DurableCollection) -> bool:
    return not collection.snapshot().incomplete and len(found(collection)) == ROWS * PARTS


ALL = {name_of(row) for row in range(ROWS * PARTS)}
FILES = ("vectors.f32", "keys.i64", "ids.utf8", "columns.cfm", "text/*.term", "segment.json")


def second_of(collection: DurableCollection) -> Sealed:
    return collection.index.in_use()[1]


def damage(path: Path) -> None:
    """In its place, so that whoever has it mapped sees it."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0x40]))


@pytest.mark.parametrize("name", FILES)
def test_what_is_damaged_while_a_store_is_open_is_built_again(
    directory: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        eventually(lambda: whole(collection))
        before = second_of(collection)
        damage(next(before.segment.directory.glob(name)))
        eventually(lambda: before not in collection.index.in_use() and whole(collection))
        assert second_of(collection).range == before.range
        assert found(collection) == ALL
        eventually(lambda: collection.index.describe().graphs_built)
    assert "a segment does not hold what was written" in caplog.text
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        assert len(store.collection("c").index.in_use()) == PARTS


def test_a_damaged_graph_is_built_again_and_its_rows_are_found_meanwhile(directory: Path) -> None:
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        before = second_of(collection)
        assert before.graph is not None
        damage(before.segment.directory / graphs.GRAPH_FILE)

        def another() -> bool:
            assert whole(collection)
            after = second_of(collection).graph
            return after is not None and after is not before.graph

        eventually(another)


def test_while_it_is_built_again_the_rest_is_found_and_may_be_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = [False]
    mend = Collection.mend
    monkeypatch.setattr(Collection, "mend", lambda self, stopped: gate[0] and mend(self, stopped))
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        lost = second_of(collection)
        damage(lost.segment.directory / "vectors.f32")
        eventually(lambda: collection.snapshot().incomplete)
        rest = {name_of(row) for row in range(ROWS * PARTS) if row // ROWS != 1}
        assert found(collection) == rest
        # Of the rows that are not there, one is written again and one is deleted.
        again, gone = name_of(ROWS), name_of(ROWS + 1)
        collection.upsert([Document(again)], vectors()[:1])
        assert collection.delete([gone]) == 1
        assert found(collection) == rest | {again}
        gate[0] = True
        eventually(lambda: not collection.snapshot().incomplete)
        assert found(collection) == ALL - {gone}


@pytest.mark.parametrize("lost", ["damaged", "missing"])
def test_a_store_opens_with_what_there_is(directory: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    gate = [False]
    mend = Collection.mend
    monkeypatch.setattr(Collection, "mend", lambda self, stopped: gate[0] and mend(self, stopped))
    segments = sorted((directory / "segments" / "1").iterdir())
    if lost == "damaged":
        damage(segments[1] / "vectors.f32")
    else:
        shutil.rmtree(segments[1])
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        assert collection.snapshot().incomplete
        rest = {name_of(row) for row in range(ROWS * PARTS) if row // ROWS != 1}
        assert found(collection) == rest
        assert collection.index.describe().rows == ROWS * PARTS
        again, gone = name_of(ROWS), name_of(ROWS + 1)
        collection.upsert([Document(again)], vectors()[:1])
        assert collection.delete([gone]) == 1
        gate[0] = True
        eventually(lambda: not collection.snapshot().incomplete)
        assert found(collection) == ALL - {gone}
    # Who has no upkeep waits until all is there.
    shutil.rmtree(segments[0])
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        assert not store.collection("c").snapshot().incomplete
        assert found(store.collection("c")) == ALL - {gone}


def test_a_lost_end_is_built_behind_what_there_is(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = [False]
    mend = Collection.mend
    monkeypatch.setattr(Collection, "mend", lambda self, stopped: gate[0] and mend(self, stopped))
    segments = sorted((directory / "segments" / "1").iterdir())
    for segment in segments[1:]:
        shutil.rmtree(segment)
    # More than is read into memory instead.
    with DurableStore(directory, replace(SETTINGS, unsealed_rows=ROWS // 2)) as store:
        collection = store.collection("c")
        assert found(collection) == {name_of(row) for row in range(ROWS)}
        collection.upsert([Document("more")], vectors()[:1])
        gate[0] = True
        eventually(lambda: not collection.snapshot().incomplete)
        assert found(collection) == ALL | {"more"}


def test_what_was_merged_meanwhile_is_no_damage(directory: Path) -> None:
    """Its files are another segment's, or gone."""
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        collection = store.collection("c")
        index = collection.index
        before = second_of(collection)
        collection.delete([name_of(row) for row in range(ROWS, ROWS + ROWS // 2)])
        assert index.merge()
        assert before not in index.in_use()
        assert not index.scrub(before, lambda _: None)
        assert not collection.snapshot().incomplete
        assert not index.scrub(second_of(collection), lambda _: None)
        for source in index.in_use():
            shutil.rmtree(source.segment.directory)
        assert [index.scrub(source, lambda _: None) for source in index.in_use()] == [True] * PARTS
        assert collection.snapshot().incomplete
        while collection.keep_up():
            pass
        assert found(collection) == ALL - {name_of(row) for row in range(ROWS, ROWS + ROWS // 2)}


def test_damage_is_not_forgotten_where_a_graph_came_meanwhile(directory: Path) -> None:
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        index = store.collection("c").index
        source = second_of(store.collection("c"))
        damage(source.segment.directory / "vectors.f32")
        index._change(source, source.with_graph(None))
        assert index.scrub(source, lambda _: None)
        assert store.collection("c").snapshot().incomplete


def corrupt(store: DurableStore, row: int) -> None:
    """A vector of another dimension: nothing can be made of its rows."""
    with store.database.writing() as connection:
        key, document, start, stop, vector = connection.execute(
            "SELECT key, document, start, stop, vector FROM rows_1 ORDER BY key LIMIT 1 OFFSET ?", (row,)
        ).fetchone()
        crc = checksums.of_row(key, document, start, stop, vector[:-4])
        connection.execute("UPDATE rows_1 SET vector = ?, crc = ? WHERE key = ?", (vector[:-4], crc, key))


def test_what_cannot_be_built_keeps_nobody_else_from_it(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of three segments one stands, one is lost for good, and one is not; none has its graph yet."""
    segments = sorted((directory / "segments" / "1").iterdir())
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        corrupt(store, 3)
    for name in (graphs.GRAPH_FILE, graphs.EFFORT_FILE):
        (segments[1] / name).unlink()
    shutil.rmtree(segments[0])
    shutil.rmtree(segments[2])
    rest = {name_of(row) for row in range(ROWS, ROWS * PARTS)}
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        eventually(lambda: found(collection) == rest)
        assert collection.snapshot().incomplete
        eventually(lambda: all(source.graph is not None for source in collection.index.in_use()))
        with pytest.raises(StoreError, match="not of 16 dimensions: it is damaged; restore the last backup"):
            collection.heal()
        assert found(collection) == rest
    assert "upkeep of the store will be tried again" in caplog.text


def test_whoever_heals_builds_what_is_missing_too(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Collection, "mend", lambda *_: False)
    shutil.rmtree(sorted((directory / "segments" / "1").iterdir())[1])
    with DurableStore(directory, SETTINGS) as store:
        collection = store.collection("c")
        assert collection.snapshot().incomplete
        assert collection.heal() == 1
        assert whole(collection)


def test_rows_that_nobody_finds_come_before_graphs_of_others(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    mend, build = Index._mend, graphs.build

    def noted(self: Index, *given: object) -> None:
        mend(self, *given)  # type: ignore[arg-type]
        order.append("mended")

    monkeypatch.setattr(Index, "_mend", noted)
    monkeypatch.setattr(graphs, "build", lambda *given: order.append("graph") or build(*given))  # type: ignore[func-returns-value]
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        first = store.create(CollectionSpec("a", DIMENSION, "ip", "cf1"))
        for part in range(PARTS):
            rows = range(part * ROWS, (part + 1) * ROWS)
            first.upsert([Document(name_of(row)) for row in rows], vectors()[rows.start : rows.stop])
        first.seal()
    shutil.rmtree(sorted((directory / "segments" / "1").iterdir())[1])
    with DurableStore(directory, SETTINGS) as store:
        eventually(lambda: order.count("graph") >= PARTS + 1)
    assert order[0] == "mended"


def test_all_bytes_are_read_in_turn_as_fast_as_is_said(directory: Path) -> None:
    read: list[int] = []
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        index = store.collection("c").index
        for source in index.in_use():
            assert not index.scrub(source, read.append)
        assert sum(read) == sum(source.segment.size for source in index.in_use())


def test_never_means_never_and_a_closing_store_waits_for_nobody(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DurableStore(directory, StoreSettings(scrub_seconds=0.0)) as store:
        damage(second_of(store.collection("c")).segment.directory / "keys.i64")
        time.sleep(1.2)  # it looks around every second
        assert not store.collection("c").snapshot().incomplete
    # A byte a second: for hours.
    store = DurableStore(directory, StoreSettings(scrub_seconds=0.01, scrub_bytes=1))
    time.sleep(1.2)
    begin = time.monotonic()
    store.close()
    assert time.monotonic() - begin < PATIENCE_SECONDS
