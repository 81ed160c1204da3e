"""How much of SQLite's log is in use. Its file keeps its size when it is begun anew: old frames stay behind new ones.

The format is SQLite's (https://www.sqlite.org/fileformat2.html#the_write_ahead_log): a header with two salts, which are
others each time that it is begun anew, then frames, each with the salts that it was written under, one page in each.
SQLite takes no lock on this file, so that opening and closing it here takes none away.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_PAGE_AT, _SALTS_AT, _FRAME_SALTS_AT = 8, 16, 8
_SALTS_BYTES = 8


class Used(NamedTuple):
    """The frames since the log was begun, in bytes of its file, and the salts that they bear."""

    size: int
    salts: bytes


NOTHING = Used(0, b"")


def used(path: Path) -> Used:
    """Looks at a few frames, whatever the size of the log. While another writes, it may be short of the last ones."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return NOTHING
    try:
        header = os.pread(descriptor, _HEADER_BYTES, 0)
        if len(header) < _HEADER_BYTES:
            return NOTHING
        salts = header[_SALTS_AT : _SALTS_AT + _SALTS_BYTES]
        frame = _FRAME_HEADER_BYTES + int.from_bytes(header[_PAGE_AT : _PAGE_AT + 4], "big")
        low, high = 0, (os.fstat(descriptor).st_size - _HEADER_BYTES) // frame
        while low < high:  # those that are new come first
            middle = (low + high) // 2
            if os.pread(descriptor, _SALTS_BYTES, _HEADER_BYTES + middle * frame + _FRAME_SALTS_AT) == salts:
                low = middle + 1
            else:
                high = middle
        return Used(low * frame, salts)
    except OSError:
        return NOTHING
    finally:
        os.close(descriptor)
