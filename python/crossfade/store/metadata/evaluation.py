"""Which rows of a segment a filter keeps."""

from __future__ import annotations

import numpy as np

from crossfade.errors import InvalidInput
from crossfade.store.metadata.binding import BoundFilter
from crossfade.store.metadata.bits import Mask
from crossfade.store.metadata.columns import Column, Columns, NumberColumn, StringColumn, StringsColumn
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
from crossfade.store.metadata.values import shown


def evaluate(condition: BoundFilter, columns: Columns) -> Mask:
    """One bool for each row of the segment, shape (rows,); a new array.

    Logic has two values: a comparison with a field that a row lacks is false, and `not` of it true. A field that no row
    of the segment has is absent in all.

    Raises InvalidInput when the segment's field has another type than the schema that `condition` was bound to.
    """
    check_fits(condition, columns)
    return _evaluate(condition.filter, columns)


def check_fits(condition: BoundFilter, columns: Columns) -> None:
    """Raises InvalidInput when `condition` is not bound, or to a schema that is not of these columns."""
    if not isinstance(condition, BoundFilter):
        raise InvalidInput(f"a filter must be bound to a schema, not {shown(condition)}: use bind(filter, schema)")
    for name, kind in condition.types.items():
        column = columns.fields.get(name)
        if column is not None and column.kind is not kind:
            raise InvalidInput(
                f"field {shown(name)} is {column.kind} in this segment and {kind} in the filter's schema: bind the "
                "filter to the schema of the segment's own collection"
            )


def _evaluate(node: Filter, columns: Columns) -> Mask:
    match node:
        case And(filters):
            kept = np.ones(columns.rows, np.bool_)
            for each in filters:
                kept &= _evaluate(each, columns)
                if not kept.any():
                    break
            return kept
        case Or(filters):
            kept = np.zeros(columns.rows, np.bool_)
            for each in filters:
                kept |= _evaluate(each, columns)
            return kept
        case Not(inner):
            kept = _evaluate(inner, columns)
            return np.logical_not(kept, out=kept)
        case Exists(field, exists):
            column = columns.fields.get(field)
            there = np.zeros(columns.rows, np.bool_) if column is None else column.exists()
            return there if exists else np.logical_not(there, out=there)
        case Equals() | In() | Range() | Prefix() | ContainsAny() | ContainsAll():
            column = columns.fields.get(node.field)
            return np.zeros(columns.rows, np.bool_) if column is None else _compare(node, column)
        case _:
            raise InvalidInput(f"{type(node).__name__} is not one of the nodes that filters are made of")


def _compare(node: Filter, column: Column) -> Mask:
    match node, column:
        case In(_, values), _ if not isinstance(column, StringsColumn):
            return column.among(values)
        case Range(), NumberColumn() | StringColumn():
            return column.within(node)
        case Prefix(_, prefix), StringColumn():
            return column.beginning(prefix)
        case Equals(_, tuple() as values), StringsColumn():
            return column.equal([str(each) for each in values])
        case ContainsAny(_, values), StringsColumn():
            return column.containing_any(values)
        case ContainsAll(_, values), StringsColumn():
            return column.containing_all(values)
    raise InvalidInput(f"{node} cannot be asked of a field of type {column.kind}: use bind(filter, schema)")
