"""MemoryStore: what it refuses, what it keeps, and what a snapshot promises."""

import gc
import threading

import numpy as np
import pytest

from crossfade.errors import AlreadyExists, InvalidInput, NotFound
from crossfade.store import CollectionSpec, Document, MemoryCollection, MemoryStore, Part

DIMENSION = 3


def make(name: str = "docs") -> MemoryCollection:
    return MemoryStore().create(CollectionSpec(name, DIMENSION, "cosine", "cf1-document"))


def rows(*firsts: float) -> np.ndarray:
    return np.array([[first, 0.5, -1.0] for first in firsts], dtype=np.float32)


def documents(*ids: str) -> list[Document]:
    return [Document(name, title=f"title {name}", text=f"text {name}") for name in ids]


def only(collection: MemoryCollection) -> Part:
    """All of the collection, which lies in one part."""
    (part,) = collection.snapshot().parts
    return part


def contents(collection: MemoryCollection) -> dict[str, float]:
    parts = collection.snapshot().parts
    return {name: float(row[0]) for part in parts for name, row in zip(part.ids, part.vectors, strict=True)}


class TestUpsert:
    def test_counts_added_and_replaced_and_replaces_in_place(self) -> None:
        collection = make()
        assert collection.upsert(documents("a", "b"), rows(1, 2)).added == 2
        counts = collection.upsert([Document("b", text="new"), Document("c")], rows(20, 3))
        assert (counts.added, counts.replaced) == (1, 1)
        assert contents(collection) == {"a": 1, "b": 20, "c": 3}
        assert collection.documents(["b", "missing", "a"]) == [Document("b", text="new"), None, documents("a")[0]]

    def test_empty_call_changes_nothing(self) -> None:
        collection = make()
        counts = collection.upsert([], np.empty((0, DIMENSION), dtype=np.float32))
        assert (counts.added, counts.replaced, len(collection)) == (0, 0, 0)

    def test_an_empty_document_is_kept(self) -> None:
        collection = make()
        collection.upsert([Document("empty")], rows(1))
        assert collection.documents(["empty"]) == [Document("empty")]

    def test_the_callers_array_is_copied(self) -> None:
        collection, given = make(), rows(1)
        collection.upsert(documents("a"), given)
        given[:] = 99
        assert contents(collection) == {"a": 1}

    def test_other_floats_and_strides_are_taken(self) -> None:
        collection = make()
        collection.upsert(documents("a", "b"), np.asfortranarray(rows(1, 2).astype(np.float64)))
        assert contents(collection) == {"a": 1, "b": 2}

    @pytest.mark.parametrize(
        ("ids", "vectors", "message"),
        [
            (["new", "new"], rows(1, 2), r"'new' is given twice in one call \(documents 0 and 1\)"),
            (["new", ""], rows(1, 2), "document 1 has an empty id"),
            (["new", "\ud800"], rows(1, 2), "document 1: .* lone surrogate"),
            (["new", "x" * 2000], rows(1, 2), "2000 bytes long, the limit is 1024"),
            (["new"], rows(1, 2), r"shape \(2, 3\), expected \(1, 3\)"),
            (["new"], np.ones((1, 4), np.float32), r"shape \(1, 4\), expected \(1, 3\)"),
            (["new"], np.ones(3, np.float32), r"shape \(3,\), expected"),
            (["new"], np.ones((1, 3), np.int64), "dtype int64"),
            (["new", "b"], rows(1, np.nan), "vector 1 holds nan at position 0"),
            (["new", "b"], rows(np.inf, 1), "vector 0 holds inf at position 0"),
            (["new"], np.full((1, 3), 1e300), "vector 0 holds inf"),
        ],
    )
    def test_bad_input_is_refused_whole(self, ids: list[str], vectors: np.ndarray, message: str) -> None:
        collection = make()
        collection.upsert(documents("a"), rows(7))
        with pytest.raises(InvalidInput, match=message):
            collection.upsert([Document(name) for name in ids], vectors)
        assert contents(collection) == {"a": 7}
        assert collection.documents(["new"]) == [None]


class TestDelete:
    def test_removes_what_is_there(self) -> None:
        collection = make()
        collection.upsert(documents(*"abcde"), rows(1, 2, 3, 4, 5))
        assert collection.delete(["b", "e", "missing", "b"]) == 2
        assert contents(collection) == {"a": 1, "c": 3, "d": 4}
        assert collection.documents(["b", "c"]) == [None, documents("c")[0]]
        collection.upsert(documents("b"), rows(9))
        assert contents(collection) == {"a": 1, "c": 3, "d": 4, "b": 9}

    def test_memory_is_given_back(self) -> None:
        collection = make()
        names = [str(number) for number in range(5000)]
        collection.upsert(documents(*names), rows(*range(5000)))
        assert collection.delete(names[10:]) == 4990
        assert only(collection).vectors.base.base.buffer.shape[0] == 64
        assert contents(collection) == {str(number): number for number in range(10)}


