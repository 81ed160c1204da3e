"""A collection on disk: documents, and one or several indexes of them, each of one model's vectors."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput, NotFound
from crossfade.store import faults, writes
from crossfade.store.database import Database
from crossfade.store.index import Index
from crossfade.store.metadata import MetadataSchema
from crossfade.store.reading import documents_by_id
from crossfade.store.settings import CollectionSettings
from crossfade.store.types import CollectionSpec, Document, Metric, Snapshot, UpsertCounts


@dataclass(slots=True)
class CollectionState:
    """What the database says of a collection. `sequence`: the key of the last document that was written."""

    number: int
    name: str
    metric: Metric
    sequence: int
    documents: int
    current: int
    settings: CollectionSettings


class DurableCollection:
    """Implements `crossfade.store.types.Collection`. Safe to use from many threads: searches never wait for writes."""

    def __init__(
        self, database: Database, state: CollectionState, indexes: Mapping[int, Index], wake: Callable[[], None]
    ) -> None:
        """`indexes`: by version. `wake` is called when there may be upkeep to do."""
        self._database = database
        self._state = state
        self._indexes = dict(indexes)
        self._wake = wake
        self._lock = threading.RLock()
        for index in self._indexes.values():
            index.lock = self._lock

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever writes."""
        return self._lock

    @property
    def number(self) -> int:
        return self._state.number

    @property
    def spec(self) -> CollectionSpec:
        space = self.index.record.space
        return CollectionSpec(self._state.name, space.dimension, self._state.metric, space.document_fingerprint)

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        return self._state.settings.fields

    @property
    def index(self) -> Index:
        """The one that is searched and written to when nobody says which."""
        return self._indexes[self._state.current]

    @property
    def indexes(self) -> Mapping[int, Index]:
        """By version."""
        return dict(self._indexes)

    def __len__(self) -> int:
        return self._state.documents

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The collection as it is now; takes constant time, and no later write changes it. Raises NotFound."""
        return self._version(version).snapshot()

    def _version(self, version: int | None) -> Index:
        if version is None:
            return self.index
        index = self._indexes.get(version)
        if index is None:
            raise NotFound(
                f"collection {self._state.name!r} has no index version {version}: it has "
                f"{', '.join(map(str, sorted(self._indexes)))}"
            )
        return index

    def documents(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there."""
        with self._database.reading() as connection:
            found = documents_by_id(connection, self.number, ids)
        return [found.get(name) for name in ids]

    def versions(self, ids: Sequence[str]) -> list[int]:
        """The version of each document, which every write of it raises; 0 for one that is not there."""
        with self._database.reading() as connection:
            there = writes.stored(connection, self.number, ids)
        return [there[name].expected if name in there else 0 for name in ids]

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        *,
        spans: writes.Spans | None = None,
        expected: Sequence[int | None] | None = None,
        version: int | None = None,
    ) -> UpsertCounts:
        """Add or replace, all or nothing; on the disk when it returns.

        `vectors`: float, one row a document or, with `spans`, one for each of a document's spans of its text, in order.
        `expected`: the version (see `versions`) that each document must have, 0: must not be there, None: any. A call
        that was sent again after it had been taken is taken as done. `version`: of the index that the vectors are of;
        in the others the documents are missing until they are filled in.

        Raises InvalidInput on a duplicate, empty or unusable id, a wrong shape, NaN, infinity, a number that the
        precision cannot hold, metadata of another type than the field has; Conflict when a document has another
        version; StoreError when the disk does not take it. Nothing has changed then.
        """
        if expected is not None and len(expected) != len(documents):
            raise InvalidInput(f"{len(expected)} expected versions came with {len(documents)} documents: send one each")
        with self._lock:
            index = self._version(version)
            write = writes.checked(
                documents,
                vectors,
                spans,
                fields=self.fields,
                space=index.record.space,
                name=self._state.name,
            )
            return self._upsert(index, write, expected) if documents else UpsertCounts(0, 0)

    def _upsert(self, index: Index, write: writes.Write, expected: Sequence[int | None] | None) -> UpsertCounts:
        state = self._state
        first, batch = state.sequence + 1, write.batch(index.arrived + 1, state.sequence + 1)
        try:
            with self._database.writing() as connection:
                faults.passed("ingest.begun")
                there = writes.stored(connection, state.number, [document.id for document in write.documents])
                replaced = sum(not each.deleted for each in there.values())
                added = len(write.documents) - replaced
                if expected is not None and writes.is_done(
                    connection, state.number, index.record.number, write, expected, there
                ):
                    again = sum(each != 0 for each in expected)
                    return UpsertCounts(added=len(expected) - again, replaced=again)
                gone = self._remove(connection, [each.key for each in there.values()])
                # Not used again, whatever becomes of this call: rows that it leaves behind the tail bear them.
                state.sequence += len(write.documents)
                index.arrived += len(batch)
                writes.insert_documents(connection, state.number, write, first, there)
                writes.insert_rows(connection, index.record.number, batch)
                self._record(connection, write.fields, added)
                self._record_arrivals(connection, index)
                tail_rows = index.stage(batch, write.fields)
                faults.passed("ingest.written")
        except BaseException:
            index.give_up()
            raise
        faults.passed("ingest.committed")
        for each in self._indexes.values():
            each.publish(gone[each.record.number], tail_rows if each is index else None)
        state.settings = replace(state.settings, fields=write.fields)
        state.documents += added
        self._wake()
        return UpsertCounts(added=added, replaced=replaced)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were. On the disk when it returns. Raises StoreError."""
        state = self._state
        with self._lock:
            with self._database.writing() as connection:
                faults.passed("ingest.begun")
                found = writes.stored(connection, state.number, dict.fromkeys(ids))
                there = {name: each for name, each in found.items() if not each.deleted}
                if not there:
                    return 0
                first = state.sequence + 1
                state.sequence += len(there)
                gone = self._remove(connection, [each.key for each in there.values()])
                connection.executemany(
                    f"INSERT INTO documents_{state.number} VALUES (?, ?, ?, 1, '', '', '{{}}')",
                    ((first + at, name, each.version + 1) for at, (name, each) in enumerate(there.items())),
                )
                self._record(connection, self.fields, -len(there))
                faults.passed("ingest.written")
            faults.passed("ingest.committed")
            for index in self._indexes.values():
                index.publish(gone[index.record.number], None)
            state.documents -= len(there)
        self._wake()
        return len(there)

    def pending(self, version: int, limit: int) -> list[tuple[int, Document]]:
        """Documents that an index lacks, those longest without first, with their keys for `fill`. Raises NotFound."""
        index = self._version(version)
        documents, rows = f"documents_{self.number}", f"rows_{index.record.number}"
        with self._database.reading() as connection:
            (complete_to,) = connection.execute(
                "SELECT complete_to FROM indexes WHERE number = ?", (index.record.number,)
            ).fetchone()
            found = connection.execute(
                f"SELECT key, id, title, text, metadata FROM {documents} d WHERE key > ? AND NOT deleted "
                f"AND NOT EXISTS (SELECT 1 FROM {rows} WHERE document = d.key) ORDER BY key LIMIT ?",
                (complete_to, limit),
            ).fetchall()
        return [(key, Document(name, title, text, json.loads(more))) for key, name, title, text, more in found]

    def fill(
        self,
        version: int,
        keys: Sequence[int],
        vectors: NDArray[np.float32],
        *,
        spans: Sequence[Sequence[tuple[int, int]]] | None = None,
    ) -> int:
        """Give an index vectors of documents that `pending` named; return how many were taken.

        A document that was written again or deleted since, or that is in the index already, is passed over: its vector
        is not of what it says now. Raises as `upsert` does.
        """
        with self._lock:
            index = self._version(version)
            with self._database.reading() as connection:
                listed = (json.dumps(list(keys)),)
                found = connection.execute(
                    f"SELECT key, id, title, text, metadata FROM documents_{self.number} d "
                    "WHERE key IN (SELECT value FROM json_each(?)) AND NOT deleted AND NOT EXISTS "
                    f"(SELECT 1 FROM rows_{index.record.number} WHERE document = d.key)",
                    listed,
                ).fetchall()
            wanted = {key: Document(name, title, text, json.loads(more)) for key, name, title, text, more in found}
            return self._fill(index, keys, wanted, vectors, spans)

    def _fill(
        self,
        index: Index,
        keys: Sequence[int],
        wanted: Mapping[int, Document],
        vectors: NDArray[np.float32],
        spans: writes.Spans | None,
    ) -> int:
        counts = [1] * len(keys) if spans is None else [len(some) for some in spans]
        ends = np.cumsum([0, *counts])
        if len(vectors) != ends[-1] or len(counts) != len(keys):
            raise InvalidInput(f"{len(vectors)} vectors came for {len(keys)} documents: send one for each row")
        taken = [place for place, key in enumerate(keys) if key in wanted]
        if not taken:
            return 0
        rows = np.concatenate([np.arange(ends[place], ends[place + 1]) for place in taken])
        write = writes.checked(
            [wanted[keys[place]] for place in taken],
            np.asarray(vectors)[rows],
            None if spans is None else [spans[place] for place in taken],
            fields=self.fields,
            space=index.record.space,
            name=self._state.name,
        )
        batch = write.batch(index.arrived + 1, 0)
        batch.documents = np.array([keys[taken[place]] for place, _, _ in write.rows], dtype=np.int64)
        try:
            with self._database.writing() as connection:
                index.arrived += len(batch)
                writes.insert_rows(connection, index.record.number, batch)
                self._record_arrivals(connection, index)
                tail_rows = index.stage(batch, write.fields)
        except BaseException:
            index.give_up()
            raise
        index.publish(np.empty(0, dtype=np.int64), tail_rows)
        self._wake()
        return len(taken)

    def _remove(self, connection: sqlite3.Connection, keys: list[int]) -> dict[int, NDArray[np.int64]]:
        numbers = [index.record.number for index in self._indexes.values()]
        if not keys:
            return {number: np.empty(0, dtype=np.int64) for number in numbers}
        return writes.remove(connection, self.number, numbers, keys)

    def _record(self, connection: sqlite3.Connection, fields: MetadataSchema, more: int) -> None:
        state = self._state
        connection.execute(
            "UPDATE collections SET sequence = ?, documents = documents + ? WHERE number = ?",
            (state.sequence, more, state.number),
        )
        if fields != self.fields:
            settings = replace(state.settings, fields=fields).to_json()
            connection.execute("UPDATE collections SET settings = ? WHERE number = ?", (settings, state.number))

    def _record_arrivals(self, connection: sqlite3.Connection, index: Index) -> None:
        connection.execute("UPDATE indexes SET arrived = ? WHERE number = ?", (index.arrived, index.record.number))

    def seal_due(self) -> bool:
        """Make a segment of a tail that is long enough; say whether there was any."""
        return any(index.wants_sealing() and index.seal(self.fields) for index in self.indexes.values())

    def improve(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Merge segments, or build a graph: one step of what is due; say whether there was any.

        `stopped`: asked meanwhile; the step is given up when it is true.
        """
        return any(index.merge(self.fields) or index.build_graph(stopped) for index in self.indexes.values())

    def keep_up(self) -> bool:
        """One step of all that is due, in this thread; say whether there was any."""
        return self.seal_due() or self.improve()

    def seal(self) -> None:
        """Make segments of all that is in tails now."""
        for index in self.indexes.values():
            index.seal(self.fields)

    def heal(self) -> int:
        """Hold every segment against its checksums, and build again those that fail; say how many."""
        return sum(index.heal(self.fields) for index in self.indexes.values())
