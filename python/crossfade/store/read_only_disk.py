"""Databases on a disk that cannot be written: mounted so, or made read-only by the kernel after an error.

SQLite wants to write beside a database in WAL mode even to read it: its log, and an index of that in shared memory.
Where both are there it reads them as they are, also beside a server on another mount of the same disk. Where they are
not and cannot be made:

- without a log, the file is opened as `immutable`: nothing is locked, and no log is looked for. That is safe since
  nobody can write to a read-only disk.
- with a log, what is only in there is read too: the index is made in this connection's own memory (`locking_mode =
  EXCLUSIVE` before the first read), and locks, which nobody could have for writing, are left out (`vfs=unix-none`).
  Nothing is copied, so no room is needed anywhere.

A disk that is read-only here may be written elsewhere: a mount in a container, a network's. So the files are looked at
before and after: what was read while they changed is refused.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from crossfade.errors import CrossfadeError, StoreError

_Seen = dict[str, tuple[int, int, int]]


def is_read_only(path: Path) -> bool:
    """Whether what is beside `path`, where that really lies, cannot be written by anybody through this mount."""
    try:
        return bool(os.statvfs(path.resolve().parent).f_flag & os.ST_RDONLY)
    except OSError:  # whoever opens it is told
        return False


def check_writable(database: Path) -> None:
    """Raises StoreError when the database is there, on a read-only disk; says what can be done with it."""
    if database.is_file() and is_read_only(database):
        raise StoreError(
            f"the store {database.parent} is on a read-only disk, and cannot be written or served: `crossfade store "
            "list`, `check`, `search`, `backup`, and `restore` out of it, work. Back it up to a disk that can be "
            "written and use that directory, or remount this one (the kernel's log says whether it is failing)"
        )


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at `path`, which lies on a read-only disk, for reading.

    Raises StoreError when it was written meanwhile, from elsewhere, and when a change in it was cut short in a way that
    only writing can undo.
    """
    file = path.resolve()
    before = _seen(file)
    if "-journal" in before:
        raise StoreError(
            f"{path} is on a read-only disk, and its last change was cut short: copy {file.name} and "
            f"{file.name}-journal to a directory that can be written, and name that one"
        )
    how = "vfs=unix-none" if "-wal" in before else "immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro&{how}", uri=True, isolation_level=None)
    try:
        if "-wal" in before:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
        yield connection
    except (CrossfadeError, sqlite3.Error) as error:
        _check_same(path, file, before, error)
        raise
    finally:
        connection.close()
    _check_same(path, file, before)


def _seen(file: Path) -> _Seen:
    """Inode, bytes and time of the last change of each file that has content, by what its name ends in."""
    found: _Seen = {}
    for name in ("", "-wal", "-journal"):
        try:
            told = Path(f"{file}{name}").stat()
        except FileNotFoundError:
            continue
        if told.st_size:
            found[name] = (told.st_ino, told.st_size, told.st_mtime_ns)
    return found


def _check_same(path: Path, file: Path, before: _Seen, error: Exception | None = None) -> None:
    if _seen(file) != before:
        raise StoreError(
            f"{path} was written while it was read: its disk is read-only here, and not where that was done; try "
            "again, or run this there"
        ) from error
