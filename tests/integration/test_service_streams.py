"""Embed streams and the options of Embed against a live server, with both clients."""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from typing import Any

import numpy as np
import pytest
from serving_harness import PATIENCE, LocalServer, local_server, until

from crossfade.client import AsyncClient, Client, Embedding
from crossfade.client.streams import IN_FLIGHT
from crossfade.errors import (
    CrossfadeError,
    DeadlineExceeded,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Unavailable,
)

BOTH = pytest.mark.parametrize("kind", ["sync", "aio"])


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server(max_texts_per_call=5, max_text_bytes=100) as running:
        yield running


class Stream:
    """A stream of either client, driven alike: `next`, then `close`."""

    def __init__(self, kind: str, address: str) -> None:
        self.runner = asyncio.Runner()
        self.asyncio = kind == "aio"
        self.client: Any = self.wait(self.connect(address)) if self.asyncio else Client(address)
        self.answers: Any = None

    async def connect(self, address: str) -> AsyncClient:
        return AsyncClient(address)

    def wait(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable) if self.asyncio else awaitable

    def start(self, source: Any, model: str = "gated", **options: Any) -> Stream:
        self.answers = self.client.embed_stream(model, source, "document", **options)
        return self

    def __iter__(self) -> Iterator[Embedding]:
        return self

    async def step(self) -> Embedding | None:
        return await anext(self.answers, None)

    def __next__(self) -> Embedding:
        found = self.wait(self.step()) if self.asyncio else next(self.answers, None)
        if found is None:
            raise StopIteration
        return found

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self.answers is not None:
            self.wait(self.answers.aclose()) if self.asyncio else self.answers.close()
        self.wait(self.client.close())
        self.runner.close()


def lengths(answers: Iterator[Embedding]) -> list[list[int]]:
    return [embedding.values[:, 0].astype(int).tolist() for embedding in answers]


