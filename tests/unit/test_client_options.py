"""What a call is told, how vectors come back in each encoding, and when a refused call is sent again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from client_fakes import LIMITS, field, retry_details

from crossfade._pb import collections_pb2, embedding_pb2, models_pb2, vectors_pb2
from crossfade.client import Candidate, Client, Embedding, StageTimes, Vectors, messages, plans, retries
from crossfade.client.channel import OPTIONS
from crossfade.client.failures import batch_failure, retry_after, with_note
from crossfade.client.options import Embedder, EmbedOptions, SearchOptions
from crossfade.client.plans import Method
from crossfade.client.retries import Patience
from crossfade.errors import CrossfadeError, InvalidInput, LimitExceeded, NotFound, Overloaded


class TestOptions:
    def test_each_reaches_the_request(self) -> None:
        options = EmbedOptions(
            dimensions=3, encoding="int8", long_texts="refuse", prompt_name="cluster", priority="shadow"
        )
        plan = plans.embed(Embedder("base", "query", options), ["a"], LIMITS)
        assert plan.steps[0].request() == embedding_pb2.EmbedRequest(
            model="base",
            input_type=vectors_pb2.INPUT_TYPE_QUERY,
            texts=["a"],
            dimensions=3,
            encoding=vectors_pb2.ENCODING_INT8,
            long_texts=embedding_pb2.LONG_TEXTS_REFUSE,
            prompt_name="cluster",
            priority=vectors_pb2.PRIORITY_SHADOW,
        )

    def test_without_any_a_request_is_what_it_always_was(self) -> None:
        plain = embedding_pb2.EmbedRequest(model="base", input_type=vectors_pb2.INPUT_TYPE_DOCUMENT, texts=["a"])
        plan = plans.embed(Embedder("base", "document"), ["a"], LIMITS)
        assert plan.steps[0].request().SerializeToString() == plain.SerializeToString()

    def test_a_search_has_its_priority(self) -> None:
        vectors = Vectors(np.ones((1, 2), np.float32), "f")
        for queries in (("base", ["a"]), vectors):
            (step,) = plans.search("docs", 3, queries, SearchOptions(True, "bulk"), LIMITS).steps
            request: Any = step.request()
            assert (request.priority, request.with_documents) == (vectors_pb2.PRIORITY_BULK, True)
            assert (request.collection, request.k) == ("docs", 3)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"dimensions": 0}, "dimensions is 0: give how many elements"),
            ({"dimensions": -3}, "dimensions is -3"),
            ({"dimensions": 2**32}, "dimensions is 4294967296"),
            ({"dimensions": 2.0}, r"dimensions is 2\.0"),
            ({"encoding": "float64"}, "encoding 'float64' does not exist: use one of float32, float16, int8, binary"),
            ({"encoding": ["int8"]}, "encoding .* does not exist"),
            ({"long_texts": True}, "long_texts True does not exist: use one of truncate, refuse"),
            ({"prompt_name": ""}, "prompt_name is empty: name one"),
            ({"priority": "high"}, "priority 'high' does not exist: use one of interactive, bulk, shadow"),
        ],
    )
    def test_what_does_not_exist(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            EmbedOptions(**options)

    def test_of_a_search_too(self) -> None:
        with pytest.raises(InvalidInput, match="priority 'high' does not exist"):
            SearchOptions(priority="high")
        with pytest.raises(InvalidInput, match="best_chunks is 0: give a whole number of 1 or more, or None"):
            SearchOptions(best_chunks=0)

    def test_a_search_asks_for_its_candidates_and_means(self) -> None:
        assert SearchOptions().message() is None
        asked = SearchOptions(best_chunks=3, explain_candidates=True).message()
        # To an older server it is a plain explanation.
        assert asked == collections_pb2.SearchOptions(best_chunks=3, explain=True, explain_candidates=True)

    def test_candidates_are_told_by_query(self) -> None:
        stage = collections_pb2.StageCandidates(
            stage="dense",
            candidates=[
                collections_pb2.Candidate(id="a", score=0.5, start=0, stop=4),
                collections_pb2.Candidate(id="b", score=0.25),
            ],
        )
        response = collections_pb2.SearchResponse(
            results=[collections_pb2.Hits(stages=[stage]), collections_pb2.Hits()], query_fingerprint="f"
        )
        told = {"dense": [Candidate("a", 1, 0.5, (0, 4)), Candidate("b", 2, 0.25)]}
        assert messages.results([response, response]).candidates == (told, {}, told, {})
        plain = collections_pb2.SearchResponse(results=[collections_pb2.Hits()], query_fingerprint="f")
        assert messages.results([plain]).candidates == ()


ROW = np.array([[0.5, -1.0, 0.25, 0.0, 0.1, -0.1, 0.0, 1.0, 0.125]], np.float32)
CODES = np.round(ROW * 127).astype(np.int8)


def answered(data: bytes, encoding: vectors_pb2.Encoding, scales: tuple[float, ...] = ()) -> Embedding:
    """One text's vector in one call, and the same in another."""
    vectors = vectors_pb2.Vectors(count=1, dimension=9, data=data, encoding=encoding, scales=scales)
    response = embedding_pb2.EmbedResponse(vectors=vectors, fingerprint="f", token_counts=[1], truncated=[False])
    return messages.embedding([response, response])


