"""Reads fields out of JSON and says by path which one is wrong: `comparison: base.latency_ms.p50 must be ...`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crossfade.errors import InvalidInput
from crossfade.report.text import clean

_SHOWN = 60  # bytes of a wrong value that a message repeats
_LARGEST = 1e15  # a figure beyond it is a mistake, and would overflow the arithmetic of a plot
_WRITES = {
    "comparison": "crossfade compare --json",
    "decision": "crossfade compare --decision",
    "diagnosis": "crossfade diagnose --json",
    "frontier": "crossfade frontier --json",
    "leakage": "crossfade leakage --json",
}
"""Kind of record to what writes it."""


class HasRecord(Protocol):
    """A result of evaluation, which knows its JSON."""

    def to_json(self) -> dict[str, Any]: ...


def as_json(record: Mapping[str, Any] | HasRecord) -> Any:
    """The JSON of a result; JSON stays what it is, and so does what is neither: whoever reads it says so."""
    to_json = getattr(record, "to_json", None)
    return to_json() if callable(to_json) else record


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a record: its kind, and the path from its root, empty for the record itself."""

    record: str
    path: str = ""

    def key(self, name: str) -> Place:
        # Where the path itself comes from the record, it must not fill the screen.
        shown = clean(name, _SHOWN)
        return Place(self.record, f"{self.path}.{shown}" if self.path else shown)

    def item(self, index: int) -> Place:
        return Place(self.record, f"{self.path}[{index}]")

    @property
    def advice(self) -> str:
        return f"draw the report from the JSON that `{_WRITES[self.record]}` wrote"

    def wrong(self, expected: str, found: object) -> InvalidInput:
        """What to raise when the field is not what it must be."""
        return InvalidInput(
            f"{self.record}: {self.path or 'the record'} must be {expected}, found {_describe(found)}; {self.advice}"
        )

    def missing(self) -> InvalidInput:
        return InvalidInput(f"{self.record}: {self.path} is missing; {self.advice}")


def _describe(found: object) -> str:
    if isinstance(found, int) and abs(found) > _LARGEST:
        return "a larger integer"  # Python refuses to spell one of more than 4,300 digits
    if found is None:
        return "null"
    if isinstance(found, Mapping):
        return "an object"
    if isinstance(found, str):
        return clean(repr(found[:_SHOWN]), _SHOWN)
    if isinstance(found, Sequence):
        return f"a list of {len(found)}"
    return clean(repr(found), _SHOWN)


def number(value: object, place: Place) -> float:
    """A finite float, no larger than 1e15 either way."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise place.wrong(f"a finite number, at most {_LARGEST:g} either way", value)
    return float(value)


def whole(value: object, place: Place) -> int:
    """An int from 0 to 1e15."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise place.wrong(f"a whole number from 0 to {_LARGEST:g}", value)
    return value


def text(value: object, place: Place, limit: int) -> str:
    """A text, cleaned, at most `limit` bytes of it."""
    if not isinstance(value, str):
        raise place.wrong("a text", value)
    return clean(value, limit)


def items(value: object, place: Place) -> Sequence[Any]:
    """A list."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise place.wrong("a list", value)
    return value


class Fields:
    """One JSON object. An optional field may be absent or null; when it is there it must be right."""

    def __init__(self, value: object, place: Place) -> None:
        if not isinstance(value, Mapping):
            raise place.wrong("an object", value)
        for key in value:
            if not isinstance(key, str):
                raise place.wrong("an object whose names are texts", key)
        self.values: Mapping[str, Any] = value
        self._place = place

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def place(self, key: str) -> Place:
        return self._place.key(key)

    def get(self, key: str) -> Any:
        """The value of a required field."""
        if key not in self.values:
            raise self.place(key).missing()
        return self.values[key]

    def text(self, key: str, limit: int) -> str:
        return text(self.get(key), self.place(key), limit)

    def texts(self, key: str, limit: int, most: int | None = None) -> list[str]:
        """The first `most` members of a list of texts."""
        place = self.place(key)
        return [text(item, place.item(index), limit) for index, item in enumerate(self.items(key)[:most])]

    def sentences(self, key: str, limit: int, most: int) -> list[str]:
        """The first `most` texts of a list; where there are more, a last one says so."""
        more = len(self.items(key)) - most
        found = self.texts(key, limit, most)
        return [*found, f"{more:,} more {'is' if more == 1 else 'are'} in the record."] if more > 0 else found

    def one_of(self, key: str, known: Sequence[str]) -> str:
        """One of the words that are known."""
        found = self.get(key)
        if not isinstance(found, str) or found not in known:
            raise self.place(key).wrong(f"one of {', '.join(known)}", found)
        return found

    def flag(self, key: str) -> bool:
        """True or false; false where it is absent."""
        found = self.values.get(key, False)
        if not isinstance(found, bool):
            raise self.place(key).wrong("true or false", found)
        return found

    def number(self, key: str) -> float:
        return number(self.get(key), self.place(key))

    def numbers(self, key: str) -> list[float]:
        place = self.place(key)
        return [number(item, place.item(index)) for index, item in enumerate(self.items(key))]

    def at_least_zero(self, key: str, unit: str = "") -> float:
        found = self.number(key)
        if found < 0:
            raise self.place(key).wrong(f"0{unit} or more", found)
        return found

    def probability(self, key: str) -> float:
        found = self.number(key)
        if not 0 <= found <= 1:
            raise self.place(key).wrong("a probability, 0 to 1", found)
        return found

    def interval(self, key: str) -> tuple[float, float]:
        place = self.place(key)
        bounds = [number(bound, place) for bound in self.items(key)]
        if len(bounds) != 2 or bounds[0] > bounds[1]:
            raise place.wrong("two numbers, the lower one first", bounds)
        return bounds[0], bounds[1]

    def ends(self, low: str, high: str) -> tuple[float, float]:
        """An interval that is written as two fields."""
        found = self.number(low), self.number(high)
        if found[0] > found[1]:
            raise self.place(high).wrong(f"at least {low}, {found[0]:g}", found[1])
        return found

    def whole(self, key: str) -> int:
        return whole(self.get(key), self.place(key))

    def fields(self, key: str) -> Fields:
        return Fields(self.get(key), self.place(key))

    def items(self, key: str) -> Sequence[Any]:
        return items(self.get(key), self.place(key))

    def objects(self, key: str, most: int | None = None) -> Iterator[Fields]:
        """The first `most` members of a list of objects."""
        place = self.place(key)
        for index, item in enumerate(self.items(key)[:most]):
            yield Fields(item, place.item(index))

    def optional_text(self, key: str, limit: int) -> str | None:
        return self.text(key, limit) if key in self else None

    def optional_number(self, key: str) -> float | None:
        return self.number(key) if key in self else None

    def optional_probability(self, key: str) -> float | None:
        return self.probability(key) if key in self else None

    def optional_whole(self, key: str) -> int | None:
        return self.whole(key) if key in self else None

    def optional_fields(self, key: str) -> Fields | None:
        return self.fields(key) if key in self else None
