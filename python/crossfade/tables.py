"""Judgments and runs as columns in Rust: built once, evaluated as often as you like.

Build them from dictionaries, NumPy arrays, any Arrow table, or TREC and BEIR files; none of these loops over rows in
Python. Ids are strings; in arrays and Arrow tables whole numbers stand for their digits, so the document 7 of an array
is "7" of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native, arguments
from crossfade.errors import InvalidInput
from crossfade.files import read_unless_plain

IdsLike = Sequence[str] | Sequence[int] | NDArray[Any]
"""Ids: a sequence or array of strings, or of whole numbers."""


class ArrowTable(Protocol):
    """A table, or stream of record batches, of any library that speaks the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class Qrels:
    """Relevance judgments: which documents answer which queries, and how well. Immutable; shared freely by threads.

    A grade above 0 is relevant, 0 is judged and not relevant, below 0 is in the pool without a judgment.
    Every way in raises InvalidInput for a document that is judged twice for a query and for a grade that is not a whole
    number of 32 bits.
    """

    __slots__ = ("native",)

    def __init__(self, native: _native.Qrels) -> None:
        """Not for callers: use one of the class methods."""
        self.native = native

    @classmethod
    def from_dict(cls, qrels: Mapping[str, Mapping[str, int]]) -> Qrels:
        """From query id to document id to grade."""
        return cls(_native.Qrels.from_dict(qrels))

    @classmethod
    def from_arrays(cls, query_ids: IdsLike, document_ids: IdsLike, grades: ArrayLike) -> Qrels:
        """From columns, shape (rows,) each; or from matrices `document_ids` and `grades`, shape (queries, k), and
        `query_ids`, shape (queries,). `grades` hold integers.
        """
        array = arguments.array(grades, "grades")
        if array.dtype.kind not in "iub" and array.size:
            raise InvalidInput(f"grades must be whole numbers, not {array.dtype}")
        if array.size and (array.min() < -(2**31) or array.max() >= 2**31):
            raise InvalidInput("grades must fit 32 bits")
        columns = _columns(query_ids, document_ids, array, "grades")
        return cls(_native.Qrels.from_arrays(*columns[:2], array.reshape(-1).astype(np.int32), columns[2]))

    @classmethod
    def from_arrow(
        cls, table: ArrowTable, *, query: str = "query_id", document: str = "doc_id", grade: str = "relevance"
    ) -> Qrels:
        """From an Arrow table with columns of these names (by default those of ir-measures)."""
        return cls(_native.Qrels.from_arrow(table, (query, document, grade)))

    @classmethod
    def read_trec(cls, path: str | Path) -> Qrels:
        """From a TREC file (query, iteration, document, grade), gzipped or not. Raises DataError naming file and
        line.
        """
        return cls(_native.Qrels.parse(path, "trec", read_unless_plain(path)))

    @classmethod
    def read_beir(cls, path: str | Path) -> Qrels:
        """From a BEIR file (query, document, grade, tabs between, header optional), gzipped or not. Raises DataError
        naming file and line.
        """
        return cls(_native.Qrels.parse(path, "beir", read_unless_plain(path)))

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The queries in the order they were first seen."""
        return self.native.query_ids

    @property
    def rows(self) -> int:
        """How many judgments there are."""
        return self.native.rows

    def to_dict(self) -> dict[str, dict[str, int]]:
        """Query id to document id to grade, in the order given."""
        return self.native.to_dict()

    def __len__(self) -> int:
        """How many queries there are."""
        return len(self.native)

    def __repr__(self) -> str:
        return f"Qrels({len(self):,} queries, {self.rows:,} judgments)"


class Run:
    """What a system retrieved: documents with scores for each query. Immutable; shared freely by threads.

    Documents are kept in trec_eval's order: score descending, then id descending by UTF-8 bytes. Every way in raises
    InvalidInput for a document that comes twice for a query and for a score that is NaN or infinite.
    """

    __slots__ = ("native",)

    def __init__(self, native: _native.Run) -> None:
        """Not for callers: use one of the class methods."""
        self.native = native

    @classmethod
    def from_dict(cls, run: Mapping[str, Mapping[str, float]]) -> Run:
        """From query id to document id to score."""
        return cls(_native.Run.from_dict(run))

    @classmethod
    def from_arrays(cls, query_ids: IdsLike, document_ids: IdsLike, scores: ArrayLike) -> Run:
        """From columns, shape (rows,) each, in any order; or from matrices `document_ids` and `scores`, shape
        (queries, k), and `query_ids`, shape (queries,), as a search in batches returns them. `scores` hold real
        numbers.
        """
        array = arguments.array(scores, "scores")
        if array.dtype.kind not in "fiub" and array.size:
            raise InvalidInput(f"scores must be real numbers, not {array.dtype}")
        columns = _columns(query_ids, document_ids, array, "scores")
        return cls(_native.Run.from_arrays(*columns[:2], array.reshape(-1).astype(np.float64), columns[2]))

    @classmethod
    def from_arrow(
        cls, table: ArrowTable, *, query: str = "query_id", document: str = "doc_id", score: str = "score"
    ) -> Run:
        """From an Arrow table with columns of these names (by default those of ir-measures)."""
        return cls(_native.Run.from_arrow(table, (query, document, score)))

    @classmethod
    def read_trec(cls, path: str | Path) -> Run:
        """From a TREC file (query, Q0, document, rank, score, tag), gzipped or not; the rank is ignored. Raises
        DataError naming file and line.
        """
        return cls(_native.Run.parse(path, read_unless_plain(path)))

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The queries in the order they were first seen."""
        return self.native.query_ids

    @property
    def rows(self) -> int:
        """How many documents were retrieved for all queries."""
        return self.native.rows

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Query id to document id to score, best first."""
        return self.native.to_dict()

    def align(
        self, other: Run, depth: int, *, ties: str = "float32"
    ) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
        """The first `depth` documents of this run, and where another has them; linear in their number.

        Ties are ordered as trec_eval does, at the precision that `ties` names ("float32" or "float64"): score
        descending, then document id descending. Returns the query ids, this run's and then those that only the other
        has; the numbers of documents in either, shape (2, queries); the ranks from 0 that the other gives to this
        run's documents, shape (queries, ranks), at most `depth` ranks, -1 where the other lacks the document or there
        is none; and whether scores tie in either ranking's first `depth` or where it is cut, shape (queries,).

        Raises InvalidInput for a depth below 1 and a precision that is not known.
        """
        arguments.whole(depth, "depth", 1, 2**31 - 1)
        only, lengths, positions, tied = _native.align_runs(self.native, other.native, depth, ties)
        return self.query_ids + only, np.stack(lengths).astype(np.int64), positions, tied

    def __len__(self) -> int:
        """How many queries there are, those without results included."""
        return len(self.native)

    def __repr__(self) -> str:
        return f"Run({len(self):,} queries, {self.rows:,} results)"


_NativeIds = NDArray[np.int64] | NDArray[np.uint32] | list[str]


def _columns(
    query_ids: IdsLike, document_ids: IdsLike, values: NDArray[Any], name: str
) -> tuple[_NativeIds, _NativeIds, int]:
    """Query ids, document ids row by row, and how many rows one query id stands for."""
    queries, documents = _array(query_ids, "query_ids"), _array(document_ids, "document_ids")
    if queries.ndim != 1:
        raise InvalidInput(f"query_ids must have one axis, not shape {queries.shape}")
    if documents.shape != values.shape or values.ndim not in (1, 2) or len(queries) != len(values):
        raise InvalidInput(
            f"query_ids, document_ids and {name} have shapes {queries.shape}, {documents.shape} and {values.shape}: "
            "expected (rows,) three times, or (queries,), (queries, k) and (queries, k)"
        )
    per_query = values.shape[1] if values.ndim == 2 else 1
    if not per_query:
        raise InvalidInput(f"document_ids and {name} have no column: a query without results has no row here")
    return _ids(queries, "query_ids"), _ids(documents.reshape(-1), "document_ids"), per_query


def _array(ids: IdsLike, name: str) -> NDArray[Any]:
    if isinstance(ids, np.ndarray):
        return ids
    if isinstance(ids, str):
        raise InvalidInput(f"{name} must be a sequence of ids, not the str {ids!r}")
    try:
        # As objects, so that a stray number among strings is found instead of turned into text.
        array: NDArray[Any] = np.array(ids, dtype=object)
    except ValueError as error:
        raise InvalidInput(f"{name} cannot be read as an array: {error}") from None
    return array


def _ids(array: NDArray[Any], name: str) -> _NativeIds:
    """Ids in a form that Rust reads without making a Python object of each, where NumPy has one."""
    match array.dtype.kind:
        case "i" | "u":
            if array.dtype == np.uint64 and array.size and array.max() >= 2**63:
                raise InvalidInput(f"{name} holds {array.max()}: whole numbers must fit 64 signed bits")
            return np.ascontiguousarray(array, dtype=np.int64)
        case "U" if array.dtype.itemsize:
            text = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
            return text.view(np.uint32).reshape(len(text), text.dtype.itemsize // 4)
        case "O" | "T" | "U":
            ids: list[Any] = array.tolist()
            if ids and isinstance(ids[0], int | np.integer):
                # Whole numbers all the way, or strings among them, which Rust names by row.
                numbers: NDArray[Any] = np.array(ids)
                return _ids(numbers, name) if numbers.dtype.kind in "iu" else ids
            return ids
        case _:
            raise InvalidInput(f"{name} must hold strings or whole numbers, not {array.dtype}")
