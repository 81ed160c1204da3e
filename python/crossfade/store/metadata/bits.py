"""One flag a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""One bool a row, shape (rows,)."""


def pack(mask: Mask) -> NDArray[np.uint8]:
    """One bit a row in little bit order, shape (ceil(rows / 8),): what `crossfade.kernels.top_k` takes as a mask."""
    return np.packbits(mask, bitorder="little")


def unpack(packed: NDArray[np.uint8], rows: int) -> Mask:
    """The inverse of `pack`; a new array."""
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


class Bits:
    """One flag a row: packed in a sealed segment, a byte each in a tail, where threads write beside readers."""

    __slots__ = ("_data", "_rows")

    def __init__(self, data: Mask | NDArray[np.uint8], rows: int) -> None:
        """`data`: bool, shape (rows,), or what `pack` makes of it."""
        self._data = data
        self._rows = rows

    def mask(self) -> Mask:
        """A new array, which the caller may write to."""
        if self._data.dtype == np.bool_:
            return np.array(self._data, dtype=np.bool_)
        return unpack(self._data.view(np.uint8), self._rows)

    def packed(self) -> NDArray[np.uint8]:
        return pack(self._data.view(np.bool_)) if self._data.dtype == np.bool_ else self._data.view(np.uint8)

    def __getitem__(self, row: int) -> bool:
        if self._data.dtype == np.bool_:
            return bool(self._data[row])
        return bool(self._data[row >> 3] >> (row & 7) & 1)
