"""What an Embed may ask for, and streams of them, as the wire has it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from serving_harness import PATIENCE, GatedEncoder, LocalServer, local_server, until
from wire_details import retry_delay

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.kernels import quantise
from crossfade.models import InputType

CODE = grpc.StatusCode
DIMENSION = 64
MAX_TOKENS = 16
TEXTS = ["a text", "another", "", "é"]
REFUSE = embedding_pb2.LONG_TEXTS_REFUSE


class UnitEncoder(GatedEncoder):
    """A text becomes a random vector of unit length, the same whenever it comes."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.bundle.dimension = DIMENSION
        self.bundle.max_tokens = MAX_TOKENS
        self.bundle.normalise = True

    def infer(self, ids: NDArray[np.int64], mask: NDArray[np.int64], input_type: InputType) -> NDArray[np.float32]:
        super().infer(ids, mask, input_type)  # it waits, or fails
        rows = [row[kept == 1] for row, kept in zip(ids, mask, strict=True)]
        vectors = np.stack([np.random.default_rng([0, *row.tolist()]).normal(size=DIMENSION) for row in rows])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(UnitEncoder) as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: LocalServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as connected:
        yield connected


def asked(texts: list[str], **options: Any) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(model="gated", input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=texts, **options)


def embed(channel: grpc.Channel, texts: list[str], **options: Any) -> embedding_pb2.EmbedResponse:
    return embedding_pb2_grpc.EmbeddingServiceStub(channel).Embed(asked(texts, **options), timeout=PATIENCE)


def plain(channel: grpc.Channel, dimensions: int = 0) -> NDArray[np.float32]:
    """The texts' vectors, as float32."""
    vectors = embed(channel, TEXTS, dimensions=dimensions).vectors
    assert (vectors.count, vectors.encoding, list(vectors.scales)) == (len(TEXTS), vectors_pb2.ENCODING_FLOAT32, [])
    return np.frombuffer(vectors.data, "<f4").reshape(vectors.count, vectors.dimension)


