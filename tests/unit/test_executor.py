"""The executor: what it does with a batch, what it refuses, and that a refused batch costs and changes nothing."""

import numpy as np
import pytest
from serving_fakes import FakeEncoder

from crossfade.config import Settings
from crossfade.errors import (
    AlreadyExists,
    CrossfadeError,
    DeadlineExceeded,
    FingerprintMismatch,
    InvalidInput,
    LimitExceeded,
    NotFound,
)
from crossfade.models import InputType
from crossfade.serving.batches import GivenVectors, MeasureBatch, ScoreBatch, SearchBatch, Space, UpsertBatch
from crossfade.serving.call import Call
from crossfade.serving.executor import Executor
from crossfade.store import Document, MemoryStore


class House:
    """An executor over three fakes: `tuned` shares the documents of `base`, `other` shares nothing."""

    def __init__(self, **limits: int) -> None:
        self.encoders = {
            "tuned": FakeEncoder("cf1-base", "cf1-tuned"),
            "base": FakeEncoder("cf1-base"),
            "other": FakeEncoder("cf1-other"),
        }
        self.store = MemoryStore()
        self.executor = Executor(self.encoders, self.store, Settings(**limits))

    def fill(self, *ids: str) -> None:
        self.executor.create_collection("docs", "ip", "base")
        if ids:
            self.executor.upsert(UpsertBatch("docs", [Document(name, text=name) for name in ids], "base"), Call())
        for encoder in self.encoders.values():
            encoder.calls.clear()

    @property
    def untouched(self) -> bool:
        return not any(encoder.calls for encoder in self.encoders.values())


@pytest.fixture
def house() -> House:
    return House()


def given(*rows: tuple[float, ...], fingerprint: str = "cf1-base") -> GivenVectors:
    return GivenVectors(np.array(rows, np.float32).reshape(len(rows), len(rows[0]) if rows else 3), fingerprint)


class TestEmbed:
    def test_fingerprint_follows_the_input_type(self, house: House) -> None:
        query = house.executor.embed("tuned", InputType.QUERY, ["see me"], Call())
        document = house.executor.embed("tuned", InputType.DOCUMENT, ["see me"], Call())
        assert (query.fingerprint, document.fingerprint) == ("cf1-tuned", "cf1-base")
        assert query.embeddings.vectors.tolist() == [[12, 6, 2]]
        assert document.embeddings.vectors.tolist() == [[6, 3, 1]]

    def test_long_batches_run_in_slices_and_come_back_in_order(self, house: House) -> None:
        texts = ["e" * number for number in range(600)]
        embedded = house.executor.embed("base", InputType.QUERY, texts, Call())
        assert [len(texts) for texts, _ in house.encoders["base"].calls] == [256, 256, 88]
        assert embedded.embeddings.vectors[:, 0].tolist() == list(range(600))
        assert (len(embedded.embeddings.token_counts), len(embedded.embeddings.truncated)) == (600, 600)
        assert (embedded.embeddings.tokenise_ns, embedded.embeddings.infer_ns) == (30, 60)

    def test_a_slice_is_not_begun_for_a_caller_who_left(self, house: House) -> None:
        call = Call()
        encode = house.encoders["base"].encode

        def leave(texts, input_type):
            call.cancel()
            return encode(texts, input_type)

        house.encoders["base"].encode = leave
        with pytest.raises(DeadlineExceeded, match="went away"):
            house.executor.embed("base", InputType.QUERY, ["a"] * 300, call)
        assert len(house.encoders["base"].calls) == 1

    def test_nothing_runs_after_the_deadline(self, house: House) -> None:
        with pytest.raises(DeadlineExceeded, match="deadline passed"):
            house.executor.embed("base", InputType.QUERY, ["a"], Call(0))
        assert house.untouched

    @pytest.mark.parametrize(
        ("model", "texts", "kind", "message"),
        [
            ("nope", ["a"], NotFound, "no model 'nope' is served here: use one of base, other, tuned"),
            ("base", [], InvalidInput, "no texts in the call: send at least one"),
            (
                "base",
                ["a"] * 11,
                LimitExceeded,
                "11 texts in one call, the limit is 10: split them .*MAX_TEXTS_PER_CALL",
            ),
            (
                "base",
                ["a", "b" * 41],
                LimitExceeded,
                "text 1 is 41 bytes long, the limit is 40: .*CROSSFADE_MAX_TEXT_BYTES",
            ),
            ("base", ["é" * 21], LimitExceeded, "text 0 is 42 bytes long"),
        ],
    )
    def test_refusals(self, model: str, texts: list[str], kind: type[CrossfadeError], message: str) -> None:
        house = House(max_texts_per_call=10, max_text_bytes=40)
        with pytest.raises(kind, match=message):
            house.executor.embed(model, InputType.QUERY, texts, Call())
        assert house.untouched

    def test_a_text_at_the_limit_and_an_empty_one_are_taken(self) -> None:
        house = House(max_text_bytes=40)
        embedded = house.executor.embed("base", InputType.QUERY, ["b" * 40, "é" * 20, ""], Call())
        assert embedded.embeddings.vectors[:, 0].tolist() == [40, 20, 0]


