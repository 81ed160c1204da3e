"""One version of a collection's index, and how its segments come about: sealed, merged, mended, given graphs.

All of it takes long and happens in the background, while others search and write (`contents` has what they see).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from crossfade.errors import CrossfadeError, DataError, InvalidInput, NotFound, StoreError
from crossfade.files import remove_tree
from crossfade.store import faults, graphs
from crossfade.store.contents import GivenUp, IndexContents
from crossfade.store.live import Live
from crossfade.store.reading import damaged_rows, row_keys
from crossfade.store.segment import Range, Segment
from crossfade.store.state import Entry, Missing, Open, Sealed, State

log = logging.getLogger(__name__)

# Of a tail's rows: with more that are dead its segment is made from the database, without them.
_DEAD_PART = 0.1


class Index(IndexContents):
    """Its methods that write are called with the collection's lock held, but for `seal`, `merge` and `heal`, which take
    it themselves when they have something to put in."""

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

    def wait(self) -> None:
        """Until nobody is at work on its segments."""
        with self._sealing, self._improving:
            pass

    def wants_sealing(self) -> bool:
        return (self._is_long(self._state.last) or self._unsealed() is not None) and not self._gone

    def _unsealed(self) -> Entry | None:
        """A tail that takes no more rows, and is no segment yet."""
        return next((entry for entry in self._state.entries[:-1] if isinstance(entry.source, Open)), None)

    def seal(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Make a segment of the first tail that takes no more rows, or of the one that does; say whether one was made.

        `stopped`: whether to give up, asked between batches: the rows stay where they are, and the database has them.
        """
        with self._at_work(self._sealing):
            if self._gone:
                return False
            with self.lock:  # or a write might freeze the last one meanwhile, which then comes before what follows it
                entry = self._unsealed()
                if entry is None:
                    last = self._state.last
                    if not last.rows:
                        return False
                    entry = self._state.entries[-1]
                    self._state = self._state.opened(self._new_tail(), int(last.keys[-1]))
            source = entry.source
            if not isinstance(source, Open):
                return False
            unwanted = partial(self._stops, stopped)
            try:
                if entry.live.count >= source.rows * (1 - _DEAD_PART):
                    made = self._write_tail(source, unwanted)
                else:
                    made = self._write(Range(source.low, int(source.keys[-1])), unwanted)
            except GivenUp:
                return False
            self._replace([source], made)
            faults.passed("seal.adopted")
        return True

    def seal_all(self) -> None:
        """Make segments of all that is in memory now."""
        for _ in self._state.unsealed:
            self.seal()

    def mergeable(self) -> list[Sealed]:
        """Segments side by side that should be one: many of like size, or those of which too much is dead."""
        settings = self._settings
        run: list[Sealed] = []
        size = 0
        entries = self._state.entries[:-1]
        for at, entry in reversed(list(enumerate(entries))):
            source, live = entry.source, entry.live
            if isinstance(source, Open):  # it is sealed meanwhile, behind all segments
                continue
            if entry.hidden or isinstance(source, Missing):  # `mend` makes another of it
                break
            if self._is_dead(entry):
                return self._dead_of(entries[: at + 1])
            if run and live.count > max(size, settings.seal_rows) * settings.merge_factor:
                break
            run.insert(0, source)
            size = max(size, live.count)
        return run if len(run) >= settings.merge_factor else []

    def _is_dead(self, entry: Entry) -> bool:
        """Whether so much of a segment is dead that it should be another."""
        source = entry.source
        if entry.hidden or not isinstance(source, Sealed) or not source.segment.rows:
            return False
        return entry.live.count < source.segment.rows * (1 - self._settings.dead_part)

    def _dead_of(self, entries: Sequence[Entry]) -> list[Sealed]:
        """The last, and those side by side before it of which too much is dead as well, as long as little of all lives.

        One after the other, the newest first, they would pile up where documents are written again faster than that.
        """
        run: list[Sealed] = []
        living, most = 0, self._settings.seal_rows * self._settings.merge_factor
        for entry in reversed(entries):
            source = entry.source
            living += entry.live.count
            if not isinstance(source, Sealed) or not self._is_dead(entry) or (run and living > most):
                break
            run.insert(0, source)
        return run

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
            except GivenUp:
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
            self._lose_all_but(segment.keys, alive)
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

    def _graph_of(self, segment: Segment, stopped: Callable[[], bool]) -> graphs.SegmentGraph | None:
        unwanted = partial(self._stops, stopped)
        return graphs.build(segment, self.record.space.metric, self.record.hnsw, self._settings.graph, unwanted)

    def _change(self, old: Sealed, new: Sealed) -> None:
        with self.lock:
            entry = _entry_of(self._state, old)
            self._state = self._state.exchanged((entry,), replace(entry, source=new))

    def heal(self) -> int:
        """Build segments again that are missing or do not hold what was written; say how many.

        Until one is there again its rows are not found, and snapshots say that they are incomplete. Raises StoreError,
        when all had their turn, for one that the disk does not take or the database does not give: it stays so then,
        until this or `mend` is called again.
        """
        healed, failed = 0, None
        with self._at_work(self._sealing), self._at_work(self._improving):
            for entry in () if self._gone else self._state.entries:
                source = entry.source
                if isinstance(source, Open):
                    continue
                if entry.hidden or (isinstance(source, Sealed) and self._take_out_damaged(source)):
                    try:
                        self._mend(source)
                    except StoreError as error:
                        failed = failed or error
                        continue
                    healed += 1
                elif isinstance(source, Sealed):
                    healed += self._heal_graph(source)
            if failed is not None:
                raise failed
        return healed

    def in_use(self) -> list[Sealed]:
        """Segments that are searched."""
        entries = () if self._gone else self._state.entries
        return [entry.source for entry in entries if isinstance(entry.source, Sealed) and not entry.hidden]

    def scrub(self, source: Sealed, pace: Callable[[int], None]) -> bool:
        """Read a segment and its graph whole; what does not hold what was written is taken out, for `mend` and
        `build_graph` to make it again. Say whether anything was. `pace`: as of `Segment.check`."""
        segment = source.segment
        sound, taken_out = _holds_what_was_written(segment, pace), False
        with self._at_work(self._improving):
            # It may have got a graph meanwhile; or it has been merged, and what was read may be another's files.
            now = next((each for each in self._sealed() if each.segment is segment), None)
            if now is not None:
                taken_out = (not sound and self._take_out_damaged(now)) or bool(self._heal_graph(now))
        return taken_out

    def _take_out_damaged(self, source: Sealed) -> bool:
        """Whether the segment does not hold what was written, and is not searched from now on."""
        if _holds_what_was_written(source.segment):
            return False
        with self.lock:
            entry = _entry_of(self._state, source)
            self._state = self._state.exchanged((entry,), replace(entry, hidden=True))
        return True

    @property
    def wants_mending(self) -> bool:
        """Whether rows are not found that might be, and nobody has tried in vain."""
        return not self._gone and any(
            entry.hidden and entry.source not in self._not_mended for entry in self._state.entries
        )

    def mend(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Build a segment again that was lost, or taken out as damaged; say whether there was one.

        Raises StoreError, when all had their turn, for one that the disk does not take or the database does not give.
        """
        if not self._state.incomplete:
            return False
        done, failed = False, None
        with self._at_work(self._improving):
            for entry in () if self._gone else self._state.entries:
                source = entry.source
                if not entry.hidden or isinstance(source, Open):
                    continue
                try:
                    self._mend(source, stopped)
                    done = True
                    break
                except GivenUp:
                    break
                except StoreError as error:
                    self._not_mended.add(source)
                    failed = failed or error
            if failed is not None and not done:
                raise failed
        return done

    def heal_rows(self) -> int:
        """Read all rows that the database has of the index, and mend those that are damaged where there is a copy; say
        how many. Raises StoreError when the disk does not take it."""
        mended = 0
        with self._at_work(self._improving):
            if not self._gone:
                with self._database.reading() as connection:
                    keys = damaged_rows(connection, self.record.number)
                mended += self.mend_rows(keys) if keys else 0
        return mended

    def _mend(self, source: Sealed | Missing, stopped: Callable[[], bool] = lambda: False) -> None:
        made = self._write(source.range, partial(self._stops, stopped))
        with self._database.reading() as connection, self.lock:
            # Who writes waits for this.
            alive = row_keys(connection, self.record.number, made.range)
            old = (_entry_of(self._state, source),)
            self._state = self._state.exchanged(old, self._entry(made, alive))
        self._not_mended.discard(source)

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


def _same(entry: Entry, source: Sealed | Open) -> bool:
    # A tail's window grows while it takes rows: what counts is the tail.
    mine = entry.source
    return mine is source or (isinstance(source, Open) and isinstance(mine, Open) and mine.tail is source.tail)


def _holds_what_was_written(segment: Segment, pace: Callable[[int], None] | None = None) -> bool:
    try:
        segment.check(pace)
    except DataError as error:
        log.warning("a segment does not hold what was written: %s", error)
        return False
    return True


def _entry_of(state: State, source: Sealed | Missing) -> Entry:
    return next(entry for entry in state.entries if entry.source is source)
