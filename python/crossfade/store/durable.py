"""The embedded store on disk: what it has acknowledged is there after a crash, and searches never wait for writes.

A write goes to the database first, in one transaction, and is found when that is on the disk. Segments follow in the
background; deleting them costs time, and nothing else.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from crossfade.errors import AlreadyExists, NotFound, StoreError
from crossfade.store import schema
from crossfade.store.backup import write_whole
from crossfade.store.checks import check_spec
from crossfade.store.collection import CollectionState, DurableCollection
from crossfade.store.database import FILE, Database
from crossfade.store.index import Epochs, Index, IndexRecord
from crossfade.store.segment import Space
from crossfade.store.settings import StoreSettings
from crossfade.store.types import Collection, CollectionSettings, CollectionSpec
from crossfade.store.upkeep import Upkeep

SEGMENTS = "segments"


class DurableStore:
    """Named collections in a directory; implements `crossfade.store.types.Store`. One process at a time."""

    def __init__(self, directory: Path, settings: StoreSettings | None = None, *, upkeep: bool = True) -> None:
        """Opens the store, or makes it. `upkeep`: seal and merge in the background. Raises StoreError when that cannot
        be done."""
        self._directory = Path(directory)
        self._settings = settings or StoreSettings()
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
        self.database.close()

    def __enter__(self) -> DurableStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> None:
        with self.database.writing() as connection:
            for number, arrived in connection.execute("SELECT number, arrived FROM indexes").fetchall():
                _begin_epoch(connection, number, arrived)
        with self.database.reading() as connection:
            known = {number for (number,) in connection.execute("SELECT number FROM indexes")}
        self._remove_orphans(known)
        self._collections = self._as_stored()

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
            records = connection.execute(
                "SELECT number, name, metric, sequence, documents, current, settings FROM collections"
            ).fetchall()
        found: dict[str, DurableCollection] = {}
        for number, name, metric, sequence, documents, current, settings in records:
            held = self._collections.get(name)
            if held is None or held.number != number:
                kept = CollectionSettings.from_json(settings)
                held = self._collection(CollectionState(number, name, metric, sequence, documents, current, kept))
            found[name] = held
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
        self._unsure = False
        for name, collection in held.items():
            if self._collections.get(name) is not collection:
                collection.discard()

    def _collection(self, state: CollectionState) -> DurableCollection:
        with self.database.reading() as connection:
            indexes = connection.execute(
                "SELECT number, version, dimension, document_fingerprint, arrived FROM indexes WHERE collection = ?",
                (state.number,),
            ).fetchall()
            openings: dict[int, list[tuple[int, str]]] = {}
            for number, arrived, token in connection.execute('SELECT "index", arrived, token FROM epochs'):
                openings.setdefault(number, []).append((arrived, token))
        made: dict[int, Index] = {}
        for number, version, dimension, fingerprint, arrived in indexes:
            space = Space(dimension, fingerprint, state.metric)
            record = IndexRecord(number, state.number, version, space, state.settings.analyser)
            made[version] = self._index(record)
            made[version].load(arrived, state.settings.fields, Epochs(openings.get(number, ())))
        return DurableCollection(self.database, state, made, self.upkeep.wake)

    def _index(self, record: IndexRecord) -> Index:
        return Index(self.database, self._directory / SEGMENTS / str(record.number), record, self._settings)

    def _remove_orphans(self, known: set[int]) -> None:
        """Segments of indexes that are gone."""
        parent = self._directory / SEGMENTS
        for path in parent.iterdir() if parent.is_dir() else ():
            if path.name.isdigit() and int(path.name) not in known:
                shutil.rmtree(path, ignore_errors=True)

    def create(self, spec: CollectionSpec, settings: CollectionSettings | None = None) -> DurableCollection:
        """`settings`: fields declared ahead, and the analyser of texts.

        Raises AlreadyExists when the name is taken, InvalidInput when name or dimension cannot be used.
        """
        check_spec(spec)
        settings = settings or CollectionSettings()
        with self._changing():
            if spec.name in self._collections:
                raise AlreadyExists(f"collection {spec.name!r} exists already: delete it first or choose another name")
            with self.database.writing() as connection:
                number = connection.execute(
                    "INSERT INTO collections (name, metric, sequence, documents, current, settings) "
                    "VALUES (?, ?, 0, 0, 1, ?)",
                    (spec.name, spec.metric, settings.to_json()),
                ).lastrowid
                index = connection.execute(
                    "INSERT INTO indexes (collection, version, dimension, document_fingerprint, arrived, complete_to, "
                    "settings) VALUES (?, 1, ?, ?, 0, 0, '{}')",
                    (number, spec.dimension, spec.document_fingerprint),
                ).lastrowid
                if number is None or index is None:
                    raise StoreError("the database gave no number to a new collection: it is damaged")
                connection.execute(schema.DOCUMENTS.format(number=number))
                for statement in schema.ROWS.format(number=index).split(";"):
                    connection.execute(statement)
                _begin_epoch(connection, index, 0)
            collection = self._collection(CollectionState(number, spec.name, spec.metric, 0, 0, 1, settings))
            self._collections = {**self._collections, spec.name: collection}
        return collection

    def get(self, name: str) -> DurableCollection:
        """Raises NotFound, naming the collections there are."""
        collection = self._collections.get(name)
        if collection is None and self._unsure:
            with self._lock:
                if self._unsure:
                    self._settle()
            collection = self._collections.get(name)
        if collection is None:
            raise self._not_found(name)
        return collection

    def drop(self, name: str) -> None:
        """Raises NotFound. A search that holds a snapshot already finishes on it."""
        with self._changing():
            collection = self._collections.get(name)
            if collection is None:
                raise self._not_found(name)
            with collection.lock:
                with self.database.writing() as connection:
                    for index in collection.indexes.values():
                        connection.execute(f"DROP TABLE rows_{index.record.number}")
                        connection.execute('DELETE FROM epochs WHERE "index" = ?', (index.record.number,))
                    connection.execute(f"DROP TABLE documents_{collection.number}")
                    for table in ("aliases", "indexes"):
                        connection.execute(f"DELETE FROM {table} WHERE collection = ?", (collection.number,))
                    connection.execute("DELETE FROM collections WHERE number = ?", (collection.number,))
                self._collections = {key: value for key, value in self._collections.items() if key != name}
            collection.discard()

    def all(self) -> Sequence[DurableCollection]:
        """In no order."""
        return tuple(self._collections.values())

    def list(self) -> list[Collection]:
        """Sorted by name."""
        collections = self._collections
        return [collections[name] for name in sorted(collections)]

    def backup(self, target: Path) -> None:
        """A copy of the store as it is now, in a new directory, made while others write. Segments are not in it: they
        are built again when it is opened. Raises InvalidInput when the target is there, StoreError when it cannot be
        written.
        """
        write_whole(target, self.database.backup, what="backup")

    def _not_found(self, name: str) -> NotFound:
        names = sorted(self._collections)
        if not names:
            return NotFound(f"no collection {name!r}: there is none yet, create it first")
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        return NotFound(f"no collection {name!r}: there are {shown}")


def _begin_epoch(connection: sqlite3.Connection, index: int, arrived: int) -> None:
    """A token for the rows that follow. One that no row has is replaced."""
    token = secrets.token_hex(8)
    connection.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (index, arrived, token))
