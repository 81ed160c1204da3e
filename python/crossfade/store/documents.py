"""Documents as the database has them: each held against its checksum when it is read."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from crossfade.errors import Damaged
from crossfade.store import checksums
from crossfade.store.types import Document

COLUMNS = (
    "d.key, CAST(d.id AS BLOB), d.version, CAST(d.title AS BLOB), CAST(d.text AS BLOB), CAST(d.metadata AS BLOB), d.crc"
)
"""For `sound`; of documents_<number> as d. Texts as the bytes that lie there: SQLite's module tells of one that is no
UTF-8 any more without saying which it is."""

_SUM = 6  # where the checksum stands in COLUMNS, which is of all that stands before it
_MOST_NAMED = 5

Each = TypeVar("Each")


class StoredDocument(NamedTuple):
    """`key`: of the write that brought it."""

    key: int
    id: str
    version: int
    title: str
    text: str
    metadata: Mapping[str, Any]

    def document(self) -> Document:
        return Document(self.id, self.title, self.text, self.metadata, self.version)


class Standing(NamedTuple):
    """Of a document that is whole, without what it says: its key and its version."""

    key: int
    version: int


@dataclass(slots=True)
class Found(Generic[Each]):
    """`there`: by id. `damaged`: keys of documents that do not say what was written, by the id that was asked for.
    `elsewhere`: of ids for which the table's index leads to another document, which is whole.
    """

    there: dict[str, Each] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)


def is_sound(row: Sequence[Any]) -> bool:
    """Whether a row that begins with `COLUMNS` says what was written."""
    try:
        return bool(checksums.of_document(*row[:_SUM]) == row[_SUM])
    except (TypeError, struct.error):  # a column of another type
        return False


def sound(row: Sequence[Any]) -> StoredDocument | None:
    """A row that begins with `COLUMNS`; None when it does not say what was written."""
    return _document(row) if is_sound(row) else None


def _document(row: Sequence[Any]) -> StoredDocument:
    key, name, version, title, text, metadata = row[:_SUM]
    # Of bytes it would first guess at their encoding, which takes longer than all else here.
    values = json.loads(metadata.decode()) if metadata != b"{}" else {}
    return StoredDocument(key, name.decode(), version, title.decode(), text.decode(), values)


def id_of(row: Sequence[Any]) -> str:
    """Of a row that is not sound, as far as it can be read."""
    return row[1].decode(errors="replace") if isinstance(row[1], bytes) else f"(document {row[0]})"


def by_id(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> Found[StoredDocument]:
    """Those of the ids that are there."""
    return _found(connection, collection, ids, _document)


def standing(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> Found[Standing]:
    """Those of the ids that are there, each held against its checksum as `by_id` does, and none made into a document:
    that takes longer than to read and to sum it."""
    return _found(connection, collection, ids, _standing)


def _standing(row: Sequence[Any]) -> Standing:
    return Standing(row[0], row[2])


def _found(
    connection: sqlite3.Connection, collection: int, ids: Iterable[str], made: Callable[[Sequence[Any]], Each]
) -> Found[Each]:
    found = Found[Each]()
    rows = connection.execute(
        f"SELECT {COLUMNS}, j.value FROM json_each(?) AS j CROSS JOIN documents_{collection} AS d ON d.id = j.value",
        (_listed(ids),),
    )
    for row in rows:
        name = row[-1]
        whole = is_sound(row)
        if whole and row[1] == name.encode():
            found.there[name] = made(row)
            continue
        found.damaged[name] = row[0]
        if whole:
            found.elsewhere.append(name)
    return found


def damage(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> Damaged:
    """What is to be said of damaged documents."""
    named = tuple(sorted(ids))
    found = connection.execute("SELECT name FROM collections WHERE number = ?", (collection,)).fetchone()
    name = str(found[0]) if found else f"number {collection}"
    shown = ", ".join(repr(each[:80]) for each in named[:_MOST_NAMED])
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    what, them = ("document", "it") if len(named) == 1 else ("documents", "them")
    return Damaged(
        f"collection {name!r}: {what} {shown}{more} in the database is not what was written, and is not served: upsert "
        f"{them} again, or restore the last backup; `crossfade store check` names all that is damaged",
        collection=name,
        ids=named,
    )


def _listed(ids: Iterable[str]) -> str:
    """For json_each. SQLite's ends a string at a NUL and would find another id: no document has one with it."""
    return json.dumps([name for name in ids if "\0" not in name])
