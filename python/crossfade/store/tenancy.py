"""A collection as one tenant has it: nothing of another's is seen, written or deleted, whatever is asked.

Every document bears its tenant in a field that the server sets, and every filter is put beside one on that field
(`metadata.imposed`). Ids are kept behind the tenant's name, so that two tenants' ids never meet: an id that another
tenant uses is neither overwritten nor found out to exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import Conflict, CrossfadeError, Damaged, InvalidInput, LimitExceeded
from crossfade.store.metadata import Filter, MetadataSchema, imposed
from crossfade.store.types import (
    Collection,
    CollectionSettings,
    CollectionSpec,
    Document,
    IndexVersion,
    Snapshot,
    UpsertCounts,
)

_PLAIN = {InvalidInput, LimitExceeded, Conflict, Damaged}  # made of a message and nothing else
_SEPARATOR = "\x1f"  # in no tenant's name, which is printable


def owner(name: str) -> tuple[str, str]:
    """Of the id of a document that a collection of tenants keeps: its tenant, and the id that the tenant knows."""
    tenant, _, own = name.partition(_SEPARATOR)
    return tenant, own


class TenantCollection:
    """Implements `crossfade.store.types.Collection` for the documents of one tenant."""

    def __init__(self, collection: Collection, field: str, tenant: str) -> None:
        if not tenant or not tenant.isprintable():
            raise InvalidInput(f"the tenant's name {tenant[:80]!r} must be printable, and not empty")
        self._collection = collection
        self._field = field
        self._tenant = tenant
        self._prefix = tenant + _SEPARATOR

    @property
    def spec(self) -> CollectionSpec:
        return self._collection.spec

    @property
    def fields(self) -> MetadataSchema:
        return self._collection.fields

    @property
    def settings(self) -> CollectionSettings:
        return self._collection.settings

    def __len__(self) -> int:
        """Of all tenants: a bound."""
        return len(self._collection)

    def imposed(self, condition: Filter | None) -> Filter:
        """The filter, and the tenant's documents alone."""
        return imposed(condition, self._field, self._tenant)

    def shown(self, name: str) -> str:
        """An id as the tenant knows it."""
        return name.removeprefix(self._prefix)

    def snapshot(self) -> Snapshot:
        """Of all tenants: search it with `imposed` filters only."""
        return self._collection.snapshot()

    def pinned(self) -> TenantCollection:
        """As `Collection.pinned`, of the same tenant."""
        return TenantCollection(self._collection.pinned(), self._field, self._tenant)

    @property
    def current(self) -> int:
        return self._collection.current

    def index_versions(self) -> Sequence[IndexVersion]:
        """Of all tenants."""
        return self._collection.index_versions()

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:
        """By their ids as they are kept: those that a search of the snapshot finds."""
        found = self._collection.documents(ids, keys)
        return [
            None if document is None or not document.id.startswith(self._prefix) else document for document in found
        ]

    def upsert(self, documents: Sequence[Document], vectors: NDArray[np.float32], **more: Any) -> UpsertCounts:
        """As the collection's own. A document that bears another tenant, or an undeclared field, is refused."""
        for document in documents:
            self._check_declared(document)
        try:
            return self._collection.upsert([self.kept(document) for document in documents], vectors, **more)
        except CrossfadeError as error:
            # Ids as the tenant knows them; `repr` may have written the separator as an escape.
            said = str(error).replace(self._prefix, "").replace(repr(self._prefix)[1:-1], "")
            raise type(error)(said) if type(error) in _PLAIN else error from None

    def _check_declared(self, document: Document) -> None:
        unknown = next((name for name in document.metadata if name not in self.fields), None)
        if unknown is not None:
            # Whoever wrote a field first would give it its type for all others, and take one of their number.
            raise InvalidInput(
                f"document {document.id[:80]!r} has a field {unknown!r:.80} that was not declared: a collection of "
                "tenants takes those alone that it was made with"
            )

    def kept(self, document: Document) -> Document:
        """The document as the collection keeps it. Raises InvalidInput when it bears another tenant."""
        said = document.metadata.get(self._field, self._tenant)
        if said != self._tenant:
            raise InvalidInput(
                f"document {document.id[:80]!r} has {self._field} {said!r:.80}, and the call is of {self._tenant!r}: "
                "leave the field out, the server sets it"
            )
        metadata = {**document.metadata, self._field: self._tenant}
        return replace(document, id=self._prefix + document.id if document.id else "", metadata=metadata)

    def delete(self, ids: Sequence[str]) -> int:
        return self._collection.delete([self._prefix + name for name in ids])