class TestEncodings:
    def test_float32(self) -> None:
        found = answered(ROW.astype("<f4").tobytes(), vectors_pb2.ENCODING_FLOAT32)
        assert (found.encoding, found.dimension, found.scales, found.values.dtype) == ("float32", 9, None, np.float32)
        assert found.as_float32() is found.values
        assert found.values.tolist() == ROW.repeat(2, 0).tolist()

    def test_float16(self) -> None:
        found = answered(ROW.astype("<f2").tobytes(), vectors_pb2.ENCODING_FLOAT16)
        assert (found.encoding, found.values.dtype, found.values.shape) == ("float16", np.float16, (2, 9))
        assert found.as_float32().dtype == np.float32
        assert found.as_float32().tolist() == ROW.astype(np.float16).astype(np.float32).repeat(2, 0).tolist()

    def test_int8(self) -> None:
        found = answered(CODES.tobytes(), vectors_pb2.ENCODING_INT8, (1 / 127,))
        assert (found.encoding, found.values.dtype, found.values.shape) == ("int8", np.int8, (2, 9))
        assert found.scales is not None
        assert (found.scales.dtype, found.scales.shape) == (np.float32, (2,))
        assert found.as_float32().dtype == np.float32
        np.testing.assert_allclose(found.as_float32(), ROW.repeat(2, 0), atol=0.5 / 127 + 1e-6)

    def test_binary(self) -> None:
        found = answered(bytes([0b1010_1001, 0b1000_0000]), vectors_pb2.ENCODING_BINARY)
        assert (found.encoding, found.values.dtype, found.values.shape) == ("binary", np.uint8, (2, 2))
        assert found.dimension == 9
        assert found.as_float32().tolist() == np.where(ROW > 0, 1.0, -1.0).repeat(2, 0).tolist()
        assert found.as_float32().dtype == np.float32

    def test_one_that_this_client_does_not_know(self) -> None:
        with pytest.raises(CrossfadeError, match="encoding 9 is unknown to this client: upgrade"):
            answered(b"", 9)  # type: ignore[arg-type]

    def test_answers_that_differ(self) -> None:
        one, other = (
            embedding_pb2.EmbedResponse(vectors=vectors_pb2.Vectors(dimension=size), fingerprint="f") for size in (1, 2)
        )
        with pytest.raises(CrossfadeError, match="differ in encoding or dimension"):
            messages.embedding([one, other])

    @pytest.mark.parametrize("encoding", ["float16", "int8", "binary"])
    def test_only_float32_goes_into_a_search_or_an_upsert(self, encoding: Any) -> None:
        values = np.zeros((1, 2), np.uint8)
        counts, flags = np.ones(1, np.int32), np.zeros(1, np.bool_)
        embedding = Embedding(values, "f", counts, flags, StageTimes(), encoding, 2)
        for build in (
            lambda: plans.search("docs", 1, embedding, SearchOptions(), LIMITS),
            lambda: plans.upsert("docs", [plans.Document("a")], embedding, LIMITS),
        ):
            with pytest.raises(InvalidInput, match=rf"the vectors are in {encoding}, and a call takes float32: embed"):
                build()
        plans.search("docs", 1, Vectors(embedding.as_float32(), embedding.fingerprint), SearchOptions(), LIMITS)


