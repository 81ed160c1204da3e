"""The door to fusion: forms of input, order, refusals."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.fusion import LEAST_WEIGHT, MOST_WEIGHT, FusedArrays, Fusion, fuse, fuse_arrays

DENSE = {"q1": {"a": 0.9, "b": 0.8, "c": 0.7}, "q2": {"x": 1.0}}
SPARSE = {"q1": {"c": 12.0, "d": 9.0}, "q3": {"y": 3.0}}


def test_reciprocal_ranks_by_hand() -> None:
    fused = fuse([DENSE, SPARSE])
    assert fused == {
        "q1": {"c": 1 / 63 + 1 / 61, "a": 1 / 61, "b": 1 / 62, "d": 1 / 62},
        "q2": {"x": 1 / 61},
        "q3": {"y": 1 / 61},
    }
    assert list(fused["q1"]) == ["c", "a", "b", "d"], "b before d: equal scores go by id"
    assert fuse([DENSE, SPARSE], Fusion(depth=1))["q1"] == {"c": 1 / 63 + 1 / 61}


def test_sums_by_hand() -> None:
    weighted = fuse([DENSE, SPARSE], Fusion("sum", "min-max", weights=[1, 0.25]))
    assert weighted["q1"] == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.25, "d": 0.0})
    assert weighted["q2"] == {"x": 1.0}, "a document found alone is worth as much as the best"
    assert weighted["q3"] == {"y": 0.25}
    multiplied = fuse([DENSE, SPARSE], Fusion("mnz"))
    assert multiplied["q1"] == pytest.approx({"c": 25.4, "d": 9.0, "a": 0.9, "b": 0.8})


def test_any_mapping_will_do() -> None:
    wrapped = UserDict({query: UserDict(ranking) for query, ranking in DENSE.items()})
    assert fuse([wrapped, SPARSE]) == fuse([DENSE, SPARSE])
    assert fuse(iter([DENSE, SPARSE])) == fuse([DENSE, SPARSE])  # type: ignore[arg-type]  # any iterable, in truth
    assert fuse([{}, {}]) == {}
    assert fuse([{"q": {}}]) == {"q": {}}
    whole = fuse([{"q": {"a": 1, "b": np.float32(0.5)}}], Fusion("sum"))  # type: ignore[dict-item]
    assert whole == {"q": {"a": 1.0, "b": 0.5}}


def test_arrays_by_hand() -> None:
    first = np.array([[3, 1, 7], [5, -1, -1]]), np.array([[0.9, 0.8, 0.7], [1.0, math.nan, -math.inf]])
    second = np.array([[7, 9], [-1, -1]], dtype=np.int32), np.array([[12, 9], [0, 0]], dtype=np.float32)
    fused = fuse_arrays([first, second])
    assert isinstance(fused, FusedArrays)
    assert fused.ids.tolist() == [[7, 3, 1, 9], [5, -1, -1, -1]]
    assert fused.scores.tolist() == [
        [1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62],
        [1 / 61, -math.inf, -math.inf, -math.inf],
    ]
    reversed_views = fuse_arrays([(first[0][:1, ::-1], first[1][:1, ::-1]), (second[0][:1], second[1][:1])])
    assert reversed_views.ids.tolist() == fused.ids[:1].tolist()
    assert fuse_arrays([first, second], Fusion(depth=2)).ids.shape == (2, 2)
    assert fuse_arrays([(np.empty((0, 5), int), np.empty((0, 5)))]).ids.shape == (0, 0)
    assert fuse_arrays([(np.empty((4, 0), int), np.empty((4, 0)))]).ids.shape == (4, 0)


def test_long_lists() -> None:
    """More documents than a table starts with, equal ids that are not one object, queries that share them."""
    random = np.random.default_rng(8)
    runs = [
        {
            query: {
                f"d{i}": float(score) for i, score in zip(random.permutation(3_000), random.random(2_000), strict=False)
            }
            for query in ("q1", "q2", "q3")
        }
        for _ in range(2)
    ]
    for query, ranking in fuse(runs, Fusion("sum")).items():
        wanted: dict[str, float] = {}
        for run in runs:
            for document, score in run[query].items():
                wanted[document] = wanted.get(document, 0.0) + score
        assert list(ranking.items()) == sorted(wanted.items(), key=lambda item: (-item[1], item[0]))


ONE: Any = {"q": {"a": 1.0}}


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: fuse([]), "no run to fuse"),
        (lambda: fuse(ONE), "runs must be a list of runs"),
        (lambda: fuse([ONE, [1]]), r"runs\[1\] must be a dict, not list"),  # type: ignore[list-item]
        (lambda: fuse([{"q": 1}]), r"runs\[0\]\['q'\] must be a dict, not int"),  # type: ignore[dict-item]
        (lambda: fuse([{1: {}}]), r"a query id of runs\[0\] must be a str, not 1"),  # type: ignore[dict-item]
        (lambda: fuse([{"q": {2: 1.0}}]), r"a document id of runs\[0\]\['q'\] must be a str"),  # type: ignore[dict-item]
        (lambda: fuse([{"q": {"a": math.nan}}]), r"runs\[0\]\['q'\]\['a'\] must be a finite number, not nan"),
        (lambda: fuse([{"q": {"a": "1"}}]), r"must be a finite number, not '1'"),  # type: ignore[dict-item]
        (lambda: fuse([{"q": {"a": 1e308}}] * 2, Fusion("sum")), "overflows: normalise"),
        (lambda: fuse([ONE], Fusion("best")), "rule 'best' is not known"),  # type: ignore[arg-type]
        (lambda: fuse([ONE], Fusion("sum", "max")), "normalisation 'max' is not known"),  # type: ignore[arg-type]
        (lambda: fuse([ONE], Fusion("rrf", "min-max")), "takes ranks, not scores"),
        (lambda: fuse([ONE], Fusion(weights=[1, 2])), "2 weights do not fit 1 runs"),
        (lambda: fuse([ONE], Fusion(weights=[])), "weights are empty"),
        (lambda: fuse([ONE], Fusion(weights=[[1]])), r"weights must have one axis \(runs,\)"),  # type: ignore[list-item]
        (lambda: fuse([ONE], Fusion(weights=[-1])), r"weights\[0\] is -1.0: it must be 0, or from 1e-30 to 1e\+30"),
        (lambda: fuse([ONE, ONE], Fusion(weights=[1, math.nan])), r"weights\[1\] is nan"),
        (lambda: fuse([ONE, ONE], Fusion(weights=[1, math.inf])), r"weights\[1\] is inf"),
        (lambda: fuse([ONE, ONE], Fusion(weights=[1, 1.1e30])), r"weights\[1\] is 1.1e\+30"),
        (lambda: fuse([ONE, ONE], Fusion(weights=[1e-31, 1])), r"weights\[0\] is 1e-31"),
        (lambda: fuse([ONE], Fusion(weights=[0])), "all weights are 0"),
        (lambda: fuse([ONE], Fusion(k=0)), "k of reciprocal rank fusion is 0"),
        (lambda: fuse([ONE], Fusion(k=math.nan)), "k of reciprocal rank fusion is NaN"),
        (lambda: fuse([ONE], Fusion(depth=0)), "depth must be at least 1"),
        (lambda: fuse_arrays([]), "no run to fuse"),
        (lambda: fuse_arrays([([[1]],)]), r"run 0 must be a pair \(ids, scores\)"),  # type: ignore[list-item]
        (lambda: fuse_arrays([([1], [1.0])]), r"run 0 has ids of shape \(1,\) and scores of shape \(1,\)"),
        (lambda: fuse_arrays([([[1]], [[1.0, 2.0]])]), r"run 0 has ids of shape \[1, 1\] and scores of shape \[1, 2\]"),
        (lambda: fuse_arrays([([[1]], [[1.0]]), ([[1], [2]], [[1.0], [2.0]])]), "run 1 has ids.*with the 1 queries"),
        (lambda: fuse_arrays([([[1], [2, 3]], [[1.0], [2.0]])]), "ids of run 0 cannot be read as an array"),  # type: ignore[list-item]
        (
            lambda: fuse_arrays([([[1, 2]], np.ma.masked_less([[1.0, 0]], 1))]),
            "scores of run 0: some values are masked",
        ),
        (lambda: fuse_arrays([([[1.5]], [[1.0]])]), "ids of float64: they must be integers"),
        (lambda: fuse_arrays([([[1]], [["a"]])]), "they must be real numbers"),
        (lambda: fuse_arrays([(np.array([[2**63]], np.uint64), [[1.0]])]), r"beyond 2\*\*63 - 1"),
        (lambda: fuse_arrays([([[1, -2]], [[1.0, 2.0]])]), "row 0 of run 0 holds id -2 where only -1 may be"),
        (lambda: fuse_arrays([([[-1, 2]], [[1.0, 2.0]])]), "row 0 of run 0 holds id 2 where only -1 may be"),
        (lambda: fuse_arrays([([[2, 2]], [[1.0, 2.0]])]), "query 0 of run 0: a document is there twice"),
        (lambda: fuse_arrays([([[2]], [[math.inf]])]), "query 0 of run 0: a score is inf"),
    ],
)
def test_what_cannot_be_fused_is_refused(call: Callable[[], object], part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        call()


@pytest.mark.parametrize("weight", [LEAST_WEIGHT, MOST_WEIGHT])
@pytest.mark.parametrize(
    ("rule", "normalisation"), [("rrf", "none"), ("sum", "min-max"), ("sum", "z-score"), ("mnz", "min-max")]
)
def test_scores_of_any_weights_that_are_taken_can_travel(weight: float, rule: Any, normalisation: Any) -> None:
    """As float32: the best is neither infinite nor lost among the zeros, whatever the lists' length."""
    ids = np.arange(10_000)[np.newaxis]
    scores = np.linspace(0, 1, 10_000)[np.newaxis]
    fused = fuse_arrays([(ids, scores)] * 10, Fusion(rule, normalisation, weights=[weight] * 10))
    sent = fused.scores.astype(np.float32)
    assert np.isfinite(sent).all()
    assert sent[0, 0] > 0
    assert np.count_nonzero(sent) >= (10_000 if rule == "rrf" else 9_999)
