"""Typed metadata of documents, and filters on them: docs/filters.md.

The way of a document: `MetadataSchema.check` -> `TailColumns.extend` -> `snapshot().sealed()` -> `save_columns`.
The way of a filter: `Filter.parse` -> `imposed` -> `bind` -> `select`, or a segment's `SelectionCache`.
"""

from crossfade.store.metadata.binding import BoundFilter, bind
from crossfade.store.metadata.bits import pack
from crossfade.store.metadata.cache import Selection, SelectionCache, select
from crossfade.store.metadata.columns import Columns
from crossfade.store.metadata.evaluation import evaluate
from crossfade.store.metadata.file import open_columns, save_columns
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
    imposed,
)
from crossfade.store.metadata.schema import Metadata, MetadataSchema
from crossfade.store.metadata.tail import TailColumns
from crossfade.store.metadata.values import FieldType

__all__ = [
    "And",
    "BoundFilter",
    "Columns",
    "ContainsAll",
    "ContainsAny",
    "Equals",
    "Exists",
    "FieldType",
    "Filter",
    "In",
    "Metadata",
    "MetadataSchema",
    "Not",
    "Or",
    "Prefix",
    "Range",
    "Selection",
    "SelectionCache",
    "TailColumns",
    "bind",
    "evaluate",
    "imposed",
    "open_columns",
    "pack",
    "save_columns",
    "select",
]
