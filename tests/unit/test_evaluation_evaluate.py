"""One model on one split, with an encoder whose rankings are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import pytrec_eval
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset, Run
from crossfade.evaluation.evaluate import (
    DEFAULT_MEASURES,
    EvaluationSettings,
    build_evaluation,
    check_measures,
    evaluate,
    evaluate_all,
    summarise_latency,
    time_queries,
)
from crossfade.evaluation.index import CorpusIndexes
from crossfade.evaluation.results import ModelRef
from crossfade.models.types import Embeddings, InputType
from crossfade.retrieval.retriever import Retriever

MODEL = ModelRef("m", "cf1-q", "cf1-d")


def test_a_perfect_encoder_scores_perfectly() -> None:
    dataset = toy_dataset()
    result = evaluate(dataset, FakeEncoder()).evaluation
    assert list(result.measures) == list(DEFAULT_MEASURES)
    assert result.measures == pytest.approx(
        {"nDCG@10": 1.0, "AP": 1.0, "RR": 1.0, "R@10": 1.0, "R@100": 1.0, "P@10": 0.1}
    )
    assert (result.queries, result.documents, result.missing_queries) == (30, 40, 0)
    assert result.model == ModelRef("fake", "cf1-doc", "cf1-doc")
    assert result.latency_ms.samples == 30
    assert 0 < result.latency_ms.p50 <= result.latency_ms.p95 <= result.latency_ms.p99
    for name, mean in result.measures.items():
        assert result.per_query[name].keys() == dataset.queries.keys()
        assert np.mean(list(result.per_query[name].values())) == pytest.approx(mean)


def test_an_imperfect_encoder_is_measured_as_trec_eval_measures_it() -> None:
    dataset = toy_dataset()
    found = evaluate(dataset, FakeEncoder(noise=1.5))
    assert 0.1 < found.evaluation.measures["nDCG@10"] < 0.9
    oracle = pytrec_eval.RelevanceEvaluator(dataset.qrels, {"ndcg_cut.10", "map", "recip_rank"}).evaluate(
        dict(found.run)
    )
    for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("AP", "map"), ("RR", "recip_rank")):
        assert found.evaluation.per_query[ours] == pytest.approx(
            {q: row[theirs] for q, row in oracle.items()}, abs=1e-6
        )


def test_the_run_is_as_deep_as_asked_or_as_the_corpus_goes() -> None:
    dataset = toy_dataset()
    shallow = evaluate(dataset, FakeEncoder(), EvaluationSettings(["P@5"], depth=5))
    assert {len(ranking) for ranking in shallow.run.values()} == {5}
    deep = evaluate(dataset, FakeEncoder(), EvaluationSettings(["R@500"], depth=500))
    assert {len(ranking) for ranking in deep.run.values()} == {40}
    assert shallow.run.keys() == dataset.queries.keys()


def test_only_a_sample_of_many_queries_is_timed() -> None:
    dataset = toy_dataset()
    result = evaluate(dataset, FakeEncoder(), EvaluationSettings(latency_samples=7)).evaluation
    assert result.latency_ms.samples == 7


def test_models_with_one_document_encoder_share_the_corpus_and_take_turns() -> None:
    dataset = toy_dataset()
    base = FakeEncoder()
    tuned = FakeEncoder(FakeBundle("tuned", query_fingerprint="cf1-tuned"), noise=2.0)
    first, second = evaluate_all(dataset, [base, tuned], EvaluationSettings())
    assert (base.documents_embedded, tuned.documents_embedded) == (40, 0)
    assert first.evaluation.model.name == "fake"
    assert second.evaluation.model.fingerprint == "cf1-tuned"
    assert first.evaluation.measures["nDCG@10"] > second.evaluation.measures["nDCG@10"]


class Recorder(FakeEncoder):
    """Notes who was asked, in order."""

    log: list[str]

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        self.log.append(f"{self.bundle.name}:{len(texts)}")
        return super().encode(texts, input_type)


def test_single_queries_are_timed_in_alternating_turns_after_a_warm_up() -> None:
    dataset = toy_dataset(queries=4)
    log: list[str] = []
    encoders = []
    for name in ("a", "b"):
        encoder = Recorder(FakeBundle(name))
        encoder.log = log
        encoders.append(encoder)
    indexes = CorpusIndexes(dataset)
    retrievers = [Retriever(indexes.collection(encoder), encoder) for encoder in encoders]
    log.clear()
    times = time_queries(list(dataset.queries.values()), retrievers, EvaluationSettings())
    assert [len(row) for row in times] == [4, 4]
    assert log[:8] == ["a:1", "b:1"] * 4  # warm-up
    assert log[8:] == ["a:1", "b:1", "b:1", "a:1"] * 2


def test_settings_record_what_the_figures_stand_on() -> None:
    dataset = toy_dataset()
    settings = evaluate(dataset, FakeEncoder()).evaluation.settings
    assert settings["corpus_hash"] == dataset.corpus_hash
    assert settings["qrels_hash"] == dataset.qrels_hash
    assert settings["depth"] == 100
    assert settings["ties"] == "float32"
    assert settings["corpus_tokens"] == sum(len(document.content.split()) + 2 for document in dataset.documents)
    assert settings["truncated_documents"] == 0
    assert {"python", "numpy"} <= settings["versions"].keys()


def test_indexes_of_another_data_set_are_refused() -> None:
    with pytest.raises(InvalidInput, match="another data set"):
        evaluate(toy_dataset(), FakeEncoder(), indexes=CorpusIndexes(toy_dataset()))


def test_progress_covers_every_stage() -> None:
    stages: dict[str, tuple[int, int]] = {}
    evaluate(toy_dataset(), FakeEncoder(), progress=lambda stage, done, total: stages.__setitem__(stage, (done, total)))
    assert stages == {
        "embedding corpus": (40, 40),
        "searching": (30, 30),
        "timing queries": (30, 30),
        "measuring": (1, 1),
    }


@pytest.mark.parametrize(
    ("names", "depth", "message"),
    [
        (["nDCG@10", "wrong@3"], 100, "wrong"),
        ([], 100, "no measure given"),
        (["R@101"], 100, "measure R@101 looks at 101 results, but only 100 are taken of each query"),
        (["nDCG@1000"], 999, "--depth"),
        (["AP"], 0, "depth is 0"),
    ],
)
def test_measures_that_cannot_be_computed_are_refused(names: list[str], depth: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_measures(names, depth)


def test_measures_are_spelled_canonically_and_once() -> None:
    assert check_measures(["MRR", "RR", "P(rel=2)@5", "R@100"]) == ("RR", "P(rel=2)@5", "R@100")


def run_of(dataset: Dataset) -> Run:
    return {query_id: {f"d{query_id[1:]}": 1.0} for query_id in dataset.queries}


def test_an_evaluation_of_a_run_from_elsewhere() -> None:
    dataset = toy_dataset()
    result = build_evaluation(dataset, run_of(dataset), MODEL, [1.0, 2.0, 3.0], ["RR"])
    assert result.measures == {"RR": 1.0}
    assert (result.latency_ms.p50, result.latency_ms.samples) == (2.0, 3)


def test_unanswered_queries_count_as_zero_and_are_counted() -> None:
    dataset = toy_dataset()
    run = run_of(dataset)
    del run["q3"]
    run["q4"] = {}
    result = build_evaluation(dataset, run, MODEL, [1.0], ["RR"])
    assert result.missing_queries == 1
    assert result.measures["RR"] == pytest.approx(28 / 30)
    assert (result.per_query["RR"]["q3"], result.per_query["RR"]["q4"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q999": {"d1": 1.0}}, "the run answers query 'q999', which toy/test does not judge"),
        ({"q1": {"stranger": 1.0}}, "the run finds document 'stranger' for query 'q1', which toy lacks"),
        ({"q1": {"d1": 1.0, "d2": 0.5, "d3": 0.4}}, "the run holds 3 results for query 'q1', the depth is 2"),
        ({"q1": {"d1": math.nan}}, "NaN|nan"),
    ],
)
def test_a_run_of_something_else_is_refused(change: Run, message: str) -> None:
    dataset = toy_dataset()
    with pytest.raises(InvalidInput, match=message):
        build_evaluation(dataset, {**run_of(dataset), **change}, MODEL, [1.0], ["RR"], depth=2)


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [-1.0], [math.inf], [[1.0]]])
def test_latencies_that_are_none_are_refused(samples: list[float]) -> None:
    with pytest.raises(InvalidInput, match="latencies"):
        summarise_latency(samples)


def test_percentiles() -> None:
    latency = summarise_latency([float(value) for value in range(101)])
    assert (latency.p50, latency.p95, latency.p99, latency.samples) == (50.0, 95.0, 99.0, 101)


def test_no_latency_sample_is_refused() -> None:
    with pytest.raises(InvalidInput, match="latency_samples is 0"):
        EvaluationSettings(latency_samples=0)
