"""Copies of a store: made whole or not at all, also of one that a server has open, and put back with a check.

A backup is a directory with the database alone, of all collections or of some. It is a store itself; segments are built
when it is opened.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from crossfade.errors import Damaged, InvalidInput, StoreError
from crossfade.files import remove_tree
from crossfade.store import checksums, schema
from crossfade.store.audit import audit
from crossfade.store.collection_copy import Copied, begin_after, check_copied, copy_collections, find, newest
from crossfade.store.database import FILE, PAGE_BYTES, errors_told
from crossfade.store.readers import Readers
from crossfade.store.readonly import check_format, check_there, reading
from crossfade.store.segment import sync_directory

_PAGES = 4096  # copied between two looks at signals
_MOST_FAULTS = 5


def backup_of(
    directory: Path, target: Path, *, collections: Sequence[str] | None = None, with_damage: bool = False
) -> None:
    """A copy of the store as it is now, in a new directory; without the store's lock, so also while a server has it
    open and writes. Every row of the copy is held against its checksum before it appears.

    `collections`: names of those to copy, all of them as they are at one moment, with the aliases that point to them;
    None: all there are. `with_damage`: copy damaged documents and vectors as they are. Raises NotFound when there is no
    store or no such collection, InvalidInput when the target is there, Damaged when it holds what is not what was
    written, StoreError when it cannot be read or written.
    """
    names = None if collections is None else {name: name for name in collections}
    check_there(directory)
    if names is not None:
        with reading(directory) as source:
            find(source, names)

    def copy(path: Path) -> None:
        if names is not None:
            copy_some(directory, path, names, f"the store {directory}", with_damage=with_damage)
            return
        with reading(directory) as source:
            _copy(source, path)
        if not with_damage:
            check_rows(path, f"the store {directory}")

    write_whole(target, copy, like=directory / FILE, what="backup")


def restore(backup: Path, directory: Path, *, with_damage: bool = False) -> None:
    """Make a store of a backup, in a new directory. Every page and every row of the copy is checked before it appears.

    `with_damage`: take damaged documents and vectors as they are. Raises NotFound when there is no backup, InvalidInput
    when the directory is there, StoreError when the backup is damaged or the copy cannot be written.
    """
    check_there(backup)

    def copy(path: Path) -> None:
        with reading(backup) as source:
            _copy(source, path)
        _check(path, backup)
        if not with_damage:
            check_rows(path, f"the backup {backup}")

    write_whole(directory, copy, like=backup / FILE, what="store")


def write_whole(target: Path, copy: Callable[[Path], None], *, like: Path, what: str) -> None:
    """Have `copy` write a database into an empty file, in a directory that appears at `target` when all of it is on the
    disk. `like`: the database that it is a copy of; who may not read that may not read the copy (see `readers`)."""
    target = Path(target)
    if target.exists() or target.is_symlink():
        raise InvalidInput(f"{target} is there already: name a directory that is not")
    building = target.with_name(f".{target.name}.building")
    remove_tree(building)
    try:
        readers = Readers.of(like)
        building.mkdir(mode=0o700, parents=True)
        readers.begin(building / FILE)
        copy(building / FILE)
        _settle(building / FILE)
        descriptor = os.open(building / FILE, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        readers.hand_over(building)
        sync_directory(building)
        building.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        instead = "; name a directory on a disk that can be written" if error.errno == errno.EROFS else ""
        raise StoreError(f"the {what} {target} cannot be written: {error.strerror or error}{instead}") from error
    finally:
        remove_tree(building)


def copy_some(directory: Path, path: Path, names: Mapping[str, str], what: str, *, with_damage: bool) -> list[Copied]:
    """Copy collections of a store into an empty file at `path`, which becomes a database. `names`: theirs, and what
    they are called there; `what`: they are copied from. Raises as `copy_collections`, and Damaged."""
    with reading(directory) as source, newest(source, path.with_name("migrating")) as newer, errors_told(path):
        target = sqlite3.connect(path, isolation_level=None)
        try:
            target.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            # A file that is thrown away when anything fails, and flushed when nothing did.
            target.execute("PRAGMA journal_mode = MEMORY").fetchone()
            target.execute("PRAGMA synchronous = OFF")
            checksums.tolerate(target)
            schema.migrate(target)
            target.execute("BEGIN IMMEDIATE")
            begin_after(newer, target)
            made = copy_collections(newer, directory / FILE, target, names)
            target.execute("COMMIT")
            if not with_damage:
                check_copied(target, made, what)
        finally:
            target.close()
    return made


def check_rows(path: Path, what: str) -> None:
    """Hold every row of a copy of a database against its checksum. `what`: it is a copy of. Raises Damaged."""
    with errors_told(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            checksums.tolerate(connection)
            found = audit(connection)
        finally:
            connection.close()
    faults = [*found.faults, *map(str, found.rows)]
    if faults:
        raise Damaged(
            f"{what} holds {len(faults)} things that are not what was written, and is not copied: {faults[0]}; "
            "`crossfade store check` names all and says what to do, and --with-damage copies them as they are"
        )


def faults_of(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with a database, every page of it read: a few lines at most; none when it is sound."""
    try:
        found = connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [line for (text,) in found if text != "ok" for line in text.splitlines()]


def _settle(path: Path) -> None:
    """Out of WAL mode, which a store gets into again when it is opened: a backup can then be read without files beside
    it, and from a medium that cannot be written."""
    with errors_told(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        finally:
            connection.close()


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with errors_told(path):
        copy = sqlite3.connect(path, isolation_level=None)
        try:
            source.backup(copy, pages=_PAGES, sleep=0)
        finally:
            copy.close()


def _check(path: Path, backup: Path) -> None:
    with errors_told(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            check_format(connection, path)
            faults = faults_of(connection)
        finally:
            connection.close()
    if faults:
        raise StoreError(f"the backup {backup} is damaged: {faults[0]}; restore another one")
