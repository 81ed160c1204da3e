"""One version of a collection's index: its segments, its tail, and how they come about.

Everything here is made from the database, and can be made again. What may be searched is a `State`, which is replaced
whole; all that replaces it holds the collection's lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import CrossfadeError, DataError, InvalidInput, NotFound, StoreError
from crossfade.files import check_descriptors, entries, remove_tree
from crossfade.lexical import AnalyserSettings
from crossfade.store import faults, graphs
from crossfade.store.database import Database
from crossfade.store.live import Live
from crossfade.store.metadata import MetadataSchema
from crossfade.store.reading import fields_of, row_keys, rows_of_range
from crossfade.store.segment import Range, RowBatch, Segment, Space, Span
from crossfade.store.segment_writer import clean, write_segment
from crossfade.store.settings import StoreSettings
from crossfade.store.state import Entry, Open, Sealed, State
from crossfade.store.tail import Tail
from crossfade.store.types import IndexVersion, Snapshot

log = logging.getLogger(__name__)

# Checksums are worked out, and disks read, without the interpreter's lock.
_OPENING_THREADS = min(8, os.cpu_count() or 1)


class Epochs:
    """Which token every row's key has: that of the last opening before it."""

    def __init__(self, openings: Iterable[tuple[int, str]]) -> None:
        """`openings`: the last key there was then, and the token of what followed."""
        self._openings = sorted(openings)

    def of(self, key: int) -> str:
        place = bisect_left(self._openings, (key, "")) - 1
        return self._openings[place][1] if place >= 0 else ""


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What the database says of an index. `number`: its own, of all of the store; `version`: of its collection's."""

    number: int
    collection: int
    version: int
    space: Space
    analyser: AnalyserSettings


@dataclass(frozen=True, slots=True)
class Holding:
    """How many documents an index holds, and how many of its collection's it lacks."""

    documents: int = 0
    pending: int = 0


class _GivenUp(Exception):
    """Of a segment in the making, because nobody wants it any more."""


