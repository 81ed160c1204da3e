"""The executor: what it does with a batch, what it refuses, and that a refused batch costs and changes nothing."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from serving_fakes import FakeEncoder

from crossfade._native import Call
from crossfade._pb import collections_pb2
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
from crossfade.models import Embeddings, InputType
from crossfade.serving.batches import GivenVectors, MeasureBatch, Space, UpsertBatch
from crossfade.serving.executor import Executor
from crossfade.serving.models import ServedModels
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
        models = ServedModels(dict(sorted(self.encoders.items())), [], [], [])
        self.executor = Executor(models, self.store, Settings(**limits), self.embed)

    def embed(self, model: str, texts: list[str], call: Call) -> tuple[Embeddings, int]:
        call.check()
        return self.encoders[model].encode(texts, InputType.DOCUMENT), 5

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
        assert upserted.reading is not None

    def test_vectors_are_taken_as_they_are(self, house: House) -> None:
        house.fill()
        upserted = house.executor.upsert(UpsertBatch("docs", [Document("a")], None, given((1, 2, 3))), Call())
        assert upserted.reading is None
        assert house.store.get("docs").snapshot().parts[0].vectors.tolist() == [[1, 2, 3]]

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
        assert list(house.store.get("docs").snapshot().parts[0].ids) == ["kept"]

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
        assert house.executor.delete("docs", ["a", "c"], Call()) == 1
        with pytest.raises(InvalidInput, match="no ids in the call"):
            house.executor.delete("docs", [], Call())
        with pytest.raises(NotFound):
            house.executor.delete("nope", ["a"], Call())


def search(
    collection: str,
    k: int,
    *rows: tuple[float, ...],
    model: str | None = None,
    fingerprint: str = "cf1-base",
    with_documents: bool = False,
    call: Call | None = None,
) -> SimpleNamespace:
    """As the front end hands a search over."""
    return SimpleNamespace(
        collection=collection,
        k=k,
        model=model,
        fingerprint=fingerprint,
        vectors=np.array(rows, np.float32),
        with_documents=with_documents,
        texts=[],
        options=b"",
        call=call or Call(),
    )


class TestSearch:
    def test_of_a_model(self, house: House) -> None:
        house.fill("e", "ee", "x")
        (found,) = house.executor.search([search("docs", 2, (2, 2, 2), model="tuned", fingerprint="cf1-tuned")])
        assert found.hits == [[("ee", 10.0), ("e", 6.0)]]
        assert (found.query_fingerprint, found.encoded) == ("cf1-tuned", None)

    def test_documents_come_when_asked_for(self, house: House) -> None:
        house.fill("a", "b")
        (found,) = house.executor.search([search("docs", 2, (1, 0, 0), (0, 0, 1), with_documents=True)])
        assert found.hits == []
        for data in found.encoded:
            kind: Any = collections_pb2.Hits
            hits = kind.FromString(data).hits
            assert [(hit.document.title, hit.document.text) for hit in hits] == [("", "a"), ("", "b")]

    @pytest.mark.parametrize("fingerprint", ["cf1-base", "cf1-tuned"])
    def test_vectors_join_by_document_or_query_fingerprint(self, house: House, fingerprint: str) -> None:
        house.fill("ee", "x")
        (found,) = house.executor.search([search("docs", 1, (0, 1, 0), (0, -1, 0), fingerprint=fingerprint)])
        assert [[name for name, _ in hits] for hits in found.hits] == [["ee"], ["x"]]
        assert found.query_fingerprint == fingerprint

    def test_calls_together_get_what_each_would_alone(self, house: House) -> None:
        house.fill("e", "ee", "eee", "x")
        house.executor.create_collection("more", "l2", "base")
        house.executor.upsert(UpsertBatch("more", [Document("m", text="m")], "base"), Call())
        calls = [
            search("docs", 1, (0, 1, 0)),
            search("docs", 3, (0, -1, 0), (1, 0, 0)),
            search("docs", 2, (1, 1), fingerprint="cf1-base"),
            search("more", 5, (0, 1, 0), with_documents=True),
            search("docs", 2, (0, 1, 1), fingerprint="cf1-other"),
            search("docs", 2, (0, 1, 1), model="tuned", fingerprint="cf1-tuned"),
            search("docs", 4, (0, 1, 0)),
            search("nope", 4, (0, 1, 0)),
            search("docs", 4, (0, 1, 0), call=Call(0)),
        ]
        together = house.executor.search(calls)
        alone = [house.executor.search([call])[0] for call in calls]
        assert len(together) == len(calls)
        for one, other in zip(together, alone, strict=True):
            if isinstance(other, Exception):
                assert (type(one), str(one)) == (type(other), str(other))
            else:
                assert (one.hits, one.encoded, one.query_fingerprint) == (
                    other.hits,
                    other.encoded,
                    other.query_fingerprint,
                )
        assert [type(found).__name__ for found in together] == [
            "FoundHits",
            "FoundHits",
            "InvalidInput",
            "FoundHits",
            "FingerprintMismatch",
            "FoundHits",
            "FoundHits",
            "NotFound",
            "DeadlineExceeded",
        ]

    def test_calls_together_keep_to_the_limit_of_results(self) -> None:
        """Each may ask for little, but all of them not for as much as the one that asks for most."""
        house = House(max_results_per_call=9)
        house.fill("a", "b", "c")
        calls = [search("docs", 1, *[(1, 0, 0)] * 9), search("docs", 3, (1, 0, 0))]
        together = house.executor._search_together
        assert together(calls) is None
        assert [len(found.hits[0]) for found in house.executor.search(calls)] == [1, 3]

    @pytest.mark.parametrize(
        ("call", "kind", "message"),
        [
            (search("nope", 1, (1, 2, 3)), NotFound, "no collection 'nope'"),
            (search("docs", 3, *[(1, 2, 3)] * 5), LimitExceeded, "5 queries of 2 results each make 10 results"),
            (search("docs", 1, (1, 2)), InvalidInput, r"shape \(1, 2\), expected \(any, 3\)"),
            (search("docs", 1, (1, np.inf, 2)), InvalidInput, "query vector 0 holds inf at position 1"),
            (search("docs", 1, (1, 2, 3), fingerprint=""), InvalidInput, "without a fingerprint"),
            (
                search("docs", 1, (1, 2, 3), fingerprint="cf1-other"),
                FingerprintMismatch,
                "cf1-other, collection 'docs' holds cf1-base",
            ),
            (
                search("docs", 1, (1, 2, 3), model="other", fingerprint="cf1-other"),
                FingerprintMismatch,
                "cf1-other, collection 'docs' holds cf1-base",
            ),
        ],
    )
    def test_refusals(self, call: SimpleNamespace, kind: type[CrossfadeError], message: str) -> None:
        house = House(max_results_per_call=9)
        house.fill("a", "b")
        (refused,) = house.executor.search([call])
        assert type(refused) is kind
        assert re.search(message, str(refused))

    def test_candidates_beyond_what_an_answer_holds(self) -> None:
        house = House(max_message_bytes=65_536)
        house.fill(*(f"{number:0200}" for number in range(10)))
        asked = search("docs", 10, *[(1, 2, 3)] * 40)
        for options, refused in ({"explain": True}, False), ({"explain_candidates": True}, True):
            asked.options = collections_pb2.SearchOptions(**options).SerializeToString()
            (answer,) = house.executor.search([asked])
            assert isinstance(answer, LimitExceeded) == refused, answer
        assert re.search("candidates of all stages are at least .* bytes, the limit of an answer is 65536", str(answer))

    def test_the_mean_of_chunks_where_documents_are_whole(self, house: House) -> None:
        house.fill("a")
        asked = search("docs", 1, (1, 2, 3))
        asked.options = collections_pb2.SearchOptions(best_chunks=4).SerializeToString()
        (found,) = house.executor.search([asked])
        assert [name for name, _ in found.hits[0]] == ["a"], "whole documents have one chunk"


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
