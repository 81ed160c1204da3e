"""From JSON to a filter. Whatever comes in, a filter or an InvalidInput comes out; no input recurses deeply."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata.filters import (
    And,
    ContainsAll,
    ContainsAny,
    Equals,
    Exists,
    Filter,
    In,
    Not,
    Or,
    Prefix,
    Range,
)
from crossfade.store.metadata.limits import MAX_DEPTH, MAX_FILTER_LENGTH, MAX_NODES
from crossfade.store.metadata.values import shown, suggestion

_BOUNDS = frozenset({"gt", "gte", "lt", "lte"})
_SINGLE: dict[str, Any] = {
    "eq": Equals,
    "in": In,
    "prefix": Prefix,
    "exists": Exists,
    "contains_any": ContainsAny,
    "contains_all": ContainsAll,
}
_GROUPS = ("and", "or", "not")
KEYS = ("field", *_GROUPS, *_SINGLE, *sorted(_BOUNDS))
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(source: str | Mapping[str, Any]) -> Filter:
    """See `Filter.parse`."""
    return _Parser().filter(_load(source) if isinstance(source, str) else source, "filter", 1)


class _Parser:
    """Counts nodes and characters as it goes, so that a hostile tree is left before it is walked."""

    def __init__(self) -> None:
        self._nodes = 0
        self._length = 0

    def filter(self, source: object, path: str, depth: int) -> Filter:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise LimitExceeded(f"the filter has more than {MAX_NODES} nodes: use `in` for many values of a field")
        if depth > MAX_DEPTH:
            raise LimitExceeded(f"{_short(path)}: the filter is nested more than {MAX_DEPTH} deep: write it flatter")
        if not isinstance(source, Mapping):
            raise InvalidInput(f"{_short(path)}: found {shown(source)}, expected an object such as {_EXAMPLE}")
        if not source:
            raise InvalidInput(f"{_short(path)}: the object is empty, expected one such as {_EXAMPLE}")
        keys = {self._key(key, path) for key in source}
        groups = [name for name in _GROUPS if name in keys]
        if groups:
            if len(keys) > 1:
                raise InvalidInput(
                    f"{_short(path)}: {groups[0]!r} must be the only key of its object, found {', '.join(sorted(keys))}"
                )
            return self._group(groups[0], source[groups[0]], path, depth)
        if "field" not in keys:
            raise InvalidInput(f"{_short(path)}: the key 'field' is missing, expected an object such as {_EXAMPLE}")
        return self._leaf({key: source[key] for key in keys}, path)

    def _key(self, key: object, path: str) -> str:
        if isinstance(key, str) and key in KEYS:
            return key
        hint = suggestion(key, KEYS) if isinstance(key, str) and len(key) < 100 else f"use {', '.join(KEYS)}"
        raise InvalidInput(f"{_short(path)}: the key {shown(key)} means nothing here: {hint}")

    def _group(self, name: str, below: object, path: str, depth: int) -> Filter:
        if name == "not":
            return Not(self.filter(below, f"{path}.not", depth + 1))
        if not isinstance(below, list | tuple):
            raise InvalidInput(f"{_short(path)}.{name}: found {shown(below)}, expected a list of filters")
        filters = tuple(self.filter(each, f"{path}.{name}[{at}]", depth + 1) for at, each in enumerate(below))
        return And(filters) if name == "and" else Or(filters)

    def _leaf(self, source: dict[str, Any], path: str) -> Filter:
        field = source.pop("field")
        operators = sorted(source)
        if not operators:
            raise InvalidInput(
                f"{_short(path)}: field {shown(field)} is compared with nothing: add one of {_OPERATORS}"
            )
        for operator in operators:
            self._measure(source[operator], path)
            if source[operator] is None:
                raise InvalidInput(
                    f'{_short(path)}: {operator} of field {shown(field)} is null: use {{"exists": false}} for what is '
                    "absent"
                )
        try:
            if set(operators) <= _BOUNDS:
                return Range(field, **source)
            if len(operators) > 1:
                raise InvalidInput(
                    f"field {shown(field)} has the operators {', '.join(operators)} in one object, which only gt, gte, "
                    "lt and lte may: use 'and'"
                )
            made: Filter = _SINGLE[operators[0]](field, source[operators[0]])
            return made
        except InvalidInput as error:
            raise type(error)(f"{_short(path)}: {error}") from None

    def _measure(self, value: object, path: str) -> None:
        values = value if isinstance(value, list | tuple) else (value,)
        self._length += sum(len(each) for each in values if isinstance(each, str))
        if self._length > MAX_FILTER_LENGTH:
            raise LimitExceeded(
                f"{_short(path)}: the filter's strings are more than {MAX_FILTER_LENGTH} characters long: send fewer"
            )


_EXAMPLE = '{"field": "status", "eq": "final"}'
_OPERATORS = ", ".join([*_SINGLE, *sorted(_BOUNDS)])


def _load(text: str) -> object:
    if len(text) > MAX_FILTER_LENGTH:
        raise LimitExceeded(f"the filter is {len(text)} characters long, the limit is {MAX_FILTER_LENGTH}")
    _check_nesting(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the filter is not JSON: {error}") from None


def _check_nesting(text: str) -> None:
    """Python's reader of JSON recurses. Brackets are counted first, outside of strings, up to the first fault in the
    text, where the reader stops too.
    """
    depth = opened = 0
    for found in _BRACKET.finditer(_STRING.sub("", text)):
        if found[0] in "]}":
            depth -= 1
            continue
        depth += 1
        opened += 1
        # A level of the tree opens two brackets at most, a leaf's list of values one more, and beside the leaves.
        if depth > 2 * MAX_DEPTH + 2 or opened > 3 * MAX_NODES:
            raise LimitExceeded(
                f"the filter is nested more than {MAX_DEPTH} deep or has more than {MAX_NODES} nodes: write it flatter"
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            # Readers differ in which of two they keep, and a filter must not mean two things.
            raise InvalidInput(f"the filter has the key {shown(key)} twice in one object: keep one of them")
        found[key] = value
    return found


def _constant(name: str) -> float:
    raise InvalidInput(f"the filter holds {name}: a number must be finite")


def _short(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:60]}...{path[-50:]}"