class TestCollections:
    def test_made_for_a_model_or_for_a_space(self, house: House) -> None:
        made = house.executor.create_collection("docs", "l2", "tuned")
        assert (made.spec.dimension, made.spec.document_fingerprint, made.documents) == (3, "cf1-base", 0)
        house.executor.create_collection("away", "ip", Space(7, "elsewhere"))
        assert [state.spec.name for state in house.executor.list_collections()] == ["away", "docs"]
        house.executor.delete_collection("away")
        assert [state.spec.name for state in house.executor.list_collections()] == ["docs"]

    def test_refusals(self, house: House) -> None:
        house.fill()
        with pytest.raises(AlreadyExists, match="'docs' exists already"):
            house.executor.create_collection("docs", "ip", "base")
        with pytest.raises(NotFound, match="no model 'nope'"):
            house.executor.create_collection("new", "ip", "nope")
        with pytest.raises(NotFound, match="no collection 'new'"):
            house.executor.delete_collection("new")
        with pytest.raises(InvalidInput, match="dimension 0"):
            house.executor.create_collection("new", "ip", Space(0, "x"))


class TestUpsert:
    def test_a_model_embeds_title_and_text(self, house: House) -> None:
        house.fill()
        documents = [Document("a", "title", "text"), Document("b", "", "text"), Document("c")]
        upserted = house.executor.upsert(UpsertBatch("docs", documents, "tuned"), Call())
        assert house.encoders["tuned"].calls == [(["title text", "text", ""], InputType.DOCUMENT)]
        assert upserted.counts.added == 3
        assert upserted.embeddings is not None

    def test_vectors_are_taken_as_they_are(self, house: House) -> None:
        house.fill()
        upserted = house.executor.upsert(UpsertBatch("docs", [Document("a")], None, given((1, 2, 3))), Call())
        assert upserted.embeddings is None
        assert house.store.get("docs").snapshot().vectors.tolist() == [[1, 2, 3]]

    @pytest.mark.parametrize(
        ("batch", "kind", "message"),
        [
            (UpsertBatch("nope", [Document("x")], "base"), NotFound, "no collection 'nope'"),
            (UpsertBatch("docs", [Document("x")], "nope"), NotFound, "no model 'nope'"),
            (UpsertBatch("docs", [], "base"), InvalidInput, "no documents in the call"),
            (UpsertBatch("docs", [Document(str(n)) for n in range(11)], "base"), LimitExceeded, "11 documents"),
            (UpsertBatch("docs", [Document("x"), Document("x")], "base"), InvalidInput, "'x' is given twice"),
            (UpsertBatch("docs", [Document("")], "base"), InvalidInput, "document 0 has an empty id"),
            (UpsertBatch("docs", [Document("x", "t" * 30, "x" * 30)], "base"), LimitExceeded, "document 0 is 61 bytes"),
            (UpsertBatch("docs", [Document("x", "x" * 61)], None, given((1, 2, 3))), LimitExceeded, "document 0 is 62"),
            (UpsertBatch("docs", [Document("x")]), InvalidInput, "neither model nor vectors"),
            (UpsertBatch("docs", [Document("x")], "base", given((1, 2, 3))), InvalidInput, "both given"),
            (
                UpsertBatch("docs", [Document("x")], None, given((1, 2, 3), fingerprint="")),
                InvalidInput,
                "without a fing",
            ),
            (
                UpsertBatch("docs", [Document("x")], None, given((1, 2))),
                InvalidInput,
                r"shape \(1, 2\), expected \(1, 3\)",
            ),
            (UpsertBatch("docs", [Document("x")], None, given((1, 2, np.nan))), InvalidInput, "vector 0 holds nan"),
            (
                UpsertBatch("docs", [Document("x")], None, given((1, 2, 3), fingerprint="cf1-tuned")),
                FingerprintMismatch,
                "cf1-tuned, collection 'docs' holds cf1-base: embed the documents, as documents",
            ),
            (
                UpsertBatch("docs", [Document("x")], "other"),
                FingerprintMismatch,
                "cf1-other, collection 'docs' holds cf1-base",
            ),
        ],
    )
    def test_refusals(self, batch: UpsertBatch, kind: type[CrossfadeError], message: str) -> None:
        house = House(max_texts_per_call=10, max_text_bytes=60)
        house.fill("kept")
        with pytest.raises(kind, match=message):
            house.executor.upsert(batch, Call())
        assert house.untouched
        assert list(house.store.get("docs").snapshot().ids) == ["kept"]

    def test_a_late_call_writes_nothing(self, house: House) -> None:
        house.fill()
        for batch in (
            UpsertBatch("docs", [Document("x")], None, given((1, 2, 3))),
            UpsertBatch("docs", [Document("x")], "base"),
        ):
            with pytest.raises(DeadlineExceeded):
                house.executor.upsert(batch, Call(0))
        assert len(house.store.get("docs")) == 0

    def test_delete(self, house: House) -> None:
        house.fill("a", "b")
        assert house.executor.delete("docs", ["a", "c"]) == 1
        with pytest.raises(InvalidInput, match="no ids in the call"):
            house.executor.delete("docs", [])
        with pytest.raises(NotFound):
            house.executor.delete("nope", ["a"])


