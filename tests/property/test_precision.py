"""Search of each precision beside sorting by products of its own values, and what codes may miss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfade.kernels import quantise
from crossfade.retrieval import ranking
from crossfade.retrieval.ranking import Walking, rank
from crossfade.retrieval.types import Hit
from crossfade.store import CollectionSpec, Document, DurableCollection, DurableStore, StoreSettings
from crossfade.store.metadata import Filter, bind
from crossfade.store.settings import GraphSettings
from crossfade.store.types import CollectionSettings, Metric, Precision

PRECISIONS: list[Precision] = ["f32", "f16", "int8"]
DIMENSION = 3
# Whole numbers over 2^14: float32 holds them, float64 their products, exactly; half precision rounds them.
VALUES = st.integers(-40_000, 40_000).map(lambda number: number / 2**14)
VECTORS = st.tuples(*[VALUES] * DIMENSION)
LANGUAGES = ("de", "en")


def held(vector: tuple[float, ...], precision: Precision, is_sealed: bool) -> NDArray[np.float64]:
    """What scores are of, as float64."""
    exact = np.array(vector, np.float32)
    return (exact.astype(np.float16) if precision == "f16" and is_sealed else exact).astype(np.float64)


def naive(query: NDArray[np.float64], row: NDArray[np.float64], metric: Metric) -> float:
    """The score, in float64."""
    if metric == "ip":
        return float(query @ row)
    if metric == "l2":
        return -float(((query - row) ** 2).sum())
    norms = float(np.sqrt(query @ query) * np.sqrt(row @ row))
    return float(query @ row) / norms if norms else 0.0


@contextmanager
def candidates(each: int, least: int) -> Iterator[None]:
    """Few, so that few rows are enough to have more of them than candidates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_CANDIDATES", each)
        patch.setattr(ranking, "_LEAST_CANDIDATES", least)
        yield


