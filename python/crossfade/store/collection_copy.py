"""Single collections taken from one database into another, whole: documents, all index versions, settings, aliases.

Keys, versions, the sequence and the floor that deletions leave stay as they are. Every document and every row goes with
its checksum as it lies there, so that damage is never signed. What the database numbers is numbered by the other one:
collections, indexes, revisions of aliases. Rows begin an epoch of their own there, as no segment is taken along.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import AlreadyExists, Damaged, InvalidInput
from crossfade.files import remove_tree
from crossfade.store import checksums, faults, index_tables, lines, schema
from crossfade.store.audit import audit_collections
from crossfade.store.checks import check_name
from crossfade.store.database import errors_told
from crossfade.store.readonly import not_found

_PAGES = 4096  # copied between two looks at signals

# As the bytes that lie there: a text that is no UTF-8 any more is the damage that it was.
_DOCUMENTS = (
    "SELECT key, CAST(id AS BLOB), version, CAST(title AS BLOB), CAST(text AS BLOB), CAST(metadata AS BLOB), crc"
)
_NEW_DOCUMENT = "VALUES (?, CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?)"
_ROWS = "SELECT key, document, start, stop, CAST(vector AS BLOB), crc"


@dataclass(frozen=True, slots=True)
class Copied:
    """A collection in the database that it was copied to. `name`: its name there. `aliases`: made there, to point to
    it; `left`: those of its old place that were not made."""

    name: str
    aliases: tuple[str, ...]
    left: tuple[str, ...]


@contextmanager
def newest(source: sqlite3.Connection, scratch: Path) -> Iterator[sqlite3.Connection]:
    """The database, or where it is of an older format a copy that was migrated, for as long as the block lasts.

    `scratch`: a directory for the copy, which has what is there removed, before and after."""
    if lines.format_of(source) == len(schema.MIGRATIONS):
        yield source
        return
    remove_tree(scratch)
    try:
        scratch.mkdir(mode=0o700)
        with errors_told(scratch / "copy.db"):
            copy = sqlite3.connect(scratch / "copy.db", isolation_level=None)
            try:
                source.backup(copy, pages=_PAGES, sleep=0)
                checksums.tolerate(copy)
                schema.migrate(copy)
                yield copy
            finally:
                copy.close()
    finally:
        remove_tree(scratch)


def find(source: sqlite3.Connection, names: Mapping[str, str]) -> list[lines.Line]:
    """Lines of the collections that are the keys of `names`, in that order. Raises NotFound, and Damaged when one does
    not say what was written."""
    found = []
    for name in names:
        told = lines.read(source, "collections", "WHERE name = ?", (name,))
        if not told:
            raise not_found(source, name)
        found += told
    return found


def copy_collections(
    source: sqlite3.Connection, path: Path, target: sqlite3.Connection, names: Mapping[str, str]
) -> list[Copied]:
    """Copy collections: `names` says by its keys which, and by its values what they are called in the other database.

    Both are of the newest format; `target` is in a transaction, which is the caller's to end. `path`: of the source,
    for errors. An alias is made again where its name is free and the collection keeps its own: under another name the
    collection is there to be looked at beside what the alias points to.

    Raises NotFound when there is no such collection, AlreadyExists when a name is taken by a collection or an alias,
    InvalidInput for one that cannot be used, Damaged and StoreError when the source cannot be read.
    """
    wanted = find(source, names)
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise InvalidInput(f"two collections cannot both be called {name!r}: give each its own name")
        _check_free(target, name)
    made = []
    for line in wanted:
        number = _copy(source, path, target, line, names[line["name"]])
        made.append((line, number))
    # After all of them, whose names come before those of aliases.
    return [_with_aliases(source, target, line, names[line["name"]], number) for line, number in made]


def _check_free(target: sqlite3.Connection, name: str) -> None:
    check_name(name, "collection")
    if target.execute("SELECT 1 FROM collections WHERE name = ?", (name,)).fetchone():
        raise AlreadyExists(f"collection {name!r} exists already: choose another name (--as), or drop it first")
    if target.execute("SELECT 1 FROM aliases WHERE name = ?", (name,)).fetchone():
        raise AlreadyExists(f"{name!r} is an alias: choose another name (--as), or drop it first")


def _copy(source: sqlite3.Connection, path: Path, target: sqlite3.Connection, line: lines.Line, name: str) -> int:
    number = lines.insert(target, "collections", {**_unnumbered(line), "name": name})
    target.execute(schema.DOCUMENTS.format(number=number))
    faults.passed("copy.begun")
    documents = _read(source, path, f"{_DOCUMENTS} FROM documents_{line['number']} ORDER BY key")
    target.executemany(f"INSERT INTO documents_{number} {_NEW_DOCUMENT}", documents)
    for index in lines.read(source, "indexes", "WHERE collection = ? ORDER BY version", (line["number"],)):
        copy = lines.insert(target, "indexes", {**_unnumbered(index), "collection": number})
        index_tables.create_rows(target, copy)
        rows = _read(source, path, f"{_ROWS} FROM rows_{index['number']} ORDER BY key")
        target.executemany(f"INSERT INTO rows_{copy} VALUES (?, ?, ?, ?, ?, ?)", rows)
        faults.passed("copy.index-written")
    return number


def _unnumbered(line: lines.Line) -> lines.Line:
    return {name: value for name, value in line.items() if name != "number"}


def _read(source: sqlite3.Connection, path: Path, question: str) -> Iterator[tuple[object, ...]]:
    # Within a generator, so that errors of the other database are not told as this one's.
    with errors_told(path):
        yield from source.execute(question)


def _with_aliases(
    source: sqlite3.Connection, target: sqlite3.Connection, line: lines.Line, name: str, number: int
) -> Copied:
    made, left = [], []
    for alias in lines.read(source, "aliases", "WHERE collection = ? ORDER BY name", (line["number"],)):
        taken = target.execute(
            "SELECT 1 FROM aliases WHERE name = :name UNION ALL SELECT 1 FROM collections WHERE name = :name",
            {"name": alias["name"]},
        ).fetchone()
        if taken or name != line["name"]:
            left.append(alias["name"])
            continue
        again = {"name": alias["name"], "collection": number, "version": alias["version"]}
        lines.insert(target, "aliases", again)
        made.append(alias["name"])
    return Copied(name, tuple(made), tuple(left))


def check_copied(target: sqlite3.Connection, made: list[Copied], what: str) -> None:
    """Hold every document and row of what was copied against its checksum. `what`: it was copied from. Raises
    Damaged."""
    found = audit_collections(target, [each.name for each in made])
    faults_found = [*found.faults, *map(str, found.rows)]
    if faults_found:
        raise Damaged(
            f"{what} holds {len(faults_found)} things that are not what was written, and nothing of it was taken: "
            f"{faults_found[0]}; `crossfade store check` names all, and --with-damage copies them as they are"
        )


def begin_after(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Have a new database give numbers that the source never gave: segments and revisions that somebody has kept from
    there are of nothing here."""
    for table in lines.KEYS:
        told = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if told is not None and isinstance(told[0], int):
            target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, told[0]))
