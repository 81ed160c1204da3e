"""Typing of the Rust extension. Use `crossfade.kernels`, `crossfade.measures` and `crossfade.tables`, which check and
explain.

Every function raises crossfade.errors.InvalidInput for a value that cannot be used and releases the GIL at work.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Qrels",
    "Run",
    "__version__",
    "canonical_measure",
    "evaluate",
    "holm",
    "paired_bootstrap",
    "paired_randomisation",
    "tie_bounds",
    "top_k",
]

__version__: str

# Whole numbers; code points of fixed-width text, shape (ids, width); or strings.
_Ids = NDArray[np.int64] | NDArray[np.uint32] | list[str]

def top_k(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, metric: str, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows, shape (queries, min(k, rows)). Both matrices in C order."""

def canonical_measure(name: str) -> str: ...

@final
class Qrels:
    @staticmethod
    def from_dict(mapping: Mapping[str, Mapping[str, int]]) -> Qrels: ...
    @staticmethod
    def from_arrays(queries: _Ids, documents: _Ids, values: NDArray[np.int32], per_query: int) -> Qrels:
        """One query id for every `per_query` rows; lengths are the caller's business."""

    @staticmethod
    def from_arrow(table: object, columns: tuple[str, str, str]) -> Qrels:
        """The names of the columns of queries, documents and grades."""

    @staticmethod
    def parse(path: PathLike[str], format_name: Literal["trec", "beir"], content: bytes | None) -> Qrels:
        """Of the content given, or of the file. Raises DataError, and OSError when it cannot be opened."""

    @property
    def rows(self) -> int: ...
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, dict[str, int]]: ...
    def __len__(self) -> int: ...

@final
class Run:
    @staticmethod
    def from_dict(mapping: Mapping[str, Mapping[str, float]]) -> Run: ...
    @staticmethod
    def from_arrays(queries: _Ids, documents: _Ids, values: NDArray[np.float64], per_query: int) -> Run:
        """One query id for every `per_query` rows; lengths are the caller's business."""

    @staticmethod
    def from_arrow(table: object, columns: tuple[str, str, str]) -> Run:
        """The names of the columns of queries, documents and scores."""

    @staticmethod
    def parse(path: PathLike[str], content: bytes | None) -> Run:
        """Of the content given, or of the file. Raises DataError, and OSError when it cannot be opened."""

    @property
    def rows(self) -> int: ...
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, dict[str, float]]: ...
    def __len__(self) -> int: ...

def evaluate(
    qrels: Qrels, run: Run, measures: Sequence[str], ties: str, missing: str
) -> tuple[tuple[str, ...], NDArray[np.float64], tuple[str, ...]]:
    """Query ids, values of shape (queries, measures), and the judged queries that the run lacks."""

def tie_bounds(
    qrels: Qrels, run: Run, measures: Sequence[str], ties: str, missing: str
) -> tuple[tuple[tuple[str, ...], NDArray[np.float64], tuple[str, ...]], NDArray[np.float64], NDArray[np.float64]]:
    """What `evaluate` returns, then the worst and the best values, each of the shape of the values."""

def paired_bootstrap(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Mean difference, lower end, upper end."""

def paired_randomisation(
    base: NDArray[np.float64], candidate: NDArray[np.float64], permutations: int, seed: int
) -> float: ...
def holm(p_values: Sequence[float]) -> list[float]: ...
