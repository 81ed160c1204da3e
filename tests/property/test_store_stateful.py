"""A MemoryCollection beside a dict: after any run of writes both hold the same, and old snapshots stay as they were."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossfade.errors import InvalidInput
from crossfade.store import CollectionSpec, Document, MemoryStore

DIMENSION = 2
IDS = st.sampled_from([f"d{number}" for number in range(40)])


class CollectionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.collection = MemoryStore().create(CollectionSpec("c", DIMENSION, "ip", "f"))
        self.model: dict[str, tuple[Document, float]] = {}
        self.snapshots: list[tuple[object, dict[str, float]]] = []
        self.clock = 0.0

    @rule(ids=st.lists(IDS, unique=True, max_size=12))
    def upsert(self, ids: list[str]) -> None:
        self.clock += 1
        documents = [Document(name, text=f"{name} at {self.clock}") for name in ids]
        values = [self.clock + position / 100 for position in range(len(ids))]
        vectors = np.array([[value, -value] for value in values], np.float32).reshape(-1, DIMENSION)
        counts = self.collection.upsert(documents, vectors)
        assert counts.replaced == len(set(ids) & set(self.model))
        assert counts.added == len(ids) - counts.replaced
        self.model.update(
            (document.id, (document, float(np.float32(value))))
            for document, value in zip(documents, values, strict=True)
        )

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
            assert len(snapshot.ids) == len(expected)
            assert dict(zip(snapshot.ids, snapshot.vectors[:, 0].tolist(), strict=True)) == expected
            assert np.array_equal(snapshot.vectors[:, 0], -snapshot.vectors[:, 1])
        names = [*self.model, "never there"]
        assert self.collection.documents(names) == [*(document for document, _ in self.model.values()), None]

    def _values(self) -> dict[str, float]:
        return {name: value for name, (_, value) in self.model.items()}


TestCollection = CollectionMachine.TestCase
TestCollection.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
