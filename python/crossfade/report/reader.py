"""Reads fields out of JSON and says by path which one is wrong: `comparison: base.latency_ms.p50 must be ...`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.report.text import clean

_SHOWN = 60  # bytes of a wrong value that a message repeats
_LARGEST = 1e15  # a figure beyond it is a mistake, and would overflow the arithmetic of a plot
_ADVICE = "draw the report from the JSON that `crossfade compare --json` wrote"


def wrong(path: str, expected: str, found: object) -> InvalidInput:
    """What to raise when the field at `path` is not what it must be."""
    return InvalidInput(f"comparison: {path} must be {expected}, found {_describe(found)}; {_ADVICE}")


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


def number(value: object, path: str) -> float:
    """A finite float, no larger than 1e15 either way."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise wrong(path, f"a finite number, at most {_LARGEST:g} either way", value)
    return float(value)


def whole(value: object, path: str) -> int:
    """An int from 0 to 1e15."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise wrong(path, f"a whole number from 0 to {_LARGEST:g}", value)
    return value


def text(value: object, path: str, limit: int) -> str:
    """A text, cleaned, at most `limit` bytes of it."""
    if not isinstance(value, str):
        raise wrong(path, "a text", value)
    return clean(value, limit)


def items(value: object, path: str) -> Sequence[Any]:
    """A list."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise wrong(path, "a list", value)
    return value


class Fields:
    """One JSON object. An optional field may be absent or null; when it is there it must be right."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise wrong(path or "the record", "an object", value)
        for key in value:
            if not isinstance(key, str):
                raise wrong(path or "the record", "an object whose names are texts", key)
        self.values: Mapping[str, Any] = value
        self._path = path

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def get(self, key: str) -> Any:
        """The value of a required field."""
        if key not in self.values:
            raise InvalidInput(f"comparison: {self.path(key)} is missing; {_ADVICE}")
        return self.values[key]

    def text(self, key: str, limit: int) -> str:
        return text(self.get(key), self.path(key), limit)

    def number(self, key: str) -> float:
        return number(self.get(key), self.path(key))

    def whole(self, key: str) -> int:
        return whole(self.get(key), self.path(key))

    def fields(self, key: str) -> Fields:
        return Fields(self.get(key), self.path(key))

    def items(self, key: str) -> Sequence[Any]:
        return items(self.get(key), self.path(key))

    def objects(self, key: str, most: int | None = None) -> Iterator[Fields]:
        """The first `most` members of a list of objects."""
        for index, item in enumerate(self.items(key)[:most]):
            yield Fields(item, f"{self.path(key)}[{index}]")

    def optional_text(self, key: str, limit: int) -> str | None:
        return self.text(key, limit) if key in self else None

    def optional_number(self, key: str) -> float | None:
        return self.number(key) if key in self else None

    def optional_whole(self, key: str) -> int | None:
        return self.whole(key) if key in self else None

    def optional_fields(self, key: str) -> Fields | None:
        return self.fields(key) if key in self else None
