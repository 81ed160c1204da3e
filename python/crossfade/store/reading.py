"""Rows and documents, read from the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import NotFound, StoreError
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Range, RowBatch
from crossfade.store.types import Document, content

# What is made of a batch holds the interpreter's lock for as long as it takes: 0.5 ms for so many rows, which searches
# beside a merge wait for; with 1,024 it was 3 to 4 ms, and the merge no faster.
_BATCH = 128
_BATCH_CHARACTERS = 1 << 24


def rows_of_range(
    connection: sqlite3.Connection, collection: int, index: int, span: Range, dimension: int
) -> Iterator[RowBatch]:
    """The rows of an index with keys of that range, in order; with their texts.

    A batch has up to 128 rows, and ends before them where their texts are long. Raises StoreError when a vector is
    not of the dimension.
    """
    found = connection.execute(
        f"SELECT key, document, start, stop, vector FROM rows_{index} WHERE key > ? AND key <= ? ORDER BY key",
        (span.low, span.high),
    )
    documents = _Documents(connection, collection)
    rows: list[tuple[int, int, int, int, bytes]] = []
    made: list[_Row] = []
    characters = 0
    for row in found:
        _, document, start, stop, _ = row
        one = documents.row(document, start, stop)
        rows.append(row)
        made.append(one)
        characters += len(one.text)
        if len(rows) == _BATCH or characters >= _BATCH_CHARACTERS:
            yield _batch(rows, made, index, dimension)
            rows, made, characters = [], [], 0
    if rows:
        yield _batch(rows, made, index, dimension)


class _Row(NamedTuple):
    id: str
    metadata: Mapping[str, Any]
    text: str


class _Documents:
    """Documents by their keys, each read once: the rows of a document follow one another."""

    def __init__(self, connection: sqlite3.Connection, collection: int) -> None:
        self._connection = connection
        self._question = f"SELECT id, title, text, metadata FROM documents_{collection} WHERE key = ?"
        self._key = -1
        self._found: tuple[str, str, str, Mapping[str, Any]] = ("", "", "", {})

    def row(self, key: int, start: int, stop: int) -> _Row:
        if key != self._key:
            found = self._connection.execute(self._question, (key,)).fetchone()
            if found is None:
                raise StoreError(
                    f"document number {key} has rows and is not there: the database is damaged; restore the last backup"
                )
            name, title, text, metadata = found
            self._key, self._found = key, (name, title, text, json.loads(metadata) if metadata != "{}" else {})
        name, title, text, values = self._found
        return _Row(name, values, content(title, text[start:stop]))


def _batch(rows: list[tuple[int, int, int, int, bytes]], made: list[_Row], index: int, dimension: int) -> RowBatch:
    keys, documents, starts, stops, vectors = zip(*rows, strict=True)
    matrix = np.frombuffer(b"".join(vectors), dtype="<f4")
    if matrix.size != len(rows) * dimension:
        raise StoreError(
            f"vectors of index {index} in the database are not of {dimension} dimensions: it is damaged; restore the "
            "last backup"
        )
    return RowBatch(
        keys=np.array(keys, dtype=np.int64),
        documents=np.array(documents, dtype=np.int64),
        vectors=matrix.reshape(len(rows), dimension),
        spans=np.array((starts, stops), dtype=np.int32).T,
        ids=[row.id for row in made],
        metadata=[row.metadata for row in made],
        texts=[row.text for row in made],
    )


def fields_of(connection: sqlite3.Connection, collection: int) -> MetadataSchema:
    """The fields of all documents that the connection sees. Raises NotFound."""
    found = connection.execute("SELECT settings FROM collections WHERE number = ?", (collection,)).fetchone()
    if found is None:
        raise NotFound(f"collection number {collection} was deleted")
    return MetadataSchema.from_json(json.loads(found[0])["fields"])


def row_keys(connection: sqlite3.Connection, index: int) -> NDArray[np.int64]:
    """The keys of all rows of an index, int64, rising."""
    # The index on documents holds the keys too, and is a small part of the table, whose rows hold the vectors.
    found = connection.execute(f"SELECT key FROM rows_{index} INDEXED BY rows_{index}_by_document")
    keys = np.fromiter(chain.from_iterable(found), dtype=np.int64)
    keys.sort()
    return keys


def listed(ids: Iterable[str]) -> str:
    """For json_each. SQLite's ends a string at a NUL and would find another id: no document has one with it."""
    return json.dumps([name for name in ids if "\0" not in name])


def documents_by_id(
    connection: sqlite3.Connection, collection: int, ids: Sequence[str]
) -> dict[str, tuple[int, Document]]:
    """Those that are there, and their keys."""
    found = connection.execute(
        f"SELECT key, id, title, text, metadata, version FROM documents_{collection} "
        "WHERE id IN (SELECT value FROM json_each(?)) AND NOT deleted",
        (listed(ids),),
    )
    return {
        name: (key, Document(name, title, text, json.loads(metadata), version))
        for key, name, title, text, metadata, version in found
    }
