"""The columns of rows that are still being written: appended under a lock, read beside it without one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from crossfade.errors import InvalidInput
from crossfade.store.metadata.bits import Bits
from crossfade.store.metadata.columns import BoolColumn, Column, Columns, NumberColumn, StringColumn, StringsColumn
from crossfade.store.metadata.dictionaries import ArrivalDictionary
from crossfade.store.metadata.fieldwise import by_field
from crossfade.store.metadata.values import PYTHON_TYPES, FieldType, Value, shown

Rows = slice | NDArray[np.int64]

_FIRST_CAPACITY = 256
_MAX_ROWS = 2**31 - 1


class TailColumns:
    """Metadata of rows 0, 1, 2, ... of a segment that is being filled.

    Any thread may append and any may take a snapshot. A snapshot costs the same however many rows there are, and what
    is appended later lies beyond it: buffers are written only past the rows that anybody has seen, and replaced, not
    resized, when they are full. The segment is sealed with `snapshot().sealed()`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows = 0
        self._fields: dict[str, _Growing] = {}

    def __len__(self) -> int:
        return self._rows

    def extend(self, rows: Iterable[Mapping[str, Value]], schema: Mapping[str, FieldType]) -> None:
        """Add a row for each metadata; all or, when it raises, none.

        `rows` and `schema` are what `MetadataSchema.check` gave. Raises InvalidInput for a field that the schema lacks
        or holds with another type than the one it had here.
        """
        given = list(rows)
        fields = by_field(given)
        with self._lock:
            for name, (_, values) in fields.items():
                self._check(name, values, schema)
            first = self._rows
            if first + len(given) > _MAX_ROWS:
                raise InvalidInput(f"a segment holds at most {_MAX_ROWS} rows: seal this one and begin another")
            try:
                for name, (places, values) in fields.items():
                    field = self._fields.get(name)
                    if field is None:
                        field = self._fields[name] = _GROWING[schema[name]](schema[name])
                    field.put(_places(places, first), values)
            except BaseException:  # no memory, an interrupt: the next row there must not find what this one left
                for field in self._fields.values():
                    field.cut(first)
                raise
            self._rows = first + len(given)

    def cut(self, rows: int) -> None:
        """Forget the rows from there on, of which there must be no snapshot, and the fields that only they had."""
        with self._lock:
            for field in self._fields.values():
                field.cut(rows)
            self._fields = {name: field for name, field in self._fields.items() if field.any(rows)}
            self._rows = min(rows, self._rows)

    def snapshot(self, rows: int | None = None) -> Columns:
        """The first `rows` rows, by default all there are now. Raises InvalidInput when there are not so many."""
        with self._lock:
            count = self._rows if rows is None else rows
            if not 0 <= count <= self._rows:
                raise InvalidInput(f"a snapshot of {rows} rows was asked for, and there are {self._rows}")
            return Columns(count, {name: field.view(count) for name, field in self._fields.items()})

    def _check(self, name: str, values: list[Value], schema: Mapping[str, FieldType]) -> None:
        kind = schema.get(name)
        if kind is None or set(map(type, values)) != {PYTHON_TYPES[kind]}:
            value = next(value for value in values if kind is None or type(value) is not PYTHON_TYPES[kind])
            raise InvalidInput(
                f"field {shown(name)} is {f'{kind} in' if kind else 'not in'} the schema and its value {shown(value)}: "
                "append what MetadataSchema.check returned, with the schema that it returned"
            )
        field = self._fields.get(name)
        if field is not None and field.kind is not kind:
            raise InvalidInput(f"field {shown(name)} is {field.kind} in this segment and {kind} in the schema")


def _places(places: list[int], first: int) -> Rows:
    """Places that count from row `first`."""
    if places[-1] - places[0] == len(places) - 1:
        return slice(first + places[0], first + places[-1] + 1)
    return np.array(places, dtype=np.int64) + first


class _Growing(Protocol):
    kind: FieldType

    def put(self, rows: Rows, values: list[Value]) -> None:
        """`rows`: rising, beyond all that were put before; a value each, of the field's type."""

    def cut(self, row: int) -> None:
        """Forget the rows from `row` on."""

    def any(self, rows: int) -> bool:
        """Whether any of the first `rows` has a value."""

    def view(self, rows: int) -> Column: ...


class _Buffer:
    """An array that grows at its end; every element is `fill` until it is written."""

    def __init__(self, dtype: DTypeLike, fill: int = 0) -> None:
        self._fill = fill
        self._array: NDArray[Any] = np.full(_FIRST_CAPACITY, fill, dtype)

    def put(self, at: Rows, values: Any) -> None:
        """`values`: one, or one each. Raises OverflowError for an int that the dtype does not hold."""
        self._reserve(at.stop if isinstance(at, slice) else int(at[-1]) + 1)
        self._array[at] = np.array(values, self._array.dtype)

    def fill(self, start: int, stop: int, value: int) -> None:
        self._reserve(stop)
        self._array[start:stop] = value

    def any(self, size: int) -> bool:
        return bool((self._array[:size] != self._fill).any())

    def clear(self, start: int) -> None:
        self._array[start:] = self._fill

    def view(self, size: int) -> NDArray[Any]:
        self._reserve(size)
        seen = self._array[:size]
        seen.flags.writeable = False
        return seen

    def _reserve(self, size: int) -> None:
        if size > len(self._array):
            larger = np.full(max(size, 2 * len(self._array)), self._fill, self._array.dtype)
            larger[: len(self._array)] = self._array
            self._array = larger


