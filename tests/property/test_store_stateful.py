"""A collection beside a dict: after any run of writes both hold the same, and old snapshots stay as they were."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crossfade.errors import Conflict, InvalidInput
from crossfade.kernels import quantise
from crossfade.retrieval.words import rank_words
from crossfade.store import (
    CollectionSettings,
    CollectionSpec,
    Document,
    DurableStore,
    IndexVectors,
    MemoryStore,
    Part,
    Snapshot,
    StoreSettings,
)
from crossfade.store.checking import check_store
from crossfade.store.compaction import compact
from crossfade.store.types import Precision

DIMENSION = 2
IDS = st.sampled_from([f"d{number}" for number in range(40)])
SPEC = CollectionSpec("c", DIMENSION, "ip", "f")


def values_of(snapshot: Snapshot) -> dict[str, float]:
    """By document, the first element of its only vector; the second is its negative."""
    found: dict[str, float] = {}
    for part in snapshot.parts:
        alive = np.ones(len(part.ids), np.bool_)
        if part.live is not None:
            alive = np.unpackbits(part.live, count=len(part.ids), bitorder="little").astype(np.bool_)
        assert np.count_nonzero(alive) == part.count
        assert np.array_equal(part.vectors[:, 0], -part.vectors[:, 1])
        assert_coded(part)
        for name, value, there in zip(part.ids, part.vectors[:, 0].tolist(), alive, strict=True):
            if there:
                assert name not in found
                found[name] = value
    return found


def assert_coded(part: Part) -> None:
    """The codes that a part has, if any, are those of its vectors."""
    if part.codes is not None:
        expected = quantise(part.vectors, "int8", threads=1)
        assert np.array_equal(part.codes.codes, expected.codes)
        assert np.array_equal(np.asarray(part.codes.scales), np.asarray(expected.scales))


class CollectionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.collection: Any = self.make()
        self.model: dict[str, tuple[Document, float]] = {}
        self.snapshots: list[tuple[Snapshot, dict[str, float]]] = []
        self.clock = 0.0

    def make(self) -> Any:
        return MemoryStore().create(SPEC)

    def some(self, ids: list[str]) -> tuple[list[Document], list[float], Any]:
        self.clock += 1
        documents = [Document(name, text=f"{name} at {self.clock}") for name in ids]
        values = [self.clock + position / 100 for position in range(len(ids))]
        vectors = np.array([[value, -value] for value in values], np.float32).reshape(-1, DIMENSION)
        return documents, values, vectors

    def take(self, documents: list[Document], values: list[float]) -> None:
        self.model.update(
            (document.id, (document, float(np.float32(value))))
            for document, value in zip(documents, values, strict=True)
        )

    @rule(ids=st.lists(IDS, unique=True, max_size=12))
    def upsert(self, ids: list[str]) -> None:
        documents, values, vectors = self.some(ids)
        counts = self.collection.upsert(documents, vectors)
        assert counts.replaced == len(set(ids) & set(self.model))
        assert counts.added == len(ids) - counts.replaced
        self.take(documents, values)

    @rule(ids=st.lists(IDS, min_size=1, max_size=6))
    def upsert_refused(self, ids: list[str]) -> None:
        bad = [*ids, ids[0]]
        with pytest.raises(InvalidInput):
            self.collection.upsert([Document(name) for name in bad], np.ones((len(bad), DIMENSION), np.float32))

    @rule(ids=st.lists(IDS, max_size=25))
    def delete(self, ids: list[str]) -> None:
        assert self.collection.delete(ids) == len(set(ids) & set(self.model))
        for name in ids:
            self.model.pop(name, None)

    @rule()
    def take_snapshot(self) -> None:
        self.snapshots.append((self.collection.snapshot(), self._values()))

    @rule(keep=st.integers(0, 2))
    def drop_snapshots(self, keep: int) -> None:
        del self.snapshots[keep:]

    @invariant()
    def agrees(self) -> None:
        assert len(self.collection) == len(self.model)
        for snapshot, expected in [(self.collection.snapshot(), self._values()), *self.snapshots]:
            self.check(values_of(snapshot), expected)
            self.check_words(snapshot, expected)
        names = [*self.model, "never there"]
        assert self.collection.documents(names) == [*(document for document, _ in self.model.values()), None]

    def check(self, found: dict[str, float], expected: dict[str, float]) -> None:
        assert found == expected

    def check_words(self, snapshot: Snapshot, expected: dict[str, float]) -> None:
        """A collection in memory keeps none."""

    def _values(self) -> dict[str, float]:
        return {name: value for name, (_, value) in self.model.items()}


class DurableMachine(CollectionMachine):
    """Besides, at any time: sealing, merging, opening again, deleting every derived file, healing, a failing disk."""

    precision: Precision = "f32"

    def make(self) -> Any:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.settings = StoreSettings(seal_rows=10, merge_factor=2)
        self.store = DurableStore(self.path, self.settings, upkeep=False)
        self.given: dict[str, int] = {}  # the greatest version that each id ever had
        return self.store.create(SPEC, CollectionSettings(precision=self.precision))

    def take(self, documents: list[Document], values: list[float]) -> None:
        """Also deleted in between, an id never gets a version again that it had."""
        super().take(documents, values)
        names = [document.id for document in documents]
        for name, version in zip(names, self.collection.versions(names), strict=True):
            assert version > self.given.get(name, 0)
            self.given[name] = version

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def upsert_expecting_what_was(self, data: st.DataObject) -> None:
        """Whoever read a document before it was deleted, or written again, is told."""
        name = data.draw(st.sampled_from(sorted(self.given)))
        (now,) = self.collection.versions([name])
        assert now == (self.given[name] if name in self.model else 0)
        was = data.draw(st.integers(1, self.given[name]))
        if was != now:
            documents, _, vectors = self.some([name])
            with pytest.raises(Conflict):
                self.collection.upsert(documents, vectors, expected=[was])

    def check_words(self, snapshot: Snapshot, expected: dict[str, float]) -> None:
        """Every text says its id and the time of its write: both are found together just where they should be."""
        for name in list(expected)[:3]:
            (hits,) = rank_words([name], snapshot, 50, 1)
            assert [hit.id for hit in hits] == [name]
        assert rank_words(["never there"], snapshot, 5, 1) == [[]]

    def open_again(self) -> None:
        self.store.close()
        self.store = DurableStore(self.path, self.settings, upkeep=False)
        self.collection = self.store.get("c")

    @rule()
    def seal(self) -> None:
        self.collection.seal()

    @rule()
    def keep_up(self) -> None:
        while self.collection.keep_up():
            pass

    @rule()
    def close_and_open(self) -> None:
        self.open_again()

    @rule()
    def lose_every_derived_file(self) -> None:

        self.store.close()
        shutil.rmtree(self.path / "segments", ignore_errors=True)
        self.store = DurableStore(self.path, self.settings, upkeep=False)
        self.collection = self.store.get("c")

    @rule()
    def heal(self) -> None:
        assert self.collection.heal() == 0
        assert self.collection.heal_rows() == 0

    @rule()
    def compact(self) -> None:
        self.store.close()
        compact(self.path)
        assert check_store(self.path).sound
        self.store = DurableStore(self.path, self.settings, upkeep=False)
        self.collection = self.store.get("c")

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def upsert_expecting(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True, min_size=1, max_size=4))
        documents, values, vectors = self.some(names)
        found = self.collection.versions(names)
        assert all(version > 0 for version in found)
        wrong = [version + 1 for version in found]
        with pytest.raises(Conflict):
            self.collection.upsert(documents, vectors, expected=wrong)
        with pytest.raises(Conflict):
            self.collection.upsert(documents, vectors, expected=[0] * len(names))
        self.collection.upsert(documents, vectors, expected=found)
        again = self.collection.upsert(documents, vectors, expected=found)  # sent twice: taken as done
        assert (again.added, again.replaced) == (0, len(names))
        self.take(documents, values)

    @rule(ids=st.lists(IDS, unique=True, min_size=1, max_size=5))
    def upsert_on_a_failing_disk(self, ids: list[str]) -> None:
        documents, _, vectors = self.some(ids)
        index = self.collection.index
        stage = index.stage

        def fail(*given: Any) -> int:
            stage(*given)
            raise MemoryError

        index.stage = fail
        with pytest.raises(MemoryError):
            self.collection.upsert(documents, vectors)
        index.stage = stage

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


class HalvesMachine(DurableMachine):
    """Sealed rows are rounded, those of the tail are not."""

    precision: Precision = "f16"

    def check(self, found: dict[str, float], expected: dict[str, float]) -> None:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name] in (value, float(np.float16(value)))


class CodesMachine(DurableMachine):
    precision: Precision = "int8"


class VersionsMachine(DurableMachine):
    """Besides: several index versions, of which each holds vectors of some documents, and aliases that point to them.

    `held[version][id]`: the document as it was when the version got a vector of it, and the vector's value. One that
    was written again or deleted since is not in the version any more.
    """

    def make(self) -> Any:
        self.current = 1
        self.last = 1
        self.held: dict[int, dict[str, tuple[Document, float]]] = {1: {}}
        self.aliases: dict[str, tuple[int | None, int]] = {}
        return super().make()

    def take(self, documents: list[Document], values: list[float]) -> None:
        super().take(documents, values)
        self.hold(self.current, documents, values)

    def hold(self, version: int, documents: list[Document], values: list[float]) -> None:
        self.held[version].update(
            (document.id, (document, float(np.float32(value))))
            for document, value in zip(documents, values, strict=True)
        )

    def write(self, version: int, documents: list[Document], values: list[float]) -> None:
        """Documents that were written to a version."""
        super().take(documents, values)
        self.hold(version, documents, values)

    def values_at(self, version: int) -> dict[str, float]:
        held = self.held[version]
        there = (name for name, (document, _) in self.model.items() if name in held and held[name][0] == document)
        return {name: held[name][1] for name in there}

    def lacking(self, version: int) -> list[str]:
        """In the order in which they were written, which is that of the values they were given then."""
        missing = self.model.keys() - self.values_at(version).keys()
        return sorted(missing, key=lambda name: self.model[name][1])

    def _values(self) -> dict[str, float]:
        return self.values_at(self.current)

    def version(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.held)))

    @precondition(lambda self: len(self.held) < 4)
    @rule()
    def create_index(self) -> None:
        self.last += 1
        assert self.collection.create_index(DIMENSION, f"f{self.last}") == self.last
        self.held[self.last] = {}

    @rule(data=st.data(), count=st.integers(1, 12), ids=st.lists(IDS, unique=True, max_size=4))
    def fill(self, data: st.DataObject, count: int, ids: list[str]) -> None:
        """While it is filled, some documents are written to the current version and some are deleted."""
        version = self.version(data)
        pending = self.collection.pending(version, count)
        assert [document.id for _, document in pending] == self.lacking(version)[:count]
        assert [document for _, document in pending] == [self.model[document.id][0] for _, document in pending]
        self.upsert_some(ids[:2])
        self.delete_some(ids[2:])
        values = [1000 * version + self.clock + place / 100 for place in range(len(pending))]
        vectors = np.array([[value, -value] for value in values], np.float32).reshape(-1, DIMENSION)
        good = [place for place, (_, document) in enumerate(pending) if document.id not in ids]
        assert self.collection.fill(version, [key for key, _ in pending], vectors) == len(good)
        self.hold(version, [pending[place][1] for place in good], [values[place] for place in good])

    def upsert_some(self, ids: list[str]) -> None:
        documents, values, vectors = self.some(ids)
        self.collection.upsert(documents, vectors)
        self.take(documents, values)

    def delete_some(self, ids: list[str]) -> None:
        self.collection.delete(ids)
        for name in ids:
            self.model.pop(name, None)

    @rule(data=st.data(), ids=st.lists(IDS, unique=True, min_size=1, max_size=8), failing=st.booleans())
    def upsert_to_several(self, data: st.DataObject, ids: list[str], failing: bool) -> None:
        version, *others = data.draw(st.lists(st.sampled_from(sorted(self.held)), unique=True, min_size=1))
        documents, values, vectors = self.some(ids)
        also = {other: IndexVectors(vectors * np.float32(other)) for other in others}
        if failing:
            index = self.collection.indexes[others[-1] if others else version]
            stage = index.stage

            def fail(*given: Any) -> int:
                stage(*given)
                raise MemoryError

            index.stage = fail
            with pytest.raises(MemoryError):
                self.collection.upsert(documents, vectors, version=version, also=also)
            index.stage = stage
            return
        self.collection.upsert(documents, vectors, version=version, also=also)
        self.write(version, documents, values)
        for other in others:
            self.hold(other, documents, [float(np.float32(value) * np.float32(other)) for value in values])

    @rule(data=st.data(), force=st.booleans(), expect=st.booleans())
    def set_current(self, data: st.DataObject, force: bool, expect: bool) -> None:
        version = self.version(data)
        if version != self.current:
            with pytest.raises(Conflict):
                self.collection.set_current(version, expected=self.last + 1, force=True)
            if self.lacking(version) and not force:
                with pytest.raises(InvalidInput):
                    self.collection.set_current(version)
                return
        expected = self.current if expect else None
        assert self.collection.set_current(version, expected=expected, force=force) == self.current
        self.current = version

    @rule(data=st.data())
    def drop_index(self, data: st.DataObject) -> None:
        version = self.version(data)
        if version == self.current or version in {pointed for pointed, _ in self.aliases.values()}:
            with pytest.raises(InvalidInput):
                self.collection.drop_index(version)
            return
        self.collection.drop_index(version)
        del self.held[version]

    @rule(data=st.data(), name=st.sampled_from("xyz"), follow=st.booleans())
    def set_alias(self, data: st.DataObject, name: str, follow: bool) -> None:
        version = None if follow else self.version(data)
        before, revision = self.aliases.get(name, (0, 0))
        if before != version:
            with pytest.raises(Conflict):
                self.store.set_alias(name, "c", version, expected_revision=revision + 1)
        alias = self.store.set_alias(name, "c", version, expected_revision=revision)
        assert alias.revision > max((revision for _, revision in self.aliases.values()), default=0)
        self.aliases[name] = version, alias.revision

    @precondition(lambda self: self.aliases)
    @rule(data=st.data(), ids=st.lists(IDS, unique=True, max_size=5))
    def upsert_by_alias(self, data: st.DataObject, ids: list[str]) -> None:
        name = data.draw(st.sampled_from(sorted(self.aliases)))
        documents, values, vectors = self.some(ids)
        self.store.get(name).upsert(documents, vectors)
        self.write(self.aliases[name][0] or self.current, documents, values)

    @precondition(lambda self: self.aliases)
    @rule(data=st.data())
    def drop_alias(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.aliases)))
        self.store.drop_alias(name, expected_revision=self.aliases.pop(name)[1])

    @invariant()
    def versions_agree(self) -> None:
        assert self.collection.current == self.current
        described = {version.version: version for version in self.collection.index_versions()}
        assert described.keys() == self.held.keys()
        for version, told in described.items():
            snapshot, values = self.collection.snapshot(version), self.values_at(version)
            assert values_of(snapshot) == values
            lacking = len(self.model) - len(values)
            assert (snapshot.pending, told.pending, told.rows) == (lacking, lacking, len(values))
        assert {alias.name: (alias.version, alias.revision) for alias in self.store.aliases()} == self.aliases
        for name, (version, _) in self.aliases.items():
            view = self.store.get(name)
            assert values_of(view.snapshot()) == self.values_at(version or self.current)
            assert view.spec == CollectionSpec(name, DIMENSION, "ip", self.fingerprint(version or self.current))

    def fingerprint(self, version: int) -> str:
        return "f" if version == 1 else f"f{version}"


SEQUENCES = int(os.environ.get("CROSSFADE_SEQUENCES", "600"))
OFTEN = settings(
    max_examples=SEQUENCES, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
SELDOM = settings(OFTEN, max_examples=max(1, SEQUENCES // 5))

TestCollection = CollectionMachine.TestCase
TestCollection.settings = OFTEN

TestDurable = DurableMachine.TestCase
TestDurable.settings = OFTEN

TestHalves = HalvesMachine.TestCase
TestHalves.settings = SELDOM

TestCodes = CodesMachine.TestCase
TestCodes.settings = SELDOM

TestVersions = VersionsMachine.TestCase
TestVersions.settings = settings(SELDOM, stateful_step_count=40)
