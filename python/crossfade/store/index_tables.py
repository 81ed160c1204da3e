"""An index in the database: its line, its rows, its epochs; made and dropped within a transaction."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from crossfade.store import lines as small
from crossfade.store import schema


@dataclass(frozen=True, slots=True)
class Line:
    """What the database says of an index. `openings`: of its epochs, the last key there was then, and the token."""

    number: int
    version: int
    dimension: int
    document_fingerprint: str
    arrived: int
    documents: int
    complete_to: int
    openings: Sequence[tuple[int, str]] = ()


def lines(connection: sqlite3.Connection, collection: int) -> list[Line]:
    """Of all indexes of a collection, by version. Raises Damaged."""
    openings: dict[int, list[tuple[int, str]]] = {}
    of_these = 'WHERE "index" IN (SELECT number FROM indexes WHERE collection = ?)'
    for epoch in small.read(connection, "epochs", of_these, (collection,)):
        openings.setdefault(epoch["index"], []).append((epoch["arrived"], epoch["token"]))
    return [
        Line(
            each["number"],
            each["version"],
            each["dimension"],
            each["document_fingerprint"],
            each["arrived"],
            each["documents"],
            each["complete_to"],
            openings.get(each["number"], ()),
        )
        for each in small.read(connection, "indexes", "WHERE collection = ? ORDER BY version", (collection,))
    ]


def create(
    connection: sqlite3.Connection, collection: int, version: int, dimension: int, document_fingerprint: str
) -> None:
    """It holds nothing."""
    line = {
        "collection": collection,
        "version": version,
        "dimension": dimension,
        "document_fingerprint": document_fingerprint,
        "arrived": 0,
        "documents": 0,
        "complete_to": 0,
        "settings": "{}",
    }
    create_rows(connection, small.insert(connection, "indexes", line))


def create_rows(connection: sqlite3.Connection, number: int) -> None:
    """What belongs to an index whose line is there: a table for its rows, and their first epoch."""
    for statement in schema.ROWS.format(number=number).split(";"):
        connection.execute(statement)
    begin_epoch(connection, number, 0)


def drop(connection: sqlite3.Connection, number: int) -> None:
    """Its line too."""
    connection.execute(f"DROP TABLE rows_{number}")
    connection.execute('DELETE FROM epochs WHERE "index" = ?', (number,))
    connection.execute("DELETE FROM indexes WHERE number = ?", (number,))


def aliases_of(connection: sqlite3.Connection, collection: int, version: int) -> list[str]:
    """Names, sorted, of the first twenty that point to that very version."""
    found = connection.execute(
        "SELECT name FROM aliases WHERE collection = ? AND version = ? ORDER BY name LIMIT 20", (collection, version)
    )
    return [name for (name,) in found]


def begin_epoch(connection: sqlite3.Connection, number: int, arrived: int) -> None:
    """A token for the rows that follow. One that no row has is replaced."""
    small.insert(connection, "epochs", {"index": number, "arrived": arrived, "token": secrets.token_hex(8)})
