"""Every byte of a store held against what was written, and nothing changed: the database's pages, each segment's files.

A fault of the database loses what it holds, and is mended by a backup. A fault of a segment loses nothing: opening the
store, or `DurableCollection.heal`, builds it again from the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.errors import DataError
from crossfade.store.backup import faults_of
from crossfade.store.index import Epochs
from crossfade.store.readonly import reading
from crossfade.store.segment import Range, Segment, Space

SEGMENTS = "segments"


@dataclass(slots=True)
class StoreCheck:
    """`segments`, `segment_bytes`: that were read. `database_faults`, `segment_faults`: a line for each."""

    segments: int = 0
    segment_bytes: int = 0
    database_faults: list[str] = field(default_factory=list)
    segment_faults: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.database_faults and not self.segment_faults


def check_store(directory: Path) -> StoreCheck:
    """Read all of a store, without its lock. Raises NotFound when there is none, StoreError when its database cannot
    be read at all.

    In one that is open, segments come and go: one that vanishes while it is read is none of the faults.
    """
    found = StoreCheck()
    with reading(directory) as connection:
        found.database_faults = faults_of(connection)
        if not found.database_faults:
            for path, space, arrived, epochs in _segments(connection, directory):
                _check_segment(found, path, space, arrived, epochs)
    return found


def _segments(connection: sqlite3.Connection, directory: Path) -> Iterator[tuple[Path, Space, int, Epochs]]:
    indexes = connection.execute(
        "SELECT i.number, i.dimension, i.document_fingerprint, c.metric, i.arrived FROM indexes i "
        "JOIN collections c ON c.number = i.collection ORDER BY i.number"
    ).fetchall()
    for number, dimension, fingerprint, metric, arrived in indexes:
        openings = connection.execute('SELECT arrived, token FROM epochs WHERE "index" = ?', (number,)).fetchall()
        folder = directory / SEGMENTS / str(number)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if Range.of(path.name) is not None:
                yield path, Space(dimension, fingerprint, metric), arrived, Epochs(openings)


def _check_segment(found: StoreCheck, path: Path, space: Space, arrived: int, epochs: Epochs) -> None:
    try:
        size = _read(path, space, arrived, epochs)
    except DataError:
        try:
            size = _read(path, space, arrived, epochs)  # it may have been written anew in the same place
        except DataError as error:
            if path.exists():
                found.segment_faults.append(str(error))
            return
    found.segments += 1
    found.segment_bytes += size


def _read(path: Path, space: Space, arrived: int, epochs: Epochs) -> int:
    segment = Segment(path, space)
    # One with more rows than the database had when the check began is newer than that, or of lost writes.
    if segment.range.high <= arrived and segment.epoch != epochs.of(segment.range.high):
        raise DataError(path, "it is of writes that the database has lost")
    segment.check()
    return segment.size
