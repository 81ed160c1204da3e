"""Ways to answer queries, each measured on the same ones: what is searched, what is recorded, what may be compared."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from planted import Overlap
from tiny_models import Tiny, write_model

from crossfade.chunking import ChunkingSettings, Method
from crossfade.errors import FingerprintMismatch, InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.compare import compare, compare_runs
from crossfade.evaluation.context import described
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.evaluate import Evaluated, EvaluationSettings, evaluate, evaluate_all, evaluate_collection
from crossfade.evaluation.index import CorpusIndexes
from crossfade.evaluation.results import Comparison, Evaluation, RerankerRef, Retrieval
from crossfade.models import Bundle, Encoder
from crossfade.models.importing import import_model
from crossfade.report import render
from crossfade.store import CollectionSettings, CollectionSpec, Document, DurableStore
from crossfade.store.metadata import MetadataSchema

SETTINGS = EvaluationSettings(["nDCG@10", "R@10"], depth=20)
NOISY = 3.0  # by vectors hardly anything is found
CUT = ChunkingSettings(Method.SENTENCES, size=12)


class FirstWords(Overlap):
    """Scores a text by how many of the query's words it holds; looks at the first twelve."""

    fingerprint = "cf1-first-words"
    depth = 12


ARMS = {
    "dense": Arm(),
    "lexical": Arm("lexical"),
    "hybrid": Arm("hybrid"),
    "reranked": Arm(reranker=FirstWords(), reranker_name="first-words"),
    "all": Arm("hybrid", reranker=FirstWords(), reranker_name="first-words", candidates=30),
}


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stores that are made for an evaluation go with it."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.iterdir()) == []


def measured(arm: Arm, dataset: Dataset | None = None, noise: float = NOISY) -> Evaluated:
    encoder = None if arm.mode == "lexical" else FakeEncoder(noise=noise)
    return evaluate(dataset or toy_dataset(), encoder, SETTINGS, arm=arm)


def test_each_arm_finds_what_it_can() -> None:
    found = {name: measured(arm) for name, arm in ARMS.items()}
    figures = {name: each.evaluation.measures["nDCG@10"] for name, each in found.items()}
    assert figures["dense"] < figures["reranked"] < 1
    assert figures["dense"] < figures["hybrid"] <= figures["lexical"] == pytest.approx(1.0)
    assert figures["all"] == pytest.approx(1.0)
    for each in found.values():
        assert each.evaluation.latency_ms.samples == 30
        assert {len(ranking) for ranking in each.run.values()} <= {20, 40, *range(1, 21)}


def test_the_record_says_how_queries_were_answered() -> None:
    recorded = {name: measured(arm).evaluation for name, arm in ARMS.items()}
    assert recorded["dense"].retrieval == Retrieval()
    english = {"analyser": "english", "stop_words": "english", "version": 1}
    fused = {"rule": "sum", "normalisation": "min-max", "weights": None, "k": None}
    reranker = RerankerRef("first-words", "cf1-first-words", 12)
    assert recorded["lexical"].retrieval == Retrieval("lexical", analyser=english)
    assert recorded["hybrid"].retrieval == Retrieval("hybrid", analyser=english, fusion=fused, candidates=100)
    assert recorded["reranked"].retrieval == Retrieval(candidates=100, reranker=reranker)
    assert recorded["all"].retrieval.candidates == 30
    assert recorded["lexical"].model.name == "BM25"
    assert recorded["lexical"].model.fingerprint.startswith("bm25:")
    assert recorded["hybrid"].model.fingerprint == "cf1-doc"
    for name, evaluation in recorded.items():
        record = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
        assert record["schema"] == (1 if name == "dense" else 2)
        assert Evaluation.from_json(record) == evaluation


