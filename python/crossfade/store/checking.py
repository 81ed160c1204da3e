"""Every byte of a store held against what was written, and nothing changed: the database's pages and rows, each
segment's files.

A fault of the database loses what it holds, and is mended by a backup. One of a document alone is mended by upserting
it again, and one of a vector by `DurableCollection.heal_rows`, where a segment has a copy. A fault of a segment loses
nothing: opening the store, or `DurableCollection.heal`, builds it again from the database.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.files import check_descriptors, entries
from crossfade.lexical import AnalyserSettings
from crossfade.store import graphs
from crossfade.store.audit import RowFault, audit
from crossfade.store.backup import faults_of
from crossfade.store.index_record import Epochs
from crossfade.store.readonly import reading
from crossfade.store.segment import Range, Segment, Space
from crossfade.store.types import CollectionSettings

SEGMENTS = "segments"
# SQLite's words, of its integrity check.
_OF_ROWS = re.compile(r"(row \d+ missing from|wrong # of entries in) index rows_\d+_by_document")


@dataclass(slots=True)
class StoreCheck:
    """`segments`, `segment_bytes`: that were read. `database_faults`, `segment_faults`: a line for each. `row_faults`:
    documents and vectors of the database that are damaged by themselves, all of them."""

    segments: int = 0
    segment_bytes: int = 0
    database_faults: list[str] = field(default_factory=list)
    row_faults: list[RowFault] = field(default_factory=list)
    segment_faults: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.database_faults and not self.row_faults and not self.segment_faults

    @property
    def healable(self) -> bool:
        """Whether no more of the database is damaged than what healing looks at: a row that bears another document's
        number is missing in the index on documents too, which is made anew when the row is mended."""
        return all(_OF_ROWS.fullmatch(fault) for fault in self.database_faults)


def check_store(directory: Path) -> StoreCheck:
    """Read all of a store, without its lock. Raises NotFound when there is none, StoreError when its database cannot
    be read at all.

    In one that is open, segments come and go: one that vanishes while it is read is none of the faults.
    """
    found = StoreCheck()
    with reading(directory) as connection:
        audited = audit(connection)
        found.database_faults = faults_of(connection) + audited.faults
        found.row_faults = audited.rows
        if not found.database_faults:
            for each in _indexes(connection, directory):
                for path in each.segments():
                    _check_segment(found, path, each)
    return found


@dataclass(frozen=True, slots=True)
class _Index:
    """What the database says of an index, and where its segments are."""

    folder: Path
    space: Space
    analyser: AnalyserSettings
    arrived: int
    epochs: Epochs

    def segments(self) -> list[Path]:
        return [path for path in entries(self.folder) if Range.of(path.name) is not None]


def _indexes(connection: sqlite3.Connection, directory: Path) -> Iterator[_Index]:
    indexes = connection.execute(
        "SELECT i.number, i.dimension, i.document_fingerprint, c.metric, i.arrived, c.settings FROM indexes i "
        "JOIN collections c ON c.number = i.collection ORDER BY i.number"
    ).fetchall()
    for number, dimension, fingerprint, metric, arrived, settings in indexes:
        openings = connection.execute('SELECT arrived, token FROM epochs WHERE "index" = ?', (number,)).fetchall()
        kept = CollectionSettings.from_json(settings)
        space = Space(dimension, fingerprint, metric, kept.precision)
        yield _Index(directory / SEGMENTS / str(number), space, kept.analyser, arrived, Epochs(openings))


def _check_segment(found: StoreCheck, path: Path, index: _Index) -> None:
    try:
        size = _read(path, index)
    except (DataError, InvalidInput):
        try:
            size = _read(path, index)  # it may have been written anew in the same place
        except (DataError, InvalidInput) as error:
            if path.exists():
                check_descriptors(path)  # whoever said so may have had none left to read it with
                found.segment_faults.append(str(error))
            return
    found.segments += 1
    found.segment_bytes += size


def _read(path: Path, index: _Index) -> int:
    segment = Segment(path, index.space, index.analyser)
    # One with more rows than the database had when the check began is newer than that, or of lost writes.
    if segment.range.high <= index.arrived and segment.epoch != index.epochs.of(segment.range.high):
        raise DataError(path, "it is of writes that the database has lost")
    segment.check()
    graphs.check(segment)
    return segment.size
