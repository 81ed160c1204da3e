"""The rows that graphs are built of.

Vectors drawn evenly in 384 dimensions have no near neighbours, and no graph finds them: nobody searches such. These are
made as embeddings are: topics, a hundred rows each; directions that matter less and less (the k-th has the deviation
k^-0.7, of 64); and noise in all others. Queries are drawn as the rows are. They are unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.harness import session

Floats = NDArray[np.float32]

DIMENSION = 384
K = 10
M = 16
EF_CONSTRUCTION = 200
DIRECTIONS = 64
ROWS_PER_TOPIC = 100

# Of a million (see `bench.size`), caches hold next to nothing.
ROWS, QUICK_ROWS = 100_000, 3_000


@dataclass(frozen=True)
class Data:
    """`rows` and `queries`: float32 unit vectors. `topics`: of each row."""

    rows: Floats
    queries: Floats
    topics: NDArray[np.int64]


def rows() -> int:
    """Rows of the corpus."""
    return session().rows(ROWS, quick=QUICK_ROWS)


def queries() -> int:
    """Queries of a batch."""
    return 50 if session().quick else 1_000


def topics() -> int:
    """How many topics there are."""
    return max(1, rows() // ROWS_PER_TOPIC)


def make(seed: int = 0) -> Data:
    """Rows and queries; the same for the same seed."""
    random = np.random.default_rng(seed)
    count = rows() + queries()
    deviations = (np.arange(1, DIRECTIONS + 1) ** -0.7).astype(np.float32)
    directions = np.linalg.qr(random.standard_normal((DIMENSION, DIRECTIONS)))[0].T.astype(np.float32)
    centres = random.standard_normal((topics(), DIRECTIONS), dtype=np.float32) * deviations
    of = random.integers(0, topics(), count)
    within = centres[of] + 0.7 * random.standard_normal((count, DIRECTIONS), dtype=np.float32) * deviations
    vectors = within @ directions + 0.02 * random.standard_normal((count, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Data(vectors[: rows()], vectors[rows() :], of[: rows()])


def rounds() -> int:
    """At most; slow cases end by their budget."""
    return 3 if session().quick else 11


def budget() -> float:
    """Seconds for a case, as soon as it has had its fewest rounds."""
    return 0.0 if session().quick else 5.0
