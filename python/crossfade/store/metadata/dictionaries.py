"""The different strings of a column, each once, as UTF-8; a code is a string's position.

A sealed segment's are sorted, so that a prefix or range is a range of codes. A tail's are in order of arrival; a tail
is small, and is gone through. Both answer with codes: a `range`, or a table of one bool for each code.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

Codes = range | NDArray[np.bool_]
"""Some codes of a dictionary: consecutive ones, or where a table of shape (len(dictionary),) is true."""


class SortedDictionary(Sequence[bytes]):
    """Strings in ascending order by bytes, in two arrays that may be mapped.

    `offsets`: int64, shape (n + 1,); `data`: uint8, shape (offsets[n],). String i is data[offsets[i] : offsets[i + 1]].
    """

    __slots__ = ("_bytes", "_ends", "data", "offsets")

    def __init__(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        self.offsets = offsets
        self.data = data
        # Searching touches single elements, which memory views hand out several times faster than arrays.
        self._ends = offsets.astype(np.int64, copy=False).data
        self._bytes = data.data

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> SortedDictionary:
        """Of strings that are sorted and different."""
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(each) for each in strings], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(strings), np.uint8))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, code: int) -> bytes:  # type: ignore[override]  # no slices: bisect and callers ask for one
        return bytes(self._bytes[self._ends[code] : self._ends[code + 1]])

    def among(self, values: Collection[bytes]) -> Codes:
        """The codes of those `values` that are there."""
        if len(values) > len(self):  # then it is cheaper to look each of its own strings up among them
            wanted = set(values)
            return np.fromiter((each in wanted for each in self), np.bool_, len(self))
        codes = [code for value in values if (code := self._find(value)) is not None]
        return _as_codes(codes, len(self))

    def between(self, lower: bytes | None, upper: bytes | None, *, above: bool, below: bool) -> Codes:
        """The codes of strings from `lower` to `upper`, None for no bound; `above`, `below`: without that bound."""
        first = 0 if lower is None else (bisect_right if above else bisect_left)(self, lower)
        last = len(self) if upper is None else (bisect_left if below else bisect_right)(self, upper)
        return range(first, max(first, last))

    def beginning(self, prefix: bytes) -> Codes:
        """The codes of strings that begin with `prefix`, UTF-8."""
        # UTF-8 has no byte 255, so the last byte can be raised by one.
        after = prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None
        return self.between(prefix, after, above=False, below=True)

    def _find(self, value: bytes) -> int | None:
        code = bisect_left(self, value)
        return code if code < len(self) and self[code] == value else None


class ArrivalDictionary(Sequence[bytes]):
    """The first `size` strings of a tail's, in order of arrival.

    `strings` and `codes` are the tail's own, which only grow: what a later write adds lies beyond `size`.
    """

    __slots__ = ("_codes", "_size", "_strings")

    def __init__(self, strings: list[bytes], codes: dict[bytes, int]) -> None:
        self._strings = strings
        self._codes = codes
        self._size = len(strings)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, code: int) -> bytes:  # type: ignore[override]  # no slices, as above
        if code >= self._size:
            raise IndexError(code)
        return self._strings[code]

    def among(self, values: Collection[bytes]) -> Codes:
        """See SortedDictionary."""
        codes = [code for value in values if (code := self._codes.get(value, self._size)) < self._size]
        return _as_codes(codes, self._size)

    def between(self, lower: bytes | None, upper: bytes | None, *, above: bool, below: bool) -> Codes:
        """See SortedDictionary."""

        def inside(each: bytes) -> bool:
            if lower is not None and (each <= lower if above else each < lower):
                return False
            return upper is None or (each < upper if below else each <= upper)

        return self._table(inside)

    def beginning(self, prefix: bytes) -> Codes:
        """See SortedDictionary."""
        return self._table(lambda each: each.startswith(prefix))

    def _table(self, keep: Callable[[bytes], bool]) -> Codes:
        return np.fromiter((keep(each) for each in self._strings[: self._size]), np.bool_, self._size)


Dictionary = SortedDictionary | ArrivalDictionary


def _as_codes(codes: list[int], size: int) -> Codes:
    if len(codes) <= 1:
        return range(codes[0], codes[0] + 1) if codes else range(0)
    table = np.zeros(size, np.bool_)
    table[codes] = True
    return table
