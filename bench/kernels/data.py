"""The shapes and the vectors that the kernels are timed on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.harness import session

Floats = NDArray[np.float32]

K = 100
DIMENSIONS = (384, 768, 1024)


def rows() -> int:
    """Rows of the corpus."""
    return 5_000 if session().quick else 300_000


def dimensions() -> Sequence[int]:
    return (48,) if session().quick else DIMENSIONS


def corpora(what: Sequence[str], batches: Sequence[int], k: int = K) -> Iterator[Floats]:
    """A corpus of every dimension of which a case is wanted. `what`: see `title`."""
    for dimension in dimensions():
        if any(session().wants(title(one, dimension, batch, k)) for one in what for batch in batches):
            yield unit_vectors(rows(), dimension, seed=0)


def rounds() -> int:
    """At most; slow cases end by their budget."""
    return 3 if session().quick else 21


def budget() -> float:
    """Seconds for a case, as soon as it has had its fewest rounds."""
    return 0.0 if session().quick else 5.0


def unit_vectors(count: int, dimension: int, seed: int) -> Floats:
    """Directions drawn evenly, float32, shape (count, dimension)."""
    values = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def title(what: str, dimension: int, queries: int, k: int = K) -> str:
    """A case's name: what is scored, the corpus, the batch."""
    many = "1 query" if queries == 1 else f"{queries:,} queries"
    return f"{what}, {rows():,} x {dimension}, top {k:,}, {many}"
