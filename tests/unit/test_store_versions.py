"""Index versions of a collection on disk: made, switched, dropped, told apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from version_samples import SETTINGS, documents, fill, ids, new, old, seven, versioned_store

from crossfade.errors import Conflict, FingerprintMismatch, InvalidInput, NotFound, StoreError
from crossfade.retrieval import Retriever
from crossfade.store import CollectionSpec, DurableCollection, DurableStore, IndexVectors


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with versioned_store(tmp_path) as made:
        yield made


@pytest.fixture
def collection(store: DurableStore) -> DurableCollection:
    return seven(store)


class TestVersions:
    def test_a_new_version_lacks_everything_and_is_filled(self, collection: DurableCollection) -> None:
        assert collection.create_index(3, "cf1-new") == 2
        assert (collection.current, collection.spec.dimension) == (1, 2)
        assert collection.snapshot(2).pending == 7
        assert collection.snapshot().pending == 0
        assert fill(collection, 2) == 7
        assert collection.snapshot(2).pending == 0
        assert ids(collection.snapshot(2)) == set("abcdefg")
        assert collection.pending(2, 10) == []

    def test_a_version_of_an_empty_collection_lacks_nothing(self, store: DurableStore) -> None:
        empty = store.create(CollectionSpec("empty", 2, "ip", "f"))
        assert empty.create_index(3, "g") == 2
        assert empty.snapshot(2).pending == 0
        empty.set_current(2)

    def test_descriptions(self, collection: DurableCollection) -> None:
        collection.create_index(3, "cf1-new")
        first, second = collection.index_versions()
        assert (first.version, first.dimension, first.document_fingerprint) == (1, 2, "cf1-old")
        assert (first.rows, first.pending, first.segments, first.bytes, first.graphs_built) == (7, 0, 0, 0, True)
        assert (second.version, second.rows, second.pending) == (2, 0, 7)
        collection.seal()
        first, second = collection.index_versions()
        directory = collection.indexes[1].directory
        held = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        # What a segment says of itself is in a file that does not say its own size.
        assert 0 < first.bytes <= held
        assert (first.segments, first.graphs_built, second.segments) == (1, False, 0)
        while collection.keep_up():
            pass
        described = collection.index_versions()[0]
        assert described.graphs_built
        assert described.bytes > first.bytes

    @pytest.mark.parametrize(("dimension", "fingerprint"), [(0, "f"), (1 << 20, "f"), (3, "")])
    def test_a_space_that_cannot_be_used(self, collection: DurableCollection, dimension: int, fingerprint: str) -> None:
        with pytest.raises(InvalidInput):
            collection.create_index(dimension, fingerprint)
        assert len(collection.index_versions()) == 1

    def test_a_version_that_is_not_there(self, collection: DurableCollection) -> None:
        for call in (
            lambda: collection.snapshot(9),
            lambda: collection.at(9),
            lambda: collection.pending(9, 1),
            lambda: collection.fill(9, [], old()),
            lambda: collection.set_current(9),
            lambda: collection.drop_index(9),
            lambda: collection.upsert(documents("a"), old(1), version=9),
            lambda: collection.upsert(documents("a"), old(1), also={9: IndexVectors(old(1))}),
        ):
            with pytest.raises(NotFound, match="has no index version 9: it has 1"):
                call()

    def test_numbers_are_not_given_again(self, collection: DurableCollection, store: DurableStore) -> None:
        assert collection.create_index(3, "g") == 2
        collection.drop_index(2)
        assert collection.create_index(3, "g") == 3

    def test_all_is_there_when_opened_again(self, tmp_path: Path) -> None:
        with DurableStore(tmp_path / "s", SETTINGS, upkeep=False) as opened:
            made = opened.create(CollectionSpec("docs", 2, "ip", "cf1-old"))
            made.upsert(documents(*"abc"), old(1, 2, 3))
            made.create_index(3, "cf1-new")
            made.fill(2, [made.pending(2, 1)[0][0]], new(1))
            opened.set_alias("next", "docs", 2)
            before = made.index_versions(), opened.aliases()
        with DurableStore(tmp_path / "s", SETTINGS, upkeep=False) as opened:
            again = opened.collection("docs")
            assert (again.index_versions(), opened.aliases()) == before
            assert again.snapshot(2).pending == 2
            assert [document.id for _, document in again.pending(2, 10)] == ["b", "c"]
            again.set_current(2, force=True)
            opened.drop_alias("next")
        with DurableStore(tmp_path / "s", SETTINGS, upkeep=False) as opened:
            assert opened.collection("docs").current == 2
            assert opened.aliases() == []


class TestCurrent:
    def test_it_is_searched_and_written_to(self, collection: DurableCollection) -> None:
        collection.create_index(3, "cf1-new")
        fill(collection, 2)
        assert collection.set_current(2, expected=1) == 1
        assert (collection.spec.dimension, collection.spec.document_fingerprint) == (3, "cf1-new")
        collection.upsert(documents("h"), new(1))
        assert [version.pending for version in collection.index_versions()] == [1, 0]
        assert collection.set_current(1, expected=2, force=True) == 2

    def test_compare_and_set(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        collection.create_index(3, "h")
        fill(collection, 2)
        fill(collection, 3)
        collection.set_current(2, expected=1)
        with pytest.raises(Conflict, match=r"version 2 .* is the current one, and 1 was expected"):
            collection.set_current(3, expected=1)
        assert collection.set_current(2, expected=1) == 2  # sent again: taken as done
        assert collection.current == 2

    def test_one_that_lacks_documents_is_refused_unless_forced(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        with pytest.raises(InvalidInput, match="lacks 7 documents"):
            collection.set_current(2)
        assert collection.set_current(2, force=True) == 1
        assert collection.snapshot().pending == 7

    def test_what_was_pinned_stays_with_its_version(self, collection: DurableCollection) -> None:
        collection.create_index(2, "cf1-new")  # of the same dimension: nothing but the version tells them apart
        pinned = collection.pinned()
        collection.set_current(2, force=True)
        assert pinned.spec.document_fingerprint == "cf1-old"
        pinned.upsert(documents("h"), old(1))
        assert ids(pinned.snapshot()) == set("abcdefgh")
        assert ids(collection.snapshot()) == set()


class TestDropping:
    def test_its_files_and_rows_are_gone(self, collection: DurableCollection, store: DurableStore) -> None:
        collection.create_index(3, "g")
        fill(collection, 2)
        collection.seal()
        snapshot, directory = collection.snapshot(2), collection.indexes[2].directory
        assert directory.exists()
        number = collection.indexes[2].record.number
        collection.drop_index(2)
        assert not directory.exists()
        assert ids(snapshot) == set("abcdefg")  # who searches it finishes
        with store.database.reading() as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            assert f"rows_{number}" not in tables
            assert connection.execute('SELECT count(*) FROM epochs WHERE "index" = ?', (number,)).fetchone() == (0,)
        collection.upsert(documents("a"), old(3))
        collection.delete(["b"])
        with pytest.raises(NotFound):
            collection.drop_index(2)

    def test_the_current_one_is_refused(self, collection: DurableCollection) -> None:
        with pytest.raises(InvalidInput, match="version 1 of collection 'docs' is the current one"):
            collection.drop_index(1)

    def test_one_that_an_alias_points_to_is_refused(self, collection: DurableCollection, store: DurableStore) -> None:
        collection.create_index(3, "g")
        store.set_alias("next", "docs", 2)
        with pytest.raises(InvalidInput, match=r"aliases point to \(next\)"):
            collection.drop_index(2)
        store.set_alias("next", "docs")  # to whichever is current
        collection.drop_index(2)

    def test_upkeep_of_it_ends(self, collection: DurableCollection) -> None:
        collection.create_index(3, "g")
        fill(collection, 2)
        index = collection.indexes[2]
        collection.seal()
        collection.drop_index(2)
        assert not index.seal()
        assert not index.merge()
        assert not index.build_graph(lambda: False)
        assert index.heal() == 0
        assert not index.directory.exists()

    def test_a_failing_disk_leaves_it(
        self, collection: DurableCollection, store: DurableStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collection.create_index(3, "g")

        def fail(*_: object) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr("crossfade.store.index_tables.drop", fail)
            with pytest.raises(StoreError):
                collection.drop_index(2)
        assert fill(collection, 2) == 7
        collection.seal()
        assert collection.index_versions()[1].segments == 1


class TestFingerprints:
    def test_vectors_of_another_version_are_refused_by_name(
        self, collection: DurableCollection, store: DurableStore
    ) -> None:
        collection.create_index(2, "cf1-new")
        store.set_alias("next", "docs", 2)
        with pytest.raises(FingerprintMismatch, match="collection 'next' holds cf1-new"):
            Retriever(store.get("next")).search_vectors(old(1), 3, fingerprint="cf1-old")
        with pytest.raises(FingerprintMismatch, match="collection 'docs' holds cf1-old"):
            Retriever(collection).search_vectors(old(1), 3, fingerprint="cf1-new")
        assert Retriever(store.get("next")).search_vectors(old(1), 3, fingerprint="cf1-new").pending == 7
        found = Retriever(collection).search_vectors(old(1), 3, fingerprint="cf1-old")
        assert (found.pending, [hit.id for hit in found.hits[0]]) == (0, ["g", "f", "e"])

    def test_a_switch_between_look_and_search_does_not_mix_them(self, collection: DurableCollection) -> None:
        collection.create_index(2, "cf1-new")
        retriever = Retriever(collection)
        collection.set_current(2, force=True)
        assert len(retriever.search_vectors(old(1), 3, fingerprint="cf1-old").hits[0]) == 3
        with pytest.raises(FingerprintMismatch):
            retriever.search_vectors(old(1), 3, fingerprint="cf1-new")


def test_segments_lost_are_built_again_for_every_version(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with DurableStore(path, SETTINGS, upkeep=False) as opened:
        made = opened.create(CollectionSpec("docs", 2, "ip", "old"))
        made.upsert(documents(*"abcdefghijkl"), old(*range(12)))
        made.create_index(3, "new")
        fill(made, 2)
        made.seal()
    shutil.rmtree(path / "segments")
    with DurableStore(path, SETTINGS, upkeep=False) as opened:
        again = opened.collection("docs")
        assert ids(again.snapshot(1)) == ids(again.snapshot(2)) == set("abcdefghijkl")
