"""The typed tree of a filter: immutable nodes, valid once made. `parsing` reads their JSON, `binding` their meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata import dates
from crossfade.store.metadata.limits import MAX_DEPTH, MAX_NODES, MAX_VALUES
from crossfade.store.metadata.values import Scalar, check_name, moment, scalar, shown

_BOUNDS = ("gt", "gte", "lt", "lte")
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SHOWN_VALUES = 5


class Filter:
    """A condition on a document's metadata; base of the nodes below.

    Two filters are equal when their canonical JSON is: order and repetition of what is and-ed, or-ed or listed do not
    matter. Making a node raises InvalidInput for a name or value that cannot be, LimitExceeded for a tree that is more
    than twice as deep or large as a caller may send.
    """

    __slots__ = ()

    @property
    def depth(self) -> int:
        """Nodes from this one to the deepest below it, both counted."""
        return 1

    @property
    def nodes(self) -> int:
        """Nodes of the tree."""
        return 1

    @staticmethod
    def parse(source: str | Mapping[str, Any]) -> Filter:
        """The filter that JSON, as text or as an object, stands for: see docs/filters.md for the grammar.

        Raises InvalidInput, naming the place in the tree, for what is not a filter, and LimitExceeded for one that is
        too deep or too large.
        """
        from crossfade.store.metadata.parsing import parse  # the parser needs the nodes of this file

        return parse(source)

    def to_json(self) -> str:
        """Canonical JSON that `parse` reads: the same text for equal filters, so it can be the key of a cache."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, Filter) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())


@dataclass(frozen=True, slots=True, eq=False)
class And(Filter):
    """All of `filters` hold; of none, everything does."""

    filters: tuple[Filter, ...]
    depth: int = field(init=False, repr=False)
    nodes: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _adopt(self, "filters", self.filters)

    def to_json(self) -> str:
        return _group("and", self.filters)

    def __str__(self) -> str:
        return " and ".join(_inner(each, Or) for each in self.filters) or "everything"


@dataclass(frozen=True, slots=True, eq=False)
class Or(Filter):
    """Any of `filters` holds; of none, nothing does."""

    filters: tuple[Filter, ...]
    depth: int = field(init=False, repr=False)
    nodes: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _adopt(self, "filters", self.filters)

    def to_json(self) -> str:
        return _group("or", self.filters)

    def __str__(self) -> str:
        return " or ".join(_inner(each, And) for each in self.filters) or "nothing"


@dataclass(frozen=True, slots=True, eq=False)
class Not(Filter):
    """`filter` does not hold."""

    filter: Filter
    depth: int = field(init=False, repr=False)
    nodes: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _adopt(self, "filter", (self.filter,))

    def to_json(self) -> str:
        return f'{{"not":{self.filter.to_json()}}}'

    def __str__(self) -> str:
        return f"not {_inner(self.filter, And, Or)}"


@dataclass(frozen=True, slots=True, eq=False)
class Equals(Filter):
    """The field has this value; of a field of lists, `value` is a list and equal as a set."""

    field: str
    value: Scalar | tuple[str, ...]

    def __post_init__(self) -> None:
        check_name(self.field)
        value: object = self.value
        is_list = isinstance(value, list | tuple)
        _set(self, "value", _texts(value, "eq", self.field) if is_list else _operand(value, "eq", self.field))

    def to_json(self) -> str:
        return _leaf(self.field, eq=self.value)

    def __str__(self) -> str:
        return f"{self.field} = {_written(self.value)}"


@dataclass(frozen=True, slots=True, eq=False)
class In(Filter):
    """The field has one of `values`; of none, nothing matches."""

    field: str
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        check_name(self.field)
        # With the type, for to Python 1, 1.0 and True are one value, and to a filter three.
        typed = {
            (type(value).__name__, value)
            for value in (_operand(each, "in", self.field) for each in _list(self.values, "in", self.field))
        }
        _set(self, "values", tuple(value for _, value in sorted(typed)))

    def to_json(self) -> str:
        return _leaf(self.field, **{"in": self.values})

    def __str__(self) -> str:
        return f"{self.field} in {_written(self.values)}"


@dataclass(frozen=True, slots=True, eq=False)
class Range(Filter):
    """The field lies within the bounds that are given: at least one, not both of a pair. Strings compare by bytes."""

    field: str
    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None

    def __post_init__(self) -> None:
        check_name(self.field)
        for bound in _BOUNDS:
            if getattr(self, bound) is not None:
                _set(self, bound, _operand(getattr(self, bound), bound, self.field))
        given = self.bounds()
        if not given or {"gt", "gte"} <= given.keys() or {"lt", "lte"} <= given.keys():
            found = " and ".join(given) or "none"
            raise InvalidInput(
                f"a range of field {shown(self.field)} needs gt or gte, lt or lte, or one of each: {found}"
            )

    def bounds(self) -> dict[str, Scalar]:
        """The bounds that are given, by name."""
        return {bound: value for bound in _BOUNDS if (value := getattr(self, bound)) is not None}

    def to_json(self) -> str:
        return _leaf(self.field, **self.bounds())

    def __str__(self) -> str:
        return " and ".join(f"{self.field} {_SIGNS[bound]} {_written(value)}" for bound, value in self.bounds().items())


@dataclass(frozen=True, slots=True, eq=False)
class Prefix(Filter):
    """The field, a string, begins with `prefix`."""

    field: str
    prefix: str

    def __post_init__(self) -> None:
        check_name(self.field)
        if not isinstance(self.prefix, str):
            raise InvalidInput(f"prefix of field {shown(self.field)}: found {shown(self.prefix)}, expected a string")
        _set(self, "prefix", _operand(self.prefix, "prefix", self.field))

    def to_json(self) -> str:
        return _leaf(self.field, prefix=self.prefix)

    def __str__(self) -> str:
        return f"{self.field} begins with {_written(self.prefix)}"


