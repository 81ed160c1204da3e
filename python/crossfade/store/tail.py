"""The rows of an index that no segment holds yet: in memory, searchable as soon as their write is on the disk.

Rows are only ever added. A window on the first n of them never changes: buffers are written past every window, and
replaced, not resized, when they are full. That a row is dead is said elsewhere (`crossfade.store.state`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.lexical import AnalyserSettings
from crossfade.store.metadata import Columns, MetadataSchema, TailColumns
from crossfade.store.segment import RowBatch

_FIRST_CAPACITY = 256


class Window(Sequence[str]):
    """The first `count` strings of a list that grows."""

    __slots__ = ("_count", "_items")

    def __init__(self, items: list[str], count: int) -> None:
        self._items = items
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._items[row] for row in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(f"row {index} of {self._count}")
        return self._items[index % self._count]

    def __iter__(self) -> Iterator[str]:
        return islice(self._items, self._count)


class Tail:
    """One thread adds at a time; any number look."""

    def __init__(self, dimension: int, analyser: AnalyserSettings) -> None:
        self._rows = 0
        self._last = 0
        self.whole = True
        """Every row is another document."""
        self._vectors: NDArray[np.float32] = np.empty((0, dimension), dtype=np.float32)
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._spans: NDArray[np.int32] = np.empty((0, 2), dtype=np.int32)
        self._documents: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._ids: list[str] = []
        self._columns = TailColumns()
        self._text = lexical.Tail(analyser)
        # Rows, and characters of their texts, after each call that added any.
        self._lengths = [(0, 0)]

    def __len__(self) -> int:
        return self._rows

    @property
    def characters(self) -> int:
        """Of all texts: what their words take is a small part of it."""
        return self._lengths[-1][1]

    def extend(self, batch: RowBatch, schema: MetadataSchema) -> int:
        """Add rows whose keys are above all that are there; return how many there are now. All are added, or none."""
        start, stop = self._rows, self._rows + len(batch)
        if len(self._ids) != start or len(self._columns) != start or len(self._text) != start:
            self.cut(start)
        if stop > len(self._keys):
            self._grow(max(stop, len(self._keys) * 2, _FIRST_CAPACITY))
        self._columns.extend(batch.metadata, schema)
        self._text.append(batch.texts)
        self._vectors[start:stop] = batch.vectors
        self._keys[start:stop] = batch.keys
        self._spans[start:stop] = batch.spans
        self._documents[start:stop] = batch.documents
        self._ids.extend(batch.ids)
        self.whole = self.whole and batch.whole_after(self._last)
        self._last = int(batch.documents[-1]) if len(batch) else self._last
        self._lengths.append((stop, self.characters + sum(map(len, batch.texts))))
        self._rows = stop
        return stop

    def cut(self, rows: int) -> None:
        """Forget the rows from there on, of which nobody has a window, and what an interrupted `extend` has left."""
        self._rows = rows
        while self._lengths[-1][0] > rows:
            self._lengths.pop()
        del self._ids[rows:]
        self._columns.cut(rows)
        self._text.cut(rows)
        self._last = 0

    def _grow(self, capacity: int) -> None:
        # The keys last: their length says whether there is room.
        for name in ("_vectors", "_spans", "_documents", "_keys"):
            old: NDArray[Any] = getattr(self, name)
            new = np.empty((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: self._rows] = old[: self._rows]
            setattr(self, name, new)

    def ids(self, rows: int) -> Window:
        return Window(self._ids, rows)

    def vectors(self, rows: int) -> NDArray[np.float32]:
        return _frozen(self._vectors[:rows])

    def keys(self, rows: int) -> NDArray[np.int64]:
        return _frozen(self._keys[:rows])

    def spans(self, rows: int) -> NDArray[np.int32]:
        return _frozen(self._spans[:rows])

    def documents(self, rows: int) -> NDArray[np.int64]:
        return _frozen(self._documents[:rows])

    def columns(self, rows: int) -> Columns:
        return self._columns.snapshot(rows)

    def text(self, rows: int) -> lexical.View:
        return self._text.view(rows)


def _frozen(view: NDArray[Any]) -> NDArray[Any]:
    view.flags.writeable = False
    return view
