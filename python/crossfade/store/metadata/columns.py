"""One field of many rows, one class for each way that values lie in memory; and all fields of a segment.

The arrays may be mapped files or parts of a growing tail: nothing here writes to them. A mask that a method returns is
new, and its caller's. Where a row has no value, its mask is false, whatever is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.store.metadata.bits import Bits, Mask
from crossfade.store.metadata.dictionaries import Codes, Dictionary, SortedDictionary
from crossfade.store.metadata.filters import Range
from crossfade.store.metadata.schema import Metadata
from crossfade.store.metadata.values import FieldType, Scalar, Value

_COMPARED_ONE_BY_ONE = 8  # so many passes over the values take less time than one binary search for each


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """`kind`: int, float or datetime. `values`: int64 or float64, shape (rows,), 0 where absent."""

    kind: FieldType
    values: NDArray[np.int64] | NDArray[np.float64]
    presence: Bits

    def exists(self) -> Mask:
        return self.presence.mask()

    def among(self, wanted: Sequence[Scalar]) -> Mask:
        sought = np.array(sorted(wanted), dtype=self.values.dtype)
        if len(sought) <= _COMPARED_ONE_BY_ONE:
            found = np.zeros(len(self.values), np.bool_)
            for each in sought:
                found |= self.values == each
        elif self.kind is not FieldType.FLOAT and int(sought[-1]) - int(sought[0]) < len(self.values):
            found = self._in_table(sought)
        else:
            # The greatest position is one past the end, where nothing can be found.
            places = np.minimum(np.searchsorted(sought, self.values), len(sought) - 1)
            found = sought[places] == self.values
        found &= self.presence.mask()
        return found

    def _in_table(self, sought: NDArray[Any]) -> Mask:
        """Of ints that lie close together: one look into a table each."""
        table = np.zeros(int(sought[-1]) - int(sought[0]) + 2, np.bool_)
        table[sought - sought[0]] = True
        # Unsigned, a value below the first one wraps to one far above; the last entry, false, stands for all outside.
        places = self.values.view(np.uint64) - sought[:1].view(np.uint64)
        found: Mask = table[np.minimum(places, np.uint64(len(table) - 1)).view(np.int64)]
        return found

    def within(self, bounds: Range) -> Mask:
        found = self.presence.mask()
        for name, compare in (("gt", np.greater), ("gte", np.greater_equal), ("lt", np.less), ("lte", np.less_equal)):
            bound = getattr(bounds, name)
            if bound is not None:
                # A scalar of the column's own type: NumPy then converts neither side.
                found &= compare(self.values, self.values.dtype.type(bound))
        return found

    def value(self, row: int) -> Value | None:
        return self.values[row].item() if self.presence[row] else None


@dataclass(frozen=True, slots=True, eq=False)
class BoolColumn:
    values: Bits
    presence: Bits

    @property
    def kind(self) -> FieldType:
        return FieldType.BOOL

    def exists(self) -> Mask:
        return self.presence.mask()

    def among(self, wanted: Sequence[Scalar]) -> Mask:
        found = self.presence.mask()
        if True not in wanted:
            found &= ~self.values.mask()
        if False not in wanted:
            found &= self.values.mask()
        return found

    def value(self, row: int) -> Value | None:
        return self.values[row] if self.presence[row] else None


@dataclass(frozen=True, slots=True, eq=False)
class StringColumn:
    """`codes`: int32, shape (rows,), positions in `dictionary`, -1 where absent."""

    codes: NDArray[np.int32]
    dictionary: Dictionary

    @property
    def kind(self) -> FieldType:
        return FieldType.STRING

    def exists(self) -> Mask:
        return self.codes >= 0

    def among(self, wanted: Sequence[Scalar]) -> Mask:
        return self._where(self.dictionary.among([_utf8(each) for each in wanted]))

    def within(self, bounds: Range) -> Mask:
        lower = bounds.gte if bounds.gt is None else bounds.gt
        upper = bounds.lte if bounds.lt is None else bounds.lt
        codes = self.dictionary.between(
            None if lower is None else _utf8(lower),
            None if upper is None else _utf8(upper),
            above=bounds.gt is not None,
            below=bounds.lt is not None,
        )
        return self._where(codes)

    def beginning(self, prefix: str) -> Mask:
        return self._where(self.dictionary.beginning(_utf8(prefix)))

    def value(self, row: int) -> Value | None:
        code = int(self.codes[row])
        return None if code < 0 else self.dictionary[code].decode()

    def _where(self, codes: Codes) -> Mask:
        if isinstance(codes, range):
            if len(codes) <= 1:
                return self.codes == np.int32(codes.start) if codes else np.zeros(len(self.codes), np.bool_)
            found = self.codes >= np.int32(codes.start)
            found &= self.codes < np.int32(codes.stop)
            return found
        # -1 is the last entry.
        return np.append(codes, False).take(self.codes)


@dataclass(frozen=True, slots=True, eq=False)
class StringsColumn:
    """Lists as compressed sparse rows: row i is codes[starts[i] : starts[i + 1]], different positions in `dictionary`.

    `starts`: int64, shape (rows + 1,); `codes`: int32, shape (starts[rows],). `presence` tells no
    list from an empty one.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.int32]
    presence: Bits
    dictionary: Dictionary

    @property
    def kind(self) -> FieldType:
        return FieldType.STRINGS

    def exists(self) -> Mask:
        return self.presence.mask()

    def containing_any(self, wanted: Sequence[str]) -> Mask:
        return self._hits(self.dictionary.among([_utf8(each) for each in wanted])) > 0

    def containing_all(self, wanted: Sequence[str]) -> Mask:
        """`wanted` are different, as the codes of a row are: all are there when as many are."""
        found = self.presence.mask()
        if wanted:
            found &= self._hits(self.dictionary.among([_utf8(each) for each in wanted])) == len(wanted)
        return found

    def equal(self, wanted: Sequence[str]) -> Mask:
        found = self.containing_all(wanted)
        found &= np.diff(self.starts) == len(wanted)
        return found

    def value(self, row: int) -> Value | None:
        if not self.presence[row]:
            return None
        codes = self.codes[self.starts[row] : self.starts[row + 1]]
        return sorted(self.dictionary[code].decode() for code in codes.tolist())

    def _hits(self, codes: Codes) -> NDArray[np.signedinteger[Any]]:
        """How many of `codes` each row has."""
        if isinstance(codes, range):
            hit = self.codes == np.int32(codes.start) if codes else np.zeros(len(self.codes), np.bool_)
        else:
            hit = codes.take(self.codes)
        # Half the bytes take less than half the time.
        before = np.zeros(len(hit) + 1, np.int32 if len(hit) < 2**31 else np.int64)
        np.cumsum(hit, out=before[1:], dtype=before.dtype)
        hits: NDArray[np.signedinteger[Any]] = np.diff(before.take(self.starts))
        return hits


