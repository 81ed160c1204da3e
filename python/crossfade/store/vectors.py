"""The door every matrix of vectors passes: floating, two-dimensional, finite, of the right size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput


def finite_matrix(
    vectors: NDArray[Any], *, rows: int | None, dimension: int, what: str, why: str
) -> NDArray[np.float32]:
    """`vectors` as float32 of shape (rows, dimension); `rows` None takes any number.

    `what` names one row in messages ("vector"), `why` says where the dimension comes from ("collection 'x' holds ...").
    Raises InvalidInput on another dtype or shape, NaN or infinity (also a float64 that overflows float32).
    """
    given = np.asarray(vectors)
    if given.dtype.kind != "f":
        raise InvalidInput(f"{what}s have dtype {given.dtype}: give floating-point values (float32)")
    if given.ndim != 2 or given.shape[1] != dimension or rows not in (None, given.shape[0]):
        expected = f"({'any' if rows is None else rows}, {dimension})"
        raise InvalidInput(f"{what}s have shape {given.shape}, expected {expected}: {why}")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the next check names
        matrix = given.astype(np.float32, copy=False)
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InvalidInput(
            f"{what} {row} holds {matrix[row, column]} at position {column}: every value must be a finite float32"
        )
    return matrix