class TestSearch:
    def test_texts(self, house: House) -> None:
        house.fill("e", "ee", "x")
        found = house.executor.search(SearchBatch("docs", 2, "tuned", ["e"]), Call())
        assert found.result.hits == [[("ee", 2 * (2 + 2 + 1)), ("e", 2 * (1 + 1 + 1))]]
        assert found.result.query_fingerprint == "cf1-tuned"
        assert found.documents == {}

    def test_documents_come_when_asked_for_and_still_there(self, house: House) -> None:
        house.fill("a", "b")
        batch = SearchBatch("docs", 2, "base", ["e", "f"], with_documents=True)
        assert house.executor.search(batch, Call()).documents == {name: Document(name, text=name) for name in "ab"}

    @pytest.mark.parametrize("fingerprint", ["cf1-base", "cf1-tuned"])
    def test_vectors_join_by_document_or_query_fingerprint(self, house: House, fingerprint: str) -> None:
        house.fill("ee", "x")
        batch = SearchBatch("docs", 1, given=given((0, 1, 0), (0, -1, 0), fingerprint=fingerprint))
        found = house.executor.search(batch, Call())
        assert [[hit.id for hit in hits] for hits in found.result.hits] == [["ee"], ["x"]]
        assert found.result.query_fingerprint == fingerprint

    @pytest.mark.parametrize(
        ("batch", "kind", "message"),
        [
            (SearchBatch("nope", 1, "base", ["a"]), NotFound, "no collection 'nope'"),
            (SearchBatch("docs", 1, "nope", ["a"]), NotFound, "no model 'nope'"),
            (SearchBatch("docs", 0, "base", ["a"]), InvalidInput, "k is 0"),
            (SearchBatch("docs", 101, "base", ["a"]), LimitExceeded, "k is 101, the limit is 100: .*CROSSFADE_MAX_K"),
            (SearchBatch("docs", 1, "base", []), InvalidInput, "no query texts in the call"),
            (SearchBatch("docs", 1, "base", ["a"] * 11), LimitExceeded, "11 query texts"),
            (SearchBatch("docs", 1, "base", ["a" * 61]), LimitExceeded, "query text 0 is 61 bytes"),
            (SearchBatch("docs", 3, "base", ["a"] * 5), LimitExceeded, "5 queries of 2 results each make 10 results"),
            (SearchBatch("docs", 1), InvalidInput, "neither texts nor vectors are given"),
            (SearchBatch("docs", 1, "", ["a"]), InvalidInput, "texts are given without a model"),
            (SearchBatch("docs", 1, "base", ["a"], given((1, 2, 3))), InvalidInput, "together with texts or a model"),
            (SearchBatch("docs", 1, given=given()), InvalidInput, "no query vectors in the call"),
            (SearchBatch("docs", 1, given=given(*[(1, 2, 3)] * 11)), LimitExceeded, "11 query vectors"),
            (SearchBatch("docs", 3, given=given(*[(1, 2, 3)] * 5)), LimitExceeded, "make 10 results"),
            (SearchBatch("docs", 1, given=given((1, 2))), InvalidInput, r"shape \(1, 2\), expected \(any, 3\)"),
            (
                SearchBatch("docs", 1, given=given((1, np.inf, 2))),
                InvalidInput,
                "query vector 0 holds inf at position 1",
            ),
            (SearchBatch("docs", 1, given=given((1, 2, 3), fingerprint="")), InvalidInput, "without a fingerprint"),
            (
                SearchBatch("docs", 1, given=given((1, 2, 3), fingerprint="cf1-other")),
                FingerprintMismatch,
                "cf1-other, collection 'docs' holds cf1-base",
            ),
            (
                SearchBatch("docs", 1, "other", ["a"]),
                FingerprintMismatch,
                "cf1-other, collection 'docs' holds cf1-base",
            ),
        ],
    )
    def test_refusals(self, batch: SearchBatch, kind: type[CrossfadeError], message: str) -> None:
        house = House(max_texts_per_call=10, max_text_bytes=60, max_k=100, max_results_per_call=9)
        house.fill("a", "b")
        with pytest.raises(kind, match=message):
            house.executor.search(batch, Call())
        assert house.untouched


