"""Windows on a collection's rows, and the token that tells whether any window is still open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from crossfade.store.metadata import Metadata


class Lease:
    """Keeps a buffer and its ids as they are for as long as anybody looks at them.

    Every window (a NumPy view, however it was sliced since, or a `RowIds`) holds the lease; the collection holds it
    weakly. NumPy keeps the owner of foreign memory as the base of every view, which is why the array is made through
    the array interface and not by slicing the buffer: slices of an ndarray would forget the lease.
    """

    __slots__ = ("__weakref__", "buffer", "ids", "metadata")

    def __init__(self, buffer: NDArray[np.float32], ids: list[str], metadata: list[Metadata]) -> None:
        self.buffer = buffer
        self.ids = ids
        self.metadata = metadata

    @property
    def __array_interface__(self) -> dict[str, Any]:
        interface = dict(self.buffer.__array_interface__)
        address, _ = interface["data"]
        interface["data"] = (address, True)  # read-only: a snapshot never changes
        return interface

    def vectors(self, count: int) -> NDArray[np.float32]:
        """The first `count` rows, read-only, shape (count, dimension)."""
        rows: NDArray[np.float32] = np.asarray(self)
        return rows[:count]


class RowIds(Sequence[str]):
    """The first `count` ids of a lease, as an immutable sequence; made in constant time."""

    __slots__ = ("_count", "_lease")

    def __init__(self, lease: Lease, count: int) -> None:
        self._lease = lease
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._lease.ids[row] for row in range(*index.indices(self._count))]
        if 0 <= index < self._count:
            return self._lease.ids[index]
        if -self._count <= index < 0:
            return self._lease.ids[index + self._count]
        raise IndexError(f"row {index} of {self._count}")

    def __iter__(self) -> Iterator[str]:
        return islice(self._lease.ids, self._count)

    def __repr__(self) -> str:
        return f"RowIds({list(islice(self, 3))}{'...' if self._count > 3 else ''}, {self._count} rows)"
