"""Which fields a collection's documents have, and of what type; metadata brought into normal form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata import dates
from crossfade.store.metadata.fieldwise import by_field, plain
from crossfade.store.metadata.limits import MAX_FIELDS, MAX_LIST_LENGTH, MAX_METADATA_BYTES
from crossfade.store.metadata.values import (
    EXPECTED,
    NUMBER_BYTES,
    FieldType,
    Scalar,
    Value,
    check_name,
    check_string,
    moment,
    scalar,
    shown,
)

Metadata = dict[str, Value]
"""A document's metadata in normal form: sorted by name, of str, int, float, bool and lists of str; a date-time as an
int of microseconds (see `dates`). It can be written as JSON and read back without a change."""

_INFERRED = {bool: FieldType.BOOL, int: FieldType.INT, float: FieldType.FLOAT, str: FieldType.STRING}


class MetadataSchema(Mapping[str, FieldType]):
    """From the name of each field to its type, which it keeps for the collection's life. Immutable and hashable.

    `fields` maps names to FieldType or its value ("string", "int", "float", "bool", "datetime", "strings").
    Raises InvalidInput for a name or type that does not exist, LimitExceeded for more than MAX_FIELDS.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, FieldType | str] | None = None) -> None:
        given = {} if fields is None else fields
        if not isinstance(given, Mapping):
            raise InvalidInput(f"a metadata schema must be an object from field name to type, not {shown(given)}")
        if len(given) > MAX_FIELDS:
            raise LimitExceeded(f"{len(given)} metadata fields, the limit of a collection is {MAX_FIELDS}: use fewer")
        self._fields = {name: _type(name, given[name]) for name in sorted(check_name(name) for name in given)}

    def __getitem__(self, name: str) -> FieldType:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __hash__(self) -> int:
        return hash(tuple(self._fields.items()))

    def __repr__(self) -> str:
        return f"MetadataSchema({self.to_json()})"

    @classmethod
    def from_json(cls, value: object) -> MetadataSchema:
        """Of `to_json`'s form, or anybody's: raises InvalidInput for what is not."""
        if not isinstance(value, Mapping):
            raise InvalidInput(f"a metadata schema must be an object from field name to type, not {shown(value)}")
        return cls(value)

    def to_json(self) -> dict[str, str]:
        """From name to the type's name, sorted by name."""
        return {name: kind.value for name, kind in self._fields.items()}

    def declare(self, fields: Mapping[str, FieldType | str]) -> MetadataSchema:
        """This schema and more fields. Raises InvalidInput when one is there with another type."""
        more = MetadataSchema(fields)
        for name, kind in more.items():
            if self._fields.get(name, kind) is not kind:
                raise InvalidInput(
                    f"field {shown(name)} is {self._fields[name]} and cannot become {kind}: a field keeps its type for "
                    "the collection's life; use another name or a new collection"
                )
        return MetadataSchema({**self._fields, **more})

    def check(self, metadata: Mapping[str, object], *, document: str) -> tuple[MetadataSchema, Metadata]:
        """`metadata` in normal form, and the schema with the fields that came with it.

        A field that is not in the schema gets the type of its value: bool, int, float, string (also of what looks like
        a date), datetime of Python's `datetime` and `date`, or strings. None is the same as no value. A float field
        takes an int that float64 holds exactly; an int field takes no float, not even 3.0. Strings given twice in a
        list are kept once. `document` is its id, for messages.

        Raises InvalidInput naming document, field, what was found and what expected, LimitExceeded beyond the limits.
        """
        if not isinstance(metadata, Mapping):
            raise InvalidInput(f"document {shown(document)}: metadata must be an object, not {shown(metadata)}")
        new: dict[str, FieldType] = {}
        normal: Metadata = {}
        size = 0
        for name, value in metadata.items():
            try:
                kind = self._fields.get(name) if isinstance(name, str) else None
                if kind is None:
                    check_name(name)
                    if value is not None:
                        kind = new[name] = _infer(value)
                if kind is not None and value is not None:
                    normal[name], bytes_of_value = _normalise(value, kind)
                    size += len(name) + bytes_of_value
            except InvalidInput as error:
                raise type(error)(f"document {shown(document)}: field {shown(name)}: {error}") from None
        if size > MAX_METADATA_BYTES:
            raise LimitExceeded(
                f"document {shown(document)}: its metadata are {size} bytes, the limit is {MAX_METADATA_BYTES}: "
                "keep what is not filtered by in the text"
            )
        try:
            schema = MetadataSchema({**self._fields, **new}) if new else self
        except LimitExceeded as error:
            raise LimitExceeded(f"document {shown(document)}: {error}") from None
        return schema, dict(sorted(normal.items()))

    def check_all(
        self, metadata: Sequence[Mapping[str, object]], *, documents: Sequence[str]
    ) -> tuple[MetadataSchema, list[Metadata]]:
        """`check` of one after the other, each with the fields that came before it. `documents`: their ids.

        Raises as `check` does for the first that it refuses.
        """
        found = self._fieldwise(metadata) if all(type(each) is dict for each in metadata) else None
        if found is not None:
            return found
        schema, normal = self, []
        for each, document in zip(metadata, documents, strict=True):
            schema, one = schema.check(each, document=document)
            normal.append(one)
        return schema, normal

    def _fieldwise(self, metadata: Sequence[Mapping[str, object]]) -> tuple[MetadataSchema, list[Metadata]] | None:
        """None where something is wrong, or large enough to be added up document by document."""
        fields = by_field(metadata)
        if not all(isinstance(name, str) for name in fields):
            return None
        normal: list[Metadata] = [{} for _ in metadata]
        new: dict[str, FieldType] = {}
        size = 0
        try:
            for name in sorted(fields):
                places, values = fields[name]
                kind = self._fields.get(check_name(name))
                if type(None) in set(map(type, values)):
                    there = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
                    places, values = [place for place, _ in there], [value for _, value in there]
                if not values:
                    continue
                if kind is None:
                    kind = new[name] = _infer(values[0])
                taken, largest = plain(values, kind) or _one_by_one(values, kind)
                size += len(name) + largest
                for place, value in zip(places, taken, strict=True):
                    normal[place][name] = value
            if size > MAX_METADATA_BYTES:
                return None
            return MetadataSchema({**self._fields, **new}) if new else self, normal
        except InvalidInput:
            return None

    def present(self, metadata: Mapping[str, Value]) -> dict[str, Value]:
        """Metadata of normal form as they are shown to people and written to JSON for them: date-times as RFC 3339."""
        return {
            name: dates.text(value) if self._fields[name] is FieldType.DATETIME and isinstance(value, int) else value
            for name, value in metadata.items()
        }


