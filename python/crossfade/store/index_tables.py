"""An index in the database: its line, its rows, its epochs; made and dropped within a transaction."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from crossfade.errors import StoreError
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
    """Of all indexes of a collection, by version."""
    openings: dict[int, list[tuple[int, str]]] = {}
    for number, arrived, token in connection.execute(
        'SELECT "index", arrived, token FROM epochs WHERE "index" IN (SELECT number FROM indexes WHERE collection = ?)',
        (collection,),
    ):
        openings.setdefault(number, []).append((arrived, token))
    found = connection.execute(
        "SELECT number, version, dimension, document_fingerprint, arrived, documents, complete_to FROM indexes "
        "WHERE collection = ? ORDER BY version",
        (collection,),
    )
    return [
        Line(number, version, dimension, fingerprint, arrived, documents, complete_to, openings.get(number, ()))
        for number, version, dimension, fingerprint, arrived, documents, complete_to in found
    ]


def create(
    connection: sqlite3.Connection, collection: int, version: int, dimension: int, document_fingerprint: str
) -> None:
    """It holds nothing."""
    number = connection.execute(
        "INSERT INTO indexes (collection, version, dimension, document_fingerprint, arrived, documents, complete_to, "
        "settings) VALUES (?, ?, ?, ?, 0, 0, 0, '{}')",
        (collection, version, dimension, document_fingerprint),
    ).lastrowid
    if number is None:
        raise StoreError("the database gave no number to a new index: it is damaged")
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
    connection.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (number, arrived, secrets.token_hex(8)))
