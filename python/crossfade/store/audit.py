"""The whole database held against its checksums and its own counts: every line, every document, every row."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from crossfade.store import documents, lines
from crossfade.store.reading import ROW, sound

SUMS_SINCE = 3
"""The format from which on every row has a checksum."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """A document that does not say what was written, or a vector of it, of `index_version`. `id`: of the document, as
    far as it can be told."""

    collection: str
    id: str
    index_version: int | None = None

    def __str__(self) -> str:
        what = "title, text, metadata or version"
        if self.index_version is not None:
            what = f"vector in index version {self.index_version}"
        return f"collection {self.collection!r}, document {self.id[:80]!r}: its {what} is not what was written"


@dataclass(slots=True)
class Audit:
    """`faults`: of tables, a line for each; they lose more than what they name. `rows`: what is damaged by itself."""

    faults: list[str] = field(default_factory=list)
    rows: list[RowFault] = field(default_factory=list)


def audit(connection: sqlite3.Connection) -> Audit:
    """Read all of it. A database of an older format has no checksums yet, and is not looked at."""
    found = Audit()
    if lines.format_of(connection) < SUMS_SINCE:
        return found
    try:
        _look(connection, found)
    except sqlite3.DatabaseError as error:
        found.faults.append(f"the database cannot be read whole: {error}")
    return found


def audit_collections(connection: sqlite3.Connection, names: Collection[str]) -> Audit:
    """Read all of these, in a database of the newest format. Raises Damaged when a line of the small tables is."""
    found = Audit()
    for line in lines.read(connection, "collections"):
        if line["name"] in names:
            _look_at_documents(connection, found, line)
            for index in lines.read(connection, "indexes", "WHERE collection = ?", (line["number"],)):
                _look_at_index(connection, found, index, line["name"])
    return found


def _look(connection: sqlite3.Connection, found: Audit) -> None:
    tables: dict[lines.Table, list[lines.Line]] = {}
    given = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table in lines.COLUMNS:
        tables[table], faults = lines.looked_at(connection, table)
        found.faults += faults
        key = lines.KEYS.get(table)
        last = max((line[key] for line in tables[table]), default=0) if key else 0
        if not isinstance(given.get(table, 0), int) or given.get(table, 0) < last:
            found.faults.append(
                f"the last number of {table} is said to be {given.get(table, 0)!r}, and {last} is there"
            )
    for line in tables["collections"]:
        _look_at_documents(connection, found, line)
    names = {line["number"]: line["name"] for line in tables["collections"]}
    for line in tables["indexes"]:
        if line["collection"] in names:
            _look_at_index(connection, found, line, names[line["collection"]])


def _look_at_documents(connection: sqlite3.Connection, found: Audit, line: lines.Line) -> None:
    number, name = line["number"], line["name"]
    found.rows += (RowFault(name, each) for each in _damaged_documents(connection, number))
    count, last = connection.execute(f"SELECT count(*), ifnull(max(key), 0) FROM documents_{number}").fetchone()
    if count != line["documents"] or last > line["sequence"]:
        found.faults.append(
            f"collection {name!r} has {count} documents up to number {last}, and was written with "
            f"{line['documents']} up to {line['sequence']}"
        )


def _damaged_documents(connection: sqlite3.Connection, number: int) -> Iterator[str]:
    rows = connection.execute(f"SELECT {documents.COLUMNS} FROM documents_{number} AS d ORDER BY d.key")
    return (documents.id_of(row) for row in rows if not documents.is_sound(row))


def _look_at_index(connection: sqlite3.Connection, found: Audit, line: lines.Line, name: str) -> None:
    number, version, collection = line["number"], line["version"], line["collection"]
    for row in connection.execute(f"SELECT {ROW} FROM rows_{number} ORDER BY key"):
        if not sound(row):
            found.rows.append(RowFault(name, _owner(connection, collection, row[1], row[0]), version))
    count, last = connection.execute(
        f"SELECT count(DISTINCT document), ifnull(max(key), 0) FROM rows_{number}"
    ).fetchone()
    (lost,) = connection.execute(
        f"SELECT count(*) FROM rows_{number} AS r WHERE NOT EXISTS "
        f"(SELECT 1 FROM documents_{collection} WHERE key = r.document)"
    ).fetchone()
    said = f"index version {version} of collection {name!r}"
    if count != line["documents"] or last > line["arrived"]:
        found.faults.append(
            f"{said} has vectors of {count} documents up to row {last}, and was written with {line['documents']} up "
            f"to {line['arrived']}"
        )
    if lost:
        found.faults.append(f"{said} has {lost} vectors of documents that are not there")


def _owner(connection: sqlite3.Connection, collection: int, document: object, key: int) -> str:
    row = connection.execute(
        f"SELECT CAST(id AS BLOB) FROM documents_{collection} WHERE key = ?", (document,)
    ).fetchone()
    return f"(row {key})" if row is None or row[0] is None else bytes(row[0]).decode(errors="replace")
