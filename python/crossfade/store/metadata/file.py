"""A sealed segment's columns in one file, written whole and read by mapping it.

Layout, little-endian throughout:

    magic "CFMETA\\r\\n"        8 bytes, of which transfers that change line ends make something else
    version                   uint32, 1
    length of the header      uint32
    SHA-256 of the header     32 bytes
    header                    JSON: {"rows": n, "fields": [{"name", "type", "parts": [{"offset", "count", "sha256"}]}]}
    parts                     arrays, each from a multiple of 64 on, zeros before it

Parts by type, in this order: string: codes int32 [rows], offsets int64 [strings + 1], text uint8. strings: starts int64
[rows + 1], codes int32, presence, offsets, text. int and datetime: values int64 [rows], presence. float: values float64
[rows], presence. bool: values, presence. Presence and bools are bits in little order, ceil(rows / 8) bytes. The hash of
a part begins with the zeros before it, so that no byte of the file is without one.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError, InvalidInput
from crossfade.files import write_atomically
from crossfade.mapping import map_file
from crossfade.store.metadata.bits import Bits
from crossfade.store.metadata.columns import BoolColumn, Column, Columns, NumberColumn, StringColumn, StringsColumn
from crossfade.store.metadata.dictionaries import SortedDictionary
from crossfade.store.metadata.values import FieldType, check_name

VERSION = 1
_MAGIC = b"CFMETA\r\n"
_PREFIX = struct.Struct("<8sII32s")
_ALIGNMENT = 64
_MAX_HEADER = 1 << 20
_MAX_ROWS = 2**31 - 1

_BITS, _CODES, _PLACES, _TEXT = "|u1", "<i4", "<i8", "|u1"
_PARTS = {
    FieldType.STRING: (_CODES, _PLACES, _TEXT),
    FieldType.STRINGS: (_PLACES, _CODES, _BITS, _PLACES, _TEXT),
    FieldType.INT: ("<i8", _BITS),
    FieldType.DATETIME: ("<i8", _BITS),
    FieldType.FLOAT: ("<f8", _BITS),
    FieldType.BOOL: (_BITS, _BITS),
}


def save_columns(columns: Columns, path: Path) -> None:
    """Write `columns`, sealed first. The file appears whole, and flushed to the disk, or not at all; equal columns give
    equal bytes. Raises InvalidInput when it cannot be written.
    """
    parts = [(name, column.kind, _arrays(column)) for name, column in columns.sealed().fields.items()]
    # The offsets depend on the header's length, and their digits are in it: they count from the header's end instead.
    at = 0
    fields = []
    for name, kind, arrays in parts:
        described = []
        for array in arrays:
            gap = -at % _ALIGNMENT
            described.append({"offset": at + gap, "count": len(array), "sha256": _hash(bytes(gap), _raw(array))})
            at += gap + array.nbytes
        fields.append({"name": name, "type": kind.value, "parts": described})
    header = json.dumps({"rows": columns.rows, "fields": fields}, separators=(",", ":")).encode()
    header += b" " * (-(_PREFIX.size + len(header)) % _ALIGNMENT)
    with write_atomically(path) as stream:
        stream.write(_PREFIX.pack(_MAGIC, VERSION, len(header), hashlib.sha256(header).digest()))
        stream.write(header)
        at = 0
        for _, _, arrays in parts:
            for array in arrays:
                gap = -at % _ALIGNMENT
                stream.write(bytes(gap))
                stream.write(_raw(array))
                at += gap + array.nbytes


def open_columns(path: Path) -> Columns:
    """The columns in a file, mapped. Every byte is read once, to hold it against its hash; after that the memory is the
    system's to take back. The file must not be changed while they are in use; to delete it, or to rename another over
    it, is no change.

    Raises DataError for a file that is missing, cut short, longer than it was, damaged, or of a newer version;
    StoreError where the process has no descriptors left.
    """
    whole = map_file(path)
    if len(whole) < _PREFIX.size:
        raise DataError(path, f"not a file of metadata: {len(whole)} bytes, cut short?")
    mapped = whole.data
    try:
        return _Reader(path, mapped).columns()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, InvalidInput) as error:
        if isinstance(error, DataError):
            raise
        # The hashes fit, and yet it is not what save_columns writes: another program's work, named and not passed on.
        raise DataError(path, f"does not hold what its header promises: {error!r}") from None


class _Reader:
    def __init__(self, path: Path, mapped: memoryview) -> None:
        self._path = path
        self._mapped = mapped
        self._at = 0

    def columns(self) -> Columns:
        header = self._header()
        rows = header["rows"]
        if type(rows) is not int or not 0 <= rows <= _MAX_ROWS:
            self._fail(f"its header gives {rows!r} rows")
        fields: dict[str, Column] = {}
        for field in header["fields"]:
            name, kind = check_name(field["name"]), FieldType(field["type"])
            if name in fields:
                self._fail(f"the field {name} is there twice")
            arrays = [self._part(*pair) for pair in zip(field["parts"], _PARTS[kind], strict=True)]
            fields[name] = self._column(kind, rows, arrays, f"the field {name}")
        if self._at != len(self._mapped):
            self._fail(f"{len(self._mapped)} bytes long, {self._at} were written")
        return Columns(rows, fields, sealed=True)

    def _header(self) -> dict[str, Any]:
        magic, version, length, digest = _PREFIX.unpack_from(self._mapped)
        if magic != _MAGIC:
            self._fail("not a file of metadata")
        if version != VERSION:
            self._fail(f"format version {version}, this release reads {VERSION}: rebuild the segment or upgrade")
        self._at = _PREFIX.size + length
        if length > _MAX_HEADER or self._at > len(self._mapped):
            self._fail("damaged or cut short: its header is not whole")
        header = self._mapped[_PREFIX.size : self._at]
        if hashlib.sha256(header).digest() != digest:
            self._fail("damaged: its header does not fit its hash")
        self._base = self._at
        return cast(dict[str, Any], json.loads(bytes(header)))

    def _part(self, part: dict[str, Any], dtype: str) -> NDArray[Any]:
        offset, count = part["offset"], part["count"]
        kind = np.dtype(dtype)
        start, stop = self._base + offset, self._base + offset + count * kind.itemsize
        if type(offset) is not int or type(count) is not int or count < 0 or start % _ALIGNMENT or start < self._at:
            self._fail(f"its header gives a part of {count!r} elements at {offset!r}")
        if stop > len(self._mapped):
            self._fail(f"cut short: {len(self._mapped)} bytes long, at least {stop} were written")
        if _hash(self._mapped[self._at : stop]) != part["sha256"]:
            self._fail(f"damaged: bytes {self._at} to {stop} do not fit their hash")
        self._at = stop
        return np.frombuffer(self._mapped[start:stop], kind)

    def _column(self, kind: FieldType, rows: int, arrays: list[NDArray[Any]], what: str) -> Column:
        """What NumPy would read beyond an array's end for is checked, whatever the hashes say."""
        match kind:
            case FieldType.STRING:
                codes, *strings = arrays
                self._check(len(codes) == rows, what)
                dictionary = self._dictionary(strings, what)
                self._check_codes(codes, -1, len(dictionary), what)
                return StringColumn(codes, dictionary)
            case FieldType.STRINGS:
                starts, codes, presence, *strings = arrays
                self._check_places(starts, rows, len(codes), what)
                dictionary = self._dictionary(strings, what)
                self._check_codes(codes, 0, len(dictionary), what)
                return StringsColumn(starts, codes, self._bits(presence, rows, what), dictionary)
            case FieldType.BOOL:
                flags, presence = arrays
                return BoolColumn(self._bits(flags, rows, what), self._bits(presence, rows, what))
            case _:
                values, presence = arrays
                self._check(len(values) == rows, what)
                return NumberColumn(kind, values, self._bits(presence, rows, what))

    def _dictionary(self, arrays: list[NDArray[Any]], what: str) -> SortedDictionary:
        offsets, text = arrays
        self._check_places(offsets, len(offsets) - 1, len(text), what)
        return SortedDictionary(offsets, text)

    def _bits(self, data: NDArray[Any], rows: int, what: str) -> Bits:
        self._check(len(data) == -(-rows // 8), what)
        return Bits(data, rows)

    def _check_places(self, places: NDArray[Any], count: int, last: int, what: str) -> None:
        fits = count >= 0 and len(places) == count + 1 and places[0] == 0 and places[-1] == last
        self._check(bool(fits and (np.diff(places) >= 0).all()), what)

    def _check_codes(self, codes: NDArray[Any], least: int, count: int, what: str) -> None:
        self._check(not len(codes) or (int(codes.min()) >= least and int(codes.max()) < count), what)

    def _check(self, fits: bool, what: str) -> None:
        if not fits:
            self._fail(f"the parts of {what} do not fit each other")

    def _fail(self, reason: str) -> NoReturn:
        raise DataError(self._path, reason)


def _arrays(column: Column) -> list[NDArray[Any]]:
    """A sealed column's parts, little-endian, in the file's order."""
    return [
        np.ascontiguousarray(array, dtype) for array, dtype in zip(_native(column), _PARTS[column.kind], strict=True)
    ]


def _native(column: Column) -> Iterator[NDArray[Any]]:
    match column:
        case NumberColumn(_, values, presence):
            yield from (values, presence.packed())
        case BoolColumn(flags, presence):
            yield from (flags.packed(), presence.packed())
        case StringColumn(codes, SortedDictionary() as dictionary):
            yield from (codes, dictionary.offsets, dictionary.data)
        case StringsColumn(starts, codes, presence, SortedDictionary() as dictionary):
            yield from (starts, codes, presence.packed(), dictionary.offsets, dictionary.data)


def _raw(array: NDArray[Any]) -> memoryview:
    return array.view(np.uint8).data


def _hash(*pieces: bytes | memoryview) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()
