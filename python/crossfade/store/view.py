"""A collection as one version of its index has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossfade.store.index import Index
from crossfade.store.metadata import MetadataSchema
from crossfade.store.types import CollectionSettings, CollectionSpec, Document, IndexVersion, Snapshot, UpsertCounts
from crossfade.store.writes import IndexVectors, Spans

if TYPE_CHECKING:
    from crossfade.store.collection import DurableCollection


class VersionView:
    """Implements `crossfade.store.types.Collection`: searches and writes one version, whichever is the current one.

    Its documents are the collection's: one that is written by way of it is missing in the other versions until they are
    filled, but for those that take it too (`also`). Raises NotFound from the moment that the version is dropped.
    """

    def __init__(self, collection: DurableCollection, index: Index, spec: CollectionSpec) -> None:
        self._collection = collection
        self._index = index
        self._version = index.record.version
        self._spec = spec

    @property
    def collection(self) -> DurableCollection:
        return self._collection

    @property
    def index(self) -> Index:
        return self._index

    @property
    def number(self) -> int:
        """The collection's."""
        return self._collection.number

    @property
    def current(self) -> int:
        """Its own version."""
        return self._version

    @property
    def spec(self) -> CollectionSpec:
        """Of the version, under the name that it was asked for by."""
        return self._spec

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        return self._collection.fields

    @property
    def settings(self) -> CollectionSettings:
        return self._collection.settings

    def __len__(self) -> int:
        return len(self._collection)

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        *,
        spans: Spans | None = None,
        expected: Sequence[int | None] | None = None,
        also: Mapping[int, IndexVectors] | None = None,
    ) -> UpsertCounts:
        """As `DurableCollection.upsert`, with vectors of this version."""
        return self._collection.upsert(
            documents, vectors, spans=spans, expected=expected, version=self._version, also=also
        )

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there, from every version; return how many were."""
        return self._collection.delete(ids)

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there."""
        return self._collection.documents(ids, keys)

    def snapshot(self) -> Snapshot:
        """The version as it is now; takes constant time."""
        return self._collection.snapshot(self._version)

    def pinned(self) -> VersionView:
        """Itself."""
        return self

    def index_versions(self) -> list[IndexVersion]:
        """The collection's, by version."""
        return self._collection.index_versions()