@BOTH
class TestStreams:
    def test_strings_are_gathered_and_answered_in_order(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            found = list(stream.start(("x" * (number % 90) for number in range(203)), batch_size=4))
        assert [len(embedding.values) for embedding in found] == [4] * 50 + [3]
        assert list(itertools.chain(*lengths(iter(found)))) == [number % 90 for number in range(203)]
        assert {embedding.fingerprint for embedding in found} == {"cf1-gated"}
        assert [embedding.token_counts.tolist() for embedding in found] == lengths(iter(found))
        until(lambda: server.active_calls == 0)

    def test_every_sequence_is_a_batch(self, server: LocalServer, kind: str) -> None:
        batches = [["a"], ["bb"] * 13, ("ccc", "dddd")]
        with Stream(kind, server.address) as stream:
            assert lengths(stream.start(batches)) == [[1], [2] * 13, [3, 4]]

    def test_of_nothing(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            assert list(stream.start([])) == []

    def test_the_input_is_never_far_ahead(self, server: LocalServer, kind: str) -> None:
        taken = itertools.count()
        last = 0

        def source() -> Iterator[list[str]]:
            nonlocal last
            for last in taken:  # noqa: B007 - read outside
                yield ["x"] * 3

        with Stream(kind, server.address) as stream:
            stream.start(source())
            for answered in range(1, 40):
                next(stream)
                assert last + 1 <= answered + IN_FLIGHT
        until(lambda: server.active_calls == 0)

    def test_options_are_those_of_a_call(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            options = {"dimensions": 1, "encoding": "int8", "prompt_name": "loud", "priority": "interactive"}
            (found,) = stream.start([["ab", "abcd"]], **options)
            assert (found.dimension, found.encoding, found.values.dtype) == (1, "int8", np.int8)
            assert found.as_float32().round(4).tolist() == [[8.0], [10.0]]
            assert found.fingerprint == "cf1-loud@1"
            with pytest.raises(InvalidInput, match="encoding 'x' does not exist"):
                stream.client.embed_stream("gated", [], "query", encoding="x")
            with pytest.raises(InvalidInput, match="the stream is one string"):
                stream.client.embed_stream("gated", "text", "query")

    def test_a_batch_that_fails_ends_the_stream_after_those_before_it(self, server: LocalServer, kind: str) -> None:
        batches = [["a"] * 2, ["b"] * 7, ["c"] * 5 + ["d", "e" * 101], ["never"]]
        with Stream(kind, server.address) as stream:
            stream.start(itertools.chain(batches, itertools.repeat(["more"])))
            assert lengths(itertools.islice(stream, 2)) == [[1, 1], [1] * 7]
            with pytest.raises(
                LimitExceeded, match=r"text 1 is 101 bytes .* \(in batch 2 of the stream, texts counted from text 14 "
            ):
                next(stream)
            assert next(stream, None) is None
            until(lambda: server.active_calls == 0)

    def test_a_model_that_is_not_there(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream, pytest.raises(NotFound, match=r"no model 'x' .*in batch 0"):
            next(stream.start(["a"], model="x"))

    def test_what_the_input_raises_comes_after_the_answers(self, server: LocalServer, kind: str) -> None:
        def source() -> Iterator[list[str]]:
            yield ["a"]
            yield ["bb"]
            raise KeyError("mine")

        with Stream(kind, server.address) as stream:
            stream.start(source())
            assert lengths(itertools.islice(stream, 2)) == [[1], [2]]
            with pytest.raises(KeyError, match="mine"):
                next(stream)
        until(lambda: server.active_calls == 0)

    def test_a_text_that_cannot_be_sent(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            stream.start([["a"], ["b", "\ud800"]])
            assert lengths(itertools.islice(stream, 1)) == [[1]]
            with pytest.raises(InvalidInput, match=r"text 1 holds a lone surrogate .*in batch 1 of the stream"):
                next(stream)

    def test_closing_it_cancels_the_call(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            next(stream.start(itertools.repeat(["a"])))
            until(lambda: server.active_calls == 1)
            stream.wait(stream.answers.aclose()) if stream.asyncio else stream.answers.close()
            until(lambda: server.active_calls == 0)
            assert next(stream, None) is None

    def test_an_answer_that_takes_too_long(self, server: LocalServer, kind: str) -> None:
        # Else both may be in one batch, and wait together.
        def inferred() -> None:
            until(lambda: server.encoder.batches)

        def source() -> Iterator[list[str]]:
            yield ["b"]
            inferred()
            yield ["wait"]

        async def asynchronous() -> AsyncIterator[list[str]]:
            yield ["b"]
            await asyncio.to_thread(inferred)
            yield ["wait"]

        with Stream(kind, server.address) as stream:
            stream.start(asynchronous() if stream.asyncio else source(), timeout=0.2)
            next(stream)
            with pytest.raises(DeadlineExceeded, match=r"no answer for 0\.2 s: .* \(batches .* answered before: 1\)"):
                next(stream)
            until(lambda: server.active_calls == 0)

    def test_the_end_of_the_server(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            stream.start(["a"] for _ in itertools.count())
            next(stream)
            server.begin_drain()
            with pytest.raises(Unavailable, match="batches of the stream answered before"):
                for _ in stream:
                    pass

    def test_closing_the_client_ends_it_by_name(self, server: LocalServer, kind: str) -> None:
        with Stream(kind, server.address) as stream:
            next(stream.start(["a"] for _ in itertools.count()))
            stream.wait(stream.client.close())
            with pytest.raises(InvalidInput, match="this client is closed"):
                for _ in stream:
                    pass
            with pytest.raises(InvalidInput, match="this client is closed"):
                next(stream.start([["a"]]))


def test_ctrl_c_ends_a_wait(server: LocalServer) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        server.encoder.wait_for(1)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            Client(server.address) as client,
            ThreadPoolExecutor() as pool,
            closing(client.embed_stream("gated", [["wait"]], "query")) as stream,
        ):
            pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                next(stream)
            until(lambda: server.active_calls == 0)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closing_client_wakes_a_stream_that_waits(server: LocalServer) -> None:
    client = Client(server.address)
    with ThreadPoolExecutor() as pool:
        future = pool.submit(list, client.embed_stream("gated", [["wait"]], "query"))
        server.encoder.wait_for(1)
        client.close()
        with pytest.raises(InvalidInput, match="this client is closed"):
            future.result(PATIENCE)


def test_an_asynchronous_input_is_read_as_answers_come(server: LocalServer) -> None:
    async def use() -> None:
        answered = asyncio.Event()

        async def source() -> AsyncIterator[str]:
            for number in itertools.count():
                if number == 4 * IN_FLIGHT:  # no further before an answer is there
                    await answered.wait()
                yield "x" * (number % 50)

        async with (
            AsyncClient(server.address) as client,
            aclosing(client.embed_stream("gated", source(), "query", batch_size=4)) as stream,
        ):
            seen: list[int] = []
            async for embedding in stream:
                answered.set()
                seen += embedding.values[:, 0].astype(int).tolist()
                if len(seen) >= 100:
                    break
            assert seen == [number % 50 for number in range(100)]
        until(lambda: server.active_calls == 0)

    asyncio.run(use())


def test_an_asyncio_task_that_is_cancelled_ends_its_stream(server: LocalServer) -> None:
    async def use() -> None:
        async with AsyncClient(server.address) as client:

            async def read() -> None:
                async for _ in client.embed_stream("gated", [["wait"]], "query"):
                    pass

            task = asyncio.create_task(read())
            await asyncio.to_thread(server.encoder.wait_for, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(until, lambda: server.active_calls == 0)

    asyncio.run(use())


class TestOptionsOfEmbed:
    def test_values_in_every_encoding(self, server: LocalServer) -> None:
        texts = ["abc", ""]
        with Client(server.address) as client:
            whole = client.embed("gated", texts, "query")
            assert (whole.encoding, whole.dimension, whole.values.tolist()) == ("float32", 2, [[3, 1], [0, 1]])
            half = client.embed("gated", texts, "query", encoding="float16")
            assert (half.values.dtype, half.values.tolist()) == (np.float16, [[3, 1], [0, 1]])
            codes = client.embed("gated", texts * 5, "query", encoding="int8")  # two calls
            assert (codes.values.shape, codes.values[0].tolist()) == ((10, 2), [127, 42])
            np.testing.assert_allclose(codes.as_float32(), whole.values.tolist() * 5, atol=3 / 127)
            bits = client.embed("gated", texts, "query", encoding="binary")
            assert (bits.values.tolist(), bits.dimension) == ([[0b1100_0000], [0b0100_0000]], 2)
            assert bits.as_float32().tolist() == [[1, 1], [-1, 1]]
            assert {found.fingerprint for found in (whole, half, codes, bits)} == {"cf1-gated"}
            client.create_collection("docs", model="gated")
            with pytest.raises(InvalidInput, match="the vectors are in int8, and a call takes float32"):
                client.search("docs", 1, vectors=codes)

    def test_dimensions_are_cut_and_have_a_fingerprint_of_their_own(self, server: LocalServer) -> None:
        with Client(server.address) as client:
            cut = client.embed("gated", ["abc"], "query", dimensions=1)
            assert (cut.values.tolist(), cut.dimension, cut.fingerprint) == ([[3]], 1, "cf1-gated@1")
            with pytest.raises(InvalidInput, match="dimensions is 3, and the vectors of model 'gated' have 2"):
                client.embed("gated", ["abc"], "query", dimensions=3)

    def test_named_prompts(self, server: LocalServer) -> None:
        with Client(server.address) as client:
            (model,) = client.list_models()
            assert model.prompt_names == ("loud", "quiet")
            loud = client.embed("gated", ["abc"], "query", prompt_name="loud")
            assert (loud.values.tolist(), loud.fingerprint) == ([[9, 1]], "cf1-loud")
            with pytest.raises(NotFound, match="model 'gated' has no prompt 'x': use one of loud, quiet, or none"):
                client.embed("gated", ["abc"], "query", prompt_name="x")

    def test_long_texts_and_the_limits(self) -> None:
        with local_server(max_tokens=20) as server, Client(server.address) as client:
            assert client.limits().queued_tokens == server.settings.max_queued_tokens
            cut = client.embed("gated", ["x" * 30], "query")
            assert (cut.token_counts.tolist(), cut.truncated.tolist()) == ([20], [True])
            with pytest.raises(LimitExceeded, match="text 1 "):
                client.embed("gated", ["x" * 20, "x" * 21], "query", long_texts="refuse")

    def test_priorities(self, server: LocalServer) -> None:
        with Client(server.address) as client:
            for priority in ("interactive", "bulk", "shadow", None):
                embedded = client.embed("gated", ["abc"], "query", priority=priority)
                client.create_collection(f"docs-{priority}", model="gated")
                assert client.search(f"docs-{priority}", 1, vectors=embedded, priority=priority).hits == [[]]
            with pytest.raises(CrossfadeError, match="priority 'high' does not exist"):
                client.search("docs", 1, vectors=embedded, priority="high")
