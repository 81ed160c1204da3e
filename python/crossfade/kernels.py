"""Exact top-K scoring: the door to the Rust kernels."""

from __future__ import annotations

import operator
from typing import Any, Literal, NamedTuple, SupportsIndex, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import InvalidInput

Metric = Literal["cosine", "ip", "l2"]

_MAX_THREADS = 1024


class TopK(NamedTuple):
    """The best rows of every query, best first; k' = min(k, rows of the corpus).

    `scores`: float32, shape (queries, k'); higher is better in every metric. `indices`: int64, shape (queries, k'),
    rows of the corpus.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


def top_k(
    queries: ArrayLike, corpus: ArrayLike, k: SupportsIndex, *, metric: Metric = "cosine", threads: SupportsIndex = 0
) -> TopK:
    """The `k` rows of `corpus` that score highest for each query, exactly: score descending, then row ascending.

    `queries`: shape (n, dimension), `corpus`: shape (m, dimension). Float32 in C order is used as it lies; any other
    real numbers or strides are converted to that first, at the cost of a copy.

    `metric`: "cosine" (0 with a zero vector), "ip" (inner product) or "l2" (the squared distance, negated). A score
    whose size passes float32's range is given as the greatest float32 of its sign.

    `threads`: 0 uses every core. The result does not depend on it; and a score depends on its query and its row
    alone, not on what else is in the batch or the corpus.

    The GIL is released meanwhile, and Ctrl-C stops the work. The arrays must not be written to until it returns.

    Raises InvalidInput for a wrong shape or type, NaN or infinity, `k` < 1, or an unknown metric.
    """
    if metric not in get_args(Metric):
        raise InvalidInput(f'metric {metric!r} is not known: use "cosine", "ip" or "l2"')
    query_rows, corpus_rows = _matrix(queries, "queries"), _matrix(corpus, "corpus")
    found = _native.top_k(
        query_rows, corpus_rows, _whole(k, "k", 1, 2**63 - 1), metric, _whole(threads, "threads", 0, _MAX_THREADS)
    )
    return TopK(*found)


def _matrix(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """`values` as float32 in C order, shape (rows, dimension)."""
    try:
        array: NDArray[Any] = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InvalidInput(f"{name} cannot be read as an array of shape (rows, dimension): {error}") from None
    if array.ndim != 2:
        hint = f": use {name}[None, :] for a single vector" if array.ndim == 1 else ""
        raise InvalidInput(f"{name} must have two axes (rows, dimension), not shape {array.shape}{hint}")
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"{name} must hold real numbers, not {array.dtype}: convert them with astype(numpy.float32)")
    if array.shape[1] == 0:
        raise InvalidInput(f"{name} have no elements (shape {array.shape}): the dimension must be at least 1")
    if array.dtype == np.float32 and array.dtype.isnative:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=np.float32)
    too_large = np.isinf(converted) & np.isfinite(array)
    if too_large.any():
        row = int(np.flatnonzero(too_large.any(axis=1))[0])
        raise InvalidInput(f"{name} row {row} holds a number beyond float32's range (3.4e38): scale the vectors down")
    return converted


def _whole(value: SupportsIndex, name: str, least: int, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInput(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be at least {least} and at most {most}, not {number}")
    return number
