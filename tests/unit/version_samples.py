"""A collection of seven documents by one model, and vectors of a second: what tests of index versions start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crossfade.store import CollectionSpec, Document, DurableCollection, DurableStore, Snapshot, StoreSettings
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


def versioned_store(directory: Path) -> DurableStore:
    """Without upkeep: nothing is sealed but by the test."""
    return DurableStore(directory / "store", SETTINGS, upkeep=False)


def seven(store: DurableStore) -> DurableCollection:
    """Documents a to g, whose vectors are by the first model."""
    made = store.create(CollectionSpec("docs", 2, "ip", "cf1-old"))
    made.upsert(documents(*"abcdefg"), old(*range(7)))
    return made
