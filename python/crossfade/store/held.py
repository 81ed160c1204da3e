"""What memory holds of a collection on disk, and how it is kept to what the database says.

What ends half-way, in an error of the disk, for want of memory or by Ctrl-C at any line, is settled by asking the
database before the next write.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from crossfade.errors import NotFound, StoreError
from crossfade.store import index_tables, lines
from crossfade.store.database import Database
from crossfade.store.index import Index
from crossfade.store.index_record import Epochs, Holding, IndexRecord
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Space
from crossfade.store.types import CollectionSettings, Metric

log = logging.getLogger(__name__)


@dataclass(slots=True)
class CollectionState:
    """What the database says of a collection. `sequence`: the key of the last document that was written, or the
    number of the last that was deleted. `version_floor`: versions of new documents start above it (see `schema`)."""

    number: int
    name: str
    metric: Metric
    sequence: int
    documents: int
    current: int
    settings: CollectionSettings
    version_floor: int = 0

    @classmethod
    def of(cls, line: lines.Line) -> CollectionState:
        """A line of the database."""
        return cls(
            line["number"],
            line["name"],
            line["metric"],
            line["sequence"],
            line["documents"],
            line["current"],
            CollectionSettings.from_json(line["settings"]),
            line["version_floor"],
        )


class HeldCollection:
    """Of one collection. Those who change it hold its lock, and do it within `_writing`."""

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
        self._damaged: Mapping[int, str] = {}  # ids of documents that were met damaged, by their keys; replaced whole
        self._indexes = self._opened({})  # replaced, never changed: who searches looks without the lock

    def _opened(self, held: Mapping[int, Index]) -> dict[int, Index]:
        """What indexes the database has, by version: those that are in memory already, and the others read."""
        state = self._state
        with self._database.reading() as connection:
            told = index_tables.lines(connection, state.number)
        found: dict[int, Index] = {}
        for line in told:
            index = held.get(line.version)
            if index is None:
                space = Space(line.dimension, line.document_fingerprint, state.metric, state.settings.precision)
                kept = state.settings
                record = IndexRecord(line.number, state.number, line.version, space, kept.analyser, kept.hnsw)
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
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        return self._state.settings.fields

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
            line = lines.one(connection, "collections", state.number)
            if line is None:
                raise NotFound(f"collection {state.name!r} was deleted")
            said = CollectionState.of(line)
            told = {each.version: each for each in index_tables.lines(connection, state.number)}
            there = {version: index for version, index in held.items() if version in told}
            taken = said.sequence != state.sequence or any(
                told[version].arrived != index.arrived for version, index in there.items()
            )
            if taken:
                state.settings = said.settings
            for version, index in there.items():
                if taken:
                    index.reload(connection, self.fields)
                else:
                    index.give_up()
                index.holding = Holding(told[version].documents, said.documents - told[version].documents)
            state.documents, state.sequence, state.version_floor = said.documents, said.sequence, said.version_floor
        for version in held.keys() - there.keys():
            held[version].discard()
        self._indexes = self._opened(there)
        state.current = said.current  # after the index that it is the version of
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

    def _met_damaged(self, documents: Mapping[str, int]) -> None:
        """Remember documents, id -> key, that do not say what was written: searches say from now on that they are
        incomplete, until these are written again or deleted."""
        more = {key: name for name, key in documents.items() if key not in self._damaged}
        for name in more.values():
            log.error("document %r of collection %r is damaged in the database", name, self._state.name)
        if more:
            self._damaged = {**self._damaged, **more}

    def _not_damaged(self, keys: Iterable[int]) -> None:
        """These were written again or deleted."""
        if self._damaged:
            gone = set(keys)
            self._damaged = {key: name for key, name in self._damaged.items() if key not in gone}
