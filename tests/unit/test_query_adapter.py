"""The closed-form query adapter against a planted rotation, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("crossfade._native", reason="the Rust extension is not built: run `make setup`")

from crossfade.errors import InvalidInput
from crossfade.training.query_adapter import TrainingSet, _solve, fit_query_adapter, joined_folds


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(queries: int = 200, dimension: int = 16, seed: int = 0) -> TrainingSet:
    """Queries are documents seen through a rotation: a right adapter turns them back."""
    random = np.random.default_rng(seed)
    documents = unit(random.normal(size=(queries * 3, dimension)))
    rotation, _ = np.linalg.qr(random.normal(size=(dimension, dimension)))
    asked = unit(documents[:queries] @ rotation + 0.02 * random.normal(size=(queries, dimension)))
    document_ids = [f"d{i}" for i in range(len(documents))]
    query_ids = [f"q{i}" for i in range(queries)]
    return TrainingSet(query_ids, asked, document_ids, documents, {f"q{i}": {f"d{i}": 2} for i in range(queries)})


def test_a_planted_rotation_is_undone_on_held_out_queries() -> None:
    fit = fit_query_adapter(planted())
    assert fit.examples == 200
    assert fit.base < 0.2
    assert fit.cross_validation[fit.ridge] > 0.9
    assert fit.cross_validation[fit.ridge] == max(fit.cross_validation.values())


def test_the_closed_form_is_the_minimum() -> None:
    random = np.random.default_rng(1)
    queries, targets = random.normal(size=(7, 4)), random.normal(size=(7, 4))
    ridge = 0.7

    def loss(weight: np.ndarray) -> float:
        return float(np.sum((queries @ weight.T - targets) ** 2) + ridge * np.sum((weight - np.eye(4)) ** 2))

    weight = _solve(queries, targets, ridge)
    best = loss(weight)
    for _ in range(200):
        assert loss(weight + 1e-3 * random.normal(size=(4, 4))) > best


def test_a_large_ridge_leaves_queries_alone() -> None:
    random = np.random.default_rng(2)
    weight = _solve(random.normal(size=(5, 8)), random.normal(size=(5, 8)), 1e12)
    np.testing.assert_allclose(weight, np.eye(8), atol=1e-9)


def test_unjudged_irrelevant_and_absent_documents_teach_nothing() -> None:
    data = planted(queries=30)
    qrels = dict(data.qrels) | {"q0": {}, "q1": {"d1": 0}, "q2": {"gone": 3}}
    fit = fit_query_adapter(
        TrainingSet(data.query_ids, data.query_vectors, data.document_ids, data.document_vectors, qrels)
    )
    assert fit.examples == 27


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"9 training queries.*at least 10"):
        fit_query_adapter(planted(queries=9))


def test_vectors_that_do_not_fit_are_refused() -> None:
    data = planted(queries=30)
    with pytest.raises(InvalidInput, match="do not fit"):
        fit_query_adapter(
            TrainingSet(data.query_ids[1:], data.query_vectors, data.document_ids, data.document_vectors, data.qrels)
        )


def test_the_same_data_gives_the_same_adapter() -> None:
    first, second = fit_query_adapter(planted()), fit_query_adapter(planted())
    np.testing.assert_array_equal(first.weight, second.weight)
    assert first.ridge == second.ridge


def test_queries_that_share_a_document_are_in_one_fold() -> None:
    judged = [{f"d{i // 3}": 1, f"e{i}": 0} for i in range(60)] + [{"d0": 2, "d1": 1}]
    folds = joined_folds(judged, 5, seed=1)
    for start in range(0, 60, 3):
        assert len(set(folds[start : start + 3])) == 1
    assert len({folds[0], folds[3], folds[60]}) == 1
    assert np.bincount(folds, minlength=5).min() >= 11


def test_only_directions_count() -> None:
    data = planted()
    longer = np.random.default_rng(3).uniform(0.1, 20, size=(200, 1)).astype(np.float32)
    scaled = TrainingSet(
        data.query_ids, data.query_vectors * longer, data.document_ids, data.document_vectors * 7, data.qrels
    )
    first, second = fit_query_adapter(data), fit_query_adapter(scaled)
    assert first.ridge == second.ridge
    np.testing.assert_allclose(first.weight, second.weight, atol=1e-5)
