"""Which rows of a part are alive: one bit a row, in the form that the kernels take as a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Live:
    """`bits`: uint8, shape (ceil(rows / 8),), little bit order, or None when all are alive. `count`: how many are."""

    rows: int
    bits: NDArray[np.uint8] | None
    count: int

    @classmethod
    def all(cls, rows: int) -> Live:
        return cls(rows, None, rows)

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Live:
        """`mask`: bool, one a row."""
        count = int(np.count_nonzero(mask))
        return cls(len(mask), None if count == len(mask) else _packed(mask), count)

    def without(self, rows: NDArray[np.int64]) -> Live:
        """With these rows dead."""
        # In the bits themselves: every write that replaces a document does this to a part of perhaps millions of rows.
        if not len(rows):
            return self
        rows = np.unique(rows)
        bits = _ones(self.rows) if self.bits is None else self.bits.copy()
        places, single = rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8)
        dying = int(np.count_nonzero(bits[places] & single))
        np.bitwise_and.at(bits, places, ~single)
        return Live(self.rows, _frozen(bits), self.count - dying) if dying else self

    def grown(self, rows: int) -> Live:
        """With rows added that are alive."""
        if self.bits is None:
            return Live.all(rows)
        bits = _ones(rows)
        whole, more = divmod(self.rows, 8)
        bits[:whole] = self.bits[:whole]
        if more:
            bits[whole] &= self.bits[whole] | np.uint8(0xFF << more & 0xFF)
        return Live(rows, _frozen(bits), self.count + rows - self.rows)

    def mask(self) -> NDArray[np.bool_]:
        """bool, one a row; the caller's own."""
        if self.bits is None:
            return np.ones(self.rows, dtype=np.bool_)
        return np.unpackbits(self.bits, count=self.rows, bitorder="little").astype(np.bool_)


def places_of(wanted: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where those of the wanted keys are that are there, among keys that rise."""
    if not len(wanted) or not len(keys):
        return np.empty(0, dtype=np.int64)
    places = np.searchsorted(keys, wanted)
    places = places[places < len(keys)] if places.max() >= len(keys) else places
    found = places[np.isin(keys[places], wanted)]
    return found.astype(np.int64)


def _packed(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return _frozen(np.packbits(mask, bitorder="little"))


def _ones(rows: int) -> NDArray[np.uint8]:
    """Bits of so many rows that are alive; those behind the last one are zero, as `np.packbits` has them."""
    bits = np.full(-(-rows // 8), 0xFF, dtype=np.uint8)
    if rows % 8:
        bits[-1] = 0xFF >> (8 - rows % 8)
    return bits


def _frozen(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bits.flags.writeable = False
    return bits
