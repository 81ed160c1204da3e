"""Records in, batches out whose every document the collection will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError, InvalidInput
from crossfade.ingest.fields import DocumentMaker
from crossfade.ingest.records import Place, Position, Record, Reject, content_of
from crossfade.ingest.sources import Source
from crossfade.store.metadata import MetadataSchema
from crossfade.store.types import Document

_MOST_CHARACTERS = 1 << 25  # of a batch's texts, which bounds what is in memory
_MOST_BYTES = 1 << 28  # of its lines, which are there for rejects


@dataclass(slots=True)
class Batch:
    """`records`: the last one of each id, with their positions, in order. `superseded`: positions of the others.
    `end`: of the last thing that was read for it."""

    end: Position
    records: list[tuple[Position, Record]] = field(default_factory=list)
    superseded: list[Position] = field(default_factory=list)
    rejects: list[tuple[Position, Reject]] = field(default_factory=list)


class BatchReader:
    """Reads sources one after the other into batches, and checks what a collection would refuse."""

    def __init__(
        self,
        sources: list[Source],
        maker: DocumentMaker,
        fields: MetadataSchema,
        dimension: int,
        *,
        kept: Callable[[Document], Document],
        keep_going: bool,
    ) -> None:
        """`fields`, `dimension`: the collection's. `kept`: makes of a document what the collection keeps, or raises
        InvalidInput. `keep_going`: bad records are put into the batch's rejects; without,
        the first one is raised as a DataError."""
        self._sources = sources
        self._maker = maker
        self._fields = fields
        self._dimension = dimension
        self._kept = kept
        self._keep_going = keep_going

    def read(self, after: Position, rows: int) -> Iterator[Batch]:
        """Batches of `rows` records, fewer where texts are long and at the end."""
        batch = Batch(after)
        characters = held = 0
        for position, record in self._records(after):
            batch.end = position
            if isinstance(record, Record):
                batch.records.append((position, record))
                characters += len(record.document.title) + len(record.document.text)
                held += len(record.raw)
            elif self._keep_going:
                batch.rejects.append((position, record))
            else:
                raise record.error
            large = characters >= _MOST_CHARACTERS or held >= _MOST_BYTES
            if large or len(batch.records) >= rows or len(batch.rejects) >= rows:
                yield self._finished(batch)
                batch, characters, held = Batch(position), 0, 0
        if batch.records or batch.rejects:
            yield self._finished(batch)

    def _records(self, after: Position) -> Iterator[tuple[Position, Record | Reject]]:
        for number, source in enumerate(self._sources[after.source :], start=after.source):
            begin = after.place if number == after.source else Place(0)
            for record in source.read(begin):
                yield Position(number, *record.place), self._checked(source, record)

    def _checked(self, source: Source, record: Record | Reject) -> Record | Reject:
        """The record, or why the collection would not take it. Every record tells its fields, also one that another of
        the same id replaces: so batches of any size end in the same errors."""
        if not isinstance(record, Record):
            return record
        vector = record.vector
        try:
            document = self._kept(record.document)
            if document.metadata:
                self._fields, _ = self._fields.check(document.metadata, document=document.id)
            if vector is not None and len(vector) != self._dimension:
                raise InvalidInput(
                    f'"{self._maker.mapping.vector}" has {len(vector)} dimensions, and the collection holds '
                    f"{self._dimension}: give vectors of the model that it was made for"
                )
        except InvalidInput as error:
            return rejected(source, record, str(error))
        return record if document is record.document else record._replace(document=document)

    def _finished(self, batch: Batch) -> Batch:
        if self._maker.vectors and batch.records:
            self._check_finite(batch)
        last: dict[str, tuple[Position, Record]] = {}
        for entry in batch.records:
            if (earlier := last.pop(entry[1].document.id, None)) is not None:
                batch.superseded.append(earlier[0])
            last[entry[1].document.id] = entry
        batch.records = list(last.values())
        batch.superseded.sort()
        return batch

    def _check_finite(self, batch: Batch) -> None:
        matrix = np.stack([record.vector for _, record in batch.records if record.vector is not None])
        finite = np.isfinite(matrix)
        fine: NDArray[np.bool_] = np.logical_and.reduce(finite, axis=1)
        if fine.all():
            return
        bad: list[tuple[Position, Reject]] = []
        for at in np.flatnonzero(~fine).tolist():
            position, record = batch.records[at]
            place = int(np.argmin(finite[at]))
            reason = (
                f'"{self._maker.mapping.vector}" holds {matrix[at, place]} at position {place}: every value must be a '
                "finite float32"
            )
            bad.append((position, rejected(self._sources[position.source], record, reason)))
        if not self._keep_going:
            raise bad[0][1].error
        batch.rejects = sorted([*batch.rejects, *bad], key=lambda entry: entry[0])
        batch.records = [entry for entry, kept in zip(batch.records, fine.tolist(), strict=True) if kept]


def rejected(source: Source, record: Record, reason: str) -> Reject:
    """A record that is a document, and that the collection would refuse."""
    row, number = source.counts_rows, record.place.number
    error = DataError(source.path, reason, line=None if row else number, row=number if row else None)
    return Reject(record.place, error, content_of(record.raw))