def test_what_a_model_and_the_limits_say() -> None:
    model = messages.model(models_pb2.Model(name="m", prompt_names=["a", "b"]))
    assert model.prompt_names == ("a", "b")
    assert messages.limits(models_pb2.Limits(queued_tokens=7)).queued_tokens == 7


class TestRefusals:
    @pytest.mark.parametrize("seconds", [0.0, 0.25, 1.5, 90.0])
    def test_the_delay_is_read(self, seconds: float) -> None:
        assert retry_after(retry_details(seconds)) == pytest.approx(seconds)

    @pytest.mark.parametrize("details", [b"", b"\x08\x08", field(3, field(1, b"other")), b"\xff\xff", b"\x1a\x05a", ""])
    def test_details_without_one(self, details: bytes | str) -> None:
        assert retry_after(details) is None

    def test_a_note_keeps_the_delay(self) -> None:
        noted = with_note(Overloaded("full", retry_after=2.0), "3 done")
        assert isinstance(noted, Overloaded)
        assert (str(noted), noted.retry_after) == ("full (3 done)", 2.0)
        assert Overloaded("full").retry_after is None

    def test_of_a_batch_in_a_stream(self) -> None:
        limit = batch_failure(embedding_pb2.Failure(code=3, message="too long", error="LimitExceeded"))
        assert (type(limit), str(limit)) == (LimitExceeded, "too long")
        assert type(batch_failure(embedding_pb2.Failure(code=5, error="Newer"))) is NotFound
        assert type(batch_failure(embedding_pb2.Failure(code=13, error="CrossfadeError"))) is CrossfadeError


class TestPatience:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr(retries.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(retries.random, "uniform", lambda low, high: high)
        return now

    def test_it_waits_as_long_as_the_server_says_and_a_little_more(self, clock: list[float]) -> None:
        patience = Patience(2, 10)
        assert patience.pause(Overloaded("full", retry_after=2.0)) == 3.0
        clock[0] += 4
        assert patience.left == 6.0
        assert patience.pause(Overloaded("full", retry_after=0.5)) == 0.75
        third = Overloaded("full", retry_after=0.5)
        with pytest.raises(Overloaded) as caught:
            patience.pause(third)
        assert caught.value is third

    def test_never_beyond_the_deadline(self, clock: list[float]) -> None:
        patience = Patience(5, 2)
        with pytest.raises(Overloaded):
            patience.pause(Overloaded("full", retry_after=1.5))
        clock[0] += 5
        assert patience.left == 0

    def test_not_when_the_server_names_no_delay(self) -> None:
        with pytest.raises(Overloaded):
            Patience(5, 60).pause(Overloaded("full"))

    @pytest.mark.parametrize("times", [-1, 1.5, None])
    def test_a_number_of_times(self, times: Any) -> None:
        with pytest.raises(InvalidInput, match="retry_overloaded is"):
            Client("there:1", retry_overloaded=times)


def test_both_kinds_of_retries_are_for_the_same_calls() -> None:
    config = json.loads(str(dict(OPTIONS)["grpc.service_config"]))
    (policy,) = config["methodConfig"]
    whole = {name["service"] for name in policy["name"] if "method" not in name}
    single = {(name["service"], name["method"]) for name in policy["name"] if "method" in name}
    methods = [method for method in vars(plans).values() if isinstance(method, Method)]
    assert len(methods) > 10
    for method in methods:
        service, name = method.path[1:].split("/")
        assert method.repeatable == (service in whole or (service, name) in single), method
