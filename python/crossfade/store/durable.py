"""The embedded store on disk: what it has acknowledged is there after a crash, and searches never wait for writes.

A write goes to the database first, in one transaction, and is found when that is on the disk. Segments follow in the
background; deleting them costs time, and nothing else.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from crossfade.errors import AlreadyExists, InvalidInput, NotFound, StoreError
from crossfade.store import schema
from crossfade.store.checks import check_spec
from crossfade.store.collection import CollectionState, DurableCollection
from crossfade.store.database import Database
from crossfade.store.index import Epochs, Index, IndexRecord
from crossfade.store.segment import Space, sync_directory
from crossfade.store.settings import CollectionSettings, StoreSettings
from crossfade.store.types import Collection, CollectionSpec
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
            records = connection.execute(
                "SELECT number, name, metric, sequence, documents, current, settings FROM collections"
            ).fetchall()
            known = {number for (number,) in connection.execute("SELECT number FROM indexes")}
        self._remove_orphans(known)
        for number, name, metric, sequence, documents, current, settings in records:
            kept = CollectionSettings.from_json(settings)
            state = CollectionState(number, name, metric, sequence, documents, current, kept)
            self._collections[name] = self._collection(state)

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
            space = Space(dimension, fingerprint, state.metric, state.settings.precision)
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
        """`settings`: fields declared ahead, the analyser of texts, and how vectors are held.

        Raises AlreadyExists when the name is taken, InvalidInput when name or dimension cannot be used.
        """
        check_spec(spec)
        settings = settings or CollectionSettings()
        with self._lock:
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
        if collection is None:
            raise self._not_found(name)
        return collection

    def drop(self, name: str) -> None:
        """Raises NotFound. A search that holds a snapshot already finishes on it."""
        with self._lock:
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
            for index in collection.indexes.values():
                shutil.rmtree(index.directory, ignore_errors=True)

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
        target = Path(target)
        if target.exists():
            raise InvalidInput(f"{target} is there already: name a directory that is not")
        building = target.with_name(f".{target.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        try:
            building.mkdir(parents=True)
            self.database.backup(building / self.database.path.name)
            descriptor = os.open(building / self.database.path.name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_directory(building)
            building.rename(target)
            sync_directory(target.parent)
        except OSError as error:
            raise StoreError(f"the backup {target} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

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
