"""The ladder: the same queries for every arm, one correction over all, and nothing finished is measured twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import FakeBundle
from planted import Overlap, Planted, WordEncoder, plant

from crossfade.chunking import ChunkingSettings, Method
from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.diagnosis.diagnose import diagnose
from crossfade.evaluation.diagnosis.filtering import QueryFilters
from crossfade.evaluation.diagnosis.inputs import (
    AdapterData,
    Case,
    CrossFitting,
    DiagnosisSettings,
    FittedAdapters,
    Remedies,
)
from crossfade.evaluation.diagnosis.ladder import against, is_better, is_worse
from crossfade.evaluation.diagnosis.types import ArmFigures, Diagnosis
from crossfade.significance import randomisation_test
from crossfade.training.cross_fitting import cross_fit
from crossfade.training.query_adapter import TrainingSet

SETTINGS = DiagnosisSettings(latency_samples=2, resamples=300, permutations=300)


def planted(**changes: object) -> Planted:
    return plant(seed=2, each=8, kinds=["filter", "exact_match", "ranked_low", "semantic_mismatch"], answered=30)


def cross_fitting() -> CrossFitting:
    def fit(data: AdapterData) -> FittedAdapters:
        found = cross_fit(
            TrainingSet(data.query_ids, data.queries, data.document_ids, data.documents, data.qrels), data.texts
        )
        return FittedAdapters(found.weights, found.fold_of)

    return CrossFitting("cross-fitted", fit)


class Reversed(WordEncoder):
    """Reads words backwards: another model, and a poor one."""

    def encode(self, texts, input_type):  # type: ignore[no-untyped-def]
        return super().encode([text[::-1] if input_type == "query" else text for text in texts], input_type)


def case(**changes: object) -> Case:
    found = planted().case()
    poor = Reversed(FakeBundle("poor", "cf1-poor", "cf1-poor", 96))
    remedies = replace(found.remedies, base_models={"poor": poor}, adapter=cross_fitting())
    return replace(found, remedies=remedies, **changes)


def arm(found: Diagnosis, name: str) -> ArmFigures:
    return next(each for each in found.arms if each.name == name)


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    return diagnose(case(), SETTINGS)


def test_every_arm_is_there_the_baseline_first(found: Diagnosis) -> None:
    kinds = [each.kind for each in found.arms]
    assert kinds[0] == "baseline"
    assert set(kinds) >= {"filters", "lexical", "hybrid", "reranking", "base_model", "adapter", "combination"}
    assert {each.kind for each in found.left_out} == {"chunking", "quantised", "tuned"}
    assert arm(found, "filters").filtered
    assert arm(found, "filters").difference is not None


def test_each_arm_has_its_figures(found: Diagnosis) -> None:
    for each in found.arms:
        assert each.per_query.keys() == arm(found, "baseline").per_query.keys()
        mean = each.measures["nDCG@10"]
        assert mean.mean == pytest.approx(np.mean(list(each.per_query.values())))
        assert mean.ci95[0] <= mean.mean <= mean.ci95[1]
        assert each.latency_ms.samples == 2
        assert (each.baseline_latency_ms is None) == (each.kind == "baseline")
        assert each.cost.index_bytes > 0
    rows = found.documents
    assert arm(found, "baseline").cost.index_bytes == rows * 96 * 4
    assert arm(found, "BM25").cost.corpus_tokens == 0 < arm(found, "hybrid").cost.corpus_tokens
    assert arm(found, "hybrid").cost.index_bytes > arm(found, "baseline").cost.index_bytes


def naive_holm(values: list[float]) -> list[float]:
    ranked = sorted(range(len(values)), key=values.__getitem__)
    adjusted, running = [0.0] * len(values), 0.0
    for place, at in enumerate(ranked):
        running = max(running, min(1.0, (len(values) - place) * values[at]))
        adjusted[at] = running
    return adjusted


def test_holm_runs_over_all_arms(found: Diagnosis) -> None:
    base, *others = found.arms
    first = list(base.per_query.values())
    tests = [
        randomisation_test(first, [each.per_query[query] for query in base.per_query], permutations=300, seed=17)
        for each in others
    ]
    assert [each.difference.p for each in others if each.difference] == [test.p for test in tests]
    corrected = naive_holm([test.p for test in tests])
    assert [each.difference.p_holm for each in others if each.difference] == pytest.approx(corrected)


def test_an_arm_is_called_better_by_its_corrected_p_and_its_interval(found: Diagnosis) -> None:
    better = found.arms[2].difference
    assert better is not None
    assert is_better(replace(better, ci95=(0.01, 0.1), p_holm=0.05))
    assert not is_better(replace(better, ci95=(0.01, 0.1), p=0.001, p_holm=0.051))
    assert not is_better(replace(better, ci95=(-0.01, 0.1), p_holm=0.001))
    assert is_worse(replace(better, ci95=(-0.1, -0.01), p_holm=0.01))
    assert not is_better(None)
    assert not is_worse(arm(found, "baseline").difference)


def test_the_same_arm_twice_is_neither_better_nor_worse(found: Diagnosis) -> None:
    base = found.arms[0]
    [difference] = against(base, [base], SETTINGS)
    assert (difference.delta, difference.ci95, difference.p_holm) == (0.0, (0.0, 0.0), 1.0)


def test_combinations_are_of_arms_that_helped(found: Diagnosis) -> None:
    helped = {each.name for each in found.arms if each.kind != "combination" and is_better(each.difference)}
    combined = [each for each in found.arms if each.kind == "combination"]
    assert combined
    for each in combined:
        assert set(each.parts) <= helped
        assert len(each.parts) > 1
    both = next(each for each in combined if each.retrieval.reranker is not None and each.filtered)
    assert both.parts[0] == "filters"


def test_the_adapted_arm_names_how_it_was_fitted(found: Diagnosis) -> None:
    adapted = arm(found, "query adapter")
    assert adapted.model.fingerprint == "cross-fitted:cf1-words"
    assert adapted.model.document_fingerprint == "cf1-words"


def test_an_adapter_never_saw_the_queries_it_is_for() -> None:
    rng = np.random.default_rng(5)
    queries, documents = (rng.standard_normal((rows, 12)).astype(np.float32) for rows in (60, 80))
    ids = [f"q{row}" for row in range(60)]
    texts = [f"text {row % 55}" for row in range(60)]  # five texts twice
    qrels = {f"q{row}": {f"d{row}": 1, f"d{row + 1}": int(row % 10 == 0)} for row in range(60)}
    data = TrainingSet(ids, queries, [f"d{row}" for row in range(80)], documents, qrels)
    found = cross_fit(data, texts)
    assert found.weights.shape == (5, 12, 12)
    assert len({found.fold_of[f"text {row}"] for row in range(55)}) == 5
    for row in (0, 1, 7, 10):
        fold = found.fold_of[texts[row]]
        moved = queries.copy()
        moved[row] = rng.standard_normal(12)
        again = cross_fit(replace(data, query_vectors=moved), texts)
        assert again.fold_of == found.fold_of
        changed = [bool((again.weights[each] != found.weights[each]).any()) for each in range(5)]
        assert not changed[fold]  # whatever the query says, what is made for it stays
        assert all(changed[:fold] + changed[fold + 1 :])
        for other in range(60):  # whoever shares a relevant document is in the same fold
            if {each for each, grade in qrels[ids[other]].items() if grade} & {
                each for each, grade in qrels[ids[row]].items() if grade
            }:
                assert found.fold_of[texts[other]] == fold


def test_too_few_queries_leave_the_adapter_out() -> None:
    few = plant(seed=2, each=3, kinds=["semantic_mismatch"], answered=3).case()
    told = diagnose(replace(few, remedies=Remedies(adapter=cross_fitting())), SETTINGS)
    reason = next(each.reason for each in told.left_out if each.kind == "adapter")
    assert reason.startswith("of 6 queries with a relevant document, ")
    assert "an adapter needs at least 10" in reason
    assert told.recommendation.action == "fix_data"


def test_a_second_run_measures_only_what_has_changed(tmp_path: Path) -> None:
    first = diagnose(case(), SETTINGS, cache=tmp_path)
    assert len(first.settings["computed"]) == len(first.arms)
    again = diagnose(case(), SETTINGS, cache=tmp_path)
    assert again.settings["computed"] == []
    assert again.arms == first.arms
    assert again.failures == first.failures

    class Other(Overlap):
        fingerprint = "cf1-overlap-2"

    changed = case()
    changed = replace(changed, remedies=replace(changed.remedies, rerankers={"overlap": Other()}))
    third = diagnose(changed, SETTINGS, cache=tmp_path)
    assert third.settings["computed"]
    assert all("overlap" in name for name in third.settings["computed"])

    more = diagnose(case(), replace(SETTINGS, measures=("RR", "R@10"), k=5), cache=tmp_path)
    assert not {each.name for each in more.arms if each.kind != "combination"} & set(more.settings["computed"])


def test_other_queries_are_measured_again(tmp_path: Path) -> None:
    given = case()
    diagnose(given, SETTINGS, cache=tmp_path)
    asked = dict(given.dataset.queries)
    asked[next(iter(asked))] += " more"
    changed = replace(given, dataset=replace(given.dataset, queries=asked))
    told = diagnose(changed, SETTINGS, cache=tmp_path)
    assert len(told.settings["computed"]) == len(told.arms)


def test_what_was_finished_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage.startswith("arm 4 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(case(progress=interrupt), SETTINGS, cache=tmp_path)
    stages: list[str] = []
    told = diagnose(case(progress=lambda stage, done, total: stages.append(stage)), SETTINGS, cache=tmp_path)
    assert not {"baseline", "filters", "BM25"} & set(told.settings["computed"])
    assert {"hybrid", "query adapter"} <= set(told.settings["computed"])
    assert any(stage.startswith("arm 4 of 7, hybrid: ") for stage in stages)


def test_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    diagnose(case(), SETTINGS, cache=tmp_path)
    damaged = sorted((tmp_path / "arms").glob("*.arm"))[:2]
    damaged[0].write_bytes(b"nothing")
    damaged[1].write_bytes(damaged[1].read_bytes()[:-40])
    assert len(diagnose(case(), SETTINGS, cache=tmp_path).settings["computed"]) == 2
    assert diagnose(case(), SETTINGS, cache=tmp_path).settings["computed"] == []


def test_what_cannot_be_a_baseline_is_refused() -> None:
    given = case()
    with pytest.raises(InvalidInput, match="judges no query"):
        diagnose(replace(given, dataset=replace(given.dataset, queries={}), filters=QueryFilters()), SETTINGS)
    with pytest.raises(InvalidInput, match="cut by a model's tokenizer"):
        diagnose(replace(given, baseline=Arm(chunking=ChunkingSettings(Method.SENTENCES))), SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k is 0; expected 1 to the depth, 100"),
        ({"k": 101}, "k is 101"),
        ({"latency_samples": 0}, "latency_samples is 0"),
        ({"tolerated": 1.0}, "tolerated is 1.0"),
        ({"measures": ("Judged@10",)}, "describes the judgments only"),
        ({"measures": ("nDCG@200",)}, "only 100 are taken"),
    ],
)
def test_settings_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        DiagnosisSettings(**change)  # type: ignore[arg-type]


def test_the_same_reranker_is_measured_once() -> None:
    given = case()
    twice = replace(given, remedies=Remedies(rerankers={"one": Overlap(), "two": Overlap()}))
    told = diagnose(twice, SETTINGS)
    assert [each.name for each in told.arms if each.kind == "reranking"] == ["rerank: one"]
    assert ("rerank: two", "the same as one") in {(each.name, each.reason) for each in told.left_out}
