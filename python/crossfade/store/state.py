"""What an index holds at one moment: parts that never change, and which of their rows are alive.

A state is replaced, never changed: whoever holds one sees the same rows for as long as they like, whatever is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade.store.graphs import SegmentGraph
from crossfade.store.live import Live, places_of
from crossfade.store.metadata import BoundFilter, Selection, SelectionCache, select
from crossfade.store.segment import Range, Segment
from crossfade.store.tail import Tail
from crossfade.store.types import Part


class Sealed:
    """A segment in use, and what has been worked out about it."""

    def __init__(self, segment: Segment, selection_bytes: int, graph: SegmentGraph | None = None) -> None:
        self.segment = segment
        self.graph = graph
        self._selection_bytes = selection_bytes
        self._selections = SelectionCache(segment.columns, selection_bytes)

    def with_graph(self, graph: SegmentGraph | None) -> Sealed:
        """The same segment, searched by that graph."""
        return Sealed(self.segment, self._selection_bytes, graph)

    @property
    def range(self) -> Range:
        return self.segment.range

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.segment.keys

    def part(self, live: Live) -> Part:
        segment, graph = self.segment, self.graph
        return Part(
            ids=segment.ids,
            vectors=segment.vectors,
            live=live.bits,
            count=live.count,
            spans=segment.spans,
            whole=segment.whole,
            select=self._select,
            graph=graph.graph if graph else None,
            ef=graph.effort.ef if graph else 0,
            text=segment.text,
            documents=segment.documents,
            codes=segment.codes,
        )

    def _select(self, condition: BoundFilter) -> Selection:
        return self._selections.select(condition)


class Open:
    """The first rows of a tail. `low`: its rows have greater keys."""

    def __init__(self, tail: Tail, rows: int, low: int) -> None:
        self.tail = tail
        self.rows = rows
        self.low = low

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.tail.keys(self.rows)

    @property
    def documents(self) -> NDArray[np.int64]:
        """Their keys, of each row."""
        return self.tail.documents(self.rows)

    def part(self, live: Live) -> Part:
        tail, rows = self.tail, self.rows
        return Part(
            ids=tail.ids(rows),
            vectors=tail.vectors(rows),
            live=live.bits,
            count=live.count,
            spans=tail.spans(rows),
            whole=tail.whole,
            select=self._select,
            text=tail.text(rows),
            documents=tail.documents(rows),
        )

    def _select(self, condition: BoundFilter) -> Selection:
        return select(condition, self.tail.columns(self.rows))


class Missing:
    """Rows that only the database has, as their segment was lost or damaged: until another is made nobody finds them.
    `keys`: those that were alive when that was seen."""

    def __init__(self, span: Range, keys: NDArray[np.int64]) -> None:
        self.range = span
        self.keys = keys

    def part(self, live: Live) -> Part:
        raise TypeError(f"rows {self.range.name} are in no part: there are {live.count} of them in the database")


@dataclass(frozen=True)
class Entry:
    """A part and its living rows. `hidden`: it is damaged or missing, and none of them may be found."""

    source: Sealed | Open | Missing
    live: Live
    hidden: bool = False

    @cached_property
    def part(self) -> Part:
        return self.source.part(self.live)

    def without(self, keys: NDArray[np.int64]) -> Entry:
        """With these rows dead."""
        dead = places_of(keys, self.source.keys)
        return self if not len(dead) else replace(self, live=self.live.without(dead))


@dataclass(frozen=True)
class State:
    """Entries in order of their keys; the last one is open, and takes what comes next."""

    entries: tuple[Entry, ...]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(entry.part for entry in self.entries if entry.live.count and not entry.hidden)

    @cached_property
    def incomplete(self) -> bool:
        return any(entry.hidden for entry in self.entries)

    @property
    def last(self) -> Open:
        source = self.entries[-1].source
        if not isinstance(source, Open):
            raise TypeError("a state ends with an open part")
        return source

    @property
    def unsealed(self) -> list[Open]:
        """What is in memory, and no segment yet."""
        return [entry.source for entry in self.entries if isinstance(entry.source, Open)]

    def without(self, keys: NDArray[np.int64]) -> State:
        """With these rows dead."""
        if not len(keys):
            return self
        return State(tuple(entry.without(keys) for entry in self.entries))

    def grown(self, rows: int) -> State:
        """With the last part's first `rows` rows, the new ones alive."""
        *before, last = self.entries
        grown = Entry(Open(self.last.tail, rows, self.last.low), last.live.grown(rows))
        return State((*before, grown))

    def opened(self, tail: Tail, low: int) -> State:
        """With another part that takes what comes next."""
        return State((*self.entries, Entry(Open(tail, 0, low), Live.all(0))))

    def exchanged(self, old: tuple[Entry, ...], new: Entry) -> State:
        """With `new` in the place of entries that lie side by side, by their sources."""
        sources = [entry.source for entry in self.entries]
        places = [sources.index(entry.source) for entry in old]
        first, last = places[0], places[-1]
        return State((*self.entries[:first], new, *self.entries[last + 1 :]))
