"""Unjudged results: bounds against every assignment of judgments, and the pool."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade import measures as ir
from crossfade.evaluation.dataset import Dataset, Qrels, Run
from crossfade.evaluation.decision.judged import judged_shares, pool_to_judge
from crossfade.store.types import Document

DOCUMENTS = [f"d{number}" for number in range(9)]
MEASURES = ["nDCG@3", "nDCG@5", "AP", "RR", "R@4", "P@3", "Success@2", "ERR@4", "P(rel=2)@3"]


def dataset(qrels: Qrels) -> Dataset:
    documents = [Document(name, f"title {name}", f"text {name}") for name in DOCUMENTS]
    return Dataset("toy", "test", documents, {query: f"ask {query}" for query in qrels}, qrels)


def run_of(order: list[str]) -> dict[str, float]:
    return {name: float(len(order) - place) for place, name in enumerate(order)}


orders = st.permutations(DOCUMENTS).flatmap(lambda row: st.integers(0, 9).map(lambda n: list(row[:n])))
grades = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 2), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(orders, orders, grades, st.sampled_from(MEASURES), st.integers(1, 4))
def test_no_judgments_lie_outside_the_bounds_and_some_reach_them(
    base: list[str], candidate: list[str], judged: dict[str, int], measure: str, k: int
) -> None:
    """The naive oracle: every subset of the pool relevant."""
    runs: list[Run] = [{"q": run_of(base)} if base else {}, {"q": run_of(candidate)} if candidate else {}]
    data = dataset({"q": judged})
    found = judged_shares(data, *runs, measure, k)
    heads = dict.fromkeys([*base[:k], *candidate[:k]])
    pool = [name for name in heads if name not in judged]
    assert found.pool == len(pool)
    grade = 2 if "rel=2" in measure else 1
    values: list[list[float]] = [[], []]
    differences = []
    for count in range(len(pool) + 1):
        for chosen in itertools.combinations(pool, count):
            qrels = {"q": {**judged, **dict.fromkeys(chosen, grade)}}
            both = [ir.evaluate(qrels, run, [measure], missing="zero").mean(measure) for run in runs]
            differences.append(both[1] - both[0])
            for side in (0, 1):
                values[side].append(both[side])
    for side, bounds in ((0, found.base_bounds), (1, found.candidate_bounds)):
        assert bounds is not None
        assert bounds.low == pytest.approx(min(values[side]))
        assert bounds.high == pytest.approx(max(values[side]))
        assert bounds.as_judged == pytest.approx(values[side][0])
        assert bounds.all_relevant == pytest.approx(values[side][-1])
    assert found.difference_low is not None
    assert found.difference_high is not None
    assert found.difference_low <= min(differences) + 1e-12
    assert found.difference_high >= max(differences) - 1e-12


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