@dataclass(frozen=True, slots=True, eq=False)
class Exists(Filter):
    """The field has a value, an empty string or list too; or, with False, has none."""

    field: str
    exists: bool = True

    def __post_init__(self) -> None:
        check_name(self.field)
        if not isinstance(self.exists, bool):
            raise InvalidInput(
                f"exists of field {shown(self.field)}: found {shown(self.exists)}, expected true or false"
            )

    def to_json(self) -> str:
        return _leaf(self.field, exists=self.exists)

    def __str__(self) -> str:
        return f"{self.field} {'exists' if self.exists else 'is absent'}"


@dataclass(frozen=True, slots=True, eq=False)
class ContainsAny(Filter):
    """The field, a list, holds at least one of `values`; of none, nothing matches."""

    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name(self.field)
        _set(self, "values", _texts(self.values, "contains_any", self.field))

    def to_json(self) -> str:
        return _leaf(self.field, contains_any=self.values)

    def __str__(self) -> str:
        return f"{self.field} contains any of {_written(self.values)}"


@dataclass(frozen=True, slots=True, eq=False)
class ContainsAll(Filter):
    """The field, a list, holds every one of `values`; of none, every list does."""

    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name(self.field)
        _set(self, "values", _texts(self.values, "contains_all", self.field))

    def to_json(self) -> str:
        return _leaf(self.field, contains_all=self.values)

    def __str__(self) -> str:
        return f"{self.field} contains all of {_written(self.values)}"


def imposed(condition: Filter | None, field: str, value: Scalar) -> Filter:
    """The server's own condition around a caller's: `field` equals `value`, and the caller's filter, if any, holds.

    The caller's tree is one operand of the outermost `and`, whatever is in it, so nothing in it can widen the result.
    """
    mine = Equals(field, value)
    if isinstance(mine.value, tuple):
        raise InvalidInput(f"the condition on {shown(field)} must be one value, not a list")
    return mine if condition is None else And((mine, condition))


def _set(node: Filter, name: str, value: object) -> None:
    object.__setattr__(node, name, value)  # the dataclasses are frozen, and this is still their making


def _adopt(node: Filter, name: str, given: Iterable[Filter]) -> None:
    """Check what is below `node` and measure it. The measures are kept: a tree is never walked to any depth."""
    if not isinstance(given, list | tuple):
        raise InvalidInput(f"{type(node).__name__} takes a tuple of filters, not {shown(given)}")
    filters = tuple(given)
    for each in filters:
        if not isinstance(each, Filter):
            raise InvalidInput(f"{type(node).__name__} takes filters, not {shown(each)}: use Filter.parse for JSON")
    depth = 1 + max((each.depth for each in filters), default=0)
    nodes = 1 + sum(each.nodes for each in filters)
    if depth > 2 * MAX_DEPTH or nodes > 2 * MAX_NODES:
        raise LimitExceeded(
            f"a filter of depth {depth} with {nodes} nodes; the limits are {2 * MAX_DEPTH} and {2 * MAX_NODES}: use "
            "`in` for many values of a field"
        )
    if name == "filters":
        _set(node, name, filters)
    _set(node, "depth", depth)
    _set(node, "nodes", nodes)


def _operand(value: object, operator: str, field: str) -> Scalar:
    """A value to compare with. A `datetime` becomes the text of RFC 3339, so that JSON can hold it."""
    try:
        found = scalar(value)
        if found is None and (when := moment(value)) is not None:
            return dates.text(when)
    except InvalidInput as error:
        raise type(error)(f"{operator} of field {shown(field)}: {error}") from None
    if found is None:
        hint = ': use {"exists": false} for what is absent' if value is None else ""
        raise InvalidInput(
            f"{operator} of field {shown(field)}: found {shown(value)}, expected a string, number, true or false{hint}"
        )
    return found


def _list(values: object, operator: str, field: str) -> list[object]:
    if not isinstance(values, list | tuple):
        raise InvalidInput(f"{operator} of field {shown(field)}: found {shown(values)}, expected a list")
    if len(values) > MAX_VALUES:
        raise LimitExceeded(f"{operator} of field {shown(field)}: {len(values)} values, the limit is {MAX_VALUES}")
    return list(values)


def _texts(values: object, operator: str, field: str) -> tuple[str, ...]:
    found = set()
    for each in _list(values, operator, field):
        if not isinstance(each, str):
            raise InvalidInput(f"{operator} of field {shown(field)}: found {shown(each)}, expected strings in its list")
        found.add(str(_operand(each, operator, field)))
    return tuple(sorted(found))


def _leaf(field: str, **operators: object) -> str:
    return json.dumps({"field": field, **operators}, separators=(",", ":"))


def _group(name: str, filters: tuple[Filter, ...]) -> str:
    return f'{{"{name}":[{",".join(sorted({each.to_json() for each in filters}))}]}}'


def _inner(child: Filter, *wrapped: type[And | Or]) -> str:
    """In brackets where it would be misread; one that stands for a word or a single condition needs none."""
    several = isinstance(child, Range) and len(child.bounds()) > 1 and Or in wrapped and And in wrapped
    grouped = isinstance(child, wrapped) and len(child.filters) > 1
    return f"({child})" if several or grouped else str(child)


def _written(value: Scalar | tuple[Scalar, ...]) -> str:
    if not isinstance(value, tuple):
        return shown(value)
    rest = f", and {len(value) - _SHOWN_VALUES:,} more" if len(value) > _SHOWN_VALUES else ""
    return f"({', '.join(shown(each) for each in value[:_SHOWN_VALUES])}{rest})"