class TestScore:
    def test_best_rows_first(self, house: House) -> None:
        corpus = np.array([[1, 0], [0, 2], [1, 0]], np.float32)
        scored = house.executor.score(ScoreBatch(np.array([[3, 1]], np.float32), corpus, 9, "ip"), Call())
        assert (scored.indices.tolist(), scored.scores.tolist()) == ([[0, 2, 1]], [[3, 3, 2]])

    @pytest.mark.parametrize(
        ("queries", "corpus", "k", "kind", "message"),
        [
            (np.ones((1, 2)), np.ones((1, 3)), 1, InvalidInput, "corpus vectors have shape .*the query vectors have 2"),
            (np.ones((0, 2)), np.ones((1, 2)), 1, InvalidInput, "no query vectors"),
            (np.ones((1, 2)), np.ones((0, 2)), 1, InvalidInput, "no corpus vectors"),
            (np.ones((1, 2)), np.ones((6, 2)), 1, LimitExceeded, "6 corpus vectors in one call, the limit is 5"),
            (np.ones((6, 2)), np.ones((1, 2)), 1, LimitExceeded, "6 query vectors"),
            (np.ones((4, 2)), np.ones((3, 2)), 50, LimitExceeded, "4 queries of 3 results each make 12"),
            (np.ones((1, 2)), np.full((1, 2), np.nan), 1, InvalidInput, "corpus vector 0 holds nan"),
            (np.full((1, 2), -np.inf), np.ones((1, 2)), 1, InvalidInput, "query vector 0 holds -inf"),
            (np.ones((1, 2)), np.ones((1, 2)), 0, InvalidInput, "k is 0"),
            (np.ones((1, 2)), np.ones((1, 2)), 10_001, LimitExceeded, "k is 10001"),
        ],
    )
    def test_refusals(self, queries, corpus, k, kind, message) -> None:
        house = House(max_score_vectors=5, max_results_per_call=11)
        with pytest.raises(kind, match=message):
            house.executor.score(ScoreBatch(queries.astype(np.float32), corpus.astype(np.float32), k, "ip"), Call())


class TestMeasure:
    QRELS = (("q1", [("a", 1)]), ("q2", [("b", 2)]))

    def test_missing_queries_are_left_out_or_count_as_zero(self, house: House) -> None:
        run = [("q1", [("a", 2.0), ("x", 1.0)]), ("unjudged", [("a", 1.0)])]
        skipped = house.executor.measure(MeasureBatch(self.QRELS, run, ["RR", "P@2"]), Call())
        assert (skipped.means, skipped.query_ids, skipped.missing_queries) == ({"RR": 1.0, "P@2": 0.5}, ("q1",), 1)
        counted = house.executor.measure(MeasureBatch(self.QRELS, run, ["RR"], count_missing_queries=True), Call())
        assert (counted.means, sorted(counted.query_ids), counted.missing_queries) == ({"RR": 0.5}, ["q1", "q2"], 1)

    @pytest.mark.parametrize(
        ("qrels", "run", "measures", "message"),
        [
            (QRELS, [("q1", [("a", 1.0)])], [], "no measures in the call"),
            ([], [("q1", [("a", 1.0)])], ["RR"], "no judgments in the call"),
            (QRELS, [("q9", [("a", 1.0)])], ["RR"], "answers none of the judged queries"),
            (QRELS, [("q1", [("a", 1.0)]), ("q1", [])], ["RR"], "run name query 'q1' twice"),
            ((*QRELS, QRELS[0]), [("q1", [("a", 1.0)])], ["RR"], "qrels name query 'q1' twice"),
            (QRELS, [("q1", [("b", 3.0), ("a", 1.0), ("a", 2.0)])], ["RR"], "document 'a' twice for query 'q1'"),
            (QRELS, [("q1", [("a", float("nan"))])], ["RR"], "(?i)nan"),
            (QRELS, [("q1", [("a", 1.0)])], ["nDGC@10"], "nDGC@10"),
        ],
    )
    def test_refusals(self, house: House, qrels, run, measures, message) -> None:
        with pytest.raises(InvalidInput, match=message):
            house.executor.measure(MeasureBatch(qrels, run, measures), Call())


def test_models_are_listed_by_name(house: House) -> None:
    assert [served.name for served in house.executor.list_models()] == ["base", "other", "tuned"]
