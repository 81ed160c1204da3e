"""Marks: what a database had taken at some moment, so that notes kept beside it can tell whether it still has."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from crossfade.errors import NotFound
from crossfade.store import lines
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
        line = lines.one(connection, "indexes", index)
        if line is None:
            raise NotFound(f"index number {index} was dropped")
        return Mark(index, line["arrived"], _epoch(connection, index, line["arrived"]))


def holds(database: Database, noted: Mark) -> bool:
    """Whether all that an index had then has been in this database: not so when an older backup took its place, or
    when the index is gone."""
    with database.reading() as connection:
        found = lines.one(connection, "indexes", noted.index)
        if found is None or found["arrived"] < noted.arrived:
            return False
        return _epoch(connection, noted.index, noted.arrived) == noted.epoch


def _epoch(connection: sqlite3.Connection, index: int, arrived: int) -> str:
    last = 'WHERE "index" = ? AND arrived < ? ORDER BY arrived DESC LIMIT 1'
    found = lines.read(connection, "epochs", last, (index, arrived))
    return str(found[0]["token"]) if found else ""
