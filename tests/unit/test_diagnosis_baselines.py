"""Whatever answers queries today can be the baseline: what is held against it, and what causes are told from there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from evaluation_fakes import FakeBundle
from planted import Overlap, Planted, WordEncoder, plant

from crossfade.chunking import ChunkingSettings
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.diagnosis.diagnose import diagnose
from crossfade.evaluation.diagnosis.failures import misses
from crossfade.evaluation.diagnosis.inputs import DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import climbing, combinations
from crossfade.evaluation.diagnosis.plan import Rung, make_plan
from crossfade.evaluation.diagnosis.recommendation import recommend
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.evaluation.results import Difference

SETTINGS = DiagnosisSettings(latency_samples=2, resamples=300, permutations=300)
BASELINES = {
    "hybrid": Arm("hybrid"),
    "words": Arm("lexical"),
    "reranked": Arm(reranker=Overlap(), reranker_name="overlap"),
    "hybrid, reranked": Arm("hybrid", reranker=Overlap(), reranker_name="overlap"),
}


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(seed=4, each=10)


@pytest.fixture(scope="module")
def found(planted: Planted) -> dict[str, Diagnosis]:
    return {
        name: diagnose(replace(planted.case(), baseline=baseline), SETTINGS) for name, baseline in BASELINES.items()
    }


@pytest.mark.parametrize(
    ("name", "kinds", "left_out"),
    [
        ("hybrid", {"filters", "dense", "lexical", "reranking"}, {"hybrid": "the baseline searches by words and vec"}),
        ("words", {"filters", "dense", "hybrid", "reranking"}, {"models": "searches by words alone"}),
        ("reranked", {"filters", "no_reranker", "lexical", "hybrid"}, {"rerank: overlap": "same as the baseline's"}),
        (
            "hybrid, reranked",
            {"filters", "no_reranker", "dense", "lexical"},
            {"hybrid": "by words and vectors", "rerank: overlap": "the same as the baseline's"},
        ),
    ],
)  # fmt: skip
def test_arms_start_from_the_baseline(
    found: dict[str, Diagnosis], name: str, kinds: set[str], left_out: dict[str, str]
) -> None:
    told = found[name]
    assert told.baseline.retrieval == BASELINES[name].record(SETTINGS.depth)
    assert {each.kind for each in told.arms} - {"baseline", "chunking", "combination"} == kinds
    said = {each.name: each.reason for each in told.left_out}
    for arm, reason in left_out.items():
        assert reason in said[arm]
    for each in told.arms:
        if each.kind == "no_reranker":
            assert each.retrieval == replace(BASELINES[name], reranker=None, reranker_name="").record(SETTINGS.depth)
        if each.kind == "dense":
            assert each.retrieval.plain
    [tested] = [each.figure for each in told.checklist if "hybrid" in each.question]
    assert [part for part in tested.split("; ") if "not measured" in part] == [
        "not measured: chunking (this encoder has no tokenizer to cut documents by)"
    ]


@pytest.mark.parametrize("name", BASELINES)
def test_causes_are_told_from_there(found: dict[str, Diagnosis], planted: Planted, name: str) -> None:
    """Nine of ten of what was planted for faults of the data, as from vectors; what words or rerankers mend is gone."""
    told = found[name]
    right: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for each in told.failures:
        kind = planted.kinds[each.query_id]
        there[kind] += 1
        right[kind] += each.cause == kind
    for kind in ("missing_document", "filter"):
        assert there[kind] >= 9
    # What is pooled was pooled from vectors: of other rankings too little is judged for an unjudged result to say much.
    for kind in ("missing_document", "filter", "duplicate_or_stale"):
        assert right[kind] >= 0.9 * there[kind], (kind, there, right)
    causes = {each.cause for each in told.causes}
    if told.baseline.retrieval.mode != "dense":
        assert "exact_match" not in causes  # words that find it are searched already
    if told.baseline.retrieval.mode == "lexical":
        assert not causes & {"truncated", "chunk_border"}  # words are read to the end
    assert there["semantic_mismatch"] == right["semantic_mismatch"] == 10
    assert not any(note.startswith("Words were not searched") for note in told.notes)
    if told.baseline.retrieval.mode == "hybrid":
        low = [each for each in told.failures if each.cause == "ranked_low"]
        assert all(each.mended_by for each in low)


def test_only_what_is_asked_of_a_run_is_kept(planted: Planted) -> None:
    case = planted.case()
    with climbing(case, SETTINGS, None) as climber:
        ladder = climber.climb(make_plan(case))
    base = ladder.runs["baseline"]
    failed = misses(case.dataset, base, SETTINGS.k)
    assert base.keys() == case.dataset.queries.keys()
    assert failed
    for query, ranking in base.items():
        assert len(ranking) == (SETTINGS.depth if query in failed else SETTINGS.k)
    for name, run in ladder.runs.items():
        assert name == "baseline" or list(run) == failed


def test_what_takes_away_is_recommended_by_its_name(found: dict[str, Diagnosis]) -> None:
    told = found["hybrid, reranked"]
    better = Difference(0.1, (0.05, 0.15), 0.001, 0.001, 60, 1, 40, 0.01)
    for kind, action in (("no_reranker", "no_reranker"), ("dense", "dense"), ("lexical", "lexical")):
        arms = [replace(each, difference=better if each.kind == kind else None) for each in told.arms]
        assert recommend(arms, [], answerable=100, settings=SETTINGS).action == action
    plain = [replace(told.arms[0], retrieval=Arm().record(100)), *arms[1:]]
    assert recommend(plain, [], answerable=100, settings=SETTINGS).action == "hybrid"


def test_combinations_are_other_arms_than_those_they_are_of(found: dict[str, Diagnosis]) -> None:
    told = found["hybrid, reranked"]
    better = Difference(0.1, (0.05, 0.15), 0.001, 0.001, 60, 1, 40, 0.01)
    baseline, other = BASELINES["hybrid, reranked"], WordEncoder(FakeBundle("other", "cf1-other", "cf1-other"))
    bare = replace(baseline, reranker=None, reranker_name="")
    model = Rung("model: other", "base_model", baseline, other)
    ways = {
        "vectors": Rung("vectors", "dense", Arm("dense"), WordEncoder()),
        "BM25": Rung("BM25", "lexical", Arm("lexical"), None),
    }
    first = Rung("baseline", "baseline", baseline, WordEncoder())
    for name, way in ways.items():
        rungs = [first, Rung("without reranker", "no_reranker", bare, WordEncoder()), way, model]
        figures = [replace(told.arms[0], difference=None if rung is first else better) for rung in rungs]
        combined = {each.name: each for each in combinations(rungs, figures)}
        # No model moves words alone, and neither way reranks: what is left differs from every single arm.
        assert f"without reranker + {name}" not in combined
        assert "without reranker + model: other" in combined
        assert (f"{name} + model: other" in combined) is (name == "vectors")
        assert all(each.arm.reranker is None for each in combined.values())


def test_an_own_reranker_that_cannot_be_had_is_told_of(planted: Planted) -> None:
    case = planted.case()
    reason = "it gives no token vectors"
    with_it = replace(case.remedies, left_out={"rerank: MaxSim": reason})
    for remedies in (with_it, replace(with_it, rerankers={})):
        plan = make_plan(replace(case, remedies=remedies))
        assert [each.reason for each in plan.left_out if each.kind == "reranking"] == [reason]
        assert sum(rung.kind == "reranking" for rung in plan.rungs) == len(remedies.rerankers)


def test_a_cut_baseline_that_reranks_is_read_by_its_chunks(planted: Planted) -> None:
    baseline = Arm(chunking=ChunkingSettings(), reranker=Overlap())
    told = diagnose(replace(planted.case(), baseline=baseline), SETTINGS)
    assert [each.cause for each in told.failures if planted.kinds[each.query_id] == "truncated"].count("truncated") >= 9
