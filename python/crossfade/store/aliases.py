"""Names that point to a version of a collection's index, and are pointed elsewhere in one durable step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from crossfade.errors import AlreadyExists, Conflict, NotFound, StoreError
from crossfade.store import faults, lines
from crossfade.store.checks import check_name
from crossfade.store.database import Database


@dataclass(frozen=True, slots=True)
class Alias:
    """`version`: None for whichever is the collection's current one. `revision`: every change of any alias brings a
    greater one, and none is given twice.
    """

    name: str
    collection: str
    version: int | None
    revision: int

    def __str__(self) -> str:
        version = "the current version" if self.version is None else f"version {self.version}"
        return f"{version} of collection {self.collection!r}"


def stored_aliases(connection: sqlite3.Connection) -> list[Alias]:
    """What the database has, sorted by name."""
    names = {line["number"]: line["name"] for line in lines.read(connection, "collections")}
    return [
        Alias(line["name"], names[line["collection"]], line["version"] or None, line["revision"])
        for line in lines.read(connection, "aliases", "ORDER BY name")
        if line["collection"] in names
    ]


class Aliases:
    """All of a store. Who changes one holds the store's lock; who looks one up waits for nobody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Alias] = {}
        self.read()

    def read(self) -> None:
        """What the database has of them."""
        with self._database.reading() as connection:
            self._known = {alias.name: alias for alias in stored_aliases(connection)}

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction. When it ends in an error, Ctrl-C among them, the database says whether it took place."""
        try:
            with self._database.writing() as connection:
                yield connection
                faults.passed("alias.written")
            faults.passed("alias.committed")
            self.read()
        except BaseException:
            with suppress(StoreError):
                self.read()
            raise

    def get(self, name: str) -> Alias | None:
        return self._known.get(name)

    def all(self) -> list[Alias]:
        """Sorted by name."""
        known = self._known
        return [known[name] for name in sorted(known)]

    def set(self, name: str, collection: str, version: int | None, expected: int | None) -> Alias:
        """Raises as `DurableStore.set_alias`."""
        check_name(name, "alias")
        before = self._known.get(name)
        found = before.revision if before else 0
        if expected not in (None, found):
            if before is not None and (before.collection, before.version) == (collection, version):
                return before  # a call that was sent again after it had been taken
            raise _changed(name, before, found, expected)
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM collections WHERE name = ?", (name,)).fetchone():
                raise AlreadyExists(f"{name!r} is the name of a collection: choose another for the alias")
            number = self._number(connection, collection, version)
            connection.execute("DELETE FROM aliases WHERE name = ?", (name,))
            lines.insert(connection, "aliases", {"name": name, "collection": number, "version": version or 0})
        return self._known[name]

    def _number(self, connection: sqlite3.Connection, collection: str, version: int | None) -> int:
        """Of a collection that has the version. Raises NotFound."""
        row = connection.execute("SELECT number FROM collections WHERE name = ?", (collection,)).fetchone()
        if row is None:
            said = " but an alias: name the collection that it points to" if collection in self._known else ""
            raise NotFound(f"there is no collection {collection[:160]!r}{said or ': create it first'}")
        number = int(row[0])
        known = sorted(
            each for (each,) in connection.execute("SELECT version FROM indexes WHERE collection = ?", (number,))
        )
        if version is not None and version not in known:
            raise NotFound(
                f"collection {collection!r} has no index version {version}: it has {', '.join(map(str, known))}"
            )
        return number

    def drop(self, name: str, expected: int | None) -> None:
        """Raises as `DurableStore.drop_alias`."""
        before = self._known.get(name)
        if before is None:
            names = ", ".join(sorted(self._known)[:20]) or "none"
            raise NotFound(f"no alias {name[:160]!r}: there are {names}")
        if expected not in (None, before.revision):
            raise _changed(name, before, before.revision, expected)
        with self._writing() as connection:
            connection.execute("DELETE FROM aliases WHERE name = ?", (name,))


def _changed(name: str, before: Alias | None, found: int, expected: int | None) -> Conflict:
    now = f"has revision {found} and points to {before}" if before else "is not there"
    return Conflict(f"alias {name!r} {now}, and revision {expected} was expected: read it again, and decide again")
