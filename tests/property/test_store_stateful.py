"""A collection beside a dict: after any run of writes both hold the same, and old snapshots stay as they were."""

from __future__ import annotations

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
from crossfade.store import CollectionSpec, Document, DurableStore, MemoryStore, Part, Snapshot, StoreSettings
from crossfade.store.settings import CollectionSettings
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
        names = [*self.model, "never there"]
        assert self.collection.documents(names) == [*(document for document, _ in self.model.values()), None]

    def check(self, found: dict[str, float], expected: dict[str, float]) -> None:
        assert found == expected

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
        self.versions: dict[str, int] = {}
        return self.store.create(SPEC, CollectionSettings(precision=self.precision))

    def take(self, documents: list[Document], values: list[float]) -> None:
        super().take(documents, values)

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


TestCollection = CollectionMachine.TestCase
TestCollection.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

TestDurable = DurableMachine.TestCase
TestDurable.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

TestHalves = HalvesMachine.TestCase
TestHalves.settings = settings(TestDurable.settings, max_examples=20)

TestCodes = CodesMachine.TestCase
TestCodes.settings = settings(TestDurable.settings, max_examples=20)
