"""What readers give: documents with the places that they were read from, and what could not be one."""

from __future__ import annotations

from typing import NamedTuple

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


class Record(NamedTuple):
    """A document as read. `vector`: float32, shape (dimension,), None where none is asked for."""

    place: Place
    document: Document
    vector: NDArray[np.float32] | None


class Reject(NamedTuple):
    """What cannot be a document. `content`: the line's text, or the row's values as text."""

    place: Place
    error: DataError
    content: str


class Position(NamedTuple):
    """A place among several sources, in the order in which they are read. `source`: from 0."""

    source: int
    number: int
    offset: int

    @property
    def place(self) -> Place:
        return Place(self.number, self.offset)
