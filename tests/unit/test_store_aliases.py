"""Names that point to a version of a collection's index, and are pointed elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from version_samples import documents, ids, new, seven, versioned_store

from crossfade.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from crossfade.store import CollectionSpec, DurableCollection, DurableStore, VersionView


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with versioned_store(tmp_path) as made:
        yield made


@pytest.fixture
def collection(store: DurableStore) -> DurableCollection:
    return seven(store)


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