def test_a_record_of_version_1_is_of_exact_search_by_vectors() -> None:
    record = measured(ARMS["dense"]).evaluation.to_json()
    del record["retrieval"]
    assert Evaluation.from_json(record).retrieval == Retrieval()
    with pytest.raises(InvalidInput, match=r"retrieval\.exact: 1 is not true or false"):
        Evaluation.from_json({**record, "retrieval": {"exact": 1}})
    with pytest.raises(InvalidInput, match="'sparse' is not one of dense, lexical, hybrid"):
        Evaluation.from_json({**record, "retrieval": {"mode": "sparse"}})


def test_two_arms_are_compared() -> None:
    dataset, encoder = toy_dataset(), FakeEncoder(noise=NOISY)
    found = compare(dataset, encoder, encoder, SETTINGS, arms=(ARMS["dense"], ARMS["hybrid"]))
    assert found.verdict == "ship"
    assert encoder.documents_embedded == 40, "one corpus for both arms"
    assert (
        "Queries are answered by vectors by the base, and by vectors and words together by the candidate."
        in found.reasons
    )
    assert (
        "Both search the same index: shipping the candidate changes how queries are answered, and no document."
        in found.reasons
    )
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["schema"] == 2
    assert Comparison.from_json(record) == found
    page = render(record)
    assert "retrieval mode" in page
    assert "hybrid" in page


@pytest.mark.parametrize(
    ("base", "candidate", "said"),
    [
        ("lexical", "dense", "Shipping the candidate means embedding all 40 documents."),
        ("dense", "lexical", "The candidate searches by words alone: shipping it needs no model and no vectors."),
        ("hybrid", "all", "Both search the same index"),
        ("all", "all", "Base and candidate are the same model"),
    ],
)
def test_what_shipping_an_arm_takes(base: str, candidate: str, said: str) -> None:
    encoder = FakeEncoder(noise=NOISY)
    encoders = [None if name == "lexical" else encoder for name in (base, candidate)]
    found = compare(toy_dataset(), *encoders, SETTINGS, arms=(ARMS[base], ARMS[candidate]))
    assert any(reason.startswith(said) for reason in found.reasons), found.reasons


