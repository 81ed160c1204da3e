"""Marks: what a database had taken at some moment, so that notes kept beside it can tell whether it still has."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from crossfade.store.database import Database


@dataclass(frozen=True, slots=True)
class Mark:
    """The last row that an index had. `epoch`: the token of the stretch of arrivals that it came in (see `schema`)."""

    index: int
    arrived: int
    epoch: str


def mark(database: Database, index: int) -> Mark:
    """Where an index, by its number, stands now."""
    with database.reading() as connection:
        (arrived,) = connection.execute("SELECT arrived FROM indexes WHERE number = ?", (index,)).fetchone()
        return Mark(index, arrived, _epoch(connection, index, arrived))


def holds(database: Database, noted: Mark) -> bool:
    """Whether all that an index had then has been in this database: not so when an older backup took its place, or
    when the index is gone."""
    with database.reading() as connection:
        found = connection.execute("SELECT arrived FROM indexes WHERE number = ?", (noted.index,)).fetchone()
        if found is None or found[0] < noted.arrived:
            return False
        return _epoch(connection, noted.index, noted.arrived) == noted.epoch


def _epoch(connection: sqlite3.Connection, index: int, arrived: int) -> str:
    found = connection.execute(
        'SELECT token FROM epochs WHERE "index" = ? AND arrived < ? ORDER BY arrived DESC LIMIT 1', (index, arrived)
    ).fetchone()
    return "" if found is None else str(found[0])
