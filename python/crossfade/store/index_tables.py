"""An index in the database: its line, its rows, its epochs; made and dropped within a transaction."""

from __future__ import annotations

import secrets
import sqlite3

from crossfade.errors import StoreError
from crossfade.store import schema


def create(
    connection: sqlite3.Connection, collection: int, version: int, dimension: int, document_fingerprint: str
) -> tuple[int, str]:
    """Return its number, and the token of its first epoch. It holds nothing."""
    number = connection.execute(
        "INSERT INTO indexes (collection, version, dimension, document_fingerprint, arrived, documents, complete_to, "
        "settings) VALUES (?, ?, ?, ?, 0, 0, 0, '{}')",
        (collection, version, dimension, document_fingerprint),
    ).lastrowid
    if number is None:
        raise StoreError("the database gave no number to a new index: it is damaged")
    for statement in schema.ROWS.format(number=number).split(";"):
        connection.execute(statement)
    return number, begin_epoch(connection, number, 0)


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


def begin_epoch(connection: sqlite3.Connection, number: int, arrived: int) -> str:
    """A token for the rows that follow. One that no row has is replaced."""
    token = secrets.token_hex(8)
    connection.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (number, arrived, token))
    return token
