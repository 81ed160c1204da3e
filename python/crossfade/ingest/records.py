"""What readers give: documents with the places that they were read from, and what could not be one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError
from crossfade.store.types import Document


class Place(NamedTuple):
    """Where in a source something was read. `number`: its line or row, from 1; `offset`: bytes of the file up to its
    end (packed ones in a packed file, and about), 0 in a table. Reading goes on after it."""

    number: int
    offset: int = 0


START = Place(0)
_MOST_CHARACTERS = 1 << 16  # of a reject: of a line of 3,072 numbers too
_MOST_OF_NO_TEXT = 512


class Record(NamedTuple):
    """A document as read. `vector`: float32, shape (dimension,), None where none is asked for. `raw`: the line or the
    row that it was made of, for a reject."""

    place: Place
    document: Document
    vector: NDArray[np.float32] | None
    raw: bytes | Mapping[str, Any] = b""


class Reject(NamedTuple):
    """What cannot be a document. `content`: the line's text, or the row's values as text (`content_of`)."""

    place: Place
    error: DataError
    content: str


def content_of(raw: bytes | Mapping[str, Any]) -> str:
    """A line or a row as a reject shows it: whole, but for what no document is as long as, and for what is no text.
    (Of that every byte takes five: a file of rejects would be larger than its source.)"""
    if isinstance(raw, bytes):
        try:
            content, most = raw.decode(), _MOST_CHARACTERS
        except UnicodeDecodeError:
            content, most = raw[: 4 * _MOST_OF_NO_TEXT].decode(errors="backslashreplace"), _MOST_OF_NO_TEXT
        length = len(raw)
    else:
        content, most = repr(_plain(raw)), _MOST_CHARACTERS
        length = len(content)
    return content if len(content) <= most else f"{content[:most]}... ({length:,} {_unit(raw)} in all)"


def _unit(raw: object) -> str:
    return "bytes" if isinstance(raw, bytes) else "characters"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without NumPy's own way of showing arrays, which leaves their middle out."""
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}


def no_such_place(path: Path, place: Place, what: str) -> DataError:
    """What to raise when a source has no line or row to go on after."""
    return DataError(
        path,
        f"it has no {what} {place.number:,}, where an earlier run of this job is said to have ended: how far that was "
        "is not known; begin again with --restart, which reads all sources from their start (documents that are in "
        "already are replaced; none is lost)",
    )


class Position(NamedTuple):
    """A place among several sources, in the order in which they are read. `source`: from 0."""

    source: int
    number: int
    offset: int

    @property
    def place(self) -> Place:
        return Place(self.number, self.offset)
