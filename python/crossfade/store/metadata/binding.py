"""A filter against a schema: every field is there and every value is of its type; what is left needs no more thought.

Numbers compare by value, exactly, whatever their types: 2**53 + 1 is greater than 9007199254740992.0. A bound filter
holds only values that the field's own type holds, so that NumPy never has to convert one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossfade.errors import InvalidInput
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
from crossfade.store.metadata.limits import INT64_MAX, INT64_MIN
from crossfade.store.metadata.values import EXPECTED, FieldType, Scalar, moment, shown, suggestion

_ORDERED = (FieldType.STRING, FieldType.INT, FieldType.FLOAT, FieldType.DATETIME)


@dataclass(frozen=True, slots=True, eq=False)
class BoundFilter:
    """A filter that fits a schema. Of `bind`; not made by hand.

    `filter`: its values are of the fields' types, date-times as int microseconds. `types`: of the fields it names.
    `key`: its canonical JSON; filters that mean the same for the schema mostly have the same, and only those.
    """

    filter: Filter
    types: Mapping[str, FieldType]
    key: str


def bind(condition: Filter, schema: Mapping[str, FieldType]) -> BoundFilter:
    """Check `condition` against a MetadataSchema.

    Raises InvalidInput for a field that the schema lacks (a filter that misspells `tenant` must not quietly match
    nothing, or under a `not` everything), an operator that the field's type has not, a value of another type.
    """
    if not isinstance(condition, Filter):
        raise InvalidInput(f"a filter must be a Filter, not {shown(condition)}: use Filter.parse for JSON")
    types: dict[str, FieldType] = {}
    bound = _bind(condition, schema, types)
    return BoundFilter(bound, MappingProxyType(types), bound.to_json())


def _bind(node: Filter, schema: Mapping[str, FieldType], types: dict[str, FieldType]) -> Filter:
    match node:
        case And(filters):
            return And(tuple(_bind(each, schema, types) for each in filters))
        case Or(filters):
            return Or(tuple(_bind(each, schema, types) for each in filters))
        case Not(inner):
            return Not(_bind(inner, schema, types))
        case Equals() | In() | Range() | Prefix() | Exists() | ContainsAny() | ContainsAll():
            kind = schema.get(node.field)
            if kind is None:
                raise InvalidInput(f"no document has the field {shown(node.field)}: {suggestion(node.field, schema)}")
            types[node.field] = kind
            return _leaf(node, kind)
        case _:
            raise InvalidInput(f"{type(node).__name__} is not one of the nodes that filters are made of")


def _leaf(node: Filter, kind: FieldType) -> Filter:
    is_list = kind is FieldType.STRINGS
    match node:
        case Equals(field, tuple() as values):
            if not is_list:
                raise _wrong(field, "eq", kind, f"a list of {len(values)}; use in for one of several values")
            return node
        case Equals(field, str() | int() | float() as value):
            if is_list:
                raise _wrong(field, "eq", kind, f"{shown(value)}; use contains_any for lists that hold it")
            return In(field, _known([_equal(value, field, "eq", kind)]))
        case In(field, values):
            if is_list:
                raise _no_operator(field, "in", kind, "contains_any or contains_all")
            return In(field, _known([_equal(value, field, "in", kind) for value in values]))
        case Range(field):
            if kind not in _ORDERED:
                raise _no_operator(field, "gt, gte, lt and lte", kind, "contains_any" if is_list else "eq")
            return _range(node, kind)
        case Prefix(field):
            if kind is not FieldType.STRING:
                raise _no_operator(field, "prefix", kind, "contains_any" if is_list else "gte and lt")
        case ContainsAny(field):
            if not is_list:
                raise _no_operator(field, "contains_any", kind, "in")
        case ContainsAll(field):
            if not is_list:
                raise _no_operator(field, "contains_all", kind, "eq")
        case _:
            pass
    return node


def _known(values: list[Scalar | None]) -> tuple[Scalar, ...]:
    return tuple(value for value in values if value is not None)


def _equal(value: Scalar, field: str, operator: str, kind: FieldType) -> Scalar | None:
    """`value` in the field's type; None when no value of the type can equal it."""
    value = _typed(value, field, operator, kind)
    if kind is FieldType.INT and isinstance(value, float):
        return int(value) if value.is_integer() and INT64_MIN <= value <= INT64_MAX else None
    if kind is FieldType.FLOAT and not isinstance(value, float):
        return float(value) if int(float(value)) == value else None
    return value


def _typed(value: Scalar, field: str, operator: str, kind: FieldType) -> Scalar:
    """`value` if the field can be compared with it; a date-time as microseconds."""
    if kind is FieldType.DATETIME:
        if isinstance(value, str):
            try:
                when = moment(value)
            except InvalidInput as error:
                raise InvalidInput(f"{operator} of field {shown(field)}: {error}") from None
            if when is not None:
                return when
        raise _wrong(field, operator, kind, shown(value))
    expected: type | tuple[type, ...] = {FieldType.STRING: str, FieldType.BOOL: bool}.get(kind, (int, float))
    if not isinstance(value, expected) or (kind is not FieldType.BOOL and isinstance(value, bool)):
        raise _wrong(field, operator, kind, shown(value))
    return value


def _range(node: Range, kind: FieldType) -> Filter:
    bounds = {name: _typed(value, node.field, name, kind) for name, value in node.bounds().items()}
    if kind is FieldType.INT:
        return _int_range(node.field, bounds)
    if kind is FieldType.FLOAT:
        bounds = dict(_float_bound(name, value) for name, value in bounds.items())
    return Range(node.field, **bounds)


def _int_range(field: str, bounds: Mapping[str, Scalar]) -> Filter:
    """As `gte` and `lte` with whole numbers, which is exact for every float: v > 1.5 when v >= 2, and so on."""
    lower, upper = INT64_MIN, INT64_MAX
    for name, value in bounds.items():
        number = _number(value)
        if name == "gt":
            lower = max(lower, math.floor(number) + 1)
        elif name == "gte":
            lower = max(lower, math.ceil(number))
        elif name == "lt":
            upper = min(upper, math.ceil(number) - 1)
        else:
            upper = min(upper, math.floor(number))
    if lower > upper:
        return In(field, ())
    if (lower, upper) == (INT64_MIN, INT64_MAX):
        return Exists(field)
    return Range(field, gte=lower if lower > INT64_MIN else None, lte=upper if upper < INT64_MAX else None)


def _float_bound(name: str, value: Scalar) -> tuple[str, float]:
    """The bound as a float64. An int between two of them is as good as the next one on the inner side."""
    number = _number(value)
    near = float(number)
    if isinstance(number, float) or int(near) == number:
        return name, near
    if name in ("gt", "gte"):
        return "gte", near if near > number else float(np.nextafter(near, math.inf))
    return "lte", near if near < number else float(np.nextafter(near, -math.inf))


def _number(value: Scalar) -> int | float:
    if isinstance(value, str):  # _typed has seen to it; this is for the type checker
        raise InvalidInput(f"found {shown(value)}, expected a number")
    return value


def _wrong(field: str, operator: str, kind: FieldType, found: str) -> InvalidInput:
    return InvalidInput(
        f"{operator} of field {shown(field)}: the field has the type {kind}, expected {EXPECTED[kind]}, found {found}"
    )


def _no_operator(field: str, operator: str, kind: FieldType, instead: str) -> InvalidInput:
    return InvalidInput(f"field {shown(field)} has the type {kind}, which has no {operator}: use {instead}")
