"""Rows, read from the database and held against their checksums."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import NotFound, StoreError
from crossfade.store import checksums, documents, lines
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Range, RowBatch
from crossfade.store.types import content

# What is made of a batch holds the interpreter's lock for as long as it takes: 0.5 ms for so many rows, which searches
# beside a merge wait for; with 1,024 it was 3 to 4 ms, and the merge no faster.
_BATCH = 128
_BATCH_CHARACTERS = 1 << 24

ROW = "key, document, start, stop, CAST(vector AS BLOB), crc"
"""Columns of rows_<number>, for `sound`."""
StoredRow = tuple[int, int, int, int, bytes]
"""Key, document, start, stop, vector."""


def sound(row: tuple[Any, ...]) -> bool:
    """Whether key, document, start, stop and vector are what was written, by the checksum that follows them."""
    key, document, start, stop, vector, crc = row
    try:
        return bool(checksums.of_row(key, document, start, stop, vector) == crc)
    except (TypeError, struct.error):  # a column of another type
        return False


def rows_of_range(
    connection: sqlite3.Connection, collection: int, index: int, span: Range, dimension: int, damaged: list[int]
) -> Iterator[RowBatch]:
    """The rows of an index with keys of that range, in order; with their texts.

    A batch has up to 128 rows, and ends before them where their texts are long. Those that do not say what was written,
    or whose document does not, are left out, and their keys added to `damaged`. Raises StoreError when a vector is not
    of the dimension.
    """
    found = connection.execute(
        f"SELECT {ROW} FROM rows_{index} WHERE key > ? AND key <= ? ORDER BY key",
        (span.low, span.high),
    )
    texts = _Documents(connection, collection)
    rows: list[StoredRow] = []
    made: list[_Row] = []
    characters = 0
    for row in found:
        key, document, start, stop, vector, _ = row
        one = texts.row(document, start, stop) if sound(row) else None
        if one is None:
            damaged.append(key)
            continue
        rows.append((key, document, start, stop, vector))
        made.append(one)
        characters += len(one.text)
        if len(rows) == _BATCH or characters >= _BATCH_CHARACTERS:
            yield _batch(rows, made, index, dimension)
            rows, made, characters = [], [], 0
    if rows:
        yield _batch(rows, made, index, dimension)


def damaged_among(connection: sqlite3.Connection, collection: int, index: int, keys: Iterable[int]) -> set[int]:
    """Of these rows, those that do not say what was written, or whose document does not."""
    found = connection.execute(
        f"SELECT {ROW} FROM rows_{index} WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    texts = _Documents(connection, collection)
    return {row[0] for row in found if not sound(row) or texts.row(row[1], 0, 0) is None}


def damaged_rows(connection: sqlite3.Connection, index: int) -> list[int]:
    """Keys of all rows of an index that do not say what was written. Reads all of them."""
    return [row[0] for row in connection.execute(f"SELECT {ROW} FROM rows_{index} ORDER BY key") if not sound(row)]


class _Row(NamedTuple):
    id: str
    metadata: Mapping[str, Any]
    text: str


class _Documents:
    """Documents by their keys, each read once: the rows of a document follow one another."""

    def __init__(self, connection: sqlite3.Connection, collection: int) -> None:
        self._connection = connection
        self._question = f"SELECT {documents.COLUMNS} FROM documents_{collection} AS d WHERE d.key = ?"
        self._key = -1
        self._found: documents.StoredDocument | None = None

    def row(self, key: int, start: int, stop: int) -> _Row | None:
        """None when the document is not there, or damaged."""
        if key != self._key:
            row = self._connection.execute(self._question, (key,)).fetchone()
            self._key, self._found = key, None if row is None else documents.sound(row)
        found = self._found
        return None if found is None else _Row(found.id, found.metadata, content(found.title, found.text[start:stop]))


def _batch(rows: list[StoredRow], made: list[_Row], index: int, dimension: int) -> RowBatch:
    keys, numbers, starts, stops, vectors = zip(*rows, strict=True)
    matrix = np.frombuffer(b"".join(vectors), dtype="<f4")
    if matrix.size != len(rows) * dimension:
        raise StoreError(
            f"vectors of index {index} in the database are not of {dimension} dimensions: it is damaged; restore the "
            "last backup"
        )
    return RowBatch(
        keys=np.array(keys, dtype=np.int64),
        documents=np.array(numbers, dtype=np.int64),
        vectors=matrix.reshape(len(rows), dimension),
        spans=np.array((starts, stops), dtype=np.int32).T,
        ids=[row.id for row in made],
        metadata=[row.metadata for row in made],
        texts=[row.text for row in made],
    )


def fields_of(connection: sqlite3.Connection, collection: int) -> MetadataSchema:
    """The fields of all documents that the connection sees. Raises NotFound."""
    line = lines.one(connection, "collections", collection)
    if line is None:
        raise NotFound(f"collection number {collection} was deleted")
    return MetadataSchema.from_json(json.loads(line["settings"])["fields"])


def row_keys(connection: sqlite3.Connection, index: int, span: Range | None = None) -> NDArray[np.int64]:
    """The keys of all rows of an index, or of those in `span`, int64, rising."""
    # The index on documents holds the keys too, and is a small part of the table, whose rows hold the vectors.
    of_all = f"SELECT key FROM rows_{index} INDEXED BY rows_{index}_by_document"
    if span is None:
        found = connection.execute(of_all)
    else:
        found = connection.execute(f"{of_all} WHERE key > ? AND key <= ?", (span.low, span.high))
    keys = np.fromiter(chain.from_iterable(found), dtype=np.int64)
    keys.sort()
    return keys
