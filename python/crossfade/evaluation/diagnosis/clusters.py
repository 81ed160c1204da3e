"""Failed queries that lie together: agglomerative clustering with average linkage (Sokal and Michener 1958) by cosine.

Deterministic: of equally near pairs the one with the lower numbers is joined first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR = 0.5
"""The mean cosine between two clusters from which they are joined."""

MOST = 1_000
"""Queries that are looked at: time grows with their cube, two seconds at this number."""


def cluster(vectors: NDArray[np.float32], near: float = NEAR) -> list[list[int]]:
    """Row numbers of each cluster of two or more, the largest first, then by its first row.

    `vectors`: float32, (n, d), unit length. O(n^3) time and O(n^2) memory.
    """
    count = len(vectors)
    exact = vectors.astype(np.float64)
    similar = exact @ exact.T
    np.fill_diagonal(similar, -np.inf)
    members = [[row] for row in range(count)]
    sizes = np.ones(count)
    for _ in range(count - 1):
        at = int(similar.argmax())
        first, second = divmod(at, count)
        if similar[first, second] < near:
            break
        first, second = min(first, second), max(first, second)
        # The mean over all pairs of the joined cluster with another is the mean of both means, by size.
        joined = (sizes[first] * similar[first] + sizes[second] * similar[second]) / (sizes[first] + sizes[second])
        similar[first], similar[:, first] = joined, joined
        similar[second], similar[:, second] = -np.inf, -np.inf
        similar[first, first] = -np.inf
        sizes[first] += sizes[second]
        members[first] += members[second]
        members[second] = []
    return sorted((sorted(rows) for rows in members if len(rows) > 1), key=lambda rows: (-len(rows), rows[0]))
