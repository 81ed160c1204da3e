"""Segments read again, one after the other, for as long as a store is open: what is damaged on the disk, or in the
memory that holds its files, is to be seen before many have been answered from it.

It reads slowly, so that searches have the disk. What it takes out upkeep builds again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Event
from weakref import WeakKeyDictionary

from crossfade.store.collection import DurableCollection
from crossfade.store.index import Index
from crossfade.store.segment import Segment
from crossfade.store.settings import StoreSettings
from crossfade.store.state import Sealed


class Scrubber:
    """Of one thread."""

    def __init__(self, settings: StoreSettings, stopped: Event) -> None:
        self._every = settings.scrub_seconds
        self._rate = settings.scrub_bytes
        self._stopped = stopped
        self._read_at: WeakKeyDictionary[Segment, float] = WeakKeyDictionary()

    def step(self, collections: Iterable[DurableCollection]) -> bool:
        """Read the segments that it is time for, those first that were not read for longest; say whether anything was
        taken out."""
        collections, taken_out = tuple(collections), False
        try:
            while due := self._due(collections):
                index, source = due
                taken_out = index.scrub(source, self._pace) or taken_out
                self._read_at[source.segment] = time.monotonic()
        except _Stopped:
            pass
        return taken_out

    def _due(self, collections: Iterable[DurableCollection]) -> tuple[Index, Sealed] | None:
        """A segment that is new has just been written, or checked as the store was opened."""
        now = time.monotonic()
        found: tuple[Index, Sealed] | None = None
        longest = self._every
        for collection in collections if self._every > 0 else ():
            for index in collection.indexes.values():
                for source in index.in_use():
                    since = now - self._read_at.setdefault(source.segment, now)
                    if since >= longest:
                        found, longest = (index, source), since
        return found

    def _pace(self, count: int) -> None:
        if self._stopped.wait(count / self._rate):
            raise _Stopped


class _Stopped(Exception):
    """The store is being closed."""
