"""A collection on disk: documents, and one or several indexes of them, each of one model's vectors."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import Conflict, InvalidInput
from crossfade.store import documents as stored_documents
from crossfade.store import faults, filling, index_tables, lines, writes
from crossfade.store.changes import Change
from crossfade.store.checks import check_space
from crossfade.store.held import HeldCollection
from crossfade.store.index import Index
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Space
from crossfade.store.turns import in_turn
from crossfade.store.types import CollectionSettings, CollectionSpec, Document, IndexVersion, Snapshot, UpsertCounts
from crossfade.store.view import VersionView


class _Place(TypedDict):
    space: Space
    holder: str


class DurableCollection(HeldCollection):
    """Implements `crossfade.store.types.Collection`. Safe to use from many threads: searches never wait for writes."""

    @property
    def spec(self) -> CollectionSpec:
        """Dimension and fingerprint are of the current index."""
        return self._spec(self.index, self._state.name)

    def _spec(self, index: Index, name: str) -> CollectionSpec:
        space = index.record.space
        return CollectionSpec(name, space.dimension, self._state.metric, space.document_fingerprint)

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
        snapshot = self._version(version).snapshot()
        return replace(snapshot, incomplete=True) if self._damaged else snapshot

    def at(self, version: int | None = None, *, name: str | None = None) -> VersionView:
        """The collection bound to that version of its index, or to the one that is current now. `name`: that its spec
        bears. Raises NotFound."""
        index = self._version(version)
        return VersionView(self, index, self._spec(index, name or self._state.name))

    def pinned(self) -> VersionView:
        """Bound to the version that is current now."""
        return self.at()

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
                line = lines.one(connection, "collections", state.number)
                version = (line["versions"] if line else 0) + 1
                lines.change(connection, "collections", state.number, versions=version)
                index_tables.create(connection, state.number, version, dimension, document_fingerprint)
            self._indexes = self._opened(self._indexes)
        return version

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
                lines.change(connection, "collections", self.number, current=version)
                faults.passed("alias.written")
            faults.passed("alias.committed")
            self._state.current = version
        return before

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there.

        `keys`: of the writes that brought them (`Hit.key`); a document that was written again since is not that one,
        and None stands for one that is damaged too: snapshots say from then on that they are incomplete. Without keys
        a damaged one raises Damaged.
        """
        with self._reading() as connection:
            found = stored_documents.by_id(connection, self.number, ids)
            if found.damaged:
                self._met_damaged(found.damaged)
                if keys is None:
                    raise stored_documents.damage(connection, self.number, found.damaged)
        there = found.there
        return [
            there[name].document() if name in there and key in (-1, there[name].key) else None
            for name, key in zip(ids, [-1] * len(ids) if keys is None else keys, strict=True)
        ]

    def versions(self, ids: Sequence[str]) -> list[int]:
        """The version of each document, which every write of it raises; 0 for one that is not there. What comes under
        the id of one that was deleted has a greater one than that ever had. Raises Damaged."""
        with self._reading() as connection:
            found = stored_documents.standing(connection, self.number, ids)
            if found.damaged:
                self._met_damaged(found.damaged)
                raise stored_documents.damage(connection, self.number, found.damaged)
        return [found.there[name].version if name in found.there else 0 for name in ids]

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
        version, Damaged when one is expected and cannot be read; StoreError when the disk does not take it, or not the
        segments that rows in memory wait to become (`StoreSettings.unsealed_rows`). Nothing has changed then. One that
        is damaged is replaced as any other where no version is expected.
        """
        if expected is not None and len(expected) != len(documents):
            raise InvalidInput(f"{len(expected)} expected versions came with {len(documents)} documents: send one each")
        self._make_room()
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

    def _make_room(self) -> None:
        """Before more rows come: where too many are in memory, make segments of them. Raises StoreError when the disk
        does not take it; nothing has been written then."""
        self._check_there()
        self._database.check_open()
        for index in self._indexes.values():
            while index.is_crowded and index.seal(lambda: self._database.is_closing):
                pass

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
            replaced = len(there)
            added = count - replaced
            numbered = {index.record.number: each for index, each in given.items()}
            if expected is not None and writes.is_done(connection, state.number, numbered, expected, there):
                again = sum(each != 0 for each in expected)
                return UpsertCounts(added=len(expected) - again, replaced=again)
            gone = [each.key for each in there.values()]
            change = Change(connection, self._indexes.values(), gone, state.documents + added)
            writes.insert_documents(connection, state.number, write, first, there, state.version_floor)
            for index, batch in batches.items():
                change.insert(connection, index, batch, count)
            change.record(connection, sequence)
            self._record(connection, sequence, write.fields, added, state.version_floor)
            for index, batch in batches.items():
                tail_rows[index] = index.stage(batch, write.fields)
            faults.passed("ingest.written")
        faults.passed("ingest.committed")
        change.publish(tail_rows)
        state.settings = replace(state.settings, fields=write.fields)
        state.documents += added
        state.sequence = sequence
        self._not_damaged(gone)
        self._wake()
        return UpsertCounts(added=added, replaced=replaced)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were. On the disk when it returns. Raises StoreError."""
        state = self._state
        with self._writing():
            with self._database.writing() as connection:
                faults.passed("ingest.begun")
                there = writes.stored(connection, state.number, dict.fromkeys(ids))
                if not there:
                    return 0
                sequence = state.sequence + len(there)
                gone = [each.key for each in there.values()]
                # Above every version that these ids have had: their own, or where that cannot be read, any at all.
                last = [sequence if each.version is None else each.version + 1 for each in there.values()]
                floor = max(state.version_floor, *last)
                change = Change(connection, self._indexes.values(), gone, state.documents - len(there))
                change.record(connection, sequence)
                self._record(connection, sequence, self.fields, -len(there), floor)
                faults.passed("ingest.written")
            faults.passed("ingest.committed")
            change.publish({})
            state.documents -= len(there)
            state.sequence, state.version_floor = sequence, floor
            self._not_damaged(gone)
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
        self._make_room()
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

    def _record(
        self, connection: sqlite3.Connection, sequence: int, fields: MetadataSchema, more: int, floor: int
    ) -> None:
        state = self._state
        changes: dict[str, int | str] = {
            "sequence": sequence,
            "documents": state.documents + more,
            "version_floor": floor,
        }
        if fields != self.fields:
            changes["settings"] = replace(state.settings, fields=fields).to_json()
        lines.change(connection, "collections", state.number, **changes)

    def seal_due(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Make a segment of a tail that is long enough; say whether there was any. `stopped`: as of `improve`."""
        return any(index.wants_sealing() and index.seal(stopped) for index in self.indexes.values())

    @property
    def wants_mending(self) -> bool:
        """Whether rows are not found that might be."""
        return any(index.wants_mending for index in self.indexes.values())

    def mend(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Build a segment again that is missing; say whether there was any. `stopped`: as of `improve`."""
        return in_turn(partial(index.mend, stopped) for index in self.indexes.values())

    def improve(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Merge segments, or build a graph: one step of what is due; say whether there was any.

        `stopped`: asked meanwhile; merging or building is given up when it is true.
        """
        return in_turn(
            partial(step, stopped) for index in self.indexes.values() for step in (index.merge, index.build_graph)
        )

    def keep_up(self) -> bool:
        """One step of all that is due, in this thread; say whether there was any."""
        return self.seal_due() or self.mend() or self.improve()

    def seal(self) -> None:
        """Make segments of all that is in tails now."""
        for index in self.indexes.values():
            index.seal_all()

    def heal(self) -> int:
        """Hold every segment against its checksums, and build again those that fail; say how many."""
        return sum(index.heal() for index in self.indexes.values())

    def heal_rows(self) -> int:
        """Read every vector that the database has, and mend damaged ones from segments that have a proven copy; say how
        many were."""
        return sum(index.heal_rows() for index in self.indexes.values())
