"""Rows and documents, read from the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import NotFound, StoreError
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Range, RowBatch
from crossfade.store.types import Document, content

_BATCH = 1024


def rows_of_range(
    connection: sqlite3.Connection, collection: int, index: int, span: Range, dimension: int
) -> Iterator[RowBatch]:
    """The rows of an index with keys of that range, in order; with their texts.

    Raises StoreError when a vector is not of the dimension.
    """
    found = connection.execute(
        f"SELECT r.key, r.document, r.start, r.stop, r.vector, d.id, d.title, d.text, d.metadata FROM rows_{index} r "
        f"JOIN documents_{collection} d ON d.key = r.document WHERE r.key > ? AND r.key <= ? ORDER BY r.key",
        (span.low, span.high),
    )
    while rows := found.fetchmany(_BATCH):
        keys, documents, starts, stops, vectors, ids, titles, texts, metadata = zip(*rows, strict=True)
        matrix = np.frombuffer(b"".join(vectors), dtype="<f4")
        if matrix.size != len(rows) * dimension:
            raise StoreError(
                f"vectors of index {index} in the database are not of {dimension} dimensions: it is damaged; restore "
                "the last backup"
            )
        spans = np.array((starts, stops), dtype=np.int32).T
        yield RowBatch(
            keys=np.array(keys, dtype=np.int64),
            documents=np.array(documents, dtype=np.int64),
            vectors=matrix.reshape(len(rows), dimension),
            spans=spans,
            ids=list(ids),
            metadata=[json.loads(each) if each != "{}" else {} for each in metadata],
            texts=[
                content(title, text[start:stop])
                for title, text, start, stop in zip(titles, texts, starts, stops, strict=True)
            ],
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


def documents_by_id(connection: sqlite3.Connection, collection: int, ids: Sequence[str]) -> dict[str, Document]:
    """Those that are there."""
    found = connection.execute(
        f"SELECT id, title, text, metadata FROM documents_{collection} "
        "WHERE id IN (SELECT value FROM json_each(?)) AND NOT deleted",
        (listed(ids),),
    )
    return {name: Document(name, title, text, json.loads(metadata)) for name, title, text, metadata in found}
