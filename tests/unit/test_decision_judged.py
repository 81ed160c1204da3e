"""Unjudged results: bounds against every assignment of judgments, and the pool."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade import measures as ir
from crossfade.evaluation import context
from crossfade.evaluation.dataset import Dataset, Qrels, Run
from crossfade.evaluation.decision.judged import judged_shares, pool_to_judge
from crossfade.evaluation.judged import judged_at, made
from crossfade.store.types import Document

DOCUMENTS = [f"d{number}" for number in range(9)]
MEASURES = [
    "nDCG@3",
    "nDCG@5",
    "AP",
    "RR",
    "R@4",
    "P@3",
    "Success@2",
    "ERR@4",
    "P(rel=2)@3",
    "RBP(p=0.8)@4",
    "AP(rel=3)",
]


def dataset(qrels: Qrels) -> Dataset:
    documents = [Document(name, f"title {name}", f"text {name}") for name in DOCUMENTS]
    return Dataset("toy", "test", documents, {query: f"ask {query}" for query in qrels}, qrels)


def run_of(order: list[str]) -> dict[str, float]:
    return {name: float(len(order) - place) for place, name in enumerate(order)}


orders = st.permutations(DOCUMENTS).flatmap(lambda row: st.integers(0, 9).map(lambda n: list(row[:n])))
grades = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 3), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(orders, orders, grades, st.sampled_from(MEASURES), st.integers(1, 3))
def test_no_judgments_lie_outside_the_bounds_and_some_reach_them(
    base: list[str], candidate: list[str], judged: dict[str, int], measure: str, k: int
) -> None:
    """The naive oracle: every assignment of grades, 0 to the greatest of the split, to the pool."""
    runs: list[Run] = [{"q": run_of(base)} if base else {}, {"q": run_of(candidate)} if candidate else {}]
    data = dataset({"q": judged, "other": {"d8": 1}})
    greatest = max(1, *judged.values())
    found = judged_shares(data, *runs, measure, k)
    heads = dict.fromkeys([*base[:k], *candidate[:k]])
    pool = [name for name in heads if judged.get(name, -1) < 0][:4]
    whole = len(pool) == found.pool
    assert found.greatest_grade == greatest
    values: list[list[float]] = [[], []]
    differences = []
    threshold = re.search("rel=([0-9])", measure)
    top = max(greatest, int(threshold[1])) if threshold else greatest
    for chosen in itertools.product(range(top + 1), repeat=len(pool)):
        qrels = {"q": {**judged, **dict(zip(pool, chosen, strict=True))}, "other": {"d8": 1}}
        both = [ir.evaluate(qrels, run, [measure], missing="zero").mean(measure) for run in runs]
        differences.append(both[1] - both[0])
        for side in (0, 1):
            values[side].append(both[side])
    for side, bounds in ((0, found.base_bounds), (1, found.candidate_bounds)):
        assert bounds is not None
        assert bounds.low <= min(values[side]) + 1e-12
        assert bounds.high >= max(values[side]) - 1e-12
        assert bounds.high <= 1
        assert bounds.as_judged == pytest.approx(values[side][0])
        if whole:
            assert bounds.low == pytest.approx(min(values[side]))
            assert bounds.all_relevant == pytest.approx(values[side][-1])
            if greatest == 1 or not measure.startswith("nDCG"):
                assert bounds.high == pytest.approx(max(values[side]))
    assert found.difference_low is not None
    assert found.difference_high is not None
    assert found.difference_low <= min(differences) + 1e-12
    assert found.difference_high >= max(differences) - 1e-12


def test_one_judgment_of_the_greatest_grade_does_not_leave_the_bounds() -> None:
    data = dataset({"q": {"d0": 3}})
    base, candidate = {"q": run_of(["d1", "d0"])}, {"q": run_of(["d0", "d2"])}
    found = judged_shares(data, base, candidate, "nDCG@10", 10)
    for grade in range(4):
        for name in ("d1", "d2"):
            qrels = {"q": {"d0": 3, name: grade}}
            first, second = (ir.evaluate(qrels, run, ["nDCG@10"]).mean("nDCG@10") for run in (base, candidate))
            assert found.difference_low is not None
            assert found.difference_high is not None
            assert found.difference_low <= second - first <= found.difference_high


def test_a_grade_below_0_is_no_judgment() -> None:
    data = dataset({"a": {"d0": 1, "d1": -1}, "b": {"d2": -1}})
    run = {"a": run_of(["d1", "d0"]), "b": run_of(["d2"])}
    found = judged_shares(data, run, run, "RR", 2)
    assert (found.base, found.candidate, found.pool) == ([0.5, 0.0], [0.5, 0.0], 2)
    assert [entry.document_id for entry in pool_to_judge(data, run, run, 2)] == ["d1", "d2"]


def test_what_is_reported_beside_a_verdict_counts_as_the_gate_counts() -> None:
    """`Judged@10` as a measure counts a grade below 0, as ir-measures does; what speaks of trust does not."""
    data = dataset({"a": {"d0": 1, "d1": -1}, "b": {"d2": -1}, "c": {"d0": 1}})
    run = {"a": run_of(["d1", "d0"]), "b": run_of(["d2"]), "c": {}}
    other = {"a": run_of(["d0"]), "b": run_of(["d2", "d3"])}
    gate = judged_shares(data, run, other, "RR", 10)
    reported = context.judged_shares(data.qrels, run, other)
    assert reported == (np.mean(gate.base), np.mean(gate.candidate)) == (0.5 / 3, 1 / 3)
    assert judged_at(data.qrels, run, 1).tolist() == [0.0, 0.0, 0.0]
    assert ir.evaluate(data.qrels, run, ["Judged@10"], missing="zero").per_query("Judged@10")["b"] == 1.0
    assert made(data.qrels) == {"a": {"d0": 1}, "b": {}, "c": {"d0": 1}}


def test_shares_and_means_over_queries() -> None:
    data = dataset({"a": {"d0": 1}, "b": {"d1": 1, "d2": 0}})
    first = {"a": run_of(["d0", "d3"]), "b": run_of(["d1", "d2"])}
    second = {"a": run_of(["d4", "d0"])}
    found = judged_shares(data, first, second, "RR", 2)
    assert found.base == [0.5, 1.0]
    assert found.candidate == [0.5, 0.0]
    assert found.base_bounds is not None
    assert found.candidate_bounds is not None
    assert (found.candidate_bounds.as_judged, found.candidate_bounds.high) == (0.25, 0.5)
    assert np.isclose(found.candidate_bounds.all_relevant, 0.5)
    assert found.pool == 2
    bpref = judged_shares(data, first, second, "Bpref", 2)
    assert bpref.base_bounds is None
    assert bpref.pool == 2


def test_the_pool_is_what_nobody_judged_those_found_by_both_first() -> None:
    data = dataset({"a": {"d0": 1}, "b": {"d1": 1}})
    first = {"a": run_of(["d0", "d3", "d4", "d8"]), "b": run_of(["d1"])}
    second = {"a": run_of(["d5", "d0", "d3"]), "b": run_of(["d1"])}
    entries = pool_to_judge(data, first, second, 3)
    assert [(e.query_id, e.document_id, e.base_rank, e.candidate_rank) for e in entries] == [
        ("a", "d3", 2, 3),
        ("a", "d5", None, 1),
        ("a", "d4", 3, None),
    ]
    assert (entries[0].query, entries[0].title, entries[0].text) == ("ask a", "title d3", "text d3")
