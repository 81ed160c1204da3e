"""What a corpus can be, and how it reaches the extension."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade.errors import InvalidInput
from crossfade.kernels import arrays
from crossfade.kernels.quantised import Quantised
from crossfade.mapping import is_mapped


class Corpus(NamedTuple):
    """`elements`: the rows, the scales of int8 codes, and whether words are bfloat16. `array`: where they lie.
    `mapped`: whether that is a mapped file.
    """

    elements: tuple[arrays.Matrix, NDArray[np.float32] | None, bool]
    array: NDArray[Any]
    mapped: bool


def corpus_of(values: ArrayLike | Quantised, name: str) -> Corpus:
    """`values` as the extension takes them: as they lie, if it knows their type, or as float32."""
    if isinstance(values, Quantised):
        if values.dtype == "binary":
            raise InvalidInput(f'{name} is binary: use metric="hamming", or top_k_rescored for the metric itself')
        words = values.codes.view(np.uint16) if values.dtype == "f16" else values.codes
        scales = None if values.scales is None else np.ascontiguousarray(values.scales)
        return _of((arrays.matrix(words), scales, values.dtype == "bf16"), values.codes)
    array = arrays.real_matrix(values, name)
    if array.dtype == np.float16 and array.dtype.isnative:
        return _of((arrays.matrix(array.view(np.uint16)), None, False), array)
    if array.dtype.name == "bfloat16":
        return _of((arrays.matrix(array.view(np.uint16)), None, True), array)
    if array.dtype == np.int8:
        return _of((arrays.matrix(array), np.ones(len(array), np.float32), False), array)
    floats = arrays.float_matrix(array, name)
    return _of((arrays.matrix(floats), None, False), floats)


def _of(elements: tuple[arrays.Matrix, NDArray[np.float32] | None, bool], array: NDArray[Any]) -> Corpus:
    return Corpus(elements, array, is_mapped(array))