def refused(channel: grpc.Channel, texts: list[str], **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        embed(channel, texts, **options)
    return caught.value


class TestDimensions:
    @pytest.mark.parametrize("dimensions", [1, 9, DIMENSION - 1])
    def test_the_beginning_at_unit_length(self, channel: grpc.Channel, dimensions: int) -> None:
        whole = plain(channel)[:, :dimensions].astype(np.float64)
        expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
        np.testing.assert_array_max_ulp(plain(channel, dimensions), expected.astype(np.float32), maxulp=1)
        answer = embed(channel, TEXTS, dimensions=dimensions)
        assert answer.fingerprint == f"cf1-gated@{dimensions}"
        assert answer.vectors.dimension == dimensions

    def test_all_of_them_are_the_model_s_own(self, channel: grpc.Channel) -> None:
        assert embed(channel, TEXTS, dimensions=DIMENSION).fingerprint == "cf1-gated"
        np.testing.assert_array_equal(plain(channel, DIMENSION), plain(channel))

    def test_more_are_refused(self, channel: grpc.Channel) -> None:
        error = refused(channel, TEXTS, dimensions=DIMENSION + 1)
        assert error.code() is CODE.INVALID_ARGUMENT
        assert "dimensions is 65, and the vectors of model 'gated' have 64" in error.details()

    def test_vectors_without_unit_length_stay_as_they_are(self) -> None:
        with local_server() as server, grpc.insecure_channel(server.address) as channel:
            vectors = embed(channel, ["xxx"], dimensions=1).vectors
            assert np.frombuffer(vectors.data, "<f4").tolist() == [3]


@pytest.mark.parametrize("dimensions", [0, 9])
class TestEncodings:
    def test_float16(self, channel: grpc.Channel, dimensions: int) -> None:
        vectors = embed(channel, TEXTS, encoding=vectors_pb2.ENCODING_FLOAT16, dimensions=dimensions).vectors
        assert vectors.encoding == vectors_pb2.ENCODING_FLOAT16
        found = np.frombuffer(vectors.data, "<f2").reshape(vectors.count, vectors.dimension)
        np.testing.assert_array_equal(found, plain(channel, dimensions).astype(np.float16))

    def test_int8(self, channel: grpc.Channel, dimensions: int) -> None:
        vectors = embed(channel, TEXTS, encoding=vectors_pb2.ENCODING_INT8, dimensions=dimensions).vectors
        assert vectors.encoding == vectors_pb2.ENCODING_INT8
        codes = np.frombuffer(vectors.data, np.int8).reshape(vectors.count, vectors.dimension)
        scales = np.array(vectors.scales, np.float32)
        exact = plain(channel, dimensions)
        # Rounded to the nearest code: half a step, and the rounding of the quotient.
        assert (np.abs(codes * scales[:, np.newaxis] - exact) <= scales[:, np.newaxis] * (0.5 + 2.0**-15)).all()
        kernels = quantise(exact, "int8")
        np.testing.assert_array_equal(codes, kernels.codes)
        np.testing.assert_array_equal(scales, kernels.scales)

    def test_binary(self, channel: grpc.Channel, dimensions: int) -> None:
        vectors = embed(channel, TEXTS, encoding=vectors_pb2.ENCODING_BINARY, dimensions=dimensions).vectors
        assert (vectors.encoding, vectors.dimension) == (vectors_pb2.ENCODING_BINARY, dimensions or DIMENSION)
        bits = np.packbits(plain(channel, dimensions) > 0, axis=1)
        assert vectors.data == bits.tobytes()


def test_what_float16_cannot_hold_is_refused() -> None:
    with local_server() as server, grpc.insecure_channel(server.address) as channel:
        error = refused(channel, ["x" * 70_000], encoding=vectors_pb2.ENCODING_FLOAT16)
    assert error.code() is CODE.INVALID_ARGUMENT
    assert "an element is 70000, beyond what float16 holds: ask for ENCODING_FLOAT32" in error.details()


def test_long_texts(channel: grpc.Channel) -> None:
    just, long = "x" * MAX_TOKENS, "y" * (MAX_TOKENS + 1)
    answer = embed(channel, [just, long])
    assert (list(answer.token_counts), list(answer.truncated)) == ([MAX_TOKENS] * 2, [False, True])
    assert list(embed(channel, [just], long_texts=REFUSE).truncated) == [False]
    error = refused(channel, [just, long], long_texts=REFUSE)
    assert error.code() is CODE.INVALID_ARGUMENT
    assert "text 1 is longer than the 16 tokens that model 'gated' reads: cut it into passages" in error.details()
    assert dict(error.trailing_metadata())["crossfade-error"] == "LimitExceeded"


def test_a_text_that_is_refused_does_not_reach_the_model(server: LocalServer, channel: grpc.Channel) -> None:
    refused(channel, ["fine", "z" * (MAX_TOKENS + 1)], long_texts=REFUSE)
    assert "z" * MAX_TOKENS not in server.encoder.texts


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            {"prompt_name": "nope"},
            CODE.NOT_FOUND,
            "model 'gated' has no prompt 'nope': use one of loud, quiet, or none",
        ),
        ({"encoding": 9}, CODE.INVALID_ARGUMENT, "encoding 9 is unknown: use ENCODING_FLOAT32"),
        ({"long_texts": 9}, CODE.INVALID_ARGUMENT, "long_texts 9 is unknown: use LONG_TEXTS_TRUNCATE"),
        ({"priority": 9}, CODE.INVALID_ARGUMENT, "priority 9 is unknown: use PRIORITY_INTERACTIVE"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_are_unknown(
    channel: grpc.Channel, options: dict[str, Any], code: grpc.StatusCode, words: str
) -> None:
    error = refused(channel, TEXTS, **options)
    assert error.code() is code
    assert words in error.details()


def test_priorities_leave_room_for_the_higher() -> None:
    """Of the tokens that may be queued, bulk gets three quarters and shadow half."""
    with local_server(max_queued_tokens=100) as server, grpc.insecure_channel(server.address) as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        first = stub.Embed.future(asked(["wait"]))
        server.encoder.wait_for(1)
        calls = [first]

        def offer(priority: int, texts: list[str]) -> bool:
            """Whether it is let in; it waits then."""
            active = server.active_calls
            call = stub.Embed.future(asked(texts, priority=priority))
            until(lambda: call.done() or server.server.counts()["waiting"] == len(calls) - 1 + len(texts))
            if not call.done():
                calls.append(call)
                return True
            assert call.code() is CODE.RESOURCE_EXHAUSTED
            assert "limit is 100" in call.details()
            assert retry_delay(call) > 0
            until(lambda: server.active_calls == active)
            return False

        shadow, bulk = vectors_pb2.PRIORITY_SHADOW, vectors_pb2.PRIORITY_BULK
        interactive, unsaid = vectors_pb2.PRIORITY_INTERACTIVE, vectors_pb2.PRIORITY_UNSPECIFIED
        assert offer(shadow, ["s" * 25])
        assert offer(shadow, ["t" * 25])
        assert not offer(shadow, ["s"])  # 50 and 1
        assert offer(bulk, ["b" * 1000])  # counts for a quarter
        assert not offer(bulk, ["b"])  # 75 and 1
        assert not offer(unsaid, list("ABCDEFGHIJKLMNOPQ"))  # 17 texts are bulk
        assert offer(unsaid, ["i" * 20])  # one is interactive: 79 and 20
        assert not offer(interactive, ["12"])
        assert offer(interactive, ["1"])
        server.encoder.gate.set()
        assert {call.code() for call in calls} == {CODE.OK}


def stream(channel: grpc.Channel, requests: Iterator[embedding_pb2.EmbedStreamRequest]) -> Any:
    return embedding_pb2_grpc.EmbeddingServiceStub(channel).EmbedStream(requests, timeout=PATIENCE)


class TestStream:
    def test_answers_come_in_the_order_sent_though_the_later_are_done_first(self) -> None:
        with local_server(UnitEncoder) as server, grpc.insecure_channel(server.address) as channel:
            sent = [asked(["wait"]), embedding_pb2.EmbedRequest(model="nope"), asked(["after"])]
            requests: queue.Queue[embedding_pb2.EmbedStreamRequest | None] = queue.Queue()
            answers = stream(channel, iter(requests.get, None))
            for number, one in enumerate(sent):
                requests.put(embedding_pb2.EmbedStreamRequest(id=7 - number, request=one))
                if number == 0:
                    server.encoder.wait_for(1)  # or the third would be run with it
            requests.put(None)
            until(lambda: server.server.counts()["waiting"] == 1)
            server.encoder.gate.set()
            kinds = [(answer.id, answer.WhichOneof("result")) for answer in answers]
            assert kinds == [(7, "response"), (6, "failure"), (5, "response")]

    def test_a_batch_that_fails_leaves_the_stream_going(self, channel: grpc.Channel) -> None:
        long = "y" * (MAX_TOKENS + 1)
        bad = [
            (embedding_pb2.EmbedRequest(), CODE.INVALID_ARGUMENT, "InvalidInput", "input_type is unspecified"),
            (asked([]), CODE.INVALID_ARGUMENT, "InvalidInput", "no texts in the call"),
            (asked(["x"], prompt_name="p"), CODE.NOT_FOUND, "NotFound", "has no prompt 'p'"),
            (asked([long], long_texts=REFUSE), CODE.INVALID_ARGUMENT, "LimitExceeded", "text 0 is longer"),
            (asked(["burst"]), CODE.INTERNAL, "CrossfadeError", "internal error"),
        ]
        requests = [one for request, *_ in bad for one in (request, asked(["good"]))]
        numbered = [embedding_pb2.EmbedStreamRequest(id=n, request=one) for n, one in enumerate(requests)]
        answers = list(stream(channel, iter(numbered)))
        assert [answer.id for answer in answers] == list(range(2 * len(bad)))
        for (_, code, name, words), failed, fine in zip(bad, answers[::2], answers[1::2], strict=True):
            assert (failed.failure.code, failed.failure.error) == (code.value[0], name)
            assert words in failed.failure.message
            assert "secret" not in failed.failure.message
            assert fine.response.vectors.count == 1

    def test_a_batch_is_answered_before_the_next_is_sent(self, channel: grpc.Channel) -> None:
        requests: queue.Queue[embedding_pb2.EmbedStreamRequest | None] = queue.Queue()
        answers = stream(channel, iter(requests.get, None))
        for number in range(3):
            requests.put(embedding_pb2.EmbedStreamRequest(id=number, request=asked([f"{number}"])))
            assert next(answers).id == number
        requests.put(None)
        assert list(answers) == []
        assert answers.code() is CODE.OK

    def test_a_message_that_cannot_be_read_ends_it_after_the_answers_before(self, channel: grpc.Channel) -> None:
        good = embedding_pb2.EmbedStreamRequest(id=1, request=asked(["good"])).SerializeToString()
        call = channel.stream_stream("/crossfade.v1.EmbeddingService/EmbedStream")
        answers = call(iter([good, b"\xff\xff", good]), timeout=PATIENCE)
        assert embedding_pb2.EmbedStreamResponse.FromString(next(answers)).id == 1
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is CODE.INVALID_ARGUMENT
        assert "not a readable crossfade.v1.EmbedStreamRequest" in caught.value.details()
