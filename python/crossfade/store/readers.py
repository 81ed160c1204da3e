"""Who may read a copy of a database: nobody who may not read the database, whatever the umask of who makes the copy.

A copy has the database's mode, and its owner and group as far as whoever makes it may give it away: root may, others
only to a group that they are in. The directory of one lets in who may read the file, and of these whom the database's
own directory lets in: segments, which a store has beside its database, hold vectors, ids and words too.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import StoreError

_FILE = 0o666
_OWNER = 0o600
_DIRECTORY = 0o2777  # a group that what is made within it inherits, too


@dataclass(frozen=True, slots=True)
class Readers:
    """Of a database: `file`, `directory` as the system tells of them; `directory_mode`: of a directory for a copy."""

    file: os.stat_result
    directory: os.stat_result
    directory_mode: int

    @classmethod
    def of(cls, database: Path) -> Readers:
        """Raises OSError."""
        file, directory, lies = database.stat(), database.parent.stat(), database.resolve().parent.stat()
        may_read = file.st_mode & 0o444
        let_in = may_read | may_read >> 1 | may_read >> 2
        mode = stat.S_IMODE(directory.st_mode) & stat.S_IMODE(lies.st_mode) & (let_in | 0o700)
        return cls(file, directory, (mode | stat.S_IMODE(directory.st_mode) & 0o2000) & _DIRECTORY | 0o700)

    def begin(self, path: Path) -> None:
        """An empty file, for SQLite to write a copy into. Raises OSError, and StoreError where the place keeps no such
        permissions."""
        begin_like(path, self.file, stat.S_IMODE(self.file.st_mode) & _FILE | _OWNER)

    def hand_over(self, directory: Path) -> None:
        """The directory of a copy. Raises as `begin`."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _give(descriptor, directory, self.directory, self.directory_mode)
        finally:
            os.close(descriptor)


def begin_like(path: Path, like: os.stat_result, mode: int) -> bool:
    """An empty new file of that mode, and of the owner and group of `like`; whether it could be given both. Raises as
    `Readers.begin`."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        return _give(descriptor, path, like, mode)
    finally:
        os.close(descriptor)


def _give(descriptor: int, path: Path, like: os.stat_result, mode: int) -> bool:
    owned = _owned(descriptor, like.st_uid, like.st_gid)
    if not owned and not _owned(descriptor, -1, like.st_gid):
        # Another group than that which may read the database: it gets no more than everybody.
        mode &= ~0o070 | (mode & 0o007) << 3
    os.fchmod(descriptor, mode)
    wider = stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o777 & ~mode
    if wider:
        raise StoreError(
            f"{path} would be readable by others than the database is: its file system keeps no permissions; choose "
            "another place"
        )
    return owned


def _owned(descriptor: int, user: int, group: int) -> bool:
    made = os.fstat(descriptor)
    if made.st_gid == group and user in (-1, made.st_uid):
        return True
    try:
        os.fchown(descriptor, user, group)
    except OSError:  # not allowed, or not kept by the file system
        return False
    return True