@settings(max_examples=60, deadline=None)
@given(
    writes=st.lists(
        st.tuples(st.lists(st.tuples(VECTORS, st.sampled_from(LANGUAGES)), min_size=1, max_size=12), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    queries=st.lists(VECTORS, min_size=1, max_size=3),
    k=st.integers(1, 20),
    precision=st.sampled_from(PRECISIONS),
    metric=st.sampled_from(["ip", "l2", "cosine"]),
    language=st.sampled_from([None, *LANGUAGES]),
)
def test_against_sorting_by_its_own_values(
    tmp_path_factory: Any,
    writes: list[tuple[list[tuple[tuple[float, ...], str]], bool]],
    queries: list[tuple[float, ...]],
    k: int,
    precision: Precision,
    metric: Metric,
    language: str | None,
) -> None:
    there: dict[str, tuple[tuple[float, ...], str, bool]] = {}
    quick = StoreSettings(seal_rows=1000, graph=GraphSettings(least_rows=10_000))
    with DurableStore(tmp_path_factory.mktemp("store"), quick, upkeep=False) as store:
        collection = store.create(CollectionSpec("c", DIMENSION, metric, "f"), CollectionSettings(precision=precision))
        for rows, seal in writes:
            names = [f"{len(there) + place:03}" for place in range(len(rows))]
            collection.upsert(
                [Document(name, metadata={"language": of}) for name, (_, of) in zip(names, rows, strict=True)],
                np.array([vector for vector, _ in rows], np.float32),
            )
            there.update((name, (*row, False)) for name, row in zip(names, rows, strict=True))
            if seal:
                collection.seal()
                there = {name: (vector, of, True) for name, (vector, of, _) in there.items()}
        condition = None
        if language is not None and "language" in collection.fields:
            condition = bind(Filter.parse({"field": "language", "eq": language}), collection.fields)
        asked, snapshot = np.array(queries, np.float32), collection.snapshot()
        exact = rank(asked, snapshot, k, metric, 1, condition, Walking(exact=True))
        with candidates(1, 1):
            scanned = rank(asked, snapshot, k, metric, 1, condition)
    for query, hits, found in zip(asked.astype(np.float64), exact, scanned, strict=True):
        scores = {
            name: np.float32(naive(query, held(vector, precision, is_sealed), metric))
            for name, (vector, of, is_sealed) in there.items()
            if condition is None or of == language
        }
        ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
        assert_same(hits, ordered, metric)
        # By codes alone: as many, in order, each with its own score, and no better than the best.
        assert len(found) == len(ordered)
        assert_same(found, [(hit.id, scores[hit.id]) for hit in found], metric)
        assert [(-hit.score, hit.id) for hit in found] == sorted((-hit.score, hit.id) for hit in found)
        if precision != "int8":
            assert found == hits


def assert_same(hits: list[Hit], expected: list[tuple[str, np.float32]], metric: Metric) -> None:
    if metric != "cosine":
        assert [(hit.id, hit.score) for hit in hits] == expected
        return
    # Roots and a division, each rounded in float64, and then to float32: the last place may differ, and order with it.
    assert len(hits) == len(expected)
    for hit, (_, score) in zip(hits, expected, strict=True):
        assert abs(hit.score - score) <= np.spacing(np.float32(abs(score)) + np.float32(2**-24))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(70, 400), k=st.integers(1, 20), spread=st.sampled_from([1, 0.01])
)
def test_what_codes_may_miss_is_bounded(tmp_path_factory: Any, seed: int, rows: int, k: int, spread: float) -> None:
    """A row that is missed has, by its codes, no more than any candidate; a product of codes is off by no more than
    half a scale for each element of the query. So the i-th score is below the best i-th by less than two of those.
    """
    rng = np.random.default_rng(seed)
    dimension = 24
    vectors = (rng.standard_normal(dimension) + spread * rng.standard_normal((rows, dimension))).astype(np.float32)
    queries = rng.standard_normal((4, dimension)).astype(np.float32)
    with DurableStore(tmp_path_factory.mktemp("store"), upkeep=False) as store:
        collection = collection_of(store, vectors, "ip")
        exact = rank(queries, collection.snapshot(), k, "ip", 1, None, Walking(exact=True))
        with candidates(1, 1):
            found = rank(queries, collection.snapshot(), k, "ip", 1)
    scales = quantise(vectors, "int8").scales
    assert scales is not None
    for query, best, hits in zip(queries.astype(np.float64), exact, found, strict=True):
        half = float(np.abs(query).sum()) * float(scales.max()) / 2
        # Of the scale, of each code's quotient and of each score: a rounding of float32.
        room = 2 * half + 4 * 2**-24 * float(np.abs(query).sum()) * float(np.abs(vectors).max())
        assert len(hits) == len(best) == k
        for hit, wanted in zip(hits, best, strict=True):
            assert wanted.score - room <= hit.score <= wanted.score


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize(("spread", "least"), [(0.7, 1.0), (0.03, 0.99)])
def test_recall_of_codes(tmp_path_factory: Any, metric: Metric, spread: float, least: float) -> None:
    """20,000 rows in 30 clusters. Apart as texts are, none of the best 10 is missed; within 3% of a centre, as copies
    of a text are that differ in a word, 0.997 or more are found (measured; 200 queries: 2,000 places).
    """
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((30, 64))
    points = centres[rng.integers(0, 30, 20_200)] + spread * rng.standard_normal((20_200, 64))
    vectors, queries = np.split(points.astype(np.float32), [20_000])
    with DurableStore(tmp_path_factory.mktemp("store"), upkeep=False) as store:
        snapshot = collection_of(store, vectors, metric).snapshot()
        exact = rank(queries, snapshot, 10, metric, 2, None, Walking(exact=True))
        found = rank(queries, snapshot, 10, metric, 2)
    shared = [len({hit.id for hit in best} & {hit.id for hit in hits}) for best, hits in zip(exact, found, strict=True)]
    assert sum(shared) / 2000 >= least


def collection_of(store: DurableStore, vectors: NDArray[np.float32], metric: Metric) -> DurableCollection:
    """One sealed segment of int8, without a graph."""
    spec = CollectionSpec("c", vectors.shape[1], metric, "f")
    collection = store.create(spec, CollectionSettings(precision="int8"))
    collection.upsert([Document(f"{row:06}") for row in range(len(vectors))], vectors)
    collection.seal()
    return collection
