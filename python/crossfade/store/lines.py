"""The small tables: a line for each collection, index, epoch and alias, held against its checksum when it is read.

A line is changed by reading it, which finds damage, and writing it whole: a change never signs what it did not look at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from crossfade.errors import Damaged, StoreError
from crossfade.store import checksums

Table = Literal["collections", "indexes", "epochs", "aliases"]
Line = dict[str, Any]

COLUMNS: Mapping[Table, tuple[str, ...]] = {
    "collections": (
        "number",
        "name",
        "metric",
        "sequence",
        "documents",
        "current",
        "versions",
        "settings",
        "version_floor",
    ),
    "indexes": (
        "number",
        "collection",
        "version",
        "dimension",
        "document_fingerprint",
        "arrived",
        "documents",
        "complete_to",
        "settings",
    ),
    "epochs": ("index", "arrived", "token"),
    "aliases": ("revision", "name", "collection", "version"),
}
"""All of each, but for the checksum."""

KEYS: Mapping[Table, str] = {"collections": "number", "indexes": "number", "aliases": "revision"}
"""What the database numbers them by."""
SUMS_SINCE = 2
"""The format from which on lines have checksums."""


def read(connection: sqlite3.Connection, table: Table, condition: str = "", given: Sequence[Any] = ()) -> list[Line]:
    """Lines in the order of the table, or as `condition` ("WHERE ... ORDER BY ...") has it.

    Raises Damaged when one does not say what was written.
    """
    found, faults = looked_at(connection, table, condition, given)
    if faults:
        raise Damaged(f"{faults[0]}; restore the last backup (crossfade store restore)")
    return found


def looked_at(
    connection: sqlite3.Connection, table: Table, condition: str = "", given: Sequence[Any] = ()
) -> tuple[list[Line], list[str]]:
    """Lines that say what was written, and what is to be said of the others."""
    columns = COLUMNS[table]
    if format_of(connection) < SUMS_SINCE:
        kept = [name for name in columns if name != "version_floor"]
        rows = connection.execute(f"SELECT {_quoted(kept)} FROM {table} {condition}", given)
        return [dict(zip(kept, row, strict=True)) for row in rows], []
    found: list[Line] = []
    faults: list[str] = []
    for *values, crc in connection.execute(f"SELECT {_quoted(columns)}, crc FROM {table} {condition}", given):
        if all(isinstance(value, int | str) for value in values) and checksums.of_line(values) == crc:
            found.append(dict(zip(columns, values, strict=True)))
        else:
            said = ", ".join(f"{name} {value!r:.60}" for name, value in zip(columns[:3], values, strict=False))
            faults.append(f"the table of {table} is damaged: the line of {said} is not what was written")
    return found, faults


def one(connection: sqlite3.Connection, table: Table, number: int) -> Line | None:
    """By its number; None when it is not there. Raises Damaged."""
    found = read(connection, table, f"WHERE {KEYS[table]} = ?", (number,))
    return found[0] if found else None


def insert(connection: sqlite3.Connection, table: Table, values: Line) -> int:
    """Return its number, which the database gives where `values` has none."""
    key = KEYS.get(table)
    if key is not None and key not in values:
        # Where AUTOINCREMENT is, a number is known when its line is there: it goes in, and gets its sum.
        names = [name for name in COLUMNS[table] if name != key]
        number = connection.execute(
            f"INSERT INTO {table} ({_quoted(names)}, crc) VALUES ({'?, ' * len(names)}0)",
            [values[name] for name in names],
        ).lastrowid
        if number is None:
            raise StoreError(f"the database gave no number to a new line of {table}: it is damaged")
        _sign(connection, table, {**values, key: number})
        return number
    names = list(COLUMNS[table])
    row = [values[name] for name in names]
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({_quoted(names)}, crc) VALUES ({'?, ' * len(names)}?)",
        (*row, checksums.of_line(row)),
    )
    return int(values[key]) if key is not None else 0


def change(connection: sqlite3.Connection, table: Table, number: int, **changes: Any) -> Line:
    """Give columns of a line other values; return all of it. Raises Damaged, and StoreError when it is not there."""
    line = one(connection, table, number)
    if line is None:
        raise StoreError(f"the table of {table} has no line {number}: the database is damaged; restore the last backup")
    line.update(changes)
    _sign(connection, table, line, tuple(changes))
    return line


def _sign(connection: sqlite3.Connection, table: Table, line: Line, changed: tuple[str, ...] = ()) -> None:
    crc = checksums.of_line([line[name] for name in COLUMNS[table]])
    setting = "".join(f'"{name}" = ?, ' for name in changed)
    connection.execute(
        f"UPDATE {table} SET {setting}crc = ? WHERE {KEYS[table]} = ?",
        (*(line[name] for name in changed), crc, line[KEYS[table]]),
    )


def format_of(connection: sqlite3.Connection) -> int:
    """The number of its last migration."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
