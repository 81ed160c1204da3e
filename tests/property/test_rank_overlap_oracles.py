"""Rank-biased overlap and churn of whole runs, query by query against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.correlation import rbo
from crossfade.errors import InvalidInput
from crossfade.evaluation.aligned import align
from crossfade.evaluation.churn import churn, churn_of
from crossfade.evaluation.order import trec_order
from crossfade.evaluation.rank_overlap import overlap_of, rank_overlap
from crossfade.tables import Run

Scores = dict[str, dict[str, float]]

IDS = st.sampled_from([f"d{at}" for at in range(12)])
# Some are equal in single precision only, some in both.
VALUE = st.sampled_from([0.0, 0.5, 1.0, 1.0 + 1e-12, 1.0 + 2e-12, 2.0, -3.5])
RANKINGS = st.dictionaries(IDS, VALUE, min_size=1, max_size=12)
RUNS: st.SearchStrategy[Scores] = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), RANKINGS, min_size=1)
P = st.floats(0.05, 0.98)
DEPTH = st.integers(1, 14)

# Sums of at most 14 positive terms of at most 1, over tables that are sums of as many.
CLOSE = 1e-12


def heads(run: Scores, query_id: str, depth: int) -> list[str]:
    return [name for name, _ in trec_order(run.get(query_id, {}))[:depth]]


def naive_rbo(first: list[str], second: list[str], p: float) -> float:
    """Equation 32 of Webber, Moffat and Zobel 2010, as it stands."""
    if not first or not second:
        return float(first == second)
    short, long = sorted((first, second), key=len)
    s, last = len(short), len(long)
    overlap = [len(set(short[:d]) & set(long[:d])) for d in range(last + 1)]
    total = sum(overlap[d] / d * p**d for d in range(1, last + 1))
    total += sum(overlap[s] * (d - s) / (s * d) * p**d for d in range(s + 1, last + 1))
    return (1 - p) / p * total + ((overlap[last] - overlap[s]) / last + overlap[s] / s) * p**last


def as_run(orders: list[list[str]]) -> Scores:
    return {f"q{at}": {name: float(-rank) for rank, name in enumerate(order)} for at, order in enumerate(orders)}


@given(base=RUNS, candidate=RUNS, p=P, depth=DEPTH)
def test_overlap_by_definition(base: Scores, candidate: Scores, p: float, depth: int) -> None:
    found = rank_overlap(base, candidate, p=p, depth=depth)
    assert list(found.per_query) == list(dict.fromkeys([*base, *candidate]))
    for query_id, value in found.per_query.items():
        first, second = heads(base, query_id, depth), heads(candidate, query_id, depth)
        assert value == pytest.approx(naive_rbo(first, second, p), abs=CLOSE)
        if first and second:
            assert value == pytest.approx(rbo(first, second, p=p), abs=CLOSE)
    assert found.mean == pytest.approx(np.mean(list(found.per_query.values())), abs=CLOSE)
    assert (found.only_base, found.only_candidate) == (len(base.keys() - candidate), len(candidate.keys() - base))


@given(base=RUNS, candidate=RUNS, p=P, depth=DEPTH)
def test_overlap_is_symmetric_and_between_0_and_1(base: Scores, candidate: Scores, p: float, depth: int) -> None:
    there, back = (rank_overlap(*pair, p=p, depth=depth) for pair in ((base, candidate), (candidate, base)))
    assert {name: pytest.approx(value, abs=CLOSE) for name, value in there.per_query.items()} == back.per_query
    assert all(0 <= value <= 1 for value in there.per_query.values())


@given(run=RUNS, p=P, depth=DEPTH)
def test_the_same_is_one_and_the_disjoint_is_nothing(run: Scores, p: float, depth: int) -> None:
    same = rank_overlap(run, run, p=p, depth=depth)
    assert all(value == pytest.approx(1, abs=CLOSE) for value in same.per_query.values())
    other = {query_id: {f"x{name}": score for name, score in ranking.items()} for query_id, ranking in run.items()}
    assert set(rank_overlap(run, other, p=p, depth=depth).per_query.values()) == {0.0}
    still = churn(run, run, depth=depth)
    assert (still.documents, still.positions, still.first, still.any) == (0, 0, 0, 0)
    gone = churn(run, other, depth=depth)
    assert (gone.documents, gone.positions, gone.first, gone.any) == (1, None, 1, 1)


@given(order=st.permutations("abcdef"), foreign=st.sets(st.integers(0, 5), min_size=1), p=P)
def test_more_agreement_is_more_overlap(order: list[str], foreign: set[int], p: float) -> None:
    """One document after another that the base lacks gives its place to one that the base has."""
    base = as_run([list("abcdef")])
    theirs = [f"x{at}" if at in foreign else name for at, name in enumerate(order)]
    values = []
    for at in [None, *sorted(foreign)]:
        if at is not None:
            theirs[at] = order[at]
        values.append(rank_overlap(base, as_run([theirs]), p=p).mean)
    assert all(after > before for before, after in itertools.pairwise(values))


@given(base=RUNS, candidate=RUNS, depth=DEPTH)
def test_churn_by_definition(base: Scores, candidate: Scores, depth: int) -> None:
    found = churn(base, candidate, depth=depth)
    changed, moved, first, anything = [], [], [], []
    for query_id in dict.fromkeys([*base, *candidate]):
        ours, theirs = heads(base, query_id, depth), heads(candidate, query_id, depth)
        changed.append(1 - len(set(ours) & set(theirs)) / max(len(ours), len(theirs)))
        moved += [abs(ours.index(name) - theirs.index(name)) for name in ours if name in theirs]
        first.append(ours[:1] != theirs[:1])
        anything.append(ours != theirs)
    assert found.queries == len(changed)
    assert found.documents == pytest.approx(np.mean(changed), abs=CLOSE)
    assert found.positions == (pytest.approx(np.mean(moved), abs=CLOSE) if moved else None)
    assert (found.first, found.any) == (pytest.approx(np.mean(first)), pytest.approx(np.mean(anything)))
    back = churn(candidate, base, depth=depth)
    assert (back.documents, back.first, back.any) == pytest.approx((found.documents, found.first, found.any), abs=CLOSE)


@given(base=RUNS, candidate=RUNS, depth=DEPTH, data=st.data())
def test_a_cut_is_what_aligning_less_deep_gives(
    base: Scores, candidate: Scores, depth: int, data: st.DataObject
) -> None:
    less = data.draw(st.integers(1, depth))
    deep, shallow = align(base, candidate, depth=depth), align(base, candidate, depth=less)
    cut = deep.cut(less)
    for name in ("base_lengths", "candidate_lengths", "positions"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(shallow, name))
    assert (cut.depth, shallow.depth) == (less, less)
    assert churn_of(deep, depth=less).documents == churn_of(shallow).documents


@given(base=RUNS, candidate=RUNS, depth=DEPTH)
def test_ties_are_counted(base: Scores, candidate: Scores, depth: int) -> None:
    """A tie counts where the order of ids decides what is within the depth, or in which order."""
    found = align(base, candidate, depth=depth)

    def tied(run: Scores, query_id: str) -> bool:
        scores = [np.float32(score) for _, score in trec_order(run.get(query_id, {}))[: depth + 1]]
        return any(a == b for a, b in itertools.pairwise(scores))

    assert found.tied.tolist() == [tied(base, name) or tied(candidate, name) for name in found.query_ids]


def test_a_table_is_taken_as_it_is() -> None:
    base, candidate = {"q": {"a": 1.0, "b": 0.5}}, {"q": {"b": 1.0, "a": 0.5}}
    tables = Run.from_dict(base), Run.from_dict(candidate)
    assert rank_overlap(*tables) == rank_overlap(base, candidate)
    assert rank_overlap(base, candidate, p=0.5).mean == pytest.approx(0.5)


def test_at_double_precision_scores_that_single_ties_are_in_order() -> None:
    run = {"q": {"a": 1.0 + 1e-12, "b": 1.0}}
    turned = {"q": {"a": 1.0, "b": 1.0 + 1e-12}}
    assert churn(run, turned).any == 0  # single precision: a tie in both, b before a
    assert churn(run, turned, ties="float64").any == 1
    assert (churn(run, turned).tied, churn(run, turned, ties="float64").tied) == (1, 0)


def test_bad_input_is_refused() -> None:
    run = {"q": {"a": 1.0}}
    for p in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidInput, match="p must be between 0 and 1"):
            rank_overlap(run, run, p=p)
    with pytest.raises(InvalidInput, match="depth must be at least 1 and at most 2147483647, not 0"):
        churn(run, run, depth=0)
    with pytest.raises(InvalidInput, match="the candidate run has no queries"):
        churn(run, {})
    with pytest.raises(InvalidInput, match="depth must be from 1 to 10, to which the runs were aligned, not 11"):
        churn_of(align(run, run, depth=10), depth=11)
    with pytest.raises(InvalidInput, match="finite"):
        align(run, {"q": {"a": float("nan")}})
    with pytest.raises(InvalidInput, match=r"coin.* is not known"):
        align(run, run, ties="coin")  # type: ignore[arg-type]
    assert overlap_of(align(run, {"q": {}})).only_base == 1


def test_empty_rankings_are_alike() -> None:
    empty: Scores = {"q": {}}
    found = align(empty, empty, depth=10**9)
    assert overlap_of(found).per_query == {"q": 1.0}
    still = churn_of(found)
    assert (still.documents, still.positions, still.first, still.any) == (0, None, 0, 0)
