"""What a store holds and the interface every back end implements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "ip", "l2"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document. An empty document is legal: it is embedded like any other."""

    id: str
    title: str = ""
    text: str = ""

    @property
    def content(self) -> str:
        """What the model reads: title, a space, then text; the title left out when empty."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is bound to for life."""

    name: str
    dimension: int
    metric: Metric
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent, immutable view of a collection.

    `ids[i]` owns row i of `vectors`, float32, shape (len(ids), dimension), C-contiguous. No later write changes it.
    """

    ids: Sequence[str]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    added: int
    replaced: int


class Collection(Protocol):
    """Documents and their vectors. Safe to use from many threads: a search never races a write."""

    @property
    def spec(self) -> CollectionSpec: ...

    def __len__(self) -> int: ...

    def upsert(self, documents: Sequence[Document], vectors: NDArray[np.float32]) -> UpsertCounts:
        """Add or replace, all or nothing. Shape (len(documents), dimension).

        Raises InvalidInput on a duplicate or empty id, a wrong shape, NaN or infinity.
        """
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were."""
        ...

    def documents(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there."""
        ...

    def snapshot(self) -> Snapshot: ...


class Store(Protocol):
    """Named collections."""

    def create(self, spec: CollectionSpec) -> Collection:
        """Raises AlreadyExists when the name is taken, InvalidInput when name or dimension cannot be used."""
        ...

    def get(self, name: str) -> Collection:
        """Raises NotFound, naming the collections there are."""
        ...

    def drop(self, name: str) -> None:
        """Raises NotFound."""
        ...

    def list(self) -> list[Collection]:
        """Sorted by name."""
        ...
