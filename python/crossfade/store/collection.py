"""A collection on disk: documents, and one or several indexes of them, each of one model's vectors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import Conflict, InvalidInput, NotFound, StoreError
from crossfade.store import faults, filling, index_tables, writes
from crossfade.store.changes import Change
from crossfade.store.checks import check_space
from crossfade.store.database import Database
from crossfade.store.index import Epochs, Holding, Index, IndexRecord
from crossfade.store.metadata import MetadataSchema
from crossfade.store.reading import documents_by_id
from crossfade.store.segment import Space
from crossfade.store.types import (
    CollectionSettings,
    CollectionSpec,
    Document,
    IndexVersion,
    Metric,
    Snapshot,
    UpsertCounts,
)
from crossfade.store.view import VersionView


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


class _Place(TypedDict):
    space: Space
    holder: str


class DurableCollection:
    """Implements `crossfade.store.types.Collection`. Safe to use from many threads: searches never wait for writes."""

    def __init__(
        self,
        database: Database,
        state: CollectionState,
        *,
        make: Callable[[IndexRecord], Index],
        wake: Callable[[], None],
    ) -> None:
        """`make`: an index that is empty yet. `wake` is called when there may be upkeep to do."""
        self._database = database
        self._state = state
        self._make = make
        self._wake = wake
        self._lock = threading.RLock()
        self._in_progress = False  # a write
        self._unsure = False  # whether memory holds what the database does: a write has ended in an error
        self._dropped = False
        self._indexes = self._opened({})  # replaced, never changed: who searches looks without the lock

    def _opened(self, held: Mapping[int, Index]) -> dict[int, Index]:
        """What indexes the database has, by version: those that are in memory already, and the others read."""
        state = self._state
        with self._database.reading() as connection:
            lines = index_tables.lines(connection, state.number)
        found: dict[int, Index] = {}
        for line in lines:
            index = held.get(line.version)
            if index is None:
                space = Space(line.dimension, line.document_fingerprint, state.metric, state.settings.precision)
                record = IndexRecord(line.number, state.number, line.version, space, state.settings.analyser)
                index = self._make(record)
                index.lock = self._lock
                index.load(line.arrived, self.fields, Epochs(line.openings))
                index.holding = Holding(line.documents, state.documents - line.documents)
                index.complete_to = line.complete_to
            found[line.version] = index
        return found

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever writes."""
        return self._lock

    @property
    def number(self) -> int:
        return self._state.number

    @property
    def spec(self) -> CollectionSpec:
        """Dimension and fingerprint are of the current index."""
        return self._spec(self.index, self._state.name)

    def _spec(self, index: Index, name: str) -> CollectionSpec:
        space = index.record.space
        return CollectionSpec(name, space.dimension, self._state.metric, space.document_fingerprint)

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        return self._state.settings.fields

    @property
    def settings(self) -> CollectionSettings:
        return self._state.settings

    @property
    def index(self) -> Index:
        """The one that is searched and written to when nobody says which."""
        return self._version(None)

    @property
    def current(self) -> int:
        """The version of that one."""
        return self._state.current

    @property
    def indexes(self) -> Mapping[int, Index]:
        """By version."""
        return dict(self._indexes)

    def __len__(self) -> int:
        return self._state.documents

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The collection as it is now; takes constant time, and no later write changes it. Raises NotFound."""
        if self._unsure:
            self._make_sure()
        return self._version(version).snapshot()

    def at(self, version: int | None = None, *, name: str | None = None) -> VersionView:
        """The collection bound to that version of its index, or to the one that is current now. `name`: that its spec
        bears. Raises NotFound."""
        index = self._version(version)
        return VersionView(self, index, self._spec(index, name or self._state.name))

    def pinned(self) -> VersionView:
        """Bound to the version that is current now."""
        return self.at()

    def _version(self, version: int | None) -> Index:
        while True:
            indexes, wanted = self._indexes, self._state.current if version is None else version
            index = indexes.get(wanted)
            if index is not None:
                return index
            if version is not None:
                raise NotFound(
                    f"collection {self._state.name!r} has no index version {version}: it has "
                    f"{', '.join(map(str, sorted(indexes)))}"
                )
            # Another one became the current one, and this one was dropped, between the two looks.

    def _place_of(self, index: Index) -> _Place:
        """Where vectors go, as checks tell of it."""
        version = "" if index.record.version == self.current else f"index version {index.record.version} of "
        return {"space": index.record.space, "holder": f"{version}collection {self._state.name!r}"}

    def index_versions(self) -> list[IndexVersion]:
        """What each version has, by version."""
        return [index.describe() for _, index in sorted(self._indexes.items())]

    def create_index(self, dimension: int, document_fingerprint: str) -> int:
        """Another version of the index, of another model's vectors; return its number. It lacks every document until it
        is filled (`pending`, `fill`), and those that are written to others alone (`upsert`) until it is filled again.

        Raises InvalidInput when the dimension cannot be used or the fingerprint is empty; StoreError.
        """
        check_space(dimension, document_fingerprint, "index")
        state = self._state
        with self._writing():
            with self._database.writing() as connection:
                (version,) = connection.execute(
                    "UPDATE collections SET versions = versions + 1 WHERE number = ? RETURNING versions",
                    (state.number,),
                ).fetchone()
                index_tables.create(connection, state.number, version, dimension, document_fingerprint)
            self._indexes = self._opened(self._indexes)
        return int(version)

    def drop_index(self, version: int) -> None:
        """A search that holds a snapshot of it already finishes on it. Its number is not given again.

        Raises NotFound; InvalidInput when it is the current one, or an alias points to it; StoreError.
        """
        with self._writing():
            index = self._version(version)
            with self._database.writing() as connection:
                self._check_unused(connection, version)
                index_tables.drop(connection, index.record.number)
            index.discard()
            self._indexes = {key: each for key, each in self._indexes.items() if key != version}

    def _check_unused(self, connection: sqlite3.Connection, version: int) -> None:
        said = f"index version {version} of collection {self._state.name!r}"
        if version == self.current:
            raise InvalidInput(f"{said} is the current one: make another one current first, or drop the collection")
        pointing = index_tables.aliases_of(connection, self.number, version)
        if pointing:
            raise InvalidInput(f"{said} is what aliases point to ({', '.join(pointing)}): point them elsewhere first")

    def set_current(self, version: int, *, expected: int | None = None, force: bool = False) -> int:
        """Have that version searched and written to by default, in one durable step; return which one it was before.

        `expected`: the version that must be the current one, None: any. A call that was sent again after it had been
        taken is taken as done. Raises Conflict when another came first; NotFound; InvalidInput when the version lacks
        documents, unless `force`: they are not found then until they are filled in.
        """
        with self._writing():
            index, before = self._version(version), self.current
            if version == before:
                return before
            if expected not in (None, before):
                raise Conflict(
                    f"index version {before} of collection {self._state.name!r} is the current one, and {expected} was "
                    "expected: look again, and decide again"
                )
            if index.holding.pending and not force:
                raise InvalidInput(
                    f"index version {version} of collection {self._state.name!r} lacks {index.holding.pending} "
                    "documents: fill it first, or force it, and they will not be found until then"
                )
            with self._database.writing() as connection:
                connection.execute("UPDATE collections SET current = ? WHERE number = ?", (version, self.number))
                faults.passed("alias.written")
            faults.passed("alias.committed")
            self._state.current = version
        return before

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there.

        `keys`: of the writes that brought them (`Hit.key`); a document that was written again since is not that one.
        """
        with self._reading() as connection:
            found = documents_by_id(connection, self.number, ids)
        if keys is None:
            return [found[name][1] if name in found else None for name in ids]
        return [
            found[name][1] if name in found and key in (-1, found[name][0]) else None
            for name, key in zip(ids, keys, strict=True)
        ]

    def versions(self, ids: Sequence[str]) -> list[int]:
        """The version of each document, which every write of it raises; 0 for one that is not there."""
        with self._reading() as connection:
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
        also: Mapping[int, writes.IndexVectors] | None = None,
    ) -> UpsertCounts:
        """Add or replace, all or nothing; on the disk when it returns.

        `vectors`: float, one row a document or, with `spans`, one for each of a document's spans of its text, in order.
        `expected`: the version (see `versions`) that each document must have, 0: must not be there, None: any. A call
        that was sent again after it had been taken is taken as done. `version`: of the index that the vectors are of,
        None: the current one. `also`: vectors of further versions, in the same transaction. In those that get none the
        documents are missing until they are filled in.

        Raises InvalidInput on a duplicate, empty or unusable id, a wrong shape, NaN, infinity, a number that the
        precision cannot hold, metadata of another type than the field has; Conflict when a document has another
        version; StoreError when the disk does not take it. Nothing has changed then.
        """
        if expected is not None and len(expected) != len(documents):
            raise InvalidInput(f"{len(expected)} expected versions came with {len(documents)} documents: send one each")
        with self._writing():
            index = self._version(version)
            write = writes.checked(documents, vectors, spans, fields=self.fields, **self._place_of(index))
            given = {index: write}
            for other, more in (also or {}).items():
                each = self._version(other)
                if each in given:
                    raise InvalidInput(f"index version {other} is given vectors twice in one call: leave one out")
                given[each] = write.of(more, **self._place_of(each))
            return self._upsert(write, given, expected) if documents else UpsertCounts(0, 0)

    def _upsert(
        self, write: writes.Write, given: Mapping[Index, writes.Write], expected: Sequence[int | None] | None
    ) -> UpsertCounts:
        state, count = self._state, len(write.documents)
        first = state.sequence + 1
        batches = {index: each.batch(index.arrived + 1, first) for index, each in given.items()}
        sequence, tail_rows = state.sequence + count, {}
        with self._database.writing() as connection:
            faults.passed("ingest.begun")
            there = writes.stored(connection, state.number, [document.id for document in write.documents])
            replaced = sum(not each.deleted for each in there.values())
            added = count - replaced
            numbered = {index.record.number: each for index, each in given.items()}
            if expected is not None and writes.is_done(connection, state.number, numbered, expected, there):
                again = sum(each != 0 for each in expected)
                return UpsertCounts(added=len(expected) - again, replaced=again)
            gone = [each.key for each in there.values()]
            change = Change(connection, self._indexes.values(), gone, state.documents + added)
            writes.insert_documents(connection, state.number, write, first, there)
            for index, batch in batches.items():
                change.insert(connection, index, batch, count)
            change.record(connection, sequence)
            self._record(connection, sequence, write.fields, added)
            for index, batch in batches.items():
                tail_rows[index] = index.stage(batch, write.fields)
            faults.passed("ingest.written")
        faults.passed("ingest.committed")
        change.publish(tail_rows)
        state.settings = replace(state.settings, fields=write.fields)
        state.documents += added
        state.sequence = sequence
        self._wake()
        return UpsertCounts(added=added, replaced=replaced)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were. On the disk when it returns. Raises StoreError."""
        state = self._state
        with self._writing():
            with self._database.writing() as connection:
                faults.passed("ingest.begun")
                found = writes.stored(connection, state.number, dict.fromkeys(ids))
                there = {name: each for name, each in found.items() if not each.deleted}
                if not there:
                    return 0
                first, sequence = state.sequence + 1, state.sequence + len(there)
                numbers = [each.key for each in there.values()]
                change = Change(connection, self._indexes.values(), numbers, state.documents - len(there))
                connection.executemany(
                    f"INSERT INTO documents_{state.number} VALUES (?, ?, ?, 1, '', '', '{{}}')",
                    ((first + at, name, each.version + 1) for at, (name, each) in enumerate(there.items())),
                )
                change.record(connection, sequence)
                self._record(connection, sequence, self.fields, -len(there))
                faults.passed("ingest.written")
            faults.passed("ingest.committed")
            change.publish({})
            state.documents -= len(there)
            state.sequence = sequence
        self._wake()
        return len(there)

    def pending(self, version: int, limit: int, *, after: int = 0) -> list[tuple[int, Document]]:
        """Documents that an index lacks, those longest without first, with their keys for `fill`.

        `after`: only those with keys above it, so that several may fill at once. Raises NotFound, and InvalidInput when
        limit < 1.
        """
        index = self._version(version)
        with self._reading() as connection:
            found, complete_to = filling.pending(connection, index, limit, after)
        index.complete_to = max(index.complete_to, complete_to)
        return found

    def fill(
        self, version: int, keys: Sequence[int], vectors: NDArray[np.float32], *, spans: writes.Spans | None = None
    ) -> int:
        """Give an index vectors of documents that `pending` named; return how many were taken.

        A document that was written again or deleted since, or that is in the index already, is passed over: its vector
        is not of what it says now. Raises as `upsert` does.
        """
        with self._writing():
            index = self._version(version)
            with self._database.reading() as connection:
                wanted = filling.wanted(connection, index, keys)
            taken, write = filling.chosen(
                keys, wanted, writes.IndexVectors(vectors, spans), fields=self.fields, **self._place_of(index)
            )
            if write is None:
                return 0
            batch = write.batch(index.arrived + 1, 0)
            batch.documents = np.array([taken[place] for place, _, _ in write.rows], dtype=np.int64)
            with self._database.writing() as connection:
                change = Change(connection, [index], [], self._state.documents)
                change.insert(connection, index, batch, len(taken))
                change.record(connection, self._state.sequence)
                tail_rows = {index: index.stage(batch, write.fields)}
            change.publish(tail_rows)
        self._wake()
        return len(taken)

    def _record(self, connection: sqlite3.Connection, sequence: int, fields: MetadataSchema, more: int) -> None:
        state = self._state
        connection.execute(
            "UPDATE collections SET sequence = ?, documents = documents + ? WHERE number = ?",
            (sequence, more, state.number),
        )
        if fields != self.fields:
            settings = replace(state.settings, fields=fields).to_json()
            connection.execute("UPDATE collections SET settings = ? WHERE number = ?", (settings, state.number))

    # What may end at any line: in an error of the disk, for want of memory, by Ctrl-C

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The lock, and memory that says what the database says, before the block and after it, however it ends."""
        with self._lock:
            self._check_there()
            self._database.check_open()
            if self._unsure or self._in_progress:  # a second Ctrl-C, or a disk that could not be read, left it so
                self._settle()
            self._in_progress = True
            try:
                yield
            except BaseException:
                self._unsure = True
                with suppress(StoreError):  # whoever comes next tries again, and is told
                    self._settle()
                raise
            self._in_progress = False

    def _make_sure(self) -> None:
        """Wait for the write in progress, if there is one."""
        with self._lock:
            if self._unsure:
                self._settle()

    def _settle(self) -> None:
        """A write has ended in an error, perhaps after the database had taken it: what that says is so."""
        state, held = self._state, self._indexes
        with self._database.reading() as connection:
            sequence, documents, current, settings = connection.execute(
                "SELECT sequence, documents, current, settings FROM collections WHERE number = ?", (state.number,)
            ).fetchone()
            lines = {line.version: line for line in index_tables.lines(connection, state.number)}
            there = {version: index for version, index in held.items() if version in lines}
            taken = sequence != state.sequence or any(
                lines[version].arrived != index.arrived for version, index in there.items()
            )
            if taken:
                state.settings = CollectionSettings.from_json(settings)
            for version, index in there.items():
                if taken:
                    index.reload(connection, self.fields)
                else:
                    index.give_up()
                index.holding = Holding(lines[version].documents, documents - lines[version].documents)
            state.documents, state.sequence = documents, sequence
        for version in held.keys() - there.keys():
            held[version].discard()
        self._indexes = self._opened(there)
        state.current = current  # after the index that it is the version of
        self._unsure = self._in_progress = False

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._check_there()
        try:
            with self._database.reading() as connection:
                yield connection
        except StoreError:
            with self._lock:  # a drop that has been committed says so before it lets go of it
                self._check_there()
            raise

    def _check_there(self) -> None:
        if self._dropped:
            raise NotFound(f"collection {self._state.name!r} was deleted: get it again if it was made again")

    def discard(self) -> None:
        """The database has it no more: what belongs to it goes as soon as nobody is at work on it."""
        with self._lock:
            self._dropped = True
        for index in self._indexes.values():
            index.discard()

    def seal_due(self) -> bool:
        """Make a segment of a tail that is long enough; say whether there was any."""
        return any(index.wants_sealing() and index.seal() for index in self.indexes.values())

    def improve(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Mend or merge segments, or build a graph: one step of what is due; say whether there was any.

        `stopped`: asked meanwhile; merging or building is given up when it is true.
        """
        return any(
            index.mend() or index.merge(stopped) or index.build_graph(stopped) for index in self.indexes.values()
        )

    def keep_up(self) -> bool:
        """One step of all that is due, in this thread; say whether there was any."""
        return self.seal_due() or self.improve()

    def seal(self) -> None:
        """Make segments of all that is in tails now."""
        for index in self.indexes.values():
            index.seal()

    def heal(self) -> int:
        """Hold every segment against its checksums, and build again those that fail; say how many."""
        return sum(index.heal() for index in self.indexes.values())
