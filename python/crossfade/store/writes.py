"""A call's documents on their way into the database, and the statements that put them there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import Conflict, Damaged, InvalidInput
from crossfade.store import checksums, documents
from crossfade.store.checks import check_ids, finite_matrix
from crossfade.store.metadata import MetadataSchema
from crossfade.store.precision import check_range
from crossfade.store.reading import ROW, sound
from crossfade.store.segment import RowBatch, Space
from crossfade.store.types import Document, content

MOST_ROWS = 1 << 16
"""Rows of one document."""

# A part of the vector's largest element: what the last bits of float32 come to in a model (4e-8 was seen of 0.2).
_NEAR = 1e-5

_json = json.JSONEncoder(separators=(",", ":")).encode

Spans = Sequence[Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class IndexVectors:
    """What another index is given of a call's documents. `vectors`: float, shape (rows, its dimension), one row a
    document or, with `spans`, one for each of a document's spans of its text, in order.
    """

    vectors: NDArray[Any]
    spans: Spans | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Checked. `rows`: place of the document, begin and end of its text, a row each; `matrix`: float32, a row each."""

    documents: Sequence[Document]
    metadata: Sequence[Mapping[str, Any]]
    fields: MetadataSchema
    rows: list[tuple[int, int, int]]
    matrix: NDArray[np.float32]

    def of(self, given: IndexVectors, *, space: Space, holder: str) -> Write:
        """The same documents with another index's vectors. Raises InvalidInput."""
        rows, matrix = _rows_and_matrix(self.documents, given.vectors, given.spans, space, holder)
        return replace(self, rows=rows, matrix=matrix)

    def batch(self, first_key: int, first_document: int) -> RowBatch:
        """Its rows, numbered on from there, of documents whose keys are numbered on from there."""
        places = np.array([place for place, _, _ in self.rows], dtype=np.int64)
        return RowBatch(
            keys=np.arange(first_key, first_key + len(self.rows), dtype=np.int64),
            documents=places + first_document,
            vectors=self.matrix,
            spans=np.array([(start, stop) for _, start, stop in self.rows], dtype=np.int32).reshape(-1, 2),
            ids=[self.documents[place].id for place, _, _ in self.rows],
            metadata=[self.metadata[place] for place, _, _ in self.rows],
            texts=[
                content(document.title, document.text[start:stop])
                for document, start, stop in ((self.documents[place], start, stop) for place, start, stop in self.rows)
            ],
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there under an id. `version`: None where the document is damaged."""

    key: int
    version: int | None


def checked(
    documents: Sequence[Document],
    vectors: NDArray[Any],
    spans: Spans | None,
    *,
    fields: MetadataSchema,
    space: Space,
    holder: str,
) -> Write:
    """`space`: of the index that the vectors go to; `holder`: the index, as messages call it.

    Raises InvalidInput for what it, or those fields, cannot take.
    """
    ids = [document.id for document in documents]
    check_ids(ids)
    rows, matrix = _rows_and_matrix(documents, vectors, spans, space, holder)
    for document in documents:
        for said, text in (("title", document.title), ("text", document.text)):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidInput(
                    f"document {document.id[:80]!r}: its {said} holds a lone surrogate and cannot be written as UTF-8"
                ) from None
    fields, metadata = fields.check_all([document.metadata for document in documents], documents=ids)
    return Write(documents, metadata, fields, rows, matrix)


def _rows_and_matrix(
    documents: Sequence[Document], vectors: NDArray[Any], spans: Spans | None, space: Space, holder: str
) -> tuple[list[tuple[int, int, int]], NDArray[np.float32]]:
    rows = _rows(documents, spans)
    what = "document" if spans is None else "span"
    why = f"one row a {what}, and {holder} holds {space.dimension} dimensions"
    matrix = finite_matrix(vectors, rows=len(rows), dimension=space.dimension, what="vector", why=why)
    check_range(matrix, space.precision, holder)
    return rows, np.ascontiguousarray(matrix, dtype="<f4")


def _rows(documents: Sequence[Document], spans: Spans | None) -> list[tuple[int, int, int]]:
    if spans is None:
        return [(place, 0, len(document.text)) for place, document in enumerate(documents)]
    if len(spans) != len(documents):
        raise InvalidInput(f"spans came for {len(spans)} documents, and there are {len(documents)}: send them for each")
    rows: list[tuple[int, int, int]] = []
    for place, (document, some) in enumerate(zip(documents, spans, strict=True)):
        if not 1 <= len(some) <= MOST_ROWS:
            raise InvalidInput(
                f"document {document.id[:80]!r} has {len(some)} spans: it needs 1 to {MOST_ROWS}, use larger chunks"
            )
        for start, stop in some:
            if not 0 <= start <= stop <= len(document.text):
                raise InvalidInput(
                    f"document {document.id[:80]!r} has {len(document.text)} characters, and a span of it goes from "
                    f"{start} to {stop}"
                )
            rows.append((place, start, stop))
    return rows


def stored(connection: sqlite3.Connection, collection: int, ids: Iterable[str]) -> dict[str, Stored]:
    """What is there under each of the ids. Raises Damaged when the database leads from one to another's document, which
    is whole, and would be removed in its place."""
    found = documents.standing(connection, collection, ids)
    if found.elsewhere:
        raise Damaged(
            f"the index of document ids is damaged: {found.elsewhere[0][:80]!r} leads to another document; restore the "
            "last backup (crossfade store restore)",
            ids=tuple(found.elsewhere),
        )
    return {name: Stored(each.key, each.version) for name, each in found.there.items()} | {
        name: Stored(key, None) for name, key in found.damaged.items()
    }


@dataclass(frozen=True, slots=True)
class Removed:
    """What an index has lost: keys of rows, int64, and of how many documents they were."""

    rows: NDArray[np.int64]
    documents: int


def remove(
    connection: sqlite3.Connection, collection: int, indexes: Iterable[int], keys: Sequence[int]
) -> dict[int, Removed]:
    """Take documents out, and their rows; return what is gone, by index. Raises Damaged when there are rows of them
    that are not where the index on documents has them: they would be found for ever."""
    if not keys:
        return {index: Removed(np.empty(0, dtype=np.int64), 0) for index in indexes}
    listed = (json.dumps(list(keys)),)
    connection.execute(
        f"DELETE FROM documents_{collection} WHERE key IN (SELECT value FROM json_each(?))",
        listed,
    )
    gone: dict[int, Removed] = {}
    for index in indexes:
        (told,) = connection.execute(
            f"SELECT count(*) FROM rows_{index} INDEXED BY rows_{index}_by_document "
            "WHERE document IN (SELECT value FROM json_each(?))",
            listed,
        ).fetchone()
        found = connection.execute(
            f"DELETE FROM rows_{index} WHERE document IN (SELECT value FROM json_each(?)) RETURNING key, document",
            listed,
        ).fetchall()
        if len(found) != told:
            raise Damaged(
                f"the database is damaged: of {told} vectors that documents of this call have in index {index}, "
                f"{len(found)} are where they should be; restore the last backup (crossfade store restore)"
            )
        rows = np.array([key for key, _ in found], dtype=np.int64)
        gone[index] = Removed(rows, len({document for _, document in found}))
    return gone


def insert_documents(
    connection: sqlite3.Connection,
    collection: int,
    write: Write,
    first: int,
    there: Mapping[str, Stored],
    floor: int,
) -> None:
    """`first`: the key of the first one. `floor`: the versions of those that are new start above it."""
    connection.executemany(
        f"INSERT INTO documents_{collection} VALUES (?, ?, ?, ?, ?, ?, ?)",
        _document_rows(write, first, there, floor),
    )


def _document_rows(
    write: Write, first: int, there: Mapping[str, Stored], floor: int
) -> Iterator[tuple[int, str, int, str, str, str, int]]:
    for place, (document, normal) in enumerate(zip(write.documents, write.metadata, strict=True)):
        key, before = first + place, there.get(document.id)
        metadata = _json(normal) if normal else "{}"
        if before is None:
            version = floor + 1
        elif before.version is None:  # what cannot be read was not above its key, which was below this one
            version = key
        else:
            version = before.version + 1
        name, title, text = document.id, document.title, document.text
        crc = checksums.of_document(key, name.encode(), version, title.encode(), text.encode(), metadata.encode())
        yield key, name, version, title, text, metadata, crc


def insert_rows(connection: sqlite3.Connection, index: int, batch: RowBatch) -> None:
    """Their vectors as little-endian float32."""
    connection.executemany(f"INSERT INTO rows_{index} VALUES (?, ?, ?, ?, ?, ?)", _index_rows(batch))


def _index_rows(batch: RowBatch) -> Iterator[tuple[int, int, int, int, bytes, int]]:
    width = batch.vectors.shape[1] * batch.vectors.itemsize
    data = batch.vectors.tobytes()
    numbers = zip(batch.keys.tolist(), batch.documents.tolist(), batch.spans.tolist(), strict=True)
    for row, (key, document, (start, stop)) in enumerate(numbers):
        vector = data[row * width : (row + 1) * width]
        yield key, document, start, stop, vector, checksums.of_row(key, document, start, stop, vector)


def is_done(
    connection: sqlite3.Connection,
    collection: int,
    given: Mapping[int, Write],
    expected: Sequence[int | None],
    there: Mapping[str, Stored],
) -> bool:
    """Whether the very same call, by index, has been taken before. Raises Conflict when a version is another than
    expected, Damaged when it cannot be told."""
    wrong: list[tuple[str, int, int]] = []
    given_documents = next(iter(given.values())).documents
    pairs = list(zip(given_documents, expected, strict=True))
    unknown = [each.id for each, version in pairs if version is not None and _version(there, each.id) is None]
    if unknown:
        raise documents.damage(connection, collection, unknown)
    for document, version in pairs:
        found = _version(there, document.id) or 0
        if version is not None and version != found:
            wrong.append((document.id, version, found))
    if not wrong:
        return False
    if None not in expected and all(_holds(connection, collection, index, write) for index, write in given.items()):
        return True
    name, version, found = wrong[0]
    raise Conflict(
        f"document {name[:80]!r} has version {found}, and {version} was expected: read it again, and decide again"
    )


def _version(there: Mapping[str, Stored], name: str) -> int | None:
    """0 when it is not there, None when that is damaged."""
    return there[name].version if name in there else 0


def _holds(connection: sqlite3.Connection, collection: int, index: int, write: Write) -> bool:
    """Whether the documents are there just as they are in the call, vectors included.

    A model's vectors of a text differ in their last bits with the texts beside it, so equal ones are those near.
    """
    wanted: dict[int, list[tuple[int, int, NDArray[np.float32]]]] = {}
    for row, (place, start, stop) in enumerate(write.rows):
        wanted.setdefault(place, []).append((start, stop, write.matrix[row]))
    held_documents = documents.by_id(connection, collection, [document.id for document in write.documents]).there
    for place, document in enumerate(write.documents):
        known = held_documents.get(document.id)
        if known is None or (known.title, known.text, known.metadata) != (
            document.title,
            document.text,
            write.metadata[place],
        ):
            return False
        held = connection.execute(
            f"SELECT {ROW} FROM rows_{index} WHERE document = ? ORDER BY key",
            (known.key,),
        ).fetchall()
        if not all(map(sound, held)):
            return False
        given = wanted.get(place, [])
        if [row[2:4] for row in held] != [row[:2] for row in given]:
            return False
        for (*_, data, _), (_, _, vector) in zip(held, given, strict=True):
            size = float(np.abs(vector).max(initial=0))
            if not np.allclose(np.frombuffer(data, dtype="<f4"), vector, rtol=0, atol=_NEAR * size):
                return False
    return True