def test_unlike_things_are_not_compared() -> None:
    """Other arms may be; other queries, judgments or documents may not."""
    dataset = toy_dataset()
    base = measured(ARMS["dense"], dataset)
    other = replace(dataset, documents=[replace(each, text=f"{each.text}!") for each in dataset.documents])
    for changed, name in (
        (other, "corpus_hash"),
        (replace(dataset, qrels={**dataset.qrels, "q0": {"d5": 1}}), "qrels"),
    ):
        candidate = measured(ARMS["lexical"], changed)
        with pytest.raises(InvalidInput, match=name):
            compare_runs(dataset, base.evaluation, base.run, candidate.evaluation, candidate.run)
    candidate = measured(ARMS["lexical"], dataset)
    assert compare_runs(dataset, base.evaluation, base.run, candidate.evaluation, candidate.run).verdict == "ship"


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (Arm(), "mode dense searches by vectors: give a model, or the mode lexical"),
        (Arm("hybrid"), "mode hybrid searches by vectors"),
        (Arm("lexical", CUT), "chunks are measured in a model's tokens"),
    ],
)
def test_what_needs_a_model(arm: Arm, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        evaluate(toy_dataset(), None, SETTINGS, arm=arm)


def test_what_no_arm_can_be() -> None:
    unknown: Any = "sparse"
    with pytest.raises(InvalidInput, match="mode 'sparse' is not known"):
        Arm(unknown)
    with pytest.raises(InvalidInput, match="candidates is 0"):
        Arm(candidates=0)
    with pytest.raises(InvalidInput, match="this encoder has none"):
        measured(Arm(chunking=CUT))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    place = tmp_path_factory.mktemp("tiny")
    return Encoder(Bundle.load(import_model(str(write_model(place / "source", Tiny())), place / "bundle").path))


@pytest.fixture
def long() -> Dataset:
    """What is asked for stands at the end of each document, behind what the model reads."""
    words = ["fox", "dog", "file", "line", "cache", "error"]
    filler = "the quick brown fox jumps over the lazy dog. " * 6
    documents = [Document(f"d{at}", "", f"{filler}how do i open a {word}?") for at, word in enumerate(words)]
    queries = {f"q{at}": f"how do i open a {word}?" for at, word in enumerate(words)}
    return Dataset("long", "test", documents, queries, {f"q{at}": {f"d{at}": 1} for at in range(len(words))})


class TestChunks:
    ARM = Arm(chunking=CUT)

    def test_what_lies_behind_the_limit_is_found(self, tiny: Encoder, long: Dataset, tmp_path: Path) -> None:
        whole = evaluate(long, tiny, EvaluationSettings(["RR"]))
        indexes = CorpusIndexes(long, cache=tmp_path / "cache")
        cut = evaluate(long, tiny, EvaluationSettings(["RR"]), arm=self.ARM, indexes=indexes)
        assert cut.evaluation.measures["RR"] == 1.0 > whole.evaluation.measures["RR"]
        settings = cut.evaluation.settings
        assert settings["rows"] > 2 * len(long.documents)
        assert (settings["truncated_documents"], whole.evaluation.settings["truncated_documents"]) == (0, 6)
        assert cut.evaluation.retrieval.chunking == CUT.to_json()
        assert described(cut.evaluation.retrieval) == "by vectors of chunks (sentences, size 12)"
        assert {len(ranking) for ranking in cut.run.values()} == {6}, "a document is found once"
        # The second time the vectors come from the cache, apart from those of whole documents.
        again = evaluate(
            long, tiny, EvaluationSettings(["RR"]), arm=self.ARM, indexes=CorpusIndexes(long, cache=tmp_path / "cache")
        )
        assert again.evaluation.per_query == cut.evaluation.per_query
        assert len(list((tmp_path / "cache").glob("*.vectors"))) == 1

    def test_all_of_it_at_once(self, tiny: Encoder, long: Dataset) -> None:
        arms = [Arm(), self.ARM, replace(self.ARM, mode="hybrid"), Arm("lexical", CUT), Arm("hybrid")]
        found = evaluate_all(long, [tiny] * len(arms), EvaluationSettings(["RR"]), arms=arms)
        alone = [evaluate(long, tiny, EvaluationSettings(["RR"]), arm=arm) for arm in arms]
        assert [each.evaluation.per_query for each in found] == [each.evaluation.per_query for each in alone]
        assert [each.evaluation.measures["RR"] for each in found[1:3]] == [1.0, 1.0]
        assert found[1].evaluation.settings["rows"] == found[3].evaluation.settings["rows"]

    def test_documents_by_the_mean_of_their_best_chunks(self, tiny: Encoder, long: Dataset) -> None:
        arm = replace(self.ARM, best_chunks=2)
        found = compare(long, tiny, tiny, EvaluationSettings(["RR"]), arms=(self.ARM, arm))
        assert (found.base.retrieval.best_chunks, found.candidate.retrieval.best_chunks) == (1, 2)
        for query in found.queries:
            best = {each.id: each.score for each in query.base_results}
            assert all(each.score < best[each.id] for each in query.candidate_results)
        assert any("a document by the mean of its best 2 by the candidate" in reason for reason in found.reasons)
        assert any(reason.startswith("Both search the same index") for reason in found.reasons)
        record = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert "best_chunks" not in record["base"]["retrieval"], "older records are as they were"
        assert Comparison.from_json(record) == found
        assert "best chunks" in render(record)
        assert evaluate(long, tiny, EvaluationSettings(["RR"]), arm=Arm(best_chunks=2)).evaluation.retrieval.plain

    def test_shipping_other_chunks(self, tiny: Encoder, long: Dataset) -> None:
        found = compare(long, tiny, tiny, EvaluationSettings(["RR"]), arms=(Arm(), self.ARM))
        assert "Shipping the candidate means cutting and indexing all 6 documents again." in found.reasons


class TestCollections:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DurableStore]:
        with DurableStore(tmp_path / "store", upkeep=False) as opened:
            yield opened

    def filled(self, store: DurableStore, dataset: Dataset, **more: Any) -> Any:
        made = store.create(CollectionSpec("c", 16, "cosine", "cf1-doc"), CollectionSettings(**more))
        made.upsert(dataset.documents, CorpusIndexes(dataset).vectors(FakeEncoder()).vectors)
        return made

    def test_it_is_measured_as_it_is(self, store: DurableStore) -> None:
        dataset, encoder = toy_dataset(), FakeEncoder(noise=1.5)
        collection = self.filled(store, dataset)
        there = evaluate_collection(dataset, collection, encoder, SETTINGS)
        assert there.evaluation.measures == evaluate(dataset, encoder, SETTINGS).evaluation.measures
        assert there.evaluation.retrieval == Retrieval(collection="c")
        assert there.evaluation.to_json()["schema"] == 1
        assert described(there.evaluation.retrieval) == "by vectors, in collection c"
        served = evaluate_collection(dataset, collection, encoder, SETTINGS, arm=Arm(exact=False)).evaluation
        assert (served.retrieval.exact, served.to_json()["schema"]) == (False, 2)
        words = evaluate_collection(dataset, collection, None, SETTINGS, arm=Arm("lexical")).evaluation
        assert words.model.name == "BM25"
        assert words.measures["nDCG@10"] == pytest.approx(1.0)

    def test_by_an_alias_the_version_is_measured(self, store: DurableStore) -> None:
        dataset = toy_dataset()
        collection = self.filled(store, dataset)
        collection.create_index(16, "cf1-other")
        store.set_alias("next", "c", 2)
        with pytest.raises(InvalidInput, match="lacks 40 documents: fill it before it is measured"):
            evaluate_collection(dataset, store.get("next"), FakeEncoder(), SETTINGS)
        other = FakeEncoder(FakeBundle("other", "cf1-other", "cf1-other"))
        keys = [key for key, _ in collection.pending(2, 100)]
        collection.fill(2, keys, CorpusIndexes(dataset).vectors(other).vectors)
        found = evaluate_collection(dataset, store.get("next"), other, SETTINGS).evaluation
        assert (found.model.name, found.retrieval.collection) == ("other", "next")
        with pytest.raises(FingerprintMismatch):
            evaluate_collection(dataset, store.get("next"), FakeEncoder(), SETTINGS)

    def test_other_documents_than_were_judged_are_refused(self, store: DurableStore) -> None:
        dataset = toy_dataset()
        collection = self.filled(store, dataset)
        one = np.ones((1, 16), np.float32)
        for change, undo, message in (
            (Document("d3", "title 3", "else"), dataset.documents[3], "document 'd3' says one thing in collection 'c'"),
            (Document("more"), None, "collection 'c' has 41 documents and toy 40"),
        ):
            collection.upsert([change], one)
            with pytest.raises(InvalidInput, match=message):
                evaluate_collection(dataset, collection, FakeEncoder(), SETTINGS)
            collection.delete(["more"])
            if undo is not None:
                collection.upsert([undo], one)
        collection.delete(["d7"])
        with pytest.raises(InvalidInput, match="collection 'c' lacks document 'd7' of toy"):
            evaluate_collection(dataset, collection, FakeEncoder(), SETTINGS)

    def test_tenants_are_refused(self, store: DurableStore) -> None:
        made = store.create(
            CollectionSpec("c", 16, "cosine", "cf1-doc"),
            CollectionSettings(fields=MetadataSchema({}), tenant_field="whose"),
        )
        with pytest.raises(InvalidInput, match="is of tenants, and judgments are not"):
            evaluate_collection(toy_dataset(), made, FakeEncoder(), SETTINGS)
