"""Documents that were found, before anybody sees them: where they lie, in the order of answers.

A search finds a hundred candidates in each arm and gives ten on: what is made of all of them is a plain tuple, made and
compared in C, and no `Hit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from crossfade.retrieval.types import Hit
from crossfade.store.strings import Strings
from crossfade.store.types import Part, Snapshot

Place = tuple[float, str, int, int]
"""Minus the score, the id, the part of the snapshot, the row in it: they sort as answers do, score descending, then id
ascending (Python compares strings by code point, and UTF-8 bytes keep that order)."""

Places = list[Place]


def places_of(
    part: Part, number: int, rows: NDArray[np.int64], scores: NDArray[np.float32] | NDArray[np.float64]
) -> Places:
    """Rows of the part of that number, in their order."""
    return list(zip((-scores).tolist(), ids_of(part, rows), repeat(number), rows.tolist(), strict=False))


def ids_of(part: Part, rows: NDArray[np.int64]) -> list[str]:
    """The ids of some rows of a part, in their order."""
    ids = part.ids
    return ids.take(rows) if isinstance(ids, Strings) else [ids[row] for row in rows.tolist()]


def hits_of(snapshot: Snapshot, places: Iterable[Place]) -> list[Hit]:
    """The same as hits."""
    return [_hit(snapshot.parts, *place) for place in places]


def _hit(parts: Sequence[Part], below: float, name: str, number: int, row: int) -> Hit:
    part = parts[number]
    # Not minus zero.
    score = 0.0 - below
    if part.spans is None or part.documents is None:
        return Hit(name, score)
    start, stop = part.spans[row].tolist()
    return Hit(name, score, (start, stop), int(part.documents[row]))
