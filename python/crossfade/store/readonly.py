"""A store looked at without its lock: while a server has it open, and without changing anything in it.

SQLite lets other processes read one moment of the database beside the one that writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from crossfade.errors import NotFound, StoreError
from crossfade.store import schema
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


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads one moment of the store's database, whoever else has it open.

    Raises NotFound when there is no store, StoreError when it cannot be read or is of a newer format.
    """
    path = directory / FILE
    if not path.is_file():
        raise NotFound(f"there is no store in {directory}: name the directory of one, or create a collection first")
    with errors_told(path):
        connection = sqlite3.connect(
            f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
        )
        try:
            check_format(connection, path)
            connection.execute("BEGIN")
            # The moment is fixed by the first read.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
        finally:
            connection.close()


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
    """The collections there are, by name. Raises as `reading`."""
    with reading(directory) as connection:
        found = connection.execute(
            "SELECT c.number, c.name, c.metric, c.documents, c.settings, i.number, i.dimension, i.document_fingerprint "
            "FROM collections c JOIN indexes i ON i.collection = c.number AND i.version = c.current ORDER BY c.name"
        ).fetchall()
        made = []
        for number, name, metric, documents, settings, index, dimension, fingerprint in found:
            (rows,) = connection.execute(f"SELECT count(*) FROM rows_{index}").fetchone()
            kind: Metric = metric
            spec = CollectionSpec(name, dimension, kind, fingerprint)
            made.append(CollectionSummary(number, spec, CollectionSettings.from_json(settings), documents, rows))
        return made
