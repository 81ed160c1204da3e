"""Graphs against exact search, whatever the rows and the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfade.kernels import GraphPlan, Metric, build_graph, top_k

METRICS: list[Metric] = ["cosine", "ip", "l2"]


def vectors(random: np.random.Generator, rows: int, dimension: int, kind: str) -> NDArray[np.float32]:
    values: NDArray[Any] = random.uniform(-1, 1, (rows, dimension))
    if kind == "few values":
        values = np.sign(values.round())
    if kind == "duplicates" and rows:
        values = values[random.integers(0, max(1, rows // 9), rows)]
    if kind == "clusters":
        values = values * 0.1 + random.uniform(-1, 1, (4, dimension))[random.integers(0, 4, rows)]
    return values.astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["plain", "few values", "duplicates", "clusters"]),
    shape=st.tuples(st.integers(0, 300), st.integers(1, 70)),
    k=st.integers(1, 40),
    ef=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    together=st.booleans(),
    plan=st.sampled_from(["planned", "walk"]),
)
@pytest.mark.parametrize("metric", METRICS)
def test_never_fewer_than_there_are_and_exactly_scored(
    metric: Metric,
    seed: int,
    kind: str,
    shape: tuple[int, int],
    k: int,
    ef: int,
    share: float,
    together: bool,
    plan: GraphPlan,
) -> None:
    random = np.random.default_rng(seed)
    rows, dimension = shape
    data = vectors(random, rows, dimension, kind)
    queries = vectors(random, 3, dimension, "plain")
    mask = random.random(rows) < share
    if together and rows:  # the rows nearest to some vector: a mask that goes with places
        mask = np.zeros(rows, bool)
        mask[top_k(vectors(random, 1, dimension, "plain"), data, max(1, int(share * rows)), metric="l2").indices] = True
    graph = build_graph(data, metric=metric, m=4, ef_construction=16, seed=seed)
    found = graph.search(queries, k, ef=ef, mask=mask, plan=plan)
    allowed = int(mask.sum())
    assert found.scores.shape == found.indices.shape == (3, min(k, allowed))
    if not allowed:
        return
    exact = top_k(queries, data, allowed, metric=metric, mask=mask)
    for query in range(3):
        rank = {row: place for place, row in enumerate(exact.indices[query].tolist())}
        places = [rank[row] for row in found.indices[query].tolist()]
        assert places == sorted(set(places))
        np.testing.assert_array_equal(found.scores[query], exact.scores[query][places])
