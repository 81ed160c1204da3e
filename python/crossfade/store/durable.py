"""The embedded store on disk: what it has acknowledged is there after a crash, and searches never wait for writes.

A write goes to the database first, in one transaction, and is found when that is on the disk. Segments follow in the
background; deleting them costs time, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from crossfade.errors import AlreadyExists, NotFound, StoreError
from crossfade.files import entries, remove_tree
from crossfade.store import index_tables, lines, schema
from crossfade.store.aliases import Alias, Aliases
from crossfade.store.backup import check_rows, write_whole
from crossfade.store.checks import check_spec
from crossfade.store.collection import DurableCollection
from crossfade.store.collection_copy import Copied
from crossfade.store.database import FILE, Database
from crossfade.store.held import CollectionState
from crossfade.store.index import Index
from crossfade.store.index_record import IndexRecord
from crossfade.store.restoring import restore_into
from crossfade.store.settings import StoreSettings
from crossfade.store.types import Collection, CollectionSettings, CollectionSpec
from crossfade.store.upkeep import Upkeep
from crossfade.store.view import VersionView

SEGMENTS = "segments"


class DurableStore:
    """Named collections in a directory; implements `crossfade.store.types.Store`. One process at a time."""

    def __init__(self, directory: Path, settings: StoreSettings | None = None, *, upkeep: bool = True) -> None:
        """Opens the store, or makes it. `upkeep`: seal and merge in the background. Raises StoreError when that cannot
        be done."""
        self._directory = Path(directory)
        self._settings = settings or StoreSettings()
        self._upkeep_runs = upkeep
        self._lock = threading.Lock()
        self._unsure = False  # whether memory holds the collections that the database does
        self._check_not_emptied()
        self.database = Database(self._directory)
        self._collections: dict[str, DurableCollection] = {}
        self.upkeep = Upkeep(self)
        try:
            self._load()
        except BaseException:
            self.database.close()
            raise
        if upkeep:
            self.upkeep.start()

    @property
    def settings(self) -> StoreSettings:
        return self._settings

    def close(self) -> None:
        """Writes in progress end first; what is in tails is read from the database again when it is opened."""
        self.upkeep.stop()
        self.database.begin_close()
        for collection in self.all():
            for index in collection.indexes.values():
                index.wait()  # for a writer that makes a segment: its files would be another process's by then
        self.database.close()

    def __enter__(self) -> DurableStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> None:
        with self.database.writing() as connection:
            for line in lines.read(connection, "indexes"):
                index_tables.begin_epoch(connection, line["number"], line["arrived"])
        with self.database.reading() as connection:
            known = {number for (number,) in connection.execute("SELECT number FROM indexes")}
        self._remove_orphans(known)
        self._collections = self._as_stored()
        self._aliases = Aliases(self.database)

    def _check_not_emptied(self) -> None:
        """An empty database would be made anew, and everything derived from the lost one removed: that is for a person
        to decide. (SQLite throws a log away when its database is empty.)"""
        file, segments = self._directory / FILE, self._directory / SEGMENTS
        try:
            if file.exists() and file.stat().st_size:
                return
            log = self._directory / f"{FILE}-wal"
            left = [segments] if segments.is_dir() and any(segments.iterdir()) else []
            left += [log] if log.exists() and log.stat().st_size else []
        except OSError:  # the database says what it is
            return
        if left:
            raise StoreError(
                f"{file} is {'empty' if file.exists() else 'missing'}, and there is {left[0]} of a database that was "
                "there: restore the last backup, or name another directory for a new store"
            )

    def _as_stored(self) -> dict[str, DurableCollection]:
        """What the database holds: those that are in memory already, and the others opened."""
        with self.database.reading() as connection:
            states = [CollectionState.of(line) for line in lines.read(connection, "collections")]
        found: dict[str, DurableCollection] = {}
        for state in states:
            held = self._collections.get(state.name)
            if held is None or held.number != state.number:
                held = self._collection(state)
            found[state.name] = held
        return found

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The lock, and memory that holds what the database does, however the block ends: a call may fail after the
        database has taken it."""
        with self._lock:
            if self._unsure:
                self._settle()
            self._unsure = True
            try:
                yield
            except BaseException:
                with suppress(StoreError):  # whoever comes next tries again, and is told
                    self._settle()
                raise
            self._unsure = False

    def _settle(self) -> None:
        held, self._collections = self._collections, self._as_stored()
        self._aliases.read()
        self._unsure = False
        for name, collection in held.items():
            if self._collections.get(name) is not collection:
                collection.discard()

    def _collection(self, state: CollectionState) -> DurableCollection:
        return DurableCollection(self.database, state, make=self._index, wake=self.upkeep.wake)

    def _index(self, record: IndexRecord) -> Index:
        directory = self._directory / SEGMENTS / str(record.number)
        return Index(self.database, directory, record, self._settings, upkeep=self._upkeep_runs)

    def _remove_orphans(self, known: set[int]) -> None:
        """Segments of indexes that are gone."""
        for path in entries(self._directory / SEGMENTS):
            if path.name.isdigit() and int(path.name) not in known:
                remove_tree(path)

    def create(self, spec: CollectionSpec, settings: CollectionSettings | None = None) -> DurableCollection:
        """`settings`: fields declared ahead, the analyser of texts, how vectors are held and graphs built.

        Raises AlreadyExists when a collection or an alias has the name, InvalidInput when name or dimension cannot be
        used.
        """
        check_spec(spec)
        settings = settings or CollectionSettings()
        with self._changing():
            if spec.name in self._collections:
                raise AlreadyExists(f"collection {spec.name!r} exists already: delete it first or choose another name")
            alias = self._aliases.get(spec.name)
            if alias is not None:
                raise AlreadyExists(f"{spec.name!r} is an alias of {alias}: drop it first or choose another name")
            with self.database.writing() as connection:
                line = {
                    "name": spec.name,
                    "metric": spec.metric,
                    "sequence": 0,
                    "documents": 0,
                    "current": 1,
                    "versions": 1,
                    "settings": settings.to_json(),
                    "version_floor": 0,
                }
                number = lines.insert(connection, "collections", line)
                connection.execute(schema.DOCUMENTS.format(number=number))
                index_tables.create(connection, number, 1, spec.dimension, spec.document_fingerprint)
            collection = self._collection(CollectionState(number, spec.name, spec.metric, 0, 0, 1, settings))
            self._collections = {**self._collections, spec.name: collection}
        return collection

    def get(self, name: str) -> DurableCollection | VersionView:
        """A collection by its name; by an alias, the version of one that it points to. Raises NotFound, naming the
        collections there are."""
        while True:
            alias = self._aliases.get(name)
            if name in self._collections or alias is None:
                return self.collection(name)
            collection = self._collections.get(alias.collection)
            try:
                if collection is not None:
                    return collection.at(alias.version, name=name)
            except NotFound:
                pass
            # It was pointed elsewhere, and what it had pointed to was dropped, between the two looks.
            if self._aliases.get(name) is alias and alias.collection not in self._collections:
                raise self._not_found(name)

    def collection(self, name: str) -> DurableCollection:
        """By its own name, for those who change it. Raises NotFound, also for an alias."""
        collection = self._collections.get(name)
        # Not while somebody changes them: what he makes is not there yet, and a drop may take minutes.
        if collection is None and self._unsure and self._lock.acquire(blocking=False):
            try:
                if self._unsure:
                    self._settle()
            finally:
                self._lock.release()
            collection = self._collections.get(name)
        if collection is None:
            raise self._not_found(name)
        return collection

    def set_alias(
        self, name: str, collection: str, version: int | None = None, *, expected_revision: int | None = None
    ) -> Alias:
        """Point an alias to an index version of a collection (None: to whichever is its current one), or make it. One
        durable step: every `get` sees either the old or the new one.

        `expected_revision`: that it must have, 0: it must not be there, None: any. A call that was sent again after it
        had been taken is taken as done. Raises Conflict when another came first, NotFound when there is no such
        collection or version, AlreadyExists when a collection has the name, InvalidInput for one that cannot be used.
        """
        with self._lock:
            return self._aliases.set(name, collection, version, expected_revision)

    def drop_alias(self, name: str, *, expected_revision: int | None = None) -> None:
        """What it pointed to stays. Raises NotFound, and Conflict when it has another revision."""
        with self._lock:
            self._aliases.drop(name, expected_revision)

    def aliases(self) -> Sequence[Alias]:
        """Sorted by name."""
        return self._aliases.all()

    def drop(self, name: str) -> None:
        """And the aliases that point to it. Raises NotFound. A search that holds a snapshot already finishes on it."""
        with self._changing():
            collection = self._collections.get(name)
            if collection is None:
                raise self._not_found(name)
            with collection.lock:
                with self.database.writing() as connection:
                    connection.execute("DELETE FROM aliases WHERE collection = ?", (collection.number,))
                    for index in collection.indexes.values():
                        index_tables.drop(connection, index.record.number)
                    connection.execute(f"DROP TABLE documents_{collection.number}")
                    connection.execute("DELETE FROM collections WHERE number = ?", (collection.number,))
                collection.discard()
                self._collections = {key: value for key, value in self._collections.items() if key != name}
                self._aliases.read()

    def all(self) -> Sequence[DurableCollection]:
        """In no order."""
        return tuple(self._collections.values())

    def list(self) -> list[Collection]:
        """Sorted by name."""
        collections = self._collections
        return [collections[name] for name in sorted(collections)]

    def backup(self, target: Path, *, with_damage: bool = False) -> None:
        """A copy of the store as it is now, in a new directory, made while others write. Segments are not in it: they
        are built again when it is opened. Raises as `crossfade.store.backup.backup_of`.
        """

        def copy(path: Path) -> None:
            self.database.backup(path)
            if not with_damage:
                check_rows(path, f"the store {self._directory}")

        write_whole(target, copy, like=self.database.path, what="backup")

    def restore_collections(
        self, backup: Path, names: Mapping[str, str], *, with_damage: bool = False
    ) -> Sequence[Copied]:
        """Take collections out of a backup while searches go on; writes wait. `names`: those of the backup, and what
        they are called here. Raises as `crossfade.store.restoring.restore_collections`.
        """
        with self._changing():
            made = restore_into(self.database, backup, names, with_damage=with_damage)
            self._collections = self._as_stored()
            self._aliases.read()
        return made

    def _not_found(self, name: str) -> NotFound:
        names = sorted(self._collections)
        alias = self._aliases.get(name)
        if alias is not None:
            return NotFound(f"no collection {name!r}: it is an alias of {alias}; name the collection itself")
        if not names:
            return NotFound(f"no collection {name!r}: there is none yet, create it first")
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        return NotFound(f"no collection {name!r}: there are {shown}")
