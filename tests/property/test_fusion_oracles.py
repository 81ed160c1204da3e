"""Fusion against ten lines of Python; the bench holds it against ranx."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.fusion import Fusion, Normalisation, Rule, fuse, fuse_arrays

Ranking = dict[str, float]

SCORES = st.integers(-8, 8).map(lambda score: score / 4)
RANKINGS = st.dictionaries(st.sampled_from([f"d{i}" for i in range(12)] + ["é", "z"]), SCORES, max_size=10)
RUNS = st.lists(st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), RANKINGS, max_size=3), min_size=1, max_size=4)
RULES: st.SearchStrategy[tuple[Rule, Normalisation]] = st.sampled_from(
    [("rrf", "none"), *((rule, norm) for rule in ("sum", "mnz") for norm in ("none", "min-max", "z-score"))]
)  # type: ignore[arg-type]  # the literals are lost on the way


def ordered(ranking: Ranking) -> Ranking:
    return dict(sorted(ranking.items(), key=lambda item: (-item[1], item[0].encode())))


def prepared(ranking: Ranking, rule: Rule, normalisation: Normalisation, k: float) -> Ranking:
    if not ranking:
        return {}
    if rule == "rrf":
        return {document: 1 / (k + rank) for rank, document in enumerate(ordered(ranking), start=1)}
    least, most = min(ranking.values()), max(ranking.values())
    if normalisation == "min-max":
        return {d: (s - least) / (most - least) if most > least else 1.0 for d, s in ranking.items()}
    if normalisation == "z-score":
        mean, deviation = statistics.fmean(ranking.values()), statistics.pstdev(ranking.values())
        return {d: (s - mean) / deviation if most > least else 0.0 for d, s in ranking.items()}
    return ranking


def naive(runs: list[dict[str, Ranking]], fusion: Fusion, query: str) -> Ranking:
    weights = fusion.weights or [1.0] * len(runs)
    lists = [prepared(run.get(query, {}), fusion.rule, fusion.normalisation, fusion.k) for run in runs]
    total: Ranking = {}
    for document in set().union(*lists):
        holding = [(w, ranking[document]) for w, ranking in zip(weights, lists, strict=True) if document in ranking]
        total[document] = sum(w * score for w, score in holding) * (len(holding) if fusion.rule == "mnz" else 1)
    return total


@settings(deadline=None)
@given(
    runs=RUNS,
    rule=RULES,
    k=st.integers(1, 100),
    weights=st.lists(st.integers(1, 5), min_size=4, max_size=4) | st.none(),
    depth=st.integers(1, 12) | st.none(),
)
def test_fused_like_ten_lines(
    runs: list[dict[str, Ranking]],
    rule: tuple[Rule, Normalisation],
    k: int,
    weights: list[int] | None,
    depth: int | None,
) -> None:
    fusion = Fusion(*rule, None if weights is None else weights[: len(runs)], k, depth)
    found = fuse(runs, fusion)
    assert list(found) == list(dict.fromkeys(query for run in runs for query in run))
    for query, ranking in found.items():
        assert list(ranking) == list(ordered(ranking)), "score descending, then id by its bytes"
        wanted = naive(runs, fusion, query)
        best = sorted(wanted.values(), reverse=True)[: depth or len(wanted)]
        assert list(ranking.values()) == pytest.approx(best, abs=1e-12)
        assert ranking == pytest.approx({document: wanted[document] for document in ranking}, abs=1e-12)


@settings(deadline=None)
@given(runs=RUNS, rule=RULES, depth=st.integers(1, 12) | st.none())
def test_arrays_like_dicts(runs: list[dict[str, Ranking]], rule: tuple[Rule, Normalisation], depth: int | None) -> None:
    queries = ["q1", "q2", "q3"]
    names = sorted({document for run in runs for ranking in run.values() for document in ranking}, key=str.encode)
    arrays = []
    for run in runs:
        width = max((len(ranking) for ranking in run.values()), default=0)
        ids, scores = np.full((3, width), -1), np.full((3, width), math.nan)
        for row, query in enumerate(queries):
            for place, (document, score) in enumerate(run.get(query, {}).items()):
                ids[row, place], scores[row, place] = names.index(document), score
        arrays.append((ids, scores))
    fusion = Fusion(*rule, depth=depth)
    ids, scores = fuse_arrays(arrays, fusion)
    by_name = fuse(runs, fusion)
    assert ids.shape == scores.shape == (3, max((len(ranking) for ranking in by_name.values()), default=0))
    for row, query in enumerate(queries):
        filled = ids[row] >= 0
        found = {names[i]: score for i, score in zip(ids[row][filled], scores[row][filled], strict=True)}
        assert list(found.items()) == list(by_name.get(query, {}).items())
        assert np.all(ids[row][~filled] == -1)
        assert np.all(np.isneginf(scores[row][~filled]))
