"""Rows of the database that are damaged, written again from a copy that is proven to be what was written.

A segment that was made before the damage, and the tail, hold the same numbers. A copy is the row that was written when
the row's checksum is its own; where it was the checksum that changed, the copy and the row say the same. Halves are
rounded and prove nothing. Documents have no copy: a segment has their words, and not their texts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import numpy as np

from crossfade.store import checksums
from crossfade.store.reading import ROW, StoredRow, sound
from crossfade.store.state import Entry, Missing, Open, Sealed
from crossfade.store.types import Vectors


def mended(connection: sqlite3.Connection, index: int, entries: Iterable[Entry], keys: Iterable[int]) -> set[int]:
    """Write those of the rows again, in this transaction, of which an entry has a proven copy; return their keys."""
    sources = [entry.source for entry in entries]
    copies: list[StoredRow] = []
    moved = False
    for key in keys:
        row = connection.execute(f"SELECT {ROW} FROM rows_{index} WHERE key = ?", (key,)).fetchone()
        if row is None or sound(row):
            continue
        copy = next((found for source in sources if (found := _copy(source, key)) is not None), None)
        if copy is not None and (checksums.of_row(*copy) == row[5] or copy == tuple(row[:5])):
            copies.append(copy)
            moved = moved or copy[1] != row[1]
    if moved:  # by another document's number than the index on documents has it by: it could not be found there
        connection.execute(f"REINDEX rows_{index}_by_document")
    for copy in copies:
        connection.execute(
            f"UPDATE rows_{index} SET document = ?, start = ?, stop = ?, vector = ?, crc = ? WHERE key = ?",
            (*copy[1:], checksums.of_row(*copy), copy[0]),
        )
    return {copy[0] for copy in copies}


def _copy(source: Sealed | Open | Missing, key: int) -> StoredRow | None:
    if isinstance(source, Missing):
        return None
    keys = source.keys
    place = int(np.searchsorted(keys, key))
    if place == len(keys) or keys[place] != key:
        return None
    vectors: Vectors
    if isinstance(source, Open):
        tail, rows = source.tail, source.rows
        documents, spans, vectors = tail.documents(rows), tail.spans(rows), tail.vectors(rows)
    else:
        segment = source.segment
        if segment.vectors.dtype != np.float32:
            return None
        documents, spans, vectors = segment.documents, segment.spans, segment.vectors
    start, stop = spans[place].tolist()
    return key, int(documents[place]), start, stop, vectors[place].tobytes()
