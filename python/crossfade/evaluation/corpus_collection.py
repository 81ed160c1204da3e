"""A data set's corpus as a collection that is only read: vectors as they lie, documents as the data set has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Never

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.store.checks import check_ids, check_spec
from crossfade.store.metadata import MetadataSchema
from crossfade.store.types import CollectionSettings, CollectionSpec, Document, IndexVersion, Part, Snapshot


class CorpusCollection:
    """Implements `crossfade.store.types.Collection`, without writes: nothing is copied of vectors or documents."""

    def __init__(self, dataset: Dataset, spec: CollectionSpec, vectors: NDArray[np.float32]) -> None:
        """`vectors`: float32, shape (documents, dimension), finite, in corpus order. Raises InvalidInput for an id that
        a store would refuse, and for another shape."""
        check_spec(spec)
        ids: list[str] = dataset.document_ids.tolist()
        check_ids(ids)
        if vectors.shape != (len(ids), spec.dimension):
            raise InvalidInput(
                f"vectors have shape {vectors.shape}, expected ({len(ids)}, {spec.dimension}): one row a document, and "
                f"collection {spec.name!r} holds {spec.dimension} dimensions"
            )
        self._dataset = dataset
        self._spec = spec
        self._settings = CollectionSettings()
        self._snapshot = Snapshot((Part(ids, vectors, None, len(ids)),) if ids else ())

    @property
    def spec(self) -> CollectionSpec:
        return self._spec

    @property
    def fields(self) -> MetadataSchema:
        """None: a data set's documents have no metadata."""
        return self._settings.fields

    @property
    def settings(self) -> CollectionSettings:
        return self._settings

    @property
    def places(self) -> Mapping[str, int]:
        """Document id to row."""
        return self._dataset.document_places

    def __len__(self) -> int:
        return len(self._dataset.documents)

    def upsert(self, *_: object, **__: object) -> Never:
        """Raises InvalidInput."""
        raise InvalidInput("a data set's corpus is only read: put its documents into a store to change them")

    def delete(self, ids: Sequence[str]) -> Never:
        """Raises InvalidInput."""
        self.upsert(ids)

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:  # noqa: ARG002
        """The documents of the ids, in order; None for one that is not there."""
        known = self._dataset.documents_by_id
        return [known.get(name) for name in ids]

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def pinned(self) -> CorpusCollection:
        """Itself: nothing changes it."""
        return self

    @property
    def current(self) -> int:
        return 1

    def index_versions(self) -> list[IndexVersion]:
        """The only one, which lacks nothing."""
        spec = self._spec
        return [IndexVersion(1, spec.dimension, spec.document_fingerprint, len(self), 0, 0, 0, True)]
