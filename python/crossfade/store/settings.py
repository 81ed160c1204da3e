"""What of the store may be tuned without changing an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`seal_rows`: rows of the tail, which is scanned whole, before they become a segment. `merge_factor`: segments of
    like size before they become one. `dead_part`: of a segment's rows, before it is written again without them.
    `selection_bytes`: remembered filters of each segment. `log_bytes`: of the database's log before it is emptied.
    `check_on_open`: whether every byte of every segment is held against its checksum when the store is opened.
    """

    seal_rows: int = 16_384
    merge_factor: int = 4
    dead_part: float = 0.3
    selection_bytes: int = 16 << 20
    log_bytes: int = 64 << 20
    check_on_open: bool = True
