"""Cutting a batch of any size into calls that the server takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from crossfade.client.types import Embedding, Limits, Vectors
from crossfade.errors import InvalidInput

# Tags and lengths of an item's fields; generous, as the names and fingerprints of a call must fit in too.
ITEM_OVERHEAD = 64


def text_sizes(texts: Sequence[str], what: str) -> list[int]:
    """UTF-8 bytes of each text. Raises InvalidInput for what is not a sequence of encodable strings."""
    if isinstance(texts, str):
        raise InvalidInput(f"{what}s is one string: give a list of strings")
    sizes: list[int] = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidInput(f"{what} {position} is {type(text).__name__}, expected str")
        try:
            sizes.append(len(text.encode()))
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"{what} {position} holds a lone surrogate at position {error.start} and cannot be sent as UTF-8: "
                "decode its source with the right encoding"
            ) from None
    return sizes


def slices(sizes: Sequence[int], limits: Limits, per_call: int | None = None) -> list[slice]:
    """Consecutive slices within the limits; one empty slice for an empty batch, which the server refuses by name.

    An item larger than a whole message gets a slice of its own, and the server's answer.
    """
    most = max(1, min(per_call or limits.texts_per_call, limits.texts_per_call))
    return list(_slices(sizes, most, budget(limits))) or [slice(0, 0)]


def budget(limits: Limits) -> int:
    """Bytes that the items of one message may take."""
    return limits.message_bytes - limits.message_bytes // 16


def _slices(sizes: Iterable[int], most: int, room: int) -> Iterator[slice]:
    start = used = end = 0
    for size in sizes:
        cost = size + ITEM_OVERHEAD
        if end > start and (end - start == most or used + cost > room):
            yield slice(start, end)
            start, used = end, 0
        used += cost
        end += 1
    if end > start:
        yield slice(start, end)


def rows(vectors: Vectors, count: int | None = None) -> NDArray[np.float32]:
    """The matrix as little-endian float32 in C order. Raises InvalidInput when it is none, or not of `count` rows."""
    if isinstance(vectors, Embedding) and vectors.encoding != "float32":
        raise InvalidInput(
            f"the vectors are in {vectors.encoding}, and a call takes float32: embed with encoding='float32', or, if "
            "what this encoding left out may be missing, give Vectors(embedding.as_float32(), embedding.fingerprint)"
        )
    return matrix(vectors.values, "vectors", count)


def matrix(values: NDArray[np.float32], what: str, count: int | None = None) -> NDArray[np.float32]:
    """As `rows`, for a bare array."""
    given = np.asarray(values)
    if given.ndim != 2 or given.dtype.kind != "f":
        raise InvalidInput(f"{what} have shape {given.shape} and dtype {given.dtype}: give float32, (n, dimension)")
    if count is not None and len(given) != count:
        raise InvalidInput(f"{len(given)} {what} are given for {count} documents: give one row a document")
    with np.errstate(over="ignore"):  # the server names what became infinite
        return np.ascontiguousarray(given, dtype="<f4")