class _Numbers:
    def __init__(self, kind: FieldType) -> None:
        self.kind = kind
        self._values = _Buffer(np.float64 if kind is FieldType.FLOAT else np.int64)
        self._presence = _Buffer(np.bool_)

    def put(self, rows: Rows, values: list[Value]) -> None:
        self._values.put(rows, values)
        self._presence.put(rows, True)

    def cut(self, row: int) -> None:
        self._values.clear(row)
        self._presence.clear(row)

    def any(self, rows: int) -> bool:
        return self._presence.any(rows)

    def view(self, rows: int) -> Column:
        return NumberColumn(self.kind, self._values.view(rows), Bits(self._presence.view(rows), rows))


class _Bools:
    def __init__(self, kind: FieldType) -> None:
        self.kind = kind
        self._values = _Buffer(np.bool_)
        self._presence = _Buffer(np.bool_)

    def put(self, rows: Rows, values: list[Value]) -> None:
        self._values.put(rows, values)
        self._presence.put(rows, True)

    def cut(self, row: int) -> None:
        self._values.clear(row)
        self._presence.clear(row)

    def any(self, rows: int) -> bool:
        return self._presence.any(rows)

    def view(self, rows: int) -> Column:
        return BoolColumn(Bits(self._values.view(rows), rows), Bits(self._presence.view(rows), rows))


class _Dictionary:
    def __init__(self) -> None:
        self._strings: list[bytes] = []
        self._codes: dict[bytes, int] = {}

    def codes(self, texts: list[str]) -> list[int]:
        found = {text: self._code(text.encode()) for text in dict.fromkeys(texts)}
        return [found[text] for text in texts]

    def _code(self, key: bytes) -> int:
        code = self._codes.get(key)
        if code is None:
            code = len(self._strings)
            self._strings.append(key)  # first: an interrupt may leave a string without a code, never the reverse
            self._codes[key] = code
        return code

    def view(self) -> ArrivalDictionary:
        return ArrivalDictionary(self._strings, self._codes)


class _Strings:
    def __init__(self, kind: FieldType) -> None:
        self.kind = kind
        self._codes = _Buffer(np.int32, fill=-1)
        self._dictionary = _Dictionary()

    def put(self, rows: Rows, values: list[Value]) -> None:
        self._codes.put(rows, self._dictionary.codes(cast(list[str], values)))

    def cut(self, row: int) -> None:
        self._codes.clear(row)

    def any(self, rows: int) -> bool:
        return self._codes.any(rows)

    def view(self, rows: int) -> Column:
        return StringColumn(self._codes.view(rows), self._dictionary.view())


class _Lists:
    def __init__(self, kind: FieldType) -> None:
        self.kind = kind
        self._starts = _Buffer(np.int64)
        self._begun = 0  # of starts, how many are written beyond the first: those of rows up to the last list
        self._codes = _Buffer(np.int32)
        self._size = 0
        self._presence = _Buffer(np.bool_)
        self._dictionary = _Dictionary()

    def put(self, rows: Rows, values: list[Value]) -> None:
        lists = cast(list[list[str]], values)
        codes = self._dictionary.codes([each for one in lists for each in one])
        self._codes.put(slice(self._size, self._size + len(codes)), codes)
        for row, one in zip(range(rows.start, rows.stop) if isinstance(rows, slice) else rows, lists, strict=True):
            self._reach(row)
            self._size += len(one)
            self._reach(row + 1)
        self._presence.put(rows, True)

    def cut(self, row: int) -> None:
        self._presence.clear(row)
        self._begun = min(self._begun, row)
        self._size = int(self._starts.view(self._begun + 1)[self._begun])

    def any(self, rows: int) -> bool:
        return self._presence.any(rows)

    def view(self, rows: int) -> Column:
        self._reach(rows)
        starts = self._starts.view(rows + 1)
        return StringsColumn(
            starts,
            self._codes.view(int(starts[rows])),
            Bits(self._presence.view(rows), rows),
            self._dictionary.view(),
        )

    def _reach(self, row: int) -> None:
        """Rows before `row` that have no end yet are empty, or end here."""
        if row > self._begun:
            self._starts.fill(self._begun + 1, row + 1, self._size)
            self._begun = row


_GROWING: dict[FieldType, type[_Numbers | _Bools | _Strings | _Lists]] = {
    FieldType.STRING: _Strings,
    FieldType.INT: _Numbers,
    FieldType.FLOAT: _Numbers,
    FieldType.BOOL: _Bools,
    FieldType.DATETIME: _Numbers,
    FieldType.STRINGS: _Lists,
}
