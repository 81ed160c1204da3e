"""The database's file made as small as what it holds, by a copy that takes its place; nobody may have the store open.

SQLite keeps the pages of what was dropped for what comes, and never gives them back to the disk. It could move pages
from the file's end into free ones (auto_vacuum = INCREMENTAL), but for that every write would keep a map of who points
to each page, for good, and a store that is there would have to be copied whole once anyhow. So the copy is made when
somebody wants the room: `VACUUM INTO`, flushed, held against its checksums, renamed.

A kill at any moment leaves the old database or the new one, each whole: the old one has left WAL mode, and has no log
that would be taken for the new one's, before it is replaced.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import NotFound, StoreError
from crossfade.store import faults
from crossfade.store.backup import check_rows, faults_of
from crossfade.store.database import COMPACTING, FILE, Database, errors_told, remove_compacting
from crossfade.store.readers import begin_like

_STEPS = 200_000  # of SQLite's machine between two looks at progress and signals: some milliseconds
_ROOM = 1.02  # of what the copy is thought to take


@dataclass(frozen=True, slots=True)
class Compacted:
    """Bytes of the database's file."""

    before: int
    after: int


def compact(
    directory: Path, *, with_damage: bool = False, tell: Callable[[str, int, int], None] | None = None
) -> Compacted:
    """Make the database's file as small as what it holds. It needs as much room beside it meanwhile.

    `tell`: told stage, bytes done, and of how many. `with_damage`: copy damaged documents and vectors as they are.
    Raises NotFound when there is no store; StoreError when another process has it open, the disk has not the room, or
    it is damaged; Damaged when a row is. The store is as it was then.
    """
    path = directory / FILE
    if not path.is_file():
        raise NotFound(f"there is no store in {directory}: name the directory of one")
    database = Database(directory)
    try:
        database.checkpoint()
        before, needed = path.stat().st_size, _needed(database)
        _check_room(database.file.parent, needed)
        copy = database.file.with_name(COMPACTING)
        remove_compacting(directory)
        try:
            _begin(copy, database.file.stat())
            _copied(database, copy, needed, tell or _silent)
            _check(copy, directory, with_damage=with_damage)
            _flush(copy)
            faults.passed("compact.copied")
            after = copy.stat().st_size
            database.replace(copy)
        finally:
            remove_compacting(directory)
    finally:
        database.close()
    return Compacted(before, after)


def _silent(*_: object) -> None:
    pass


def _needed(database: Database) -> int:
    with database.reading() as connection:
        told = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((told[0] - told[1]) * page_bytes)


def _check_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed * _ROOM:
        raise StoreError(
            f"the disk of {directory} has {free / 1e6:,.0f} MB left, and the copy needs {needed * _ROOM / 1e6:,.0f} MB "
            "beside the database: make room first; nothing was changed"
        )


def _begin(copy: Path, like: os.stat_result) -> None:
    """An empty file, for SQLite to write into, that nobody may read who may not read the database, and that belongs to
    whom that belongs: whoever serves it need not be who compacts it."""
    try:
        if begin_like(copy, like, stat.S_IMODE(like.st_mode)):
            return
        reason = "Operation not permitted"
    except OSError as error:
        reason = error.strerror or str(error)
    raise StoreError(
        f"{copy} cannot be written with the owner and permissions of the database: {reason}; nothing was changed, "
        "compact it as the user whose it is"
    )


def _copied(database: Database, copy: Path, needed: int, tell: Callable[[str, int, int], None]) -> None:
    raised: list[BaseException] = []

    def look() -> int:
        # What is raised in here, Ctrl-C among it, would be lost on SQLite's way back.
        try:
            with suppress(FileNotFoundError):
                tell("compacting", min(copy.stat().st_size, needed - 1), needed)
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)
            return 1
        return 0

    with database.errors_told(), database.reading() as connection:
        connection.execute("ROLLBACK")  # VACUUM has a transaction of its own
        connection.execute("PRAGMA query_only = OFF")
        connection.set_progress_handler(look, _STEPS)
        try:
            connection.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.OperationalError:
            if raised:
                raise raised[0] from None
            raise
        finally:
            connection.set_progress_handler(None, 0)
            connection.execute("PRAGMA query_only = ON")
    tell("compacting", needed, needed)


def _check(copy: Path, directory: Path, *, with_damage: bool) -> None:
    with errors_told(copy):
        connection = sqlite3.connect(copy, isolation_level=None)
        try:
            faults_found = faults_of(connection)
        finally:
            connection.close()
    if faults_found:
        raise StoreError(f"the copy of the database is damaged: {faults_found[0]}; nothing was changed, check the disk")
    if not with_damage:
        check_rows(copy, f"the store {directory}")


def _flush(copy: Path) -> None:
    try:
        with copy.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{copy} cannot be written: {error.strerror or error}; nothing was changed") from error
