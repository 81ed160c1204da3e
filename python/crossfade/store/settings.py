"""What of the store may be tuned."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """`least_rows`: a segment with fewer is searched exactly. `m`, `ef_construction`: as `kernels.build_graph` has
    them. `recall`, `recall_at`: what a search that does not say how far to walk aims at, measured on `sample` rows of
    each segment. `threads`: of a build; 0 uses every core. `niceness`: how much farther it stands back than whoever has
    it built: upkeep is at nice 10.
    """

    least_rows: int = 8_192
    m: int = 16
    ef_construction: int = 200
    recall: float = 0.98
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
