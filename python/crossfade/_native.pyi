"""Typing of the Rust extension. Use `crossfade.kernels` and `crossfade.measures`, which check and explain.

Every function raises crossfade.errors.InvalidInput for a value that cannot be used and releases the GIL at work.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "__version__",
    "canonical_measure",
    "evaluate",
    "holm",
    "instruction_set",
    "max_sim",
    "paired_bootstrap",
    "paired_randomisation",
    "rescore",
    "to_binary",
    "to_int8",
    "to_words",
    "top_k",
    "top_k_binary",
]

__version__: str

# Rows: one flat array, the elements of a row, the elements from one row to the next, and the number of rows.
_Floats = tuple[NDArray[np.float32], int, int, int]
_Bytes = tuple[NDArray[np.uint8], int, int, int]
# Rows of float32, the bits of half precision or bfloat16, or int8; the scales of int8; whether the bits are bfloat16.
_Corpus = tuple[tuple[NDArray[Any], int, int, int], NDArray[np.float32] | None, bool]
# "mask" (packed bits or None), "threads", "mapped".
_Way = Mapping[str, Any]

def instruction_set() -> str: ...
def top_k(
    queries: _Floats,
    corpus: _Corpus,
    k: int,
    metric: str,
    way: _Way,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows, shape (queries, min(k, rows that may be found))."""

def top_k_binary(
    queries: _Bytes, corpus: _Bytes, k: int, way: _Way
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def rescore(
    queries: _Floats,
    corpus: _Corpus,
    candidates: NDArray[np.int64],
    k: int,
    metric: str,
    way: _Way,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def max_sim(
    query: _Floats,
    tokens: _Corpus,
    offsets: NDArray[np.int64],
    way: _Way,
) -> NDArray[np.float32]: ...
def to_words(vectors: _Floats, to: NDArray[np.uint16], bfloat: bool, way: _Way) -> None: ...
def to_int8(vectors: _Floats, codes: NDArray[np.int8], scales: NDArray[np.float32], way: _Way) -> None: ...
def to_binary(vectors: _Floats, to: NDArray[np.uint8], way: _Way) -> None: ...
def canonical_measure(name: str) -> str: ...
def evaluate(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    measures: Sequence[str],
    ties: str,
    missing: str,
) -> tuple[list[str], NDArray[np.float64], list[str]]:
    """Query ids, values of shape (queries, measures), and the judged queries that the run lacks."""

def paired_bootstrap(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Mean difference, lower end, upper end."""

def paired_randomisation(
    base: NDArray[np.float64], candidate: NDArray[np.float64], permutations: int, seed: int
) -> float: ...
def holm(p_values: Sequence[float]) -> list[float]: ...
