"""Exact top-K against NumPy in float64, with the bound that the kernel documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfade.kernels import Metric, top_k

METRICS: list[Metric] = ["cosine", "ip", "l2"]
SCALES = [0.0, 1e-44, 1e-30, 1e-3, 1.0, 1.0, 1.0, 1e3, 1e17, 1e38]


def gamma(n: float) -> float:
    """Higham 2002, lemma 3.1: the relative error of n roundings to float32."""
    return n * 2.0**-24 / (1 - n * 2.0**-24)


def oracle(queries: NDArray[Any], corpus: NDArray[Any], metric: Metric) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every score in float64 and how far the kernel's may be from it, both of shape (queries, rows)."""
    q, r = queries.astype(np.float64), corpus.astype(np.float64)
    m, underflow = np.ceil(q.shape[1] / 8), q.shape[1] * 2.0**-149
    if metric == "l2":
        distance = np.stack([((row - r) ** 2).sum(axis=1) for row in q])
        scores, bound = -distance, gamma(m + 6) * distance + underflow
    else:
        scores, bound = q @ r.T, gamma(m + 4) * (np.abs(q) @ np.abs(r).T) + underflow
    if metric == "cosine":
        norms = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(r, axis=1)[None, :]
        scores = np.divide(scores, norms, out=np.zeros_like(scores), where=norms > 0)
        bound = np.full_like(scores, gamma(m + 8) + q.shape[1] * 2.0**-98)
    largest = float(np.finfo(np.float32).max)
    return scores.clip(-largest, largest), bound


def vectors(random: np.random.Generator, count: int, dimension: int, *, wild: bool) -> NDArray[np.float32]:
    values = random.uniform(-1, 1, (count, dimension))
    if wild:
        values *= random.choice(SCALES, (count, 1))
    return values.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    dimension=st.one_of(st.integers(1, 40), st.integers(41, 1100)),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 200)),
    k=st.integers(1, 250),
    wild=st.booleans(),
    threads=st.integers(0, 3),
)
@pytest.mark.parametrize("metric", METRICS)
def test_like_numpy(
    metric: Metric, seed: int, dimension: int, shape: tuple[int, int], k: int, wild: bool, threads: int
) -> None:
    random = np.random.default_rng(seed)
    corpus = vectors(random, shape[1], dimension, wild=wild)
    queries = vectors(random, shape[0], dimension, wild=wild)
    found = top_k(queries, corpus, k, metric=metric, threads=threads)
    exact, bound = oracle(queries, corpus, metric)
    depth = min(k, shape[1])
    assert found.scores.shape == found.indices.shape == (shape[0], depth)
    error = np.abs(found.scores - np.take_along_axis(exact, found.indices, axis=1))
    assert (error <= np.take_along_axis(bound, found.indices, axis=1)).all()
    ahead = found.scores[:, :-1] > found.scores[:, 1:]
    tied = (found.scores[:, :-1] == found.scores[:, 1:]) & (found.indices[:, :-1] < found.indices[:, 1:])
    assert (ahead | tied).all()
    left_out = np.ones_like(exact, dtype=bool)
    np.put_along_axis(left_out, found.indices, False, axis=1)
    assert left_out.sum() == shape[0] * (shape[1] - depth)
    assert (~left_out | (exact - bound <= found.scores[:, -1:])).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    dimension=st.integers(1, 70),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 3000)),
    k=st.integers(1, 300),
)
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_ties_fall_to_the_lower_row(metric: Metric, seed: int, dimension: int, shape: tuple[int, int], k: int) -> None:
    """Small whole numbers: every sum is exact, so order and scores must be too."""
    random = np.random.default_rng(seed)
    corpus = random.integers(-1, 2, (shape[1], dimension)).astype(np.float32)
    queries = random.integers(-1, 2, (shape[0], dimension)).astype(np.float32)
    exact, _ = oracle(queries, corpus, metric)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    found = top_k(queries, corpus, k, metric=metric)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(exact, order, axis=1))
