"""The embedded store in memory: collections that many threads read while others write.

A snapshot costs nothing to take and nothing to keep: it is a window on the collection's own buffer. Appending writes
behind every window, so it copies nothing. Replacing or deleting a row that a window still shows copies the buffer
first; when no snapshot is left alive (the usual case between two searches) the row is changed where it lies.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import Method
from crossfade.errors import AlreadyExists, InvalidInput, NotFound
from crossfade.store.checks import check_ids, check_spec, finite_matrix
from crossfade.store.metadata import BoundFilter, Columns, Metadata, MetadataSchema, Selection, TailColumns, select
from crossfade.store.rows import Lease, RowIds
from crossfade.store.settings import HnswSettings
from crossfade.store.types import (
    Collection,
    CollectionSettings,
    CollectionSpec,
    Document,
    IndexVersion,
    Part,
    Snapshot,
    UpsertCounts,
)
from crossfade.store.writes import IndexVectors

_FIRST_CAPACITY = 64


class MemoryCollection:
    """One collection in memory; implements `crossfade.store.types.Collection`."""

    def __init__(self, spec: CollectionSpec, settings: CollectionSettings | None = None) -> None:
        self._spec = spec
        self._settings = settings or CollectionSettings()
        self._lock = threading.Lock()
        self._buffer: NDArray[np.float32] = np.empty((0, spec.dimension), dtype=np.float32)
        self._ids: list[str] = []
        self._metadata: list[Metadata] = []  # of each row
        self._fields = self._settings.fields
        self._rows: dict[str, int] = {}
        self._documents: dict[str, Document] = {}
        self._lease: weakref.ref[Lease] | None = None
        self._leased_rows = 0

    @property
    def spec(self) -> CollectionSpec:
        return self._spec

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        return self._fields

    @property
    def settings(self) -> CollectionSettings:
        return replace(self._settings, fields=self._fields)

    def __len__(self) -> int:
        return len(self._rows)

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        *,
        spans: Sequence[Sequence[tuple[int, int]]] | None = None,
        expected: Sequence[int | None] | None = None,
        also: Mapping[int, IndexVectors] | None = None,
    ) -> UpsertCounts:
        """Add or replace, all or nothing. `vectors`: float, shape (len(documents), dimension).

        Raises InvalidInput on a duplicate, empty or unusable id, a wrong shape, NaN or infinity; nothing has changed
        then.
        """
        if expected is not None:
            raise InvalidInput("a collection in memory keeps no versions: leave the expected ones out, or use a store")
        if also:
            raise InvalidInput("a collection in memory has one index for life: leave the others out, or use a store")
        if spans is not None:
            raise InvalidInput("a collection in memory keeps documents whole: leave the spans out, or use a store")
        ids = [document.id for document in documents]
        check_ids(ids)
        dimension = self._spec.dimension
        matrix = finite_matrix(
            vectors,
            rows=len(documents),
            dimension=dimension,
            what="vector",
            why=f"one row a document, and collection {self._spec.name!r} holds {dimension} dimensions",
        )
        with self._lock:
            fields, metadata = self._fields.check_all([document.metadata for document in documents], documents=ids)
            old: list[int] = []  # positions in this call whose id is there already
            new: list[int] = []
            for position, document in enumerate(documents):
                (old if document.id in self._rows else new).append(position)
            rows = [self._rows[documents[position].id] for position in old]
            replacing = matrix[old] if new else matrix
            adding = matrix[new] if old else matrix
            start = len(self._ids)
            end = start + len(new)
            # Whatever may fail for want of memory comes before the first change.
            self._make_writable(min(rows, default=start), end)
            if old:
                self._buffer[rows] = replacing
                for row, position in zip(rows, old, strict=True):
                    self._metadata[row] = metadata[position]
            if new:
                added = [ids[position] for position in new]
                self._buffer[start:end] = adding
                self._ids.extend(added)
                self._metadata.extend(metadata[position] for position in new)
                self._rows.update(zip(added, range(start, end), strict=True))
            self._documents.update((document.id, document) for document in documents)
            self._fields = fields
        return UpsertCounts(added=len(new), replaced=len(old))

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were. The last rows move into the gaps."""
        with self._lock:
            gone = {self._rows[name] for name in ids if name in self._rows}
            if not gone:
                return 0
            kept = len(self._ids) - len(gone)
            self._make_writable(0, kept)
            gaps = [row for row in sorted(gone) if row < kept]
            movers = [row for row in range(kept, len(self._ids)) if row not in gone]
            for row in gone:
                name = self._ids[row]
                del self._rows[name], self._documents[name]
            if gaps:
                self._buffer[gaps] = self._buffer[movers]
            for gap, mover in zip(gaps, movers, strict=True):
                self._ids[gap] = self._ids[mover]
                self._metadata[gap] = self._metadata[mover]
                self._rows[self._ids[gap]] = gap
            del self._ids[kept:], self._metadata[kept:]
            if kept * 4 < len(self._buffer) and len(self._buffer) > _FIRST_CAPACITY:
                self._move_to_capacity(max(kept * 2, _FIRST_CAPACITY))
        return len(gone)

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:  # noqa: ARG002
        """The documents of the ids, in order; None for one that is not there. Writes have no keys here."""
        with self._lock:
            return [self._documents.get(name) for name in ids]

    def snapshot(self) -> Snapshot:
        """The collection as it is now; takes constant time, and no later write changes it."""
        with self._lock:
            lease = self._lease() if self._lease is not None else None
            if lease is None:
                lease = Lease(self._buffer, self._ids, self._metadata)
                self._lease = weakref.ref(lease)
            count = len(self._ids)
            self._leased_rows = max(self._leased_rows, count)
            if not count:
                return Snapshot(())
            selecting = _Selecting(lease, count, self._fields)
            part = Part(RowIds(lease, count), lease.vectors(count), None, count, select=selecting.select)
            return Snapshot((part,))

    def pinned(self) -> MemoryCollection:
        """Itself: it has one index for life."""
        return self

    @property
    def current(self) -> int:
        return 1

    def index_versions(self) -> list[IndexVersion]:
        """The only one, which lacks nothing."""
        spec = self._spec
        return [IndexVersion(1, spec.dimension, spec.document_fingerprint, len(self._rows), 0, 0, 0, True)]

    def _make_writable(self, first_row: int, rows: int) -> None:
        """Leave a buffer that has room for `rows` and whose rows from `first_row` on no living snapshot shows.

        Call with the lock held.
        """
        if rows > len(self._buffer):
            self._move_to_capacity(max(rows, len(self._buffer) * 3 // 2, _FIRST_CAPACITY))
        elif self._lease is None or self._lease() is None:
            self._lease = None
            self._leased_rows = 0
        elif first_row < self._leased_rows:
            self._move_to_capacity(len(self._buffer))

    def _move_to_capacity(self, capacity: int) -> None:
        count = len(self._ids)
        moved = np.empty((capacity, self._spec.dimension), dtype=np.float32)
        moved[:count] = self._buffer[:count]
        self._buffer = moved
        self._ids = self._ids.copy()
        self._metadata = self._metadata.copy()
        self._lease = None
        self._leased_rows = 0


class _Selecting:
    """Filters over a window: its columns are made when the first one asks."""

    def __init__(self, lease: Lease, count: int, fields: MetadataSchema) -> None:
        self._lease = lease
        self._count = count
        self._fields = fields
        self._columns: Columns | None = None

    def select(self, condition: BoundFilter) -> Selection:
        if self._columns is None:
            columns = TailColumns()
            columns.extend(islice(self._lease.metadata, self._count), self._fields)
            self._columns = columns.snapshot()
        return select(condition, self._columns)


class MemoryStore:
    """Named collections in memory; implements `crossfade.store.types.Store`. Gone when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[str, MemoryCollection] = {}

    def create(self, spec: CollectionSpec, settings: CollectionSettings | None = None) -> MemoryCollection:
        """Raises AlreadyExists when the name is taken, InvalidInput when name, dimension or settings cannot be used."""
        check_spec(spec)
        if settings is not None and settings.chunking.method is not Method.WHOLE:
            raise InvalidInput(
                "a collection in memory keeps documents whole: serve a store (serve --store) to cut them"
            )
        if settings is not None and settings.precision != "f32":
            raise InvalidInput(
                f"a collection in memory holds vectors as f32, not {settings.precision}: serve a store (serve --store) "
                "for other precisions"
            )
        if settings is not None and settings.hnsw != HnswSettings():
            raise InvalidInput(
                "a collection in memory has no graphs, and is searched exactly: leave their settings out, or serve a "
                "store (serve --store)"
            )
        with self._lock:
            if spec.name in self._collections:
                raise AlreadyExists(f"collection {spec.name!r} exists already: delete it first or choose another name")
            collection = self._collections[spec.name] = MemoryCollection(spec, settings)
        return collection

    def get(self, name: str) -> MemoryCollection:
        """Raises NotFound, naming the collections there are."""
        with self._lock:
            collection = self._collections.get(name)
            if collection is None:
                raise self._not_found(name)
        return collection

    def drop(self, name: str) -> None:
        """Raises NotFound. A search that holds the collection already finishes on it."""
        with self._lock:
            if self._collections.pop(name, None) is None:
                raise self._not_found(name)

    def list(self) -> list[Collection]:
        """Sorted by name."""
        with self._lock:
            return [self._collections[name] for name in sorted(self._collections)]

    def _not_found(self, name: str) -> NotFound:
        names = sorted(self._collections)
        if not names:
            return NotFound(f"no collection {name!r}: there is none yet, create it first")
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        return NotFound(f"no collection {name!r}: create it first, or use one of {shown}")
