"""Typing of the Rust extension. Use `crossfade.kernels` and `crossfade.measures`, which check and explain.

Every function raises crossfade.errors.InvalidInput for a value that cannot be used and releases the GIL at work.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "__version__",
    "canonical_measure",
    "evaluate",
    "holm",
    "paired_bootstrap",
    "paired_randomisation",
    "top_k",
]

__version__: str

def top_k(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, metric: str, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows, shape (queries, min(k, rows)). Both matrices in C order."""

def canonical_measure(name: str) -> str: ...
def evaluate(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    measures: Sequence[str],
    ties: str,
    missing: str,
) -> tuple[list[str], NDArray[np.float64], list[str]]:
    """Query ids, values of shape (queries, measures), and the judged queries that the run lacks."""

def paired_bootstrap(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Mean difference, lower end, upper end."""

def paired_randomisation(
    base: NDArray[np.float64], candidate: NDArray[np.float64], permutations: int, seed: int
) -> float: ...
def holm(p_values: Sequence[float]) -> list[float]: ...
