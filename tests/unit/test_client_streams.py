"""How a stream is cut into messages and its answers put together, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from client_fakes import LIMITS, embed_response
from hypothesis import given
from hypothesis import strategies as st

from crossfade._pb import embedding_pb2
from crossfade.client.options import Embedder
from crossfade.client.streams import EmbedStream, Part, check_stream
from crossfade.errors import CrossfadeError, InvalidInput, LimitExceeded

OVERHEAD = 64


def stream(batch_size: int = 4) -> EmbedStream:
    return EmbedStream(Embedder("m", "query"), LIMITS, batch_size, 5.0)


@given(st.lists(st.integers(0, 2000), min_size=1), st.integers(1, 20))
def test_single_strings_are_gathered_within_the_limits(sizes: list[int], batch_size: int) -> None:
    parts = list(stream(batch_size).parts("x" * size for size in sizes))
    assert [len(text) for part in parts for text in part.texts] == sizes
    assert [part.batch for part in parts] == list(range(len(parts)))
    assert all(part.last for part in parts)
    first = 0
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        assert part.first == first
        first += len(part.texts)
        used = sum(len(text) + OVERHEAD for text in part.texts)
        assert len(part.texts) <= min(10, batch_size)
        assert used <= 1500 or len(part.texts) == 1
        if following is not None:  # no batch ends before it must
            assert len(part.texts) == min(10, batch_size) or used + len(following.texts[0]) + OVERHEAD > 1500


@given(st.lists(st.lists(st.integers(0, 2000), max_size=12), max_size=6), st.integers(1, 20))
def test_a_sequence_is_a_batch_however_many_messages_it_takes(batches: list[list[int]], batch_size: int) -> None:
    parts = list(stream(batch_size).parts(["x" * size for size in batch] for batch in batches))
    found: list[list[int]] = [[] for _ in batches]
    for part in parts:
        assert part.first == sum(map(len, batches[: part.batch])) + len(found[part.batch])
        found[part.batch] += [len(text) for text in part.texts]
        assert part.last == (found[part.batch] == batches[part.batch])
        assert len(part.texts) <= min(10, batch_size)
    assert found == batches


def test_the_input_is_read_no_further_than_a_message_needs() -> None:
    read: list[int] = []

    def source() -> Iterator[str]:
        for number in range(100):
            read.append(number)
            yield "x"

    parts = stream().parts(source())
    for count in range(1, 5):
        next(parts)
        assert len(read) == 4 * count


@pytest.mark.parametrize(
    ("source", "before", "message"),
    [
        (["a", "b", 7], 0, "began with a string, and after 2 texts comes int"),
        ([7], 0, "batch 0 of the stream is int: give strings or sequences of strings"),
        ([b"abc"], 0, "batch 0 of the stream is bytes"),
        ([["a"], "b"], 1, "began with a batch, and after 1 texts comes one string"),
        ([["a"], ["b", 3]], 1, r"text 1 is int, expected str \(in batch 1 of the stream, .* from text 1 of"),
        (["a"] * 5 + ["\ud800"], 1, r"text 0 holds a lone surrogate .* \(in batch 1 of the stream, .* from text 5 of"),
    ],
)
def test_what_cannot_be_sent_is_named_by_its_place(source: Any, before: int, message: str) -> None:
    parts = stream().parts(source)
    assert len([next(parts) for _ in range(before)]) == before
    with pytest.raises(InvalidInput, match=message):
        next(parts)


def test_an_asynchronous_input_is_cut_alike() -> None:
    texts = ["x" * (number % 7) for number in range(50)]

    async def source() -> AsyncIterator[str]:
        for text in texts:
            yield text

    async def collect(given: Any) -> list[Part]:
        return [part async for part in stream().parts_async(given)]

    expected = list(stream().parts(texts))
    assert asyncio.run(collect(source())) == expected
    assert asyncio.run(collect(texts)) == expected


@pytest.mark.parametrize(
    ("source", "batch_size", "message"),
    [
        ("texts", 4, "the stream is one string"),
        (7, 4, "the stream is int: give an iterable"),
        (["a"], 0, "batch_size is 0: give how many texts"),
        (["a"], 1.5, r"batch_size is 1\.5"),
    ],
)
def test_arguments_that_cannot_be_used(source: Any, batch_size: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_stream(source, batch_size)


def answer(request: embedding_pb2.EmbedStreamRequest, fingerprint: str = "f") -> embedding_pb2.EmbedStreamResponse:
    response = embed_response([len(text) for text in request.request.texts], fingerprint)
    return embedding_pb2.EmbedStreamResponse(id=request.id, response=response)


class TestAnswers:
    def test_a_batch_is_whole_with_its_last_message(self) -> None:
        running = stream()
        requests = [running.request(part) for part in running.parts([["x"] * 9, ["yy"]])]
        assert running.in_flight == 4
        assert [running.answer(answer(request)) for request in requests[:2]] == [None, None]
        whole = running.answer(answer(requests[2]))
        assert whole is not None
        assert whole.values.tolist() == [[1.0]] * 9
        assert running.in_flight == 1

    def test_a_failure_says_where_it_was(self) -> None:
        running = stream()
        requests = [running.request(part) for part in running.parts([["x"], ["y"] * 6])]
        running.answer(answer(requests[0]))
        running.answer(answer(requests[1]))
        failure = embedding_pb2.Failure(code=3, message="text 1 is too long", error="LimitExceeded")
        with pytest.raises(
            LimitExceeded, match=r"text 1 is too long \(in batch 1 of the stream, texts counted from text 5 of"
        ):
            running.answer(embedding_pb2.EmbedStreamResponse(id=requests[2].id, failure=failure))

    def test_answers_out_of_order(self) -> None:
        running = stream()
        requests = [running.request(part) for part in running.parts([["x"], ["y"]])]
        with pytest.raises(CrossfadeError, match="answered message 1 of the stream, expected was 0"):
            running.answer(answer(requests[1]))
        with pytest.raises(CrossfadeError, match="expected was None"):
            stream().answer(answer(requests[1]))

    def test_a_model_that_changes_between_batches(self) -> None:
        running = stream()
        requests = [running.request(part) for part in running.parts([["x"], ["y"]])]
        running.answer(answer(requests[0], "f1"))
        with pytest.raises(CrossfadeError, match=r"the model changed .* \(fingerprints f1, f2\)"):
            running.answer(answer(requests[1], "f2"))

    def test_an_end_says_how_far_it_came(self) -> None:
        running = stream()
        (request,) = [running.request(part) for part in running.parts([["x"]])]
        running.answer(answer(request))
        assert str(running.late()) == (
            "the stream had no answer for 5 s: give it a longer timeout, or smaller batches "
            "(batches of the stream answered before: 1)"
        )
