"""Typing of the Rust extension. Use `crossfade.kernels` and `crossfade.measures`, which check and explain."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__version__: str

def top_k(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, metric: str, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def canonical_measure(name: str) -> str: ...
def evaluate(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    measures: Sequence[str],
    ties: str,
    missing: str,
) -> tuple[list[str], NDArray[np.float64]]: ...
def paired_bootstrap(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, confidence: float, seed: int
) -> tuple[float, float, float]: ...
def paired_randomisation(
    base: NDArray[np.float64], candidate: NDArray[np.float64], permutations: int, seed: int
) -> float: ...
