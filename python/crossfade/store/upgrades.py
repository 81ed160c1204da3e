"""Migrations that are more than a few statements. One that has been released is never changed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from crossfade.store import checksums, faults
from crossfade.store.lines import COLUMNS, Table

log = logging.getLogger(__name__)

# Rows that get their sums in one transaction: some 15 MB of log, which is emptied after each.
_ROWS_AT_ONCE = 8_192
# Keys that `values` of the small tables had when sums came to them; `lines.COLUMNS` may have more by now.
_SUMMED: tuple[Table, ...] = ("collections", "indexes", "epochs", "aliases")

_DOCUMENTS_2 = """
    CREATE TABLE documents_{number} (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        metadata TEXT NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """`step`: statements or a function, in the transaction that says that it was made. `before`: what takes several
    transactions; it may be killed after any of them, and goes on when it is called again."""

    step: str | Callable[[sqlite3.Connection], None] = ""
    before: Callable[[sqlite3.Connection], None] | None = None


def execute_all(connection: sqlite3.Connection, statements: str) -> None:
    """One after the other, in the transaction that there is."""
    for statement in statements.split(";"):
        if statement.strip():
            connection.execute(statement)


def with_checksums(connection: sqlite3.Connection) -> None:
    """To format 2: every line and every document has a checksum, and rows have a place for theirs.

    Documents that were deleted left a line each behind, so that the version of one that came again went on where it
    was. They go, and each collection keeps the greatest version of them all: what is new starts above it.
    """
    connection.execute("ALTER TABLE collections ADD COLUMN version_floor INTEGER NOT NULL DEFAULT 0")
    for table in _SUMMED:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
    for (number,) in connection.execute("SELECT number FROM collections").fetchall():
        connection.execute(
            f"UPDATE collections SET version_floor = (SELECT ifnull(max(version), 0) FROM documents_{number} "
            "WHERE deleted) WHERE number = ?",
            (number,),
        )
        connection.execute(f"ALTER TABLE documents_{number} RENAME TO documents_{number}_before")
        connection.execute(_DOCUMENTS_2.format(number=number))
        # As the bytes that lie there. Not by a function within SQL: SQLite would make its own error of Ctrl-C in one.
        kept = connection.execute(
            "SELECT key, CAST(id AS BLOB), version, CAST(title AS BLOB), CAST(text AS BLOB), CAST(metadata AS BLOB) "
            f"FROM documents_{number}_before WHERE NOT deleted ORDER BY key"
        )
        connection.executemany(
            f"INSERT INTO documents_{number} VALUES "
            "(?, CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?)",
            ((*row, checksums.of_document(*row)) for row in kept),
        )
        connection.execute(f"DROP TABLE documents_{number}_before")
    for (number,) in connection.execute("SELECT number FROM indexes").fetchall():
        connection.execute(f"ALTER TABLE rows_{number} ADD COLUMN crc INTEGER")
    for table in _SUMMED:
        names = ", ".join(f'"{name}"' for name in COLUMNS[table])
        for rowid, *values in connection.execute(f"SELECT rowid, {names} FROM {table}").fetchall():
            connection.execute(f"UPDATE {table} SET crc = ? WHERE rowid = ?", (checksums.of_line(values), rowid))


def sum_rows(connection: sqlite3.Connection) -> None:
    """Before format 3: the checksums of all rows, a part at a time, so that the log need not hold all vectors."""
    for (number,) in connection.execute("SELECT number FROM indexes").fetchall():
        at = 0
        while True:
            keys = connection.execute(
                f"SELECT key FROM rows_{number} WHERE key > ? ORDER BY key LIMIT {_ROWS_AT_ONCE}", (at,)
            ).fetchall()
            if not keys:
                break
            low, at = at, keys[-1][0]
            lacking = connection.execute(
                f"SELECT key, document, start, stop, vector FROM rows_{number} "
                "WHERE key > ? AND key <= ? AND crc IS NULL ORDER BY key",
                (low, at),
            )
            sums = [(checksums.of_row(*row), row[0]) for row in lacking]
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(f"UPDATE rows_{number} SET crc = ? WHERE key = ?", sums)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            faults.passed("checksums.committed")
            _empty_log(connection)
            log.info("checksums for the vectors of index %d: up to row %d", number, at)


def _empty_log(connection: sqlite3.Connection) -> None:
    """As far as nobody reads: for one who does (a backup, a check) it would wait its whole patience at every part."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
