"""Collections taken out of a backup, or out of any store that nobody need close, into a store that is there.

All of them come in one transaction: a kill at any moment leaves the store as it was, or with all of them.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from crossfade.errors import StoreError
from crossfade.store import faults, lines
from crossfade.store.backup import copy_some, write_whole
from crossfade.store.collection_copy import Copied, check_copied, copy_collections, find, newest
from crossfade.store.database import FILE, RESTORING, Database
from crossfade.store.readonly import check_there, reading

_TIMES = 2  # that what comes is on the disk before the log is emptied: in the log, and in the database


def restore_collections(
    backup: Path, directory: Path, names: Mapping[str, str], *, with_damage: bool = False
) -> list[Copied]:
    """Take collections of a backup into the store in `directory`, which no process may have open; where there is no
    such directory, make a store of them. Every document and row is held against its checksum before they are there.

    `names`: those of the backup, and what they are called in the store. `with_damage`: take damaged documents and
    vectors as they are. Raises NotFound when there is no backup, no store, or no such collection; AlreadyExists when
    the store has a name already; Damaged when the backup is damaged; StoreError when it cannot be read, or the store
    cannot be written or is open in another process. Nothing was taken then.
    """
    with reading(backup) as source:
        find(source, names)
    if not directory.exists() and not directory.is_symlink():
        return _made(backup, directory, names, with_damage=with_damage)
    with reading(directory):  # it is a store: another database would be taken for an empty one, or made
        pass
    database = Database(directory)
    try:
        return restore_into(database, backup, names, with_damage=with_damage)
    finally:
        database.close()


def restore_into(
    database: Database, backup: Path, names: Mapping[str, str], *, with_damage: bool = False
) -> list[Copied]:
    """Into one that this process has open. Raises as `restore_collections`."""
    check_there(backup)
    with database.writing() as target:
        with reading(backup) as source, newest(source, database.path.with_name(RESTORING)) as newer:
            _check_room(newer, database.file.parent, names)
            with database.errors_told():
                made = copy_collections(newer, backup / FILE, target, names)
        if not with_damage:
            check_copied(target, made, f"the backup {backup}")
        faults.passed("restore.written")
    faults.passed("restore.committed")
    return made


def _made(backup: Path, directory: Path, names: Mapping[str, str], *, with_damage: bool) -> list[Copied]:
    made: list[Copied] = []

    def copy(path: Path) -> None:
        made[:] = copy_some(backup, path, names, f"the backup {backup}", with_damage=with_damage)

    write_whole(directory, copy, like=backup / FILE, what="store")
    return made


def _check_room(source: sqlite3.Connection, directory: Path, names: Mapping[str, str]) -> None:
    """By the vectors alone, which are most of it and can be counted at once: a disk that is full later undoes it all
    too, and later."""
    least = 0
    for line in find(source, names):
        for index in lines.read(source, "indexes", "WHERE collection = ?", (line["number"],)):
            (rows,) = source.execute(f"SELECT count(*) FROM rows_{index['number']}").fetchone()
            least += _TIMES * 4 * rows * index["dimension"]
    free = shutil.disk_usage(directory).free
    if free < least:
        raise StoreError(
            f"the disk of {directory} has {free / 1e6:,.0f} MB left, and the collections take more than "
            f"{least / 1e6:,.0f} MB while they come: make room first; nothing was changed"
        )
