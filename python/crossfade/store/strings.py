"""Strings of rows in a mapped file: offsets, then UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Strings(Sequence[str]):
    """Immutable; a string is made when it is asked for. `offsets`: int64, shape (n + 1,); `text`: uint8."""

    __slots__ = ("_offsets", "_text")

    def __init__(self, offsets: NDArray[np.int64], text: NDArray[np.uint8]) -> None:
        self._offsets = offsets
        self._text = text

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._at(row) for row in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self._at(index % len(self))

    def __iter__(self) -> Iterator[str]:
        return (self._at(row) for row in range(len(self)))

    def _at(self, row: int) -> str:
        start, stop = self._offsets[row : row + 2]
        return self._text[start:stop].tobytes().decode()

    def take(self, rows: NDArray[np.int64]) -> list[str]:
        """Those of some rows, from 0 to below the length: a seventh of the time of one after the other."""
        text = self._text.data
        bounds = zip(self._offsets[rows].tolist(), self._offsets[rows + 1].tolist(), strict=True)
        return [str(text[start:stop], "utf-8") for start, stop in bounds]
