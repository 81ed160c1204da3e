"""What the store's database holds, and how an older one becomes a newer one.

`PRAGMA user_version` is the number of the last migration that was applied. A migration that has been released is never
changed: a new one follows it, and a sample of the format before it goes to tests/unit/data.

Every index numbers its rows in the order in which they arrive. Rows of one document arrive together; a document that
was there before the index was made arrives when it is filled in.

An epoch is a stretch of arrivals between two openings of the store, and has a token that nobody can guess. A segment
bears that of its last row. So one that was made of writes that the database has lost since (an older backup was put in
its place, and other rows got their numbers) is found out.

A document's key is the number of the write that brought it, of all writes to its collection: it is never used again, it
orders the changes, and a document that is written again gets another.

An index holds `documents` documents, and every one that is there with a key up to `complete_to`: once that is so it
stays so, for a new key is always greater, and rows leave an index with their document. `versions` is the last version
that an index of a collection was given, and the current one or an older one may be dropped since. The version 0 of an
alias is whichever is current. An alias that is changed is another row, so its revision is never given again.

A document's version is never above its key: it starts above the collection's `version_floor`, which is the version of
some document that was deleted, plus one for its deletion, and each write that raises it brings a greater key. So what
is deleted leaves no line behind: whoever comes under its id again gets a version that the id never had, for the floor
is above them all. And where the version cannot be read, as the document is damaged, its next key stands in for it.
"""

from __future__ import annotations

import sqlite3

from crossfade.store import faults
from crossfade.store.upgrades import Migration, execute_all, sum_rows, with_checksums

APPLICATION_ID = 0x43524F46  # "CROF"

_FIRST = """
    CREATE TABLE collections (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        metric TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        documents INTEGER NOT NULL,
        current INTEGER NOT NULL,
        versions INTEGER NOT NULL,
        settings TEXT NOT NULL
    ) STRICT;
    CREATE TABLE indexes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        collection INTEGER NOT NULL REFERENCES collections (number),
        version INTEGER NOT NULL,
        dimension INTEGER NOT NULL,
        document_fingerprint TEXT NOT NULL,
        arrived INTEGER NOT NULL,
        documents INTEGER NOT NULL,
        complete_to INTEGER NOT NULL,
        settings TEXT NOT NULL,
        UNIQUE (collection, version)
    ) STRICT;
    CREATE TABLE epochs (
        "index" INTEGER NOT NULL REFERENCES indexes (number),
        arrived INTEGER NOT NULL,
        token TEXT NOT NULL,
        PRIMARY KEY ("index", arrived)
    ) STRICT;
    CREATE TABLE aliases (
        revision INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        collection INTEGER NOT NULL REFERENCES collections (number),
        version INTEGER NOT NULL
    ) STRICT;
"""

# One of each for every collection, and one of rows for every index: dropping them is one statement, whatever they hold.
# `crc`: see `crossfade.store.checksums`.
DOCUMENTS = """
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
ROWS = """
    CREATE TABLE rows_{number} (
        key INTEGER PRIMARY KEY,
        document INTEGER NOT NULL,
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        vector BLOB NOT NULL,
        crc INTEGER
    ) STRICT;
    CREATE INDEX rows_{number}_by_document ON rows_{number} (document)
"""

MIGRATIONS: tuple[Migration, ...] = (Migration(_FIRST), Migration(with_checksums), Migration(before=sum_rows))


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration | str, ...] = MIGRATIONS) -> None:
    """Bring the database to the newest format, each step whole or not at all. It is not in a transaction."""
    (at,) = connection.execute("PRAGMA user_version").fetchone()
    for number in range(at, len(migrations)):
        _step(connection, number, migrations[number])


def _step(connection: sqlite3.Connection, number: int, given: Migration | str) -> None:
    migration = Migration(given) if isinstance(given, str) else given
    if migration.before is not None:
        migration.before(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        faults.passed("migration.begun")
        if isinstance(migration.step, str):
            execute_all(connection, migration.step)
        else:
            migration.step(connection)
        if number == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number + 1}")
        faults.passed("migration.written")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    faults.passed("migration.committed")
