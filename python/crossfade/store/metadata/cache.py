"""Masks that were asked for before, of one segment, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.store.metadata.binding import BoundFilter
from crossfade.store.metadata.bits import pack
from crossfade.store.metadata.columns import Columns
from crossfade.store.metadata.evaluation import check_fits, evaluate

_OVERHEAD = 400  # bytes of objects around an entry's key and bits, rounded up


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The rows of a segment that a filter keeps.

    `bits`: uint8, shape (ceil(rows / 8),), read-only: one bit a row in little bit order, as `crossfade.kernels.top_k`
    takes a mask. `count`: how many are set, exactly: what a planner needs to choose between exact and graph search.
    """

    bits: NDArray[np.uint8]
    rows: int
    count: int


def select(condition: BoundFilter, columns: Columns) -> Selection:
    """`evaluate`, packed and counted. Raises InvalidInput as it does."""
    mask = evaluate(condition, columns)
    bits = pack(mask)
    bits.flags.writeable = False
    return Selection(bits, columns.rows, int(np.count_nonzero(mask)))


class SelectionCache:
    """Selections of one segment, those asked for longest ago dropped first. Safe to use from many threads.

    Two threads that ask for the same new filter at once both compute it: neither waits for the other.
    """

    def __init__(self, columns: Columns, max_bytes: int) -> None:
        """`max_bytes`: of keys, bits and what is around them; 0 keeps nothing."""
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
            raise InvalidInput(f"max_bytes must be a whole number of bytes, 0 or more, not {max_bytes!r}")
        self._columns = columns
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Selection] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is kept now takes so many bytes; never more than `max_bytes`."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def select(self, condition: BoundFilter) -> Selection:
        """As `select(condition, columns)`, remembered."""
        check_fits(condition, self._columns)
        with self._lock:
            found = self._entries.get(condition.key)
            if found is not None:
                self._entries.move_to_end(condition.key)
                return found
        made = select(condition, self._columns)
        with self._lock:
            self._keep(condition.key, made)
        return made

    def _keep(self, key: str, selection: Selection) -> None:
        size = _size(key, selection)
        if size > self._max_bytes or key in self._entries:
            return
        while self._bytes + size > self._max_bytes:
            dropped_key, dropped = self._entries.popitem(last=False)
            self._bytes -= _size(dropped_key, dropped)
        self._entries[key] = selection
        self._bytes += size


def _size(key: str, selection: Selection) -> int:
    return len(key) + selection.bits.nbytes + _OVERHEAD  # canonical JSON is ASCII: a byte a character
