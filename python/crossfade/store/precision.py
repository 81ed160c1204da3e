"""How a segment holds its vectors; the database holds float32, whatever this is.

    f32     vectors.f32. Scores are those of the vectors.
    f16     vectors.f16, each element rounded to nearest. Scores are those of the rounded vectors, exactly: an inner
            product is within 2^-11 sum |q_i x_i| of the vectors' own, and 2^-25 sum |q_i| more where elements are below
            2^-14, the least that half precision has all its digits for.
    int8    codes.i8 and scales.f32 (`crossfade.kernels.quantise`), which are scanned, and vectors.f32, of which only
            the rows are read that the codes take for the best. Scores are those of the vectors.

A graph compares rows by codes of its own, which lie in its file beside the links of each row. Over codes.i8 it would
need another stage for scores of the vectors themselves, and save nothing: a walk would still read the copy beside the
links. So graphs are always of `vectors`; of int8, never without codes. Measured (40,000 x 384 in 300 clusters, ef 64,
one query at a time): 82 us so; in two stages 198 us with codes beside the links, 301 us with links alone; and 10 s to
build instead of 14.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.kernels import GraphForm, Quantised, quantise
from crossfade.store.types import Precision, Vectors

VECTORS, HALVES, CODES, SCALES = "vectors.f32", "vectors.f16", "codes.i8", "scales.f32"

FILES: dict[Precision, tuple[str, ...]] = {"f32": (VECTORS,), "f16": (HALVES,), "int8": (VECTORS, CODES, SCALES)}
"""Of a segment."""

GRAPH_FORMS: dict[Precision, GraphForm] = {"f32": "measured", "f16": "measured", "int8": "codes"}
"""What walks compare, as `crossfade.kernels.build_graph` has it."""

# Halfway from the greatest half-precision number to the next, which would be: what is less is rounded down.
_HALF_LIMIT = 65520.0


class Held(NamedTuple):
    """The vectors of a segment, float32 or float16, shape (rows, dimension), and the codes that stand for them."""

    vectors: Vectors
    codes: Quantised | None


def in_files(vectors: NDArray[np.float32], precision: Precision) -> dict[str, NDArray[Any]]:
    """What rows add to each of the files. Raises InvalidInput for vectors that `check_range` refuses."""
    if precision == "f32":
        return {VECTORS: vectors}
    # One thread: batches are small, and others search meanwhile.
    if precision == "f16":
        return {HALVES: quantise(vectors, "f16", threads=1).codes}
    made = quantise(vectors, "int8", threads=1)
    return {VECTORS: vectors, CODES: made.codes, SCALES: np.asarray(made.scales)}


def held(map_array: Callable[..., NDArray[Any]], rows: int, dimension: int, precision: Precision) -> Held:
    """Those of an open segment. `map_array(name, dtype, shape, scattered=False)` maps one of its files."""
    shape = (rows, dimension)
    if precision == "f16":
        return Held(map_array(HALVES, "<f2", shape), None)
    vectors = map_array(VECTORS, "<f4", shape, scattered=precision == "int8")
    if precision == "f32":
        return Held(vectors, None)
    codes, scales = map_array(CODES, "|i1", shape), map_array(SCALES, "<f4", (rows,))
    return Held(vectors, Quantised("int8", codes, dimension, scales))


def check_range(vectors: NDArray[np.float32], precision: Precision, holder: str) -> None:
    """`vectors` are finite; `holder`: the index they go to, as messages call it.

    Raises InvalidInput when one of that precision cannot hold them.
    """
    if precision != "f16":
        return
    outside = np.abs(vectors) >= _HALF_LIMIT
    if outside.any():
        row = int(np.flatnonzero(outside.any(axis=1))[0])
        raise InvalidInput(
            f"vector {row} holds a number beyond 65504, the greatest of f16, the precision of {holder}: "
            "scale the vectors down, or make the collection with precision f32 or int8"
        )
