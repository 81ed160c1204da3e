"""What a store holds and the interface every back end implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.kernels import Graph, Quantised
from crossfade.store.metadata import BoundFilter, MetadataSchema, Selection

Metric = Literal["cosine", "ip", "l2"]
Precision = Literal["f32", "f16", "int8"]
"""How segments hold vectors (`crossfade.store.precision`)."""

Vectors = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Document:
    """One document. An empty document is legal: it is embedded like any other."""

    id: str
    title: str = ""
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def content(self) -> str:
        """What the model reads: title, a space, then text; the title left out when empty."""
        return content(self.title, self.text)


def content(title: str, text: str) -> str:
    """What is read of a document, or of a piece of its text, by models and by word."""
    return f"{title} {text}" if title else text


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is bound to for life."""

    name: str
    dimension: int
    metric: Metric
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that lie together. No later write changes it.

    `ids[i]` is the document of row i of `vectors`, float32 or float16, shape (rows, dimension), C-contiguous: scores
    are theirs, exactly. `codes`, where there are any, stand for them: the best of these are likely the best. All rows
    of a document lie in one part. `live`: which rows may be found, one bit a row in little bit order, or None for all;
    `count`: how many. `spans[i]`: where the text of row i begins and ends in its document's, None when that is not
    known; `whole`: every row is another document. `select`: the rows that a filter keeps, dead or alive; None when
    there are no metadata. `graph`: leads to near rows without a look at all of them; `ef`: how far it is walked by
    default. `text`: its rows by their words.
    """

    ids: Sequence[str]
    vectors: Vectors
    live: NDArray[np.uint8] | None
    count: int
    spans: NDArray[np.int32] | None = None
    whole: bool = True
    select: Callable[[BoundFilter], Selection] | None = None
    graph: Graph | None = None
    ef: int = 0
    text: lexical.Segment | lexical.View | None = None
    codes: Quantised | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent, immutable view of a collection: rows in parts. No later write changes it.

    `incomplete`: a damaged part is being built again, and its rows are not among them.
    """

    parts: tuple[Part, ...]
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    added: int
    replaced: int


class Collection(Protocol):
    """Documents and their vectors. Safe to use from many threads: a search never races a write."""

    @property
    def spec(self) -> CollectionSpec: ...

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        ...

    def __len__(self) -> int: ...

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        *,
        expected: Sequence[int | None] | None = None,
    ) -> UpsertCounts:
        """Add or replace, all or nothing. Shape (len(documents), dimension). `expected`: versions, where they are kept.

        Raises InvalidInput on a duplicate or empty id, a wrong shape, NaN or infinity; Conflict.
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
