"""A run as arrays: what a search of many queries gives, and what reads like a mapping of mappings.

Ten million results as dictionaries take a gigabyte and more; as rows and scores they take 80 megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade import tables
from crossfade.errors import InvalidInput

PIECE = 8192
"""Queries that are turned into a table at once: 8,192 rankings of 100 are some 60 MB."""


class ArrayRun(Mapping[str, Mapping[str, float]]):
    """Query id to document id to score, best first, read only.

    `query_ids`: one a row of the arrays. `document_ids`: of all documents that may be found, an object array of str.
    `rows`: int32, shape (queries, ranks), places in `document_ids`; `scores`: float32, the same shape, descending,
    equal scores by document id ascending. Every query has as many results: as many as were asked for, or there are.
    """

    __slots__ = ("__dict__", "document_ids", "query_ids", "rows", "scores")

    def __init__(
        self,
        query_ids: Sequence[str],
        document_ids: NDArray[np.object_],
        rows: NDArray[np.int32],
        scores: NDArray[np.float32],
    ) -> None:
        """Raises InvalidInput when the arrays' shapes do not fit."""
        if rows.shape != scores.shape or rows.ndim != 2 or len(rows) != len(query_ids):
            raise InvalidInput(
                f"rows and scores have shapes {rows.shape} and {scores.shape} for {len(query_ids):,} queries: expected "
                "(queries, ranks) twice"
            )
        self.query_ids = query_ids
        self.document_ids = document_ids
        self.rows = rows
        self.scores = scores

    @cached_property
    def _places(self) -> dict[str, int]:
        return {query: place for place, query in enumerate(self.query_ids)}

    def __getitem__(self, query: str) -> dict[str, float]:
        place = self._places[query]
        return dict(zip(self.document_ids[self.rows[place]].tolist(), self.scores[place].tolist(), strict=True))

    def __contains__(self, query: object) -> bool:
        return query in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self.query_ids)

    def __len__(self) -> int:
        return len(self.query_ids)

    def __repr__(self) -> str:
        return f"ArrayRun({len(self):,} queries, {self.rows.size:,} results)"

    def of(self, queries: Sequence[str]) -> ArrayRun:
        """The run of some queries, in this order; those that it lacks are left out."""
        places = [self._places[query] for query in queries if query in self._places]
        names = [self.query_ids[place] for place in places]
        return ArrayRun(names, self.document_ids, self.rows[places], self.scores[places])

    def table(self) -> tables.Run:
        """As a table: no dictionary is made."""
        if not self.rows.shape[1]:
            return tables.Run.from_dict({query: {} for query in self.query_ids})
        return tables.Run.from_arrays(list(self.query_ids), self.document_ids[self.rows], self.scores)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """As dictionaries."""
        return dict(self.items())  # type: ignore[arg-type]  # what __getitem__ gives is a dict

    def trec_ranking(self, query: str) -> list[tuple[str, float]]:
        """(document id, score) as `order.trec_order` has them: equal scores by document id descending."""
        place = self._places[query]
        scores = self.scores[place]
        names = self.document_ids[self.rows[place]].tolist()
        pairs = list(zip(names, scores.tolist(), strict=True))
        if (scores[1:] == scores[:-1]).any():
            # Python compares strings by code point, and UTF-8 bytes keep that order.
            pairs.sort(key=lambda pair: pair[::-1], reverse=True)
        return pairs


RunLike = tables.Run | Mapping[str, Mapping[str, float]]
"""A run: query id to document id to score, as a table or a mapping."""


def some(run: Mapping[str, Mapping[str, float]], queries: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """The run of some queries; those that it lacks are left out."""
    if isinstance(run, ArrayRun):
        return run.of(queries)
    return {query: run[query] for query in queries if query in run}


def as_table(run: RunLike) -> tables.Run:
    """The run as a table."""
    if isinstance(run, tables.Run):
        return run
    return run.table() if isinstance(run, ArrayRun) else tables.Run.from_dict(run)


def pieces(queries: Sequence[str], size: int = 0) -> Iterator[Sequence[str]]:
    """Ids of so many queries at once (0: `PIECE`)."""
    size = size or PIECE
    for start in range(0, len(queries), size):
        yield queries[start : start + size]
