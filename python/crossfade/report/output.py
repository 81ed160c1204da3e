"""Writing the page where nobody ever sees half of it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 beside `path`, then put it in its place: what was there stays until the new file is complete.

    A link is followed. What is no regular file (a pipe, /dev/stdout) is written to directly. Raises OSError.
    """
    target = path.resolve()
    data = text.encode()
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # of a directory: the operating system's own error
        return
    beside = target.with_name(f".crossfade-report.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
