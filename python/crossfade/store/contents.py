"""What one version of a collection's index holds: segments, a tail, and what of the database's rows is in neither.

Everything here is made from the database, and can be made again. What may be searched is a `State`, which is replaced
whole; all that replaces it holds the collection's lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError, InvalidInput, NotFound, StoreError
from crossfade.files import check_descriptors, entries, remove_tree
from crossfade.store import graphs, lines
from crossfade.store.database import Database
from crossfade.store.index_record import Epochs, Holding, IndexRecord
from crossfade.store.live import Live
from crossfade.store.mending import mended
from crossfade.store.metadata import MetadataSchema
from crossfade.store.reading import damaged_among, fields_of, row_keys, rows_of_range
from crossfade.store.segment import Range, RowBatch, Segment, Span
from crossfade.store.segment_writer import clean, write_segment, write_tail
from crossfade.store.settings import StoreSettings
from crossfade.store.state import Entry, Missing, Open, Sealed, State
from crossfade.store.tail import Tail
from crossfade.store.types import IndexVersion, Snapshot

log = logging.getLogger(__name__)

# Checksums are worked out, and disks read, without the interpreter's lock.
_OPENING_THREADS = min(8, os.cpu_count() or 1)


# How many times as many rows, or characters, as may wait are read into memory when a store is opened.
_TIMES = 2


class GivenUp(Exception):
    """Of a segment in the making, because nobody wants it any more."""


class IndexContents:
    """Its methods that write are called with the collection's lock held."""

    def __init__(
        self, database: Database, directory: Path, record: IndexRecord, settings: StoreSettings, *, upkeep: bool = False
    ) -> None:
        """`upkeep`: somebody calls `mend` before long."""
        self.record = record
        self._upkeep = upkeep
        self.lock = threading.RLock()  # the collection puts its own in its place
        self._database = database
        self._directory = directory
        self._settings = settings
        # The tail becomes a segment while segments are merged and get graphs: that may take minutes.
        self._sealing = threading.Lock()
        self._improving = threading.Lock()
        self._removing = threading.Lock()
        self._not_mended: set[Sealed | Missing] = set()
        """What is hidden still after a try, since the disk or the database did not give it."""
        self._state = State((Entry(Open(self._new_tail(), 0, 0), Live.all(0)),))
        self.arrived = 0
        """The key of the last row that there ever was: the next gets the next one."""
        self.holding = Holding()
        self.complete_to = 0
        """It holds every document that is there with a key up to this."""
        self._epochs = Epochs(())
        self._gone = False
        self._lost: frozenset[int] = frozenset()
        """Keys of rows that the database has and that nothing else holds, as they or their documents are damaged."""

    def _new_tail(self) -> Tail:
        return Tail(self.record.space.dimension, self.record.analyser)

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def state(self) -> State:
        return self._state

    def snapshot(self) -> Snapshot:
        """The index as it is now; takes constant time."""
        # Looked at on both sides: while `publish` makes it more or less, rather too many are said to be lacking.
        before = self.holding.pending
        state = self._state
        incomplete = state.incomplete or bool(self._lost)
        return Snapshot(state.parts, incomplete=incomplete, pending=max(before, self.holding.pending))

    # Opening

    def load(self, arrived: int, schema: MetadataSchema, epochs: Epochs) -> None:
        """Take what segments there are, and read or build the rest from the database. `arrived`: the last key.

        Where there are some, and upkeep, they are searched before the others are built, and snapshots say that they are
        incomplete. Where there are none nothing could be searched: it takes as long as to build all. What the disk does
        not take can be searched later, and is no reason not to open the rest.
        """
        self._epochs = epochs
        self.arrived = arrived
        clean(self._directory)
        with self._database.reading() as connection:
            alive = row_keys(connection, self.record.number)
        segments = self._usable_segments(arrived, alive)
        entries: list[Entry] = []
        low = 0
        for segment in segments:
            if low < segment.range.low:
                entries.append(self._lacking(Range(low, segment.range.low), alive, later=True))
            entries.append(self._entry(segment, alive))
            low = segment.range.high
        # Who writes is at that bound, and a call beyond it: what was found before is found at once.
        tails = self._in_memory(Range(low, arrived), schema, alive[alive > low])
        if tails is None:
            entries.append(self._lacking(Range(low, arrived), alive, later=bool(segments)))
            tails = [Entry(Open(self._new_tail(), 0, arrived), Live.all(0))]
        self._state = State((*entries, *tails))

    def _in_memory(self, span: Range, schema: MetadataSchema, alive: NDArray[np.int64]) -> list[Entry] | None:
        """Tails of the rows with those keys; the last takes what comes next. None for more than may be in memory."""
        made = [Open(self._new_tail(), 0, span.low)]
        if len(alive) > _TIMES * self._settings.unsealed_rows:
            return None
        with self._database.reading() as connection:
            for read in self._rows(connection, span, []):
                last, batch = made[-1], read
                if self._is_long(last):
                    # Rows of a document are in one part.
                    more, batch = batch.split(int(np.argmax([*(batch.documents != last.documents[-1]), True])))
                    last.rows = last.tail.extend(more, schema)
                    if len(batch):
                        last = Open(self._new_tail(), 0, int(last.keys[-1]))
                        made.append(last)
                last.rows = last.tail.extend(batch, schema)
                if sum(each.tail.characters for each in made) > _TIMES * self._most_characters:
                    return None
        self._lose_all_but(np.concatenate([each.keys for each in made]), alive)
        return [Entry(each, Live.all(each.rows)) for each in made]

    def _usable_segments(self, arrived: int, alive: NDArray[np.int64]) -> list[Segment]:
        """Segments that fit together, the widest first where several hold the same; others are removed."""
        usable = partial(self._usable, arrived=arrived, alive=alive)
        with ThreadPoolExecutor(_OPENING_THREADS, "crossfade-open") as pool:
            found = [segment for segment in pool.map(usable, entries(self._directory)) if segment is not None]
        found.sort(key=lambda segment: (segment.range.low, -segment.range.high))
        chosen: list[Segment] = []
        for segment in found:
            if chosen and segment.range.low < chosen[-1].range.high:
                # A merge was cut short before it removed what it was made of.
                remove_tree(segment.directory)
            else:
                chosen.append(segment)
        return chosen

    def _usable(self, path: Path, *, arrived: int, alive: NDArray[np.int64]) -> Segment | None:
        """A segment that is as it was written; another is removed. Raises StoreError when this cannot be found out."""
        span = Range.of(path.name)
        if span is None:
            return None
        try:
            if span.high > arrived:
                raise DataError(path, f"it holds rows up to {span.high}, the database up to {arrived}")
            segment = Segment(path, self.record.space, self.record.analyser)
            if segment.epoch != self._epochs.of(span.high):
                raise DataError(path, "it is of writes that the database has lost")
            low, high = np.searchsorted(alive, (span.low, span.high), side="right")
            lacking = alive[low:high][~np.isin(alive[low:high], segment.keys)].tolist()
            damaged = self._damaged_among(lacking)
            if len(damaged) < len(lacking):
                # It was written without rows that had died, which an older database, put back, has alive.
                raise DataError(path, "it lacks rows that the database has")
            if self._settings.check_on_open:
                segment.check()
        except DataError as error:
            # Whoever said so may have had no descriptor left to read it with.
            check_descriptors(path)
            log.warning("segment left out, and built again from the database: %s", error)
            remove_tree(path)
            return None
        return segment

    def _lacking(self, span: Range, alive: NDArray[np.int64], *, later: bool) -> Entry:
        """Rows of which there is no segment where there should be one. `later`: whether upkeep is to make it, if there
        is any; it does what the disk does not take now."""
        low, high = np.searchsorted(alive, (span.low, span.high), side="right")
        keys = alive[low:high]
        reason = "they are built again from the database"
        if not (self._upkeep and later and len(keys)):
            try:
                return self._built(span, alive)
            except StoreError as error:
                reason = str(error)
        log.warning("%d rows of index version %d are not found yet: %s", len(keys), self.record.version, reason)
        return Entry(Missing(span, keys), Live.all(len(keys)), hidden=True)

    def _built(self, span: Range, alive: NDArray[np.int64]) -> Entry:
        return self._entry(self._write(span), alive)

    def _write(self, span: Range, stopped: Callable[[], bool] = lambda: False) -> Segment:
        """Rows that are damaged in the database are left out, unless there is a copy of them to mend them by.

        `stopped` is asked between batches. Raises StoreError when the disk does not take it, and GivenUp; nothing is
        left of it then."""
        damaged: list[int] = []
        made = self._written(span, damaged, stopped)
        if damaged and self.mend_rows(damaged):
            made = self._written(span, [], stopped)
        return made

    def _written(self, span: Range, damaged: list[int], stopped: Callable[[], bool]) -> Segment:
        record = self.record
        with self._onto_disk(), self._database.reading() as connection:
            # Of the same moment as the rows: they may have fields that came after the call was made.
            schema = fields_of(connection, record.collection)
            batches = _until(stopped, self._rows(connection, span, damaged))
            described = Span(span, self._epochs.of(span.high))
            return self._opened(
                write_segment(self._directory, described, record.space, batches, schema, record.analyser)
            )

    def _write_tail(self, source: Open, stopped: Callable[[], bool]) -> Segment:
        """As `_write` of a tail that takes no more rows. What is dead of it is written too."""

        def look() -> None:
            if stopped():
                raise GivenUp

        span = Range(source.low, int(source.keys[-1]))
        described = Span(span, self._epochs.of(span.high))
        with self._onto_disk():
            return self._opened(
                write_tail(self._directory, described, self.record.space, source.tail, source.rows, look)
            )

    def _opened(self, directory: Path) -> Segment:
        return Segment(directory, self.record.space, self.record.analyser)

    @contextmanager
    def _onto_disk(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InvalidInput) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise StoreError(
                f"a segment cannot be written to {self._directory}: {reason or error}; what was acknowledged is in the "
                "database, make room or mend the disk, and it is written"
            ) from error

    # Damage of the database

    def _damaged_among(self, keys: list[int]) -> set[int]:
        if not keys:
            return set()
        with self._database.reading() as connection:
            return damaged_among(connection, self.record.collection, self.record.number, keys)

    def _lose_all_but(self, held: NDArray[np.int64], alive: NDArray[np.int64]) -> None:
        """Of rows that are alive, only these are held by what is searched: while the database has the others, snapshots
        say that they are incomplete."""
        lost = alive[~np.isin(alive, held)]
        with self.lock:
            more = frozenset(lost.tolist()) - self._lost
            self._lost |= more
        if more:
            log.error(
                "%d rows of index version %d are damaged in the database, or their documents are, and cannot be found; "
                "`crossfade store check` names them",
                len(more),
                self.record.version,
            )

    def mend_rows(self, keys: Iterable[int]) -> int:
        """Write damaged rows again of which the tail or a segment has a proven copy (see `mending`); say how many."""
        with self.lock, self._database.writing() as connection:
            found = mended(connection, self.record.number, self._state.entries, keys)
        if found:
            log.warning("%d damaged rows of the database were mended from segments", len(found))
        return len(found)

    def _entry(self, segment: Segment, alive: NDArray[np.int64]) -> Entry:
        low, high = np.searchsorted(alive, (segment.range.low, segment.range.high), side="right")
        self._lose_all_but(segment.keys, alive[low:high])
        live = Live.of(np.isin(segment.keys, alive))
        graph = graphs.open_of(segment, check=self._settings.check_on_open)
        return Entry(Sealed(segment, self._settings.selection_bytes, graph), live)

    def _rows(self, connection: sqlite3.Connection, span: Range, damaged: list[int]) -> Iterator[RowBatch]:
        record = self.record
        return rows_of_range(connection, record.collection, record.number, span, record.space.dimension, damaged)

    # Writing

    def stage(self, batch: RowBatch, schema: MetadataSchema) -> int:
        """Put rows behind what may be searched; return how many rows the tail has then."""
        return self._state.last.tail.extend(batch, schema)

    def publish(self, removed: NDArray[np.int64], tail_rows: int | None, holding: Holding) -> None:
        """Let the tail's first rows be found (None: as before), and those with the keys of `removed` no more."""
        self.holding = max(self.holding, holding, key=lambda each: each.pending)
        state = self._state.without(removed)
        self._state = state if tail_rows is None else self._rolled(state.grown(tail_rows))
        if self._lost:
            self._lost -= set(removed.tolist())
        self.holding = holding

    def _rolled(self, state: State) -> State:
        """With another tail for what comes next, where the last one is long enough."""
        last = state.last
        return state.opened(self._new_tail(), int(last.keys[-1])) if self._is_long(last) else state

    def _is_long(self, source: Open) -> bool:
        settings = self._settings
        characters = source.tail.characters
        return source.rows > 0 and (source.rows >= settings.seal_rows or characters >= settings.seal_characters)

    @property
    def unsealed_rows(self) -> int:
        """That are in memory, and in no segment yet."""
        return sum(source.rows for source in self._state.unsealed)

    @property
    def is_crowded(self) -> bool:
        """Whether so much is in memory that segments must be made of it before there is more."""
        unsealed = self._state.unsealed
        rows, characters = self.unsealed_rows, sum(source.tail.characters for source in unsealed)
        # What has just been begun is no segment yet.
        crowded = rows > self._settings.unsealed_rows or characters > self._most_characters
        return len(unsealed) > 1 and crowded

    @property
    def _most_characters(self) -> float:
        """Of texts that may wait in memory: as many times those of a segment as rows."""
        settings = self._settings
        return settings.seal_characters * max(1.0, settings.unsealed_rows / settings.seal_rows)

    def give_up(self) -> None:
        """What was staged never came to be: nobody has seen its rows, and others take their places and their keys."""
        last = self._state.last
        last.tail.cut(last.rows)

    def reload(self, connection: sqlite3.Connection, schema: MetadataSchema) -> None:
        """Say again what the database says: what was published of the last write is not known."""
        record = self.record
        alive = row_keys(connection, record.number)
        *before, open_entry = self._state.entries
        low = open_entry.source.low if isinstance(open_entry.source, Open) else 0
        entries = [replace(entry, live=Live.of(np.isin(entry.source.keys, alive))) for entry in before]
        line = lines.one(connection, "indexes", record.number)
        if line is None:
            raise NotFound(f"index number {record.number} was dropped")
        self.arrived = line["arrived"]
        tail = self._new_tail()
        for batch in self._rows(connection, Range(low, self.arrived), []):
            tail.extend(batch, schema)
        self._lost &= frozenset(alive.tolist())
        self._lose_all_but(tail.keys(len(tail)), alive[alive > low])
        self._state = State((*entries, Entry(Open(tail, len(tail), low), Live.all(len(tail)))))

    def describe(self) -> IndexVersion:
        """What it has now."""
        record, state, sealed = self.record, self._state, self._sealed()
        return IndexVersion(
            version=record.version,
            dimension=record.space.dimension,
            document_fingerprint=record.space.document_fingerprint,
            rows=sum(entry.live.count for entry in state.entries),
            pending=self.holding.pending,
            segments=len(sealed),
            bytes=sum(source.segment.size + graphs.size(source.segment.directory) for source in sealed),
            graphs_built=not any(source.graph is None and self._wants_graph(source.segment) for source in sealed),
        )

    def _sealed(self) -> list[Sealed]:
        """Segments in use, those that are taken out as damaged among them."""
        return [] if self._gone else [entry.source for entry in self._state.entries if isinstance(entry.source, Sealed)]

    def _wants_graph(self, segment: Segment) -> bool:
        return segment.rows >= self._settings.graph.least_rows

    def check(self) -> list[DataError]:
        """Read every segment whole; what is wrong with any."""
        found: list[DataError] = []
        for entry in self._state.entries:
            if isinstance(entry.source, Sealed):
                try:
                    entry.source.segment.check()
                except DataError as error:
                    found.append(error)
        return found


def _until(stopped: Callable[[], bool], batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
    for batch in batches:
        if stopped():
            raise GivenUp
        yield batch