def _type(name: str, value: object) -> FieldType:
    try:
        return FieldType(value)  # type: ignore[arg-type]  # whatever it is, the enum says whether it is one
    except ValueError:
        kinds = ", ".join(FieldType)
        raise InvalidInput(f"field {shown(name)} cannot have the type {shown(value)}: use one of {kinds}") from None


def _infer(value: object) -> FieldType:
    if isinstance(value, list | tuple):
        return FieldType.STRINGS
    if isinstance(value, date):
        return FieldType.DATETIME
    found = scalar(value)
    if found is None:
        raise InvalidInput(
            f"found {shown(value)}, expected a string, number, true, false, date-time or list of strings: flatten "
            "objects into fields such as 'author.name'"
        )
    return _INFERRED[type(found)]


def _normalise(value: object, kind: FieldType) -> tuple[Value, int]:
    """The value in normal form and its size in bytes."""
    if kind is FieldType.STRINGS:
        return _strings(value)
    if kind is FieldType.DATETIME:
        when = moment(value)
        if when is None:
            raise _conflict(value, kind)
        return when, NUMBER_BYTES
    found = scalar(value)
    if kind is FieldType.FLOAT and type(found) is int:
        return _exact(found), NUMBER_BYTES
    if found is None or _INFERRED[type(found)] is not kind:
        raise _conflict(value, kind)
    return found, _size(found)


def _one_by_one(values: Sequence[object], kind: FieldType) -> tuple[list[Value], int]:
    """The values in normal form and the bytes of the largest."""
    found = [_normalise(value, kind) for value in values]
    return [value for value, _ in found], max(size for _, size in found)


def _strings(value: object) -> tuple[list[str], int]:
    if not isinstance(value, list | tuple):
        raise _conflict(value, FieldType.STRINGS)
    if len(value) > MAX_LIST_LENGTH:
        raise LimitExceeded(f"found a list of {len(value)}, the limit is {MAX_LIST_LENGTH}: keep the list shorter")
    kept: dict[str, int] = {}
    for position, each in enumerate(value):
        if not isinstance(each, str):
            raise InvalidInput(f"found {shown(each)} at position {position} of its list, expected a string")
        kept[str.__str__(each)] = check_string(each)
    return list(kept), sum(kept.values())


def _exact(value: int) -> float:
    number = float(value)
    if int(number) != value:
        raise InvalidInput(f"found {value}, which no float64 holds exactly: the field is float; use a smaller number")
    return number


def _size(value: Scalar) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return 1 if isinstance(value, bool) else NUMBER_BYTES


def _conflict(value: object, kind: FieldType) -> InvalidInput:
    hint = ""
    if kind is FieldType.INT and isinstance(value, float):
        hint = "; a field of both ints and floats must be declared float before its first document"
    elif kind is FieldType.STRINGS and isinstance(value, str):
        hint = "; put the one string into a list"
    return InvalidInput(f"found {shown(value)}, expected {EXPECTED[kind]}: the field has the type {kind}{hint}")
