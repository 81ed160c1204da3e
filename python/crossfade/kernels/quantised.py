"""Smaller forms of vectors: half precision, bfloat16, eight bits with a scale, one bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import InvalidInput
from crossfade.kernels import arrays
from crossfade.mapping import is_mapped

QuantisedType = Literal["f16", "bf16", "int8", "binary"]

_CODES: dict[str, type[np.generic]] = {"f16": np.float16, "bf16": np.uint16, "int8": np.int8, "binary": np.uint8}


@dataclass(frozen=True)
class Quantised:
    """Vectors in a smaller form; plain arrays, to be kept in any file, or mapped from one.

    `dtype`: "f16", "bf16", "int8" or "binary". `codes`, shape (rows, dimension): float16; the bits of bfloat16 as
    uint16; int8; and for "binary", shape (rows, ceil(dimension / 8)), uint8, the first element in the highest bit, as
    numpy.packbits has it. `scales`: for "int8" alone, float32, shape (rows,): a vector is its codes times its scale.

    Raises InvalidInput where these do not fit together.
    """

    dtype: QuantisedType
    codes: NDArray[Any]
    dimension: int
    scales: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        wanted = _CODES.get(self.dtype)
        if wanted is None:
            raise InvalidInput(f"dtype {self.dtype!r} is not known: use {_types()}")
        width = -(-self.dimension // 8) if self.dtype == "binary" else self.dimension
        if self.codes.dtype != wanted or self.codes.ndim != 2 or self.codes.shape[1] != width or self.dimension < 1:
            raise InvalidInput(
                f"codes of {self.dtype} vectors of dimension {self.dimension} are {np.dtype(wanted)} of shape "
                f"(rows, {width}), not {self.codes.dtype} of shape {self.codes.shape}"
            )
        if (self.scales is not None) != (self.dtype == "int8"):
            raise InvalidInput("int8 codes, and only they, have scales")
        if self.scales is not None and (self.scales.dtype != np.float32 or self.scales.shape != (self.rows,)):
            raise InvalidInput(
                f"scales are float32, one for each of the {self.rows} rows, not {self.scales.dtype} of shape "
                f"{self.scales.shape}"
            )

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return int(self.codes.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return self.codes.nbytes + (0 if self.scales is None else self.scales.nbytes)


def quantise(vectors: ArrayLike, dtype: QuantisedType, *, threads: SupportsIndex | None = None) -> Quantised:
    """`vectors`, shape (rows, dimension), in a smaller form.

    "f16" and "bf16": rounded to nearest, ties to even. "int8": each row has the scale max|x| / 127, and codes from -127
    to 127, rounded to nearest. "binary": the signs, one for x > 0.

    Time O(rows x dimension) on every core, or `threads`; the GIL is released, and Ctrl-C stops it. Raises InvalidInput
    for NaN, infinity, or a number that the form cannot hold.
    """
    if dtype not in get_args(QuantisedType):
        raise InvalidInput(f"dtype {dtype!r} is not known: use {_types()}")
    array = arrays.float_matrix(vectors, "vectors")
    rows, dimension = array.shape
    matrix, way = arrays.matrix(array), arrays.way(threads, rows, mapped=is_mapped(array))
    if dtype == "int8":
        codes, scales = np.empty((rows, dimension), np.int8), np.empty(rows, np.float32)
        _native.to_int8(matrix, codes, scales, way)
        return Quantised(dtype, codes, dimension, scales)
    if dtype == "binary":
        bits = np.empty((rows, -(-dimension // 8)), np.uint8)
        _native.to_binary(matrix, bits, way)
        return Quantised(dtype, bits, dimension)
    words = np.empty((rows, dimension), np.uint16)
    _native.to_words(matrix, words, dtype == "bf16", way)
    return Quantised(dtype, words.view(np.float16) if dtype == "f16" else words, dimension)


def _types() -> str:
    *most, last = (f'"{name}"' for name in get_args(QuantisedType))
    return f"{', '.join(most)} or {last}"
