"""Index versions of a collection on disk given what they lack, or written together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from version_samples import SETTINGS, documents, fill, ids, living, new, old, seven, versioned_store

from crossfade.errors import Conflict, InvalidInput
from crossfade.store import CollectionSpec, DurableCollection, DurableStore, IndexVectors


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with versioned_store(tmp_path) as made:
        yield made


@pytest.fixture
def collection(store: DurableStore) -> DurableCollection:
    return seven(store)


class TestFilling:
    def test_writes_go_on_meanwhile(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        asked = collection.pending(2, 3)
        assert [document.id for _, document in asked] == ["a", "b", "c"]
        collection.upsert(documents("a", text="another"), old(9))
        collection.delete(["b"])
        # What was asked for a and b is not of what they say now.
        assert collection.fill(2, [key for key, _ in asked], new(1, 2, 3)) == 1
        assert ids(collection.snapshot(2)) == {"c"}
        assert [document.id for _, document in collection.pending(2, 9)] == ["d", "e", "f", "g", "a"]
        assert collection.snapshot(2).pending == 5

    def test_what_is_there_already_is_passed_over(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        keys = [key for key, _ in collection.pending(2, 2)]
        assert collection.fill(2, keys, new(1, 2)) == 2
        assert collection.fill(2, keys, new(1, 2)) == 0
        assert collection.fill(1, keys, old(1, 2)) == 0

    def test_several_fill_at_once(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        first = collection.pending(2, 3)
        rest = collection.pending(2, 9, after=first[-1][0])
        assert [document.id for _, document in rest] == ["d", "e", "f", "g"]
        assert collection.fill(2, [key for key, _ in rest], new(4, 5, 6, 7)) == 4
        assert collection.pending(2, 9) == first
        assert collection.pending(2, 9, after=rest[0][0]) == []
        # That nothing is pending above it says nothing of what is below.
        assert collection.pending(2, 9) == first

    def test_documents_are_not_passed_over_again_and_again(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        index = collection.indexes[2]
        keys = [key for key, _ in collection.pending(2, 9)]
        collection.fill(2, keys[:4], new(1, 2, 3, 4))
        collection.pending(2, 1)
        assert index.complete_to == keys[4] - 1
        collection.fill(2, keys[4:], new(5, 6, 7))
        assert index.complete_to == keys[-1]
        collection.upsert(documents("h"), old(1), also={2: IndexVectors(new(8))})
        assert index.complete_to == keys[-1] + 1
        collection.upsert(documents("i"), old(1))
        assert index.complete_to == keys[-1] + 1

    def test_spans(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        keys = [key for key, _ in collection.pending(2, 2)]
        assert collection.fill(2, keys, new(1, 2, 3), spans=[[(0, 2), (1, 4)], [(0, 3)]]) == 2
        version = collection.index_versions()[1]
        assert (version.rows, version.pending) == (3, 5)

    def test_what_does_not_fit_is_refused(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        keys = [key for key, _ in collection.pending(2, 2)]
        with pytest.raises(InvalidInput, match=r"expected \(2, 3\)"):
            collection.fill(2, keys, old(1, 2))
        with pytest.raises(InvalidInput, match=r"expected \(2, 3\)"):
            collection.fill(2, keys, new(1))
        with pytest.raises(InvalidInput, match="spans came for 1 documents, and 2 keys"):
            collection.fill(2, keys, new(1, 2), spans=[[(0, 1), (0, 2)]])
        with pytest.raises(InvalidInput, match="given twice"):
            collection.fill(2, [keys[0]] * 2, new(1, 2))
        with pytest.raises(InvalidInput, match="limit is 0"):
            collection.pending(2, 0)
        assert collection.snapshot(2).pending == 7

    def test_writers_and_fillers_together(self, tmp_path: Path) -> None:
        """In the end both versions hold the same, and meanwhile nobody was told of fewer pending than there were."""
        with DurableStore(tmp_path / "s", SETTINGS) as opened:
            made = opened.create(CollectionSpec("docs", 2, "ip", "old"))
            made.upsert(documents(*(f"d{number}" for number in range(60))), old(*range(60)))
            made.create_index(3, "new")
            ended = threading.Event()
            failures: list[object] = []

            def write() -> None:
                random = np.random.default_rng(1)
                for turn in range(40):
                    some = [f"d{number}" for number in random.choice(60, 5, replace=False)]
                    made.upsert(documents(*some, text=f"{turn}"), old(*range(5)))
                ended.set()

            def look() -> None:
                while not ended.is_set():
                    snapshot = made.snapshot(2)
                    if sum(part.count for part in snapshot.parts) + snapshot.pending < 60:
                        failures.append(snapshot)

            threads = [threading.Thread(target=work) for work in (write, look)]
            for thread in threads:
                thread.start()
            while not ended.is_set() or made.pending(2, 1):
                fill(made, 2, 7)
            for thread in threads:
                thread.join()
            assert not failures
            snapshot = made.snapshot(2)
            assert (snapshot.pending, len(ids(snapshot))) == (0, 60)
            for name, vector in living(snapshot):
                (document,) = made.documents([name])
                assert document is not None
                assert vector[1] == len(document.text)


class TestWritesOfSeveral:
    def test_neither_lags(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        fill(collection, 2)
        counts = collection.upsert(documents("a", "h"), old(1, 2), also={2: IndexVectors(new(1, 2))})
        assert (counts.added, counts.replaced) == (1, 1)
        assert [version.pending for version in collection.index_versions()] == [0, 0]
        assert ids(collection.snapshot(1)) == ids(collection.snapshot(2)) == set("abcdefgh")

    def test_spans_of_each_are_its_own(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        collection.upsert(documents("h"), old(1), also={2: IndexVectors(new(1, 2), [[(0, 2), (2, 4)]])})
        assert [version.rows for version in collection.index_versions()] == [8, 2]

    def test_the_others_lag(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        fill(collection, 2)
        collection.upsert(documents("a"), new(5), version=2)
        assert [version.pending for version in collection.index_versions()] == [1, 0]
        assert "a" not in ids(collection.snapshot())

    def test_all_or_nothing(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        before = collection.index_versions()
        for wrong in (old(1), new(1, 2), new(float("nan"))):
            with pytest.raises(InvalidInput):
                collection.upsert(documents("h"), old(1), also={2: IndexVectors(wrong)})
        with pytest.raises(InvalidInput, match="index version 1 is given vectors twice"):
            collection.upsert(documents("h"), old(1), also={1: IndexVectors(old(1))})
        with pytest.raises(InvalidInput, match="index version 2 of collection 'docs' holds 3 dimensions"):
            collection.upsert(documents("h"), old(1), also={2: IndexVectors(old(1))})
        assert collection.index_versions() == before
        assert len(collection) == 7

    def test_one_sent_again_is_taken_as_done(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        also = {2: IndexVectors(new(1))}
        collection.upsert(documents("h"), old(1), expected=[0], also=also)
        counts = collection.upsert(documents("h"), old(1), expected=[0], also=also)
        assert (counts.added, counts.replaced) == (1, 0)
        with pytest.raises(Conflict):  # another one, if only in the second index
            collection.upsert(documents("h"), old(1), expected=[0], also={2: IndexVectors(new(2))})
