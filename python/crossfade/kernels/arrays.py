"""What the kernels take of NumPy, and how it reaches them: as it lies, wherever that can be."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import InvalidInput

_MAX_THREADS = 1024

# A search of a few microseconds is asked for through these functions: what is usual is seen first, and at once.
_F32 = np.dtype(np.float32)
_BITS = np.dtype(np.uint8)


class Strided(NamedTuple):
    """Rows that do not lie in one piece: one flat array, and where they lie in it."""

    flat: NDArray[Any]
    dimension: int
    stride: int
    rows: int


# Rows as the extension takes them.
Matrix = NDArray[Any] | Strided

# How the work is done: the mask, the threads, whether what is searched is a mapped file.
Way = tuple[NDArray[np.uint8] | None, int, bool]


def instruction_set() -> str:
    """The instruction set that this machine's scans use: "avx512", "avx2", "neon" or "portable"."""
    return _native.instruction_set()


def real_matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    """`values` as an array of shape (rows, dimension) of real numbers, as it is."""
    array = _matrix(values, name)
    # A type that NumPy knows only by an extension, as bfloat16, is of kind "V".
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise InvalidInput(f"{name} must hold real numbers, not {array.dtype}: convert them with astype(numpy.float32)")
    return array


def float_matrix(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """`values` as float32, shape (rows, dimension); a copy unless they are float32 already."""
    if type(values) is np.ndarray and values.dtype == _F32 and values.ndim == 2 and values.shape[1]:
        return values
    array = real_matrix(values, name)
    if array.dtype == np.float32 and array.dtype.isnative:
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(np.float32)
    if array.dtype.itemsize > 4:
        too_large = np.isinf(converted) & np.isfinite(array)
        if too_large.any():
            row = int(np.flatnonzero(too_large.any(axis=1))[0])
            raise InvalidInput(
                f"{name} row {row} holds a number beyond float32's range (3.4e38): scale the vectors down"
            )
    return converted


def byte_matrix(values: ArrayLike, name: str) -> NDArray[np.uint8]:
    """`values`, which must be uint8, shape (rows, bytes)."""
    array = _matrix(values, name)
    if array.dtype != np.uint8:
        raise InvalidInput(
            f'{name} must be packed bits (uint8, as numpy.packbits gives) for "hamming", not {array.dtype}: '
            'use quantise(vectors, "binary")'
        )
    return array


def _matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InvalidInput(f"{name} cannot be read as an array of shape (rows, dimension): {error}") from None
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidInput(f"{name}: some elements are masked: fill them in, or leave their rows out")
    if array.ndim != 2:
        hint = f": use {name}[None, :] for a single vector" if array.ndim == 1 else ""
        raise InvalidInput(f"{name} must have two axes (rows, dimension), not shape {array.shape}{hint}")
    if array.shape[1] == 0:
        raise InvalidInput(f"{name} have no elements (shape {array.shape}): the dimension must be at least 1")
    return array


def matrix(array: NDArray[Any]) -> Matrix:
    """`array`, shape (rows, dimension), without a copy where each row lies in one piece."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        return array
    rows, dimension = array.shape
    size = array.dtype.itemsize
    gap, step = array.strides
    in_pieces = (step == size or dimension == 1) and gap >= 0 and gap % size == 0
    if not (flags.c_contiguous or in_pieces) or not flags.aligned or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if array.flags.c_contiguous:
        return array
    length = (rows - 1) * (gap // size) + dimension
    return Strided(as_strided(array, (length,), (size,), writeable=False), dimension, gap // size, rows)


def way(threads: SupportsIndex | None, rows: int, mask: ArrayLike | None = None, *, mapped: bool = False) -> Way:
    """`mapped`: whether what is searched is a mapped file."""
    packed = None if mask is None else _mask(mask, rows)
    return packed, 0 if threads is None else whole(threads, "threads", 0, _MAX_THREADS), mapped


def _mask(mask: ArrayLike, rows: int) -> NDArray[np.uint8]:
    """One bit a row, in little bit order."""
    array = np.asarray(mask)
    if array.dtype == _BITS and array.shape == (-(-rows // 8),) and array.flags.c_contiguous:
        return array
    if array.dtype == np.bool_:
        if array.shape != (rows,):
            raise InvalidInput(f"mask must have one entry for each of the {rows} rows, not shape {array.shape}")
        return np.packbits(array, bitorder="little")
    if array.dtype == np.uint8:
        if array.shape != (-(-rows // 8),):
            raise InvalidInput(
                f"a packed mask of {rows} rows has shape ({-(-rows // 8)},), not {array.shape}: "
                'use numpy.packbits(mask, bitorder="little")'
            )
        return np.ascontiguousarray(array)
    raise InvalidInput(f"mask must be bool (one entry a row) or packed bits (uint8), not {array.dtype}")


def whole(value: SupportsIndex, name: str, least: int, most: int) -> int:
    """`value` as an int within the range."""
    if type(value) is int and least <= value <= most:
        return value
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInput(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be at least {least} and at most {most}, not {number}")
    return number
