"""What an index lacks of its collection's documents, and what it is given of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np

from crossfade.errors import InvalidInput, NotFound
from crossfade.store import documents, lines, writes
from crossfade.store.index import Index
from crossfade.store.metadata import MetadataSchema
from crossfade.store.segment import Space
from crossfade.store.types import Document


def pending(
    connection: sqlite3.Connection, index: Index, limit: int, after: int
) -> tuple[list[tuple[int, Document]], int]:
    """The first documents with keys above `after` that the index lacks, with their keys; and what is new of how far it
    is complete. Those that are damaged are passed over, as long as there are others.

    Raises InvalidInput, NotFound when the index has been dropped, and Damaged when only damaged documents are left."""
    if limit < 1:
        raise InvalidInput(f"limit is {limit}: ask for at least 1 document")
    record = index.record
    line = lines.one(connection, "indexes", record.number)
    collection = lines.one(connection, "collections", record.collection)
    if line is None or collection is None:
        raise NotFound(f"index version {record.version} has been dropped: fill another one")
    complete_to = max(line["complete_to"], index.complete_to)
    rows = connection.execute(
        f"SELECT {documents.COLUMNS} FROM documents_{record.collection} d WHERE d.key > ? "
        f"AND NOT EXISTS (SELECT 1 FROM rows_{record.number} WHERE document = d.key) ORDER BY d.key",
        (max(complete_to, after),),
    )
    first: int | None = None
    found: list[tuple[int, Document]] = []
    damaged: list[str] = []
    for row in rows:
        first = row[0] if first is None else first
        document = documents.sound(row)
        if document is None:
            damaged.append(documents.id_of(row))
            continue
        found.append((document.key, document.document()))
        if len(found) == limit:
            break
    if damaged and not found:
        raise documents.damage(connection, record.collection, damaged)
    if after <= complete_to:
        # Otherwise every call, while an index is filled from the first document on, would pass over all that it has.
        complete_to = collection["sequence"] if first is None else first - 1
    return found, complete_to


def wanted(connection: sqlite3.Connection, index: Index, keys: Sequence[int]) -> dict[int, Document]:
    """Of these documents, those that are there still as they were, and that the index lacks."""
    record = index.record
    rows = connection.execute(
        f"SELECT {documents.COLUMNS} FROM documents_{record.collection} d "
        "WHERE d.key IN (SELECT value FROM json_each(?)) AND NOT EXISTS "
        f"(SELECT 1 FROM rows_{record.number} WHERE document = d.key)",
        (json.dumps(list(keys)),),
    )
    found = (documents.sound(row) for row in rows)
    return {document.key: document.document() for document in found if document is not None}


def chosen(
    keys: Sequence[int],
    wanted: Mapping[int, Document],
    given: writes.IndexVectors,
    *,
    fields: MetadataSchema,
    space: Space,
    holder: str,
) -> tuple[list[int], writes.Write | None]:
    """Of what came for the documents of `keys`, that of the wanted ones, with their keys. Raises InvalidInput."""
    counts = [1] * len(keys) if given.spans is None else [len(some) for some in given.spans]
    vectors = np.asarray(given.vectors)
    if len(counts) != len(keys):
        raise InvalidInput(f"spans came for {len(counts)} documents, and {len(keys)} keys: send them for each")
    if vectors.ndim != 2 or len(vectors) != sum(counts):
        raise InvalidInput(
            f"vectors have shape {vectors.shape}, expected ({sum(counts)}, {space.dimension}): one row a document "
            "or span"
        )
    if len(set(keys)) != len(keys):
        raise InvalidInput("a key is given twice in one call: keep one of them")
    taken = [place for place, key in enumerate(keys) if key in wanted]
    if not taken:
        return [], None
    ends = np.cumsum([0, *counts])
    write = writes.checked(
        [wanted[keys[place]] for place in taken],
        vectors[np.concatenate([np.arange(ends[place], ends[place + 1]) for place in taken])],
        None if given.spans is None else [given.spans[place] for place in taken],
        fields=fields,
        space=space,
        holder=holder,
    )
    return [keys[place] for place in taken], write
