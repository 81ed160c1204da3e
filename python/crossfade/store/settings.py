"""What of the store may be tuned: of a collection (`HnswSettings`), and of the process that has it open."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossfade.errors import InvalidInput

if TYPE_CHECKING:
    from crossfade.config import Settings

_LEAST_M, _MOST_M = 2, 256
_MOST_EF_CONSTRUCTION = 65_536


@dataclass(frozen=True, slots=True)
class HnswSettings:
    """How a collection's graphs are built. `m`, `ef_construction`: as `kernels.build_graph` has them, 2 to 256 and 1 to
    65,536. `recall`: what a search that does not say how far to walk aims at, greater than 0 and at most 1, measured on
    a sample of each segment against exact search.

    They change graphs, which are derived, and nothing else. A graph that is there keeps those it was built with.

    Raises InvalidInput for one out of its range.
    """

    m: int = 16
    ef_construction: int = 200
    recall: float = 0.98

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", _whole(self.m, "m", _LEAST_M, _MOST_M))
        found = _whole(self.ef_construction, "ef_construction", 1, _MOST_EF_CONSTRUCTION)
        object.__setattr__(self, "ef_construction", found)
        given = self.recall
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
            raise InvalidInput(
                f"the recall that searches aim at must be a number greater than 0 and at most 1, not {given!r:.80}: "
                "0.98 is the default"
            )
        object.__setattr__(self, "recall", float(given))

    def to_json(self) -> dict[str, Any]:
        return {"m": self.m, "ef_construction": self.ef_construction, "recall": self.recall}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> HnswSettings:
        """What `to_json` gave. Raises InvalidInput."""
        return cls(value["m"], value["ef_construction"], value["recall"])


def _whole(value: object, name: str, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is none is told below
    except TypeError:
        raise InvalidInput(f"{name} of the graph must be a whole number, not {value!r:.80}") from None
    if isinstance(value, bool) or not least <= number <= most:
        raise InvalidInput(f"{name} of the graph must be at least {least} and at most {most}, not {value!r:.80}")
    return number


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """`least_rows`: a segment with fewer is searched exactly. `recall_at`: how many results the recall is of that a
    collection's graphs aim at, measured on `sample` rows of each segment. `threads`: of a build; 0 uses every core.
    `niceness`: how much farther it stands back than whoever has it built: upkeep is at nice 10.
    """

    least_rows: int = 8_192
    recall_at: int = 10
    sample: int = 256
    threads: int = 0
    niceness: int = 9


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`seal_rows`, `seal_characters`: rows of the tail, which is in memory and scanned whole, and characters of their
    texts, before they become a segment. `unsealed_rows`: that may wait for it, in memory too, and characters in the
    same proportion: who writes beyond that makes a segment first. `merge_factor`: segments of like size before they
    become one. `dead_part`: of a segment's rows, before it is written again without them. `selection_bytes`: remembered
    filters of each segment. `log_bytes`: of the database's log before it is emptied. `check_on_open`: whether every
    byte of every segment is held against its checksum when the store is opened. `scrub_seconds`: how often it is after
    that, by upkeep; 0: never. `scrub_bytes`: that upkeep reads a second for it.
    """

    seal_rows: int = 16_384
    seal_characters: int = 64_000_000
    unsealed_rows: int = 65_536
    merge_factor: int = 4
    dead_part: float = 0.3
    selection_bytes: int = 16 << 20
    log_bytes: int = 64 << 20
    check_on_open: bool = True
    scrub_seconds: float = 3_600.0
    scrub_bytes: int = 64 << 20
    graph: GraphSettings = field(default_factory=GraphSettings)

    @classmethod
    def of(cls, settings: Settings) -> StoreSettings:
        """Those that users set: `CROSSFADE_STORE_*`."""
        return cls(
            seal_rows=settings.store_seal_rows,
            seal_characters=settings.store_seal_characters,
            unsealed_rows=settings.store_unsealed_rows,
            merge_factor=settings.store_merge_factor,
            selection_bytes=settings.store_selection_bytes,
            log_bytes=settings.store_log_bytes,
            check_on_open=settings.store_check_on_open,
            scrub_seconds=settings.store_scrub_seconds,
            scrub_bytes=settings.store_scrub_bytes,
            graph=GraphSettings(least_rows=settings.store_graph_rows, threads=settings.store_build_threads),
        )
