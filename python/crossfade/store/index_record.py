"""What the database says of an index."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from crossfade.lexical import AnalyserSettings
from crossfade.store.segment import Space
from crossfade.store.settings import HnswSettings


class Epochs:
    """Which token every row's key has: that of the last opening before it."""

    def __init__(self, openings: Iterable[tuple[int, str]]) -> None:
        """`openings`: the last key there was then, and the token of what followed."""
        self._openings = sorted(openings)

    def of(self, key: int) -> str:
        place = bisect_left(self._openings, (key, "")) - 1
        return self._openings[place][1] if place >= 0 else ""


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What the database says of an index. `number`: its own, of all of the store; `version`: of its collection's."""

    number: int
    collection: int
    version: int
    space: Space
    analyser: AnalyserSettings
    hnsw: HnswSettings


@dataclass(frozen=True, slots=True)
class Holding:
    """How many documents an index holds, and how many of its collection's it lacks."""

    documents: int = 0
    pending: int = 0
