"""Which field of a line or row is what of a document."""

from __future__ import annotations

import base64
import binascii
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.json_kinds import kind_of
from crossfade.store.checks import MAX_ID_BYTES
from crossfade.store.types import Document

_MOST_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Names of fields. `id`: empty for "_id", or "id" where there is none. `title` may be absent in a record, `text`
    may not. `metadata`: of an object whose values become metadata, empty for none. `vector`: read only where vectors
    are given. `rest`: whether all other fields become metadata too, but for those of `ignored`.

    Raises InvalidInput when one field is named for two things, or `text` or `vector` is empty.
    """

    id: str = ""
    title: str = "title"
    text: str = "text"
    vector: str = "vector"
    metadata: str = "metadata"
    rest: bool = False
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, name in (("text", self.text), ("vector", self.vector)):
            if not name:
                raise InvalidInput(f"the field for {what} is empty: name one")
        taken: dict[str, str] = {}
        for what in ("id", "title", "text", "vector", "metadata"):
            name = getattr(self, what)
            if name and (other := taken.setdefault(name, what)) != what:
                raise InvalidInput(f"field {name!r} is named both for {other} and for {what}: name two fields")

    @property
    def id_names(self) -> tuple[str, ...]:
        """The names that the id may have, the first that is there counts."""
        return (self.id,) if self.id else ("_id", "id")

    @property
    def known(self) -> frozenset[str]:
        """Fields that are never metadata by themselves."""
        named = {*self.id_names, self.title, self.text, self.vector, self.metadata, *self.ignored}
        return frozenset(named - {""})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ignored": sorted(self.ignored)}


class DocumentMaker:
    """Makes documents of records; says in what way one is none."""

    def __init__(self, mapping: FieldMapping, *, vectors: bool) -> None:
        """`vectors`: whether records must have one."""
        self.mapping = mapping
        self.vectors = vectors
        self._known = mapping.known

    def make(self, record: Mapping[str, Any]) -> tuple[Document, NDArray[np.float32] | None]:
        """Raises InvalidInput, naming the field, what was found and what was expected. (Metadata are checked by the
        collection's schema, and the vector's width by its dimension.)"""
        mapping = self.mapping
        title = record.get(mapping.title)
        if title is None:
            title = ""
        elif not isinstance(title, str):
            raise InvalidInput(f'"{mapping.title}" is {kind_of(title)}; expected a string')
        text = record.get(mapping.text)
        if not isinstance(text, str):
            raise (
                self._lacking(record, mapping.text, "--text-field")
                if mapping.text not in record
                else InvalidInput(f'"{mapping.text}" is {kind_of(text)}; expected a string')
            )
        document = Document(self._id(record), title, text, self._metadata(record))
        if not self.vectors:
            return document, None
        if mapping.vector not in record:
            raise self._lacking(record, mapping.vector, "--vector-field")
        return document, vector_of(record[mapping.vector], mapping.vector)

    def _id(self, record: Mapping[str, Any]) -> str:
        for name in self.mapping.id_names:
            if name in record:
                break
        else:
            raise self._lacking(record, self.mapping.id_names[0], "--id-field")
        value = record[name]
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
            value = str(value)  # whole numbers stand for their digits, as in tables
        if not isinstance(value, str):
            raise InvalidInput(f'"{name}" is {kind_of(value)}; expected a string or a whole number of 64 bits')
        if not value:
            raise InvalidInput(f'"{name}" is empty: every document needs an id')
        if "\0" in value:
            raise InvalidInput(f'"{name}" holds a NUL character: leave it out')
        # Half a surrogate pair is told by the reader; here it must only not stop the count.
        if len(value) * 4 > MAX_ID_BYTES and (size := len(value.encode(errors="replace"))) > MAX_ID_BYTES:
            raise InvalidInput(f'"{name}" is {size:,} bytes long, the limit is {MAX_ID_BYTES:,}: use a shorter id')
        return value

    def _metadata(self, record: Mapping[str, Any]) -> dict[str, Any]:
        mapping = self.mapping
        given = record.get(mapping.metadata) if mapping.metadata else None
        if given is None:
            given = {}
        elif not isinstance(given, dict):
            raise InvalidInput(f'"{mapping.metadata}" is {kind_of(given)}; expected an object')
        if not mapping.rest:
            return given
        found = {name: value for name, value in record.items() if name not in self._known}
        if both := sorted(found.keys() & given.keys()):
            raise InvalidInput(
                f'"{both[0]}" is both a field and in "{mapping.metadata}": ignore one of them (--ignore-field)'
            )
        return {**given, **found}

    def _lacking(self, record: Mapping[str, Any], name: str, option: str) -> InvalidInput:
        return InvalidInput(lacking(name, record, option))


def lacking(name: str, found: Mapping[str, Any] | list[str], option: str) -> str:
    """What to say when there is no such field; `option`: that names another."""
    names = [str(each)[:60] for each in found]
    shown = ", ".join(map(repr, names[:_MOST_NAMES_SHOWN])) or "nothing"
    more = f" and {len(names) - _MOST_NAMES_SHOWN} more" if len(names) > _MOST_NAMES_SHOWN else ""
    return f'no "{name}"; found {shown}{more} ({option} names another)'


def vector_of(value: object, name: str) -> NDArray[np.float32]:
    """float32, shape (n,): of a list of numbers, of base64 of little-endian float32 (as embedding services send them),
    or of a float array. Raises InvalidInput for anything else. Values that are not finite are looked for later."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float32, copy=False)
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput(
                f'"{name}" is a string that is not base64; expected numbers, or base64 of them'
            ) from None
        if len(data) % 4:
            raise InvalidInput(f'"{name}" is base64 of {len(data)} bytes; expected float32, 4 bytes each')
        return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)
    if not isinstance(value, list):
        raise InvalidInput(
            f'"{name}" is {kind_of(value)}; expected an array of numbers, or base64 of little-endian float32'
        )
    if not _NUMBERS.issuperset(map(type, value)):
        place, stranger = next((at, each) for at, each in enumerate(value) if type(each) not in _NUMBERS)
        raise InvalidInput(f'"{name}" holds {kind_of(stranger)} at position {place}; expected numbers only')
    try:
        wide = np.frombuffer(array("d", value), dtype=np.float64) if value else np.empty(0)
    except OverflowError:
        raise InvalidInput(
            f'"{name}" holds a whole number beyond float64: every value must be a finite float32'
        ) from None
    with np.errstate(over="ignore"):  # becomes infinite, which is found with the others
        return wide.astype(np.float32)


_NUMBERS = frozenset({int, float})