class Index:
    """Its methods that write are called with the collection's lock held, but for `seal`, `merge` and `heal`, which take
    it themselves when they have something to put in."""

    def __init__(self, database: Database, directory: Path, record: IndexRecord, settings: StoreSettings) -> None:
        self.record = record
        self.lock = threading.RLock()  # the collection puts its own in its place
        self._database = database
        self._directory = directory
        self._settings = settings
        # The tail becomes a segment while segments are merged and get graphs: that may take minutes.
        self._sealing = threading.Lock()
        self._improving = threading.Lock()
        self._removing = threading.Lock()
        self._state = State((Entry(Open(self._new_tail(), 0, 0), Live.all(0)),))
        self.arrived = 0
        """The key of the last row that there ever was: the next gets the next one."""
        self.holding = Holding()
        self.complete_to = 0
        """It holds every document that is there with a key up to this."""
        self._epochs = Epochs(())
        self._gone = False

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
        return Snapshot(state.parts, incomplete=state.incomplete, pending=max(before, self.holding.pending))

    # Opening

    def load(self, arrived: int, schema: MetadataSchema, epochs: Epochs) -> None:
        """Take what segments there are, and read or build the rest from the database. `arrived`: the last key."""
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
                entries.append(self._built(Range(low, segment.range.low), alive))
            entries.append(self._entry(segment, alive))
            low = segment.range.high
        if low < arrived and self._rows_above(low) > self._settings.seal_rows:
            entries.append(self._built(Range(low, arrived), alive))
            low = arrived
        tail = self._new_tail()
        if low < arrived:
            with self._reading_rows(Range(low, arrived)) as batches:
                for batch in batches:
                    tail.extend(batch, schema)
        entries.append(Entry(Open(tail, len(tail), low), Live.all(len(tail))))
        self._state = State(tuple(entries))

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
            if not np.isin(alive[low:high], segment.keys).all():
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

    def _rows_above(self, low: int) -> int:
        with self._database.reading() as connection:
            (count,) = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM rows_{self.record.number} WHERE key > ? LIMIT ?)",
                (low, self._settings.seal_rows + 1),
            ).fetchone()
        return int(count)

    def _built(self, span: Range, alive: NDArray[np.int64]) -> Entry:
        return self._entry(self._write(span), alive)

    def _write(self, span: Range, stopped: Callable[[], bool] = lambda: False) -> Segment:
        """`stopped` is asked between batches. Raises StoreError when the disk does not take it, and _GivenUp; nothing
        is left of it then."""
        record = self.record
        described = Span(span, self._epochs.of(span.high))
        try:
            with self._database.reading() as connection:
                # Of the same moment as the rows: they may have fields that came after the call was made.
                schema = fields_of(connection, record.collection)
                rows = rows_of_range(connection, record.collection, record.number, span, record.space.dimension)
                batches = _until(stopped, rows)
                directory = write_segment(self._directory, described, record.space, batches, schema, record.analyser)
            return Segment(directory, record.space, record.analyser)
        except (OSError, InvalidInput) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise StoreError(
                f"a segment cannot be written to {self._directory}: {reason or error}; what was acknowledged is in the "
                "database, make room or mend the disk, and it is written"
            ) from error

    def _entry(self, segment: Segment, alive: NDArray[np.int64]) -> Entry:
        live = Live.of(np.isin(segment.keys, alive))
        graph = graphs.open_of(segment, check=self._settings.check_on_open)
        return Entry(Sealed(segment, self._settings.selection_bytes, graph), live)

    @contextmanager
    def _reading_rows(self, span: Range) -> Iterator[Iterable[RowBatch]]:
        record = self.record
        with self._database.reading() as connection:
            yield rows_of_range(connection, record.collection, record.number, span, record.space.dimension)

    # Writing

    def stage(self, batch: RowBatch, schema: MetadataSchema) -> int:
        """Put rows behind what may be searched; return how many rows the tail has then."""
        return self._state.last.tail.extend(batch, schema)

    def publish(self, removed: NDArray[np.int64], tail_rows: int | None, holding: Holding) -> None:
        """Let the tail's first rows be found (None: as before), and those with the keys of `removed` no more."""
        self.holding = max(self.holding, holding, key=lambda each: each.pending)
        state = self._state.without(removed)
        self._state = state if tail_rows is None else state.grown(tail_rows)
        self.holding = holding

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
        (self.arrived,) = connection.execute(
            "SELECT arrived FROM indexes WHERE number = ?", (record.number,)
        ).fetchone()
        tail = self._new_tail()
        span = Range(low, self.arrived)
        for batch in rows_of_range(connection, record.collection, record.number, span, record.space.dimension):
            tail.extend(batch, schema)
        self._state = State((*entries, Entry(Open(tail, len(tail), low), Live.all(len(tail)))))

    # Upkeep

    @contextmanager
    def _at_work(self, lock: threading.Lock) -> Iterator[None]:
        """When the index is dropped meanwhile, what the work had to fail for is no error."""
        try:
            with lock:
                yield
        except NotFound:  # its drop has been committed, and says so in a moment
            pass
        except (CrossfadeError, OSError):
            with self.lock:  # a drop that has been committed says so before it lets go of it
                gone = self._gone
            if not gone:
                raise
        finally:
            # After the lock is free, and in `discard` after the flag is up: whoever is last of the two removes.
            if self._gone:
                self._remove()

    def discard(self) -> None:
        """The index is no more: its files are removed now, or by whoever is at work on them, when they have ended."""
        self._gone = True
        self._remove()

    def _remove(self) -> None:
        with self._removing:  # or two who remove would each find that the other has one of the locks
            taken = [lock for lock in (self._sealing, self._improving) if lock.acquire(blocking=False)]
            try:
                if len(taken) == 2:
                    remove_tree(self._directory)
            finally:
                for lock in taken:
                    lock.release()

    def wants_sealing(self) -> bool:
        last, settings = self._state.last, self._settings
        full = last.rows >= settings.seal_rows or last.tail.characters >= settings.seal_characters
        return (full or self._unsealed() is not None) and not self._gone

    def _unsealed(self) -> Entry | None:
        """A tail that takes no more rows, and is no segment yet."""
        return next((entry for entry in self._state.entries[:-1] if isinstance(entry.source, Open)), None)

    def seal(self) -> bool:
        """Make a segment of the tail; say whether there was anything to do."""
        with self._at_work(self._sealing):
            if self._gone:
                return False
            entry = self._unsealed()
            if entry is None:
                with self.lock:
                    last = self._state.last
                    if not last.rows:
                        return False
                    entry = self._state.entries[-1]
                    high = int(last.keys[-1])
                    self._state = self._state.opened(self._new_tail(), high)
            source = entry.source
            if not isinstance(source, Open):
                return False
            high = int(source.keys[-1])
            self._replace([source], self._write(Range(source.low, high)))
            faults.passed("seal.adopted")
        return True

    def mergeable(self) -> list[Sealed]:
        """Segments side by side that should be one: many of like size, or one of which too much is dead."""
        settings = self._settings
        run: list[Sealed] = []
        size = 0
        for entry in reversed(self._state.entries[:-1]):
            source, live = entry.source, entry.live
            if not isinstance(source, Sealed):
                return []
            if entry.hidden:  # `heal` makes another of it
                break
            if source.segment.rows and live.count < source.segment.rows * (1 - settings.dead_part):
                return [source]
            if run and live.count > max(size, settings.seal_rows) * settings.merge_factor:
                break
            run.insert(0, source)
            size = max(size, live.count)
        return run if len(run) >= settings.merge_factor else []

    def merge(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Make one segment of several, without their dead rows; say whether one was made.

        It is searched when it has its graph, and not before, when every search would look at all of its rows.
        `stopped`: whether to give up, which leaves all as it was, or to do without a graph when the segment is there.
        """
        with self._at_work(self._improving):
            old = [] if self._gone else self.mergeable()
            if not old:
                return False
            faults.passed("merge.begun")
            span = Range(old[0].range.low, old[-1].range.high)
            try:
                # Of one alone the name stays: its files are replaced, and who has mapped the old ones keeps them.
                made = self._write(span, partial(self._stops, stopped))
            except _GivenUp:
                return False
            faults.passed("merge.renamed")
            self._adopt(old, made, stopped)
            faults.passed("merge.adopted")
        return True

    def _adopt(self, old: Sequence[Sealed], made: Segment, stopped: Callable[[], bool]) -> None:
        """Whatever becomes of its graph, which can be built later, the segment takes its place."""
        graph: graphs.SegmentGraph | None = None
        try:
            if self._wants_graph(made):
                graph = self._graph_of(made, stopped)
        finally:
            self._replace(old, made, graph)
            for each in old:
                if each.range != made.range:
                    remove_tree(each.segment.directory)

    def _replace(
        self, old: Sequence[Sealed | Open], segment: Segment, graph: graphs.SegmentGraph | None = None
    ) -> None:
        """Put a segment in the place of what it was made of. What has died meanwhile is dead in it too."""
        with self.lock:
            entries = tuple(entry for entry in self._state.entries if any(_same(entry, each) for each in old))
            alive = np.concatenate([entry.source.keys[entry.live.mask()] for entry in entries])
            live = Live.of(np.isin(segment.keys, alive))
            source = Sealed(segment, self._settings.selection_bytes, graph)
            self._state = self._state.exchanged(entries, Entry(source, live))

    def build_graph(self, stopped: Callable[[], bool]) -> bool:
        """Give a segment a graph that should have one; say whether there was any. `stopped`: whether to give up."""
        made = None
        with self._at_work(self._improving):
            lacking = (each for each in self._sealed() if each.graph is None and self._wants_graph(each.segment))
            source = next(lacking, None)
            if source is None:
                return False
            made = self._graph_of(source.segment, stopped)
            if made is not None:
                self._change(source, source.with_graph(made))
        return made is not None

    def _stops(self, stopped: Callable[[], bool]) -> bool:
        return self._gone or stopped()

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
        return [] if self._gone else [entry.source for entry in self._state.entries if isinstance(entry.source, Sealed)]

    def _wants_graph(self, segment: Segment) -> bool:
        return segment.rows >= self._settings.graph.least_rows

    def _graph_of(self, segment: Segment, stopped: Callable[[], bool]) -> graphs.SegmentGraph | None:
        unwanted = partial(self._stops, stopped)
        return graphs.build(segment, self.record.space.metric, self._settings.graph, unwanted)

    def _change(self, old: Sealed, new: Sealed) -> None:
        with self.lock:
            entry = _entry_of(self._state, old)
            self._state = self._state.exchanged((entry,), replace(entry, source=new))

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

    def heal(self) -> int:
        """Build segments again that do not hold what was written; say how many.

        Until one is there again its rows are not found, and snapshots say that they are incomplete. Raises StoreError
        when the disk does not take it: it stays so then, until this or `mend` is called again.
        """
        healed = 0
        with self._at_work(self._sealing), self._at_work(self._improving):
            if self._gone:
                return 0
            for entry in self._state.entries:
                source = entry.source
                if not isinstance(source, Sealed):
                    continue
                try:
                    source.segment.check()
                    if not entry.hidden:
                        healed += self._heal_graph(source)
                        continue
                except DataError as error:
                    log.warning("segment taken out, and built again from the database: %s", error)
                with self.lock:
                    found = _entry_of(self._state, source)
                    self._state = self._state.exchanged((found,), replace(found, hidden=True))
                self._mend(source)
                healed += 1
        return healed

    def mend(self) -> bool:
        """Build a segment again that `heal` took out when the disk did not take another; say whether there was one."""
        if not self._state.incomplete:
            return False
        with self._at_work(self._sealing), self._at_work(self._improving):
            hidden = (entry.source for entry in self._state.entries if entry.hidden and not self._gone)
            source = next((source for source in hidden if isinstance(source, Sealed)), None)
            if source is None:
                return False
            self._mend(source)
        return True

    def _mend(self, source: Sealed) -> None:
        made = self._write(source.range)
        with self._database.reading() as connection, self.lock:
            alive = row_keys(connection, self.record.number)
            old = (_entry_of(self._state, source),)
            self._state = self._state.exchanged(old, self._entry(made, alive))

    def _heal_graph(self, source: Sealed) -> int:
        """Take a graph out that does not hold what was written: the segment is searched exactly without one."""
        try:
            graphs.check(source.segment)
        except (DataError, InvalidInput) as error:
            log.warning("graph taken out, and built again: %s", error)
            self._change(source, source.with_graph(None))
            graphs.remove(source.segment.directory)
            return 1
        return 0


def _until(stopped: Callable[[], bool], batches: Iterable[RowBatch]) -> Iterator[RowBatch]:
    for batch in batches:
        if stopped():
            raise _GivenUp
        yield batch


def _same(entry: Entry, source: Sealed | Open) -> bool:
    # A tail's window grows while it takes rows: what counts is the tail.
    mine = entry.source
    return mine is source or (isinstance(source, Open) and isinstance(mine, Open) and mine.tail is source.tail)


def _entry_of(state: State, source: Sealed) -> Entry:
    return next(entry for entry in state.entries if entry.source is source)
