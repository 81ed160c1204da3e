"""Arguments at the door: arrays and numbers that callers give, checked and converted, or refused by name."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade.errors import InvalidInput

MOST_DRAWS = 10_000_000
MOST_SEED = 2**64 - 1


def array(values: ArrayLike, name: str) -> NDArray[Any]:
    """An array of any shape and type. Raises InvalidInput for rows of different lengths and for masked values."""
    try:
        found: NDArray[Any] = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InvalidInput(f"{name} cannot be read as an array: {error}") from None
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidInput(f"{name}: some values are masked: take them out, for every system and measure alike")
    return found


def sample(values: ArrayLike, name: str, axis: str = "queries") -> NDArray[np.float64]:
    """Real numbers with one axis, float64 in C order. Raises InvalidInput."""
    found = _real(values, name)
    if found.ndim != 1:
        raise InvalidInput(f"{name} must have one axis ({axis},), not shape {found.shape}")
    return np.ascontiguousarray(found, dtype=np.float64)


def table(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Real numbers of shape (queries, measures), float64 in C order. Raises InvalidInput."""
    found = _real(values, name)
    if found.ndim != 2:
        raise InvalidInput(f"{name} must have the axes (queries, measures), not shape {found.shape}")
    return np.ascontiguousarray(found, dtype=np.float64)


def whole(value: SupportsIndex, name: str, least: int, most: int) -> int:
    """An int between `least` and `most`. Raises InvalidInput."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInput(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be at least {least} and at most {most}, not {number}")
    return number


def draws(value: SupportsIndex, name: str) -> int:
    """How many resamples or permutations. Raises InvalidInput."""
    return whole(value, name, 1, MOST_DRAWS)


def seed(value: SupportsIndex) -> int:
    """A seed of 64 bits. Raises InvalidInput."""
    return whole(value, "seed", 0, MOST_SEED)


def real(value: float, name: str, expected: str) -> float:
    """A float; whether its size is right is the callee's to say. Raises InvalidInput for what is no real number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidInput(f"{name} must be {expected}, not {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidInput(f"{name} is an int beyond the greatest float: it must be {expected}") from None


def _real(values: ArrayLike, name: str) -> NDArray[Any]:
    found = array(values, name)
    if found.dtype.kind not in "fiu" and found.size:
        raise InvalidInput(f"{name} must hold real numbers, not {found.dtype}")
    return found
