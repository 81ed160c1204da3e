"""A store looked at without its lock: while a server has it open, and without changing anything in it.

SQLite lets other processes read one moment of the database beside the one that writes. On a read-only disk it needs
help (`read_only_disk`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from crossfade.errors import NotFound, StoreError
from crossfade.store import checksums, index_tables, lines, read_only_disk, schema
from crossfade.store.aliases import Alias, stored_aliases
from crossfade.store.database import FILE, errors_told
from crossfade.store.types import CollectionSettings, CollectionSpec, Metric

_BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """`number`: of the collection; `spec`: of the index that is searched; `documents`, `rows`: that are there."""

    number: int
    spec: CollectionSpec
    settings: CollectionSettings
    documents: int
    rows: int


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One version of a collection's index. `rows`: vectors that are there; `pending`: documents that it lacks;
    `aliases`: names that point to it, those of the current one without a version among them."""

    version: int
    dimension: int
    document_fingerprint: str
    rows: int
    pending: int
    current: bool
    aliases: tuple[str, ...]


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads one moment of the store's database, whoever else has it open.

    Raises NotFound when there is no store, StoreError when it cannot be read or is of a newer format.
    """
    path = directory / FILE
    check_there(directory)
    with errors_told(path), _connected(path) as connection:
        checksums.tolerate(connection)
        check_format(connection, path)
        connection.execute("BEGIN")
        # The moment is fixed by the first read.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def check_there(directory: Path) -> None:
    """Raises NotFound when there is no store."""
    if not (directory / FILE).is_file():
        raise NotFound(f"there is no store in {directory}: name the directory of one, or create a collection first")


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(
        f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )
    try:
        try:
            connection.execute("PRAGMA schema_version").fetchone()  # a read: now it is known whether it can be done
        except sqlite3.OperationalError as error:
            refused = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
            if not refused or not read_only_disk.is_read_only(path):
                raise
        else:
            yield connection
            return
    finally:
        connection.close()
    with read_only_disk.connected(path) as connection:
        yield connection


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for a database that is not a store's, or one of a newer crossfade."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise StoreError(f"{path} is not the database of a crossfade store: name another directory")
    if version > len(schema.MIGRATIONS):
        raise StoreError(
            f"{path} has format {version}, and this crossfade knows formats up to {len(schema.MIGRATIONS)}: use the "
            "version of crossfade that wrote it, or a newer one"
        )


def summaries(directory: Path) -> list[CollectionSummary]:
    """The collections there are, by name. Raises as `reading`, and Damaged when a line is not what was written."""
    with reading(directory) as connection:
        indexes = {(line["collection"], line["version"]): line for line in lines.read(connection, "indexes")}
        made = []
        for line in lines.read(connection, "collections", "ORDER BY name"):
            index = indexes.get((line["number"], line["current"]))
            if index is None:
                continue
            (rows,) = connection.execute(f"SELECT count(*) FROM rows_{index['number']}").fetchone()
            kind: Metric = line["metric"]
            spec = CollectionSpec(line["name"], index["dimension"], kind, index["document_fingerprint"])
            settings = CollectionSettings.from_json(line["settings"])
            made.append(CollectionSummary(line["number"], spec, settings, line["documents"], rows))
        return made


def versions(directory: Path, collection: str) -> list[VersionSummary]:
    """Of a collection's index, by version. Raises as `summaries`, and NotFound when there is no such collection."""
    with reading(directory) as connection:
        found = lines.read(connection, "collections", "WHERE name = ?", (collection,))
        if not found:
            raise not_found(connection, collection)
        number, documents, current = (found[0][name] for name in ("number", "documents", "current"))
        pointing: dict[int, list[str]] = {}
        for alias in lines.read(connection, "aliases", "WHERE collection = ? ORDER BY name", (number,)):
            pointing.setdefault(alias["version"] or current, []).append(alias["name"])
        return [
            VersionSummary(
                each.version,
                each.dimension,
                each.document_fingerprint,
                connection.execute(f"SELECT count(*) FROM rows_{each.number}").fetchone()[0],
                documents - each.documents,
                each.version == current,
                tuple(pointing.get(each.version, ())),
            )
            for each in index_tables.lines(connection, number)
        ]


def not_found(connection: sqlite3.Connection, name: str) -> NotFound:
    """What to raise where there is no such collection."""
    pointing = connection.execute(
        "SELECT c.name FROM aliases a JOIN collections c ON c.number = a.collection WHERE a.name = ?", (name,)
    ).fetchone()
    if pointing is not None:
        return NotFound(f"no collection {name!r}: it is an alias of collection {pointing[0]!r}; name that one")
    names = [each for (each,) in connection.execute("SELECT name FROM collections ORDER BY name LIMIT 20")]
    return NotFound(f"no collection {name!r}: there are {', '.join(names) or 'none'}")


def all_aliases(directory: Path) -> list[Alias]:
    """Sorted by name. Raises as `reading`."""
    with reading(directory) as connection:
        return stored_aliases(connection)