Column = NumberColumn | BoolColumn | StringColumn | StringsColumn


class Columns:
    """All fields of a segment, or of a tail as it was at some moment. Immutable; shared freely by threads.

    `rows`: of the segment. `fields`: from name to column, sorted by name; without the fields that no row has.
    """

    __slots__ = ("_sealed", "fields", "rows")

    def __init__(self, rows: int, fields: Mapping[str, Column], *, sealed: bool = False) -> None:
        """Not for callers: use TailColumns and open_columns."""
        self.rows = rows
        self._sealed = sealed
        self.fields: Mapping[str, Column] = MappingProxyType(dict(sorted(fields.items())))

    def metadata(self, row: int) -> Metadata:
        """A row's metadata in normal form, the strings of a list sorted. Raises IndexError."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows}")
        values = ((name, column.value(row)) for name, column in self.fields.items())
        return {name: value for name, value in values if value is not None}

    def sealed(self) -> Columns:
        """The same rows with sorted dictionaries and packed flags, as they are saved, and no longer a tail's."""
        if self._sealed:
            return self
        fields = {name: _sealed(column, self.rows) for name, column in self.fields.items()}
        kept = {name: column for name, column in fields.items() if column is not None}
        return Columns(self.rows, kept, sealed=True)


def _sealed(column: Column, rows: int) -> Column | None:
    """None when no row has a value."""
    if not column.exists().any():
        return None
    match column:
        case NumberColumn(kind, values, presence):
            return NumberColumn(kind, values.copy(), Bits(presence.packed().copy(), rows))
        case BoolColumn(flags, presence):
            return BoolColumn(Bits(flags.packed().copy(), rows), Bits(presence.packed().copy(), rows))
        case StringColumn(codes, dictionary):
            ordered, rank = _order(dictionary, codes[codes >= 0])
            # -1, absent, is the last entry.
            return StringColumn(np.append(rank, np.int32(-1))[codes], ordered)
        case StringsColumn(starts, codes, presence, dictionary):
            ordered, rank = _order(dictionary, codes)
            ranked = rank[codes]
            row_of = np.repeat(np.arange(rows), np.diff(starts))
            return StringsColumn(
                starts.copy(), ranked[np.lexsort((ranked, row_of))], Bits(presence.packed().copy(), rows), ordered
            )


def _order(dictionary: Dictionary, codes: NDArray[np.int32]) -> tuple[SortedDictionary, NDArray[np.int32]]:
    """The strings that `codes` name, sorted; and for each old code the new one."""
    used = sorted((dictionary[code], code) for code in np.unique(codes).tolist())
    rank = np.full(len(dictionary), -1, np.int32)
    rank[[code for _, code in used]] = np.arange(len(used), dtype=np.int32)
    return SortedDictionary.of([text for text, _ in used]), rank


def _utf8(text: Scalar) -> bytes:
    return str(text).encode()
