"""What one write makes of every index of a collection: in the database first, then in what is searched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from crossfade.store import lines, writes
from crossfade.store.index import Index
from crossfade.store.index_record import Holding
from crossfade.store.segment import RowBatch


class Change:
    """Of one transaction. Used with the collection's lock held; `publish` when the transaction is on the disk."""

    def __init__(
        self, connection: sqlite3.Connection, indexes: Iterable[Index], gone: Sequence[int], documents: int
    ) -> None:
        """Takes the documents of the keys `gone` out of all indexes. `documents`: how many there will be."""
        self._documents = documents
        self._held = {index: index.holding.documents for index in indexes}
        self._arrived = {index: index.arrived for index in self._held}
        self._complete_to: dict[Index, int] = {}
        (collection,) = {index.record.collection for index in self._held}
        self._removed = writes.remove(connection, collection, [index.record.number for index in self._held], gone)
        for index in self._held:
            self._held[index] -= self._removed[index.record.number].documents

    def insert(self, connection: sqlite3.Connection, index: Index, batch: RowBatch, documents: int) -> None:
        """Rows of so many documents."""
        self._arrived[index] += len(batch)
        self._held[index] += documents
        writes.insert_rows(connection, index.record.number, batch)

    def record(self, connection: sqlite3.Connection, sequence: int) -> None:
        """Write down what each index holds. `sequence`: of the last document that was written."""
        for index, held in self._held.items():
            number = index.record.number
            complete_to = sequence if held == self._documents else index.complete_to
            lines.change(
                connection,
                "indexes",
                number,
                arrived=self._arrived[index],
                documents=held,
                complete_to=max(complete_to, index.complete_to),
            )
            self._complete_to[index] = complete_to

    def publish(self, tail_rows: Mapping[Index, int]) -> None:
        """`tail_rows`: how long the tails are of the indexes that were given rows."""
        for index, held in self._held.items():
            holding = Holding(held, self._documents - held)
            index.publish(self._removed[index.record.number].rows, tail_rows.get(index), holding)
            index.arrived = self._arrived[index]
            index.complete_to = max(index.complete_to, self._complete_to[index])