class TestSnapshot:
    def test_no_later_write_changes_it(self) -> None:
        collection = make()
        collection.upsert(documents("a", "b", "c"), rows(1, 2, 3))
        snapshot = only(collection)
        before = snapshot.vectors.copy()
        collection.upsert(documents("b", "d"), rows(20, 4))
        collection.delete(["a"])
        collection.upsert(documents("e"), rows(5))
        assert list(snapshot.ids) == ["a", "b", "c"]
        assert np.array_equal(snapshot.vectors, before)
        assert contents(collection) == {"b": 20, "c": 3, "d": 4, "e": 5}

    def test_a_slice_of_it_is_protected_too(self) -> None:
        collection = make()
        collection.upsert(documents("a", "b"), rows(1, 2))
        kept = only(collection).vectors[1:].reshape(-1)[:1]
        gc.collect()
        collection.upsert(documents("b"), rows(20))
        assert kept.tolist() == [2.0]

    def test_its_ids_alone_are_protected_too(self) -> None:
        collection = make()
        collection.upsert(documents("a", "b"), rows(1, 2))
        ids = only(collection).ids
        gc.collect()
        collection.delete(["a"])
        assert list(ids) == ["a", "b"]

    def test_it_is_read_only_and_contiguous(self) -> None:
        collection = make()
        collection.upsert(documents("a"), rows(1))
        vectors = only(collection).vectors
        assert vectors.flags.c_contiguous
        assert vectors.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            vectors[0, 0] = 2

    def test_ids_are_a_sequence(self) -> None:
        collection = make()
        collection.upsert(documents(*"abcd"), rows(1, 2, 3, 4))
        ids = only(collection).ids
        assert (ids[0], ids[-1], ids[1:3], len(ids), "c" in ids) == ("a", "d", ["b", "c"], 4, True)
        assert repr(ids) == "RowIds(['a', 'b', 'c']..., 4 rows)"
        for index in (4, -5):
            with pytest.raises(IndexError):
                ids[index]

    def test_appending_copies_nothing_while_a_snapshot_lives(self) -> None:
        collection = make()
        collection.upsert(documents("a"), rows(1))
        first = only(collection)
        collection.upsert(documents("b"), rows(2))
        second = only(collection)
        assert np.shares_memory(first.vectors, second.vectors)

    def test_replacing_copies_only_while_a_snapshot_lives(self) -> None:
        collection = make()
        collection.upsert(documents("a", "b"), rows(1, 2))
        held = only(collection)
        collection.upsert(documents("a"), rows(10))
        address = only(collection).vectors.__array_interface__["data"][0]
        assert not np.shares_memory(held.vectors, only(collection).vectors)
        collection.upsert(documents("a"), rows(11))  # the snapshots of the new buffer are gone
        assert only(collection).vectors.__array_interface__["data"][0] == address


class TestStore:
    def test_create_get_list_drop(self) -> None:
        store = MemoryStore()
        for name in ("b", "a"):
            store.create(CollectionSpec(name, 2, "ip", "cf1-x"))
        assert [collection.spec.name for collection in store.list()] == ["a", "b"]
        assert store.get("a").spec == CollectionSpec("a", 2, "ip", "cf1-x")
        store.drop("a")
        with pytest.raises(NotFound, match="no collection 'a': create it first, or use one of b"):
            store.get("a")
        with pytest.raises(NotFound, match="no collection 'a'"):
            store.drop("a")

    def test_a_taken_name_is_refused(self) -> None:
        store = MemoryStore()
        spec = CollectionSpec("a", 2, "ip", "cf1-x")
        store.create(spec)
        with pytest.raises(AlreadyExists, match="collection 'a' exists already"):
            store.create(spec)

    def test_an_empty_store_says_so(self) -> None:
        with pytest.raises(NotFound, match="there is none yet"):
            MemoryStore().get("a")

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (CollectionSpec("", 2, "ip", "f"), "name '' cannot be used"),
            (CollectionSpec("-a", 2, "ip", "f"), "beginning with a letter or digit"),
            (CollectionSpec("a/b", 2, "ip", "f"), "letters, digits"),
            (CollectionSpec("a\n", 2, "ip", "f"), "cannot be used"),
            (CollectionSpec("ä", 2, "ip", "f"), "cannot be used"),
            (CollectionSpec("a" * 129, 2, "ip", "f"), "1 to 128"),
            (CollectionSpec("a", 0, "ip", "f"), "dimension 0 cannot be used"),
            (CollectionSpec("a", 65_537, "ip", "f"), "dimension 65537"),
            (CollectionSpec("a", 2, "dot", "f"), "use one of cosine, ip, l2"),
            (CollectionSpec("a", 2, "ip", ""), "document_fingerprint is empty"),
        ],
    )
    def test_unusable_specs_are_refused(self, spec: CollectionSpec, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            MemoryStore().create(spec)


def test_readers_never_see_half_a_write() -> None:
    """Writers replace all rows with one value, add and remove others; every snapshot is of one write."""
    collection = make()
    names = [str(number) for number in range(50)]
    collection.upsert(documents(*names), np.zeros((50, DIMENSION), np.float32))
    stop = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not stop.is_set():
            snapshot = only(collection)
            first = snapshot.vectors.copy()
            if len(np.unique(first)) != 1 or len(snapshot.ids) != len(first) or len(set(snapshot.ids)) != len(first):
                torn.append(snapshot)
            if not np.array_equal(first, snapshot.vectors):
                torn.append(snapshot)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for value in range(1, 300):
        extra = [f"extra {number}" for number in range(value % 7)]
        everything = [*names, *extra]
        collection.upsert(documents(*everything), np.full((len(everything), DIMENSION), value, np.float32))
        collection.delete(extra)
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn
    assert len(collection) == 50
