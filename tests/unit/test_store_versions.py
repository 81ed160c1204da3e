"""Index versions of a collection on disk, filled, written together, switched, dropped; and aliases of them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossfade.errors import AlreadyExists, Conflict, FingerprintMismatch, InvalidInput, NotFound, StoreError
from crossfade.retrieval import Retriever
from crossfade.store import (
    CollectionSpec,
    Document,
    DurableCollection,
    DurableStore,
    IndexVectors,
    Snapshot,
    StoreSettings,
    VersionView,
)
from crossfade.store.settings import GraphSettings

SETTINGS = StoreSettings(seal_rows=8, merge_factor=2, graph=GraphSettings(least_rows=4))


def documents(*ids: str, text: str = "text") -> list[Document]:
    return [Document(name, text=f"{text} of {name}") for name in ids]


def old(*values: float) -> np.ndarray:
    """Vectors of the first model, two dimensions."""
    return np.array([[value, 1] for value in values], np.float32).reshape(-1, 2)


def new(*values: float) -> np.ndarray:
    """Vectors of the second model, three dimensions."""
    return np.array([[1, value, 2] for value in values], np.float32).reshape(-1, 3)


def living(snapshot: Snapshot) -> Iterator[tuple[str, np.ndarray]]:
    """Document and vector of every row that may be found."""
    for part in snapshot.parts:
        alive = np.ones(len(part.ids), bool)
        if part.live is not None:
            alive = np.unpackbits(part.live, count=len(part.ids), bitorder="little").astype(bool)
        for name, vector, there in zip(part.ids, part.vectors, alive, strict=True):
            if there:
                yield name, vector


def ids(snapshot: Snapshot) -> set[str]:
    return {name for name, _ in living(snapshot)}


def fill(collection: DurableCollection, version: int, limit: int = 3) -> int:
    """All that is pending, by the length of its text."""
    filled = 0
    while pending := collection.pending(version, limit):
        vectors = new(*(len(document.text) for _, document in pending))
        filled += collection.fill(version, [key for key, _ in pending], vectors)
    return filled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as opened:
        yield opened


@pytest.fixture
def collection(store: DurableStore) -> DurableCollection:
    made = store.create(CollectionSpec("docs", 2, "ip", "cf1-old"))
    made.upsert(documents(*"abcdefg"), old(*range(7)))
    return made


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


class TestAliases:
    def test_it_is_a_view_of_the_version(self, collection: DurableCollection, store: DurableStore) -> None:
        collection.create_index(3, "cf1-new")
        store.set_alias("next", "docs", 2)
        view = store.get("next")
        assert isinstance(view, VersionView)
        assert view.spec == CollectionSpec("next", 3, "ip", "cf1-new")
        assert (len(view), view.snapshot().pending, view.current) == (7, 7, 2)
        view.upsert(documents("h"), new(1))
        assert ids(view.snapshot()) == {"h"}
        assert collection.snapshot().pending == 1
        assert view.documents(["h"]) == documents("h")
        assert view.delete(["h", "a"]) == 2
        assert len(collection) == 6
        assert view.fields == collection.fields
        assert view.pinned() is view
        assert view.index_versions() == collection.index_versions()

    def test_without_a_version_it_follows_the_current_one(
        self, collection: DurableCollection, store: DurableStore
    ) -> None:
        alias = store.set_alias("live", "docs")
        assert (alias.version, str(alias)) == (None, "the current version of collection 'docs'")
        collection.create_index(3, "cf1-new")
        before = store.get("live")
        collection.set_current(2, force=True)
        assert before.spec.document_fingerprint == "cf1-old"
        assert store.get("live").spec.document_fingerprint == "cf1-new"

    def test_compare_and_set(self, collection: DurableCollection, store: DurableStore) -> None:
        collection.create_index(3, "g")
        first = store.set_alias("live", "docs", 1, expected_revision=0)
        with pytest.raises(Conflict, match=r"has revision .* and points to version 1 of collection 'docs'"):
            store.set_alias("live", "docs", 2, expected_revision=0)
        assert store.set_alias("live", "docs", 1, expected_revision=0) == first  # sent again
        second = store.set_alias("live", "docs", 2, expected_revision=first.revision)
        assert second.revision > first.revision
        with pytest.raises(Conflict):
            store.drop_alias("live", expected_revision=first.revision)
        store.drop_alias("live", expected_revision=second.revision)
        with pytest.raises(Conflict, match="is not there"):
            store.set_alias("live", "docs", 1, expected_revision=second.revision)
        third = store.set_alias("live", "docs", 1)
        assert third.revision > second.revision  # none is given twice, so nobody takes it for one he has seen

    def test_names_do_not_clash(self, collection: DurableCollection, store: DurableStore) -> None:
        store.set_alias("live", "docs")
        with pytest.raises(AlreadyExists, match="'live' is an alias of the current version of collection 'docs'"):
            store.create(CollectionSpec("live", 2, "ip", "f"))
        with pytest.raises(AlreadyExists, match="'docs' is the name of a collection"):
            store.set_alias("docs", "docs")
        with pytest.raises(InvalidInput, match="alias name 'no way' cannot be used"):
            store.set_alias("no way", "docs")

    def test_what_is_not_there(self, collection: DurableCollection, store: DurableStore) -> None:
        store.set_alias("live", "docs")
        with pytest.raises(NotFound, match="no collection 'nope'"):
            store.set_alias("x", "nope")
        with pytest.raises(NotFound, match="but an alias"):
            store.set_alias("x", "live")
        with pytest.raises(NotFound, match="no index version 7: it has 1"):
            store.set_alias("x", "docs", 7)
        with pytest.raises(NotFound, match="no alias 'x': there are live"):
            store.drop_alias("x")
        with pytest.raises(NotFound, match="it is an alias"):
            store.drop("live")
        with pytest.raises(NotFound, match="it is an alias"):
            store.collection("live")
        assert [alias.name for alias in store.aliases()] == ["live"]

    def test_they_go_with_their_collection(self, collection: DurableCollection, store: DurableStore) -> None:
        store.set_alias("live", "docs")
        store.drop("docs")
        assert store.aliases() == []
        with pytest.raises(NotFound):
            store.get("live")
        store.create(CollectionSpec("live", 2, "ip", "f"))

    def test_whoever_looks_sees_one_or_the_other(self, collection: DurableCollection, store: DurableStore) -> None:
        """While it is pointed to and fro and what it pointed to is dropped, it always leads somewhere."""
        store.set_alias("live", "docs", 1)
        ended = threading.Event()
        failures: list[Exception] = []

        def look() -> None:
            while not ended.is_set():
                try:
                    store.get("live")
                except Exception as error:  # noqa: BLE001 - told in the test's thread
                    failures.append(error)

        looking = threading.Thread(target=look)
        looking.start()
        try:
            for _ in range(20):
                version = collection.create_index(3, "g")
                store.set_alias("live", "docs", version)
                store.set_alias("live", "docs", 1)
                collection.drop_index(version)
        finally:
            ended.set()
            looking.join()
        assert not failures


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
