"""The door to every store: names, ids and vectors are checked here, once, whatever the back end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.store.types import CollectionSpec, Metric

MAX_DIMENSION = 65_536
MAX_ID_BYTES = 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


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


def check_spec(spec: CollectionSpec) -> None:
    """Raises InvalidInput when a collection cannot be made from `spec`."""
    check_name(spec.name, "collection")
    if spec.metric not in get_args(Metric):
        raise InvalidInput(f"metric {spec.metric!r} does not exist: use one of {', '.join(get_args(Metric))}")
    check_space(spec.dimension, spec.document_fingerprint, "collection")


def check_name(name: str, what: str) -> None:
    """`what`: "collection" or "alias". Raises InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what} name {name[:160]!r} cannot be used: use 1 to 128 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit"
        )


def check_space(dimension: int, document_fingerprint: str, what: str) -> None:
    """`what`: "collection" or "index". Raises InvalidInput when it cannot hold vectors of such a space."""
    if not 1 <= dimension <= MAX_DIMENSION:
        raise InvalidInput(f"dimension {dimension} cannot be used: it must be 1 to {MAX_DIMENSION}")
    if not document_fingerprint:
        raise InvalidInput(
            f"document_fingerprint is empty: give the fingerprint of the encoder whose vectors the {what} will hold"
        )


def check_ids(ids: Sequence[str]) -> None:
    """Raises InvalidInput when an id is empty, too long, not valid Unicode, holds a NUL, or is given twice."""
    seen: dict[str, int] = {}
    for position, name in enumerate(ids):
        if not name:
            raise InvalidInput(f"document {position} has an empty id: every document needs one")
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise InvalidInput(
                f"document {position}: its id {name[:80]!r} holds a lone surrogate and cannot be written as UTF-8"
            ) from None
        if size > MAX_ID_BYTES:
            raise InvalidInput(
                f"document {position}: its id is {size} bytes long, the limit is {MAX_ID_BYTES}: use a shorter id"
            )
        if "\0" in name:
            raise InvalidInput(f"document {position}: its id {name[:80]!r} holds a NUL character: leave it out")
        first = seen.setdefault(name, position)
        if first != position:
            raise InvalidInput(
                f"id {name[:80]!r} is given twice in one call (documents {first} and {position}): keep one of them"
            )
