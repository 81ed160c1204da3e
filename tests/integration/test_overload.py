"""More than a server can do: every call ends in one of three ways, nothing is run for callers that are gone, and the
server is as before."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from serving_harness import PATIENCE, ServeProcess, local_server, resident, serve_process, until
from wire_details import retry_delay

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.client import Client

CODE = grpc.StatusCode
QUEUED_TOKENS = 4096
TEXTS = 4
WORDS = 200
SECONDS = 4.0
DEADLINE = 1.5
# What the allocators keep of calls that have ended: 3 MiB where it was measured.
GROWTH = 64 << 20

numbers = itertools.count()


@pytest.fixture
def server(minilm_bundle: Path, tmp_path: Path) -> Iterator[ServeProcess]:
    log = tmp_path / "log"
    settings = {"CROSSFADE_MAX_QUEUED_TOKENS": str(QUEUED_TOKENS)}
    with serve_process(log, "--model", f"base={minilm_bundle}", **settings) as running:
        yield running
        running.terminate()
        assert running.wait() == 0
        assert "Traceback" not in log.read_text()


def request(texts: int = TEXTS, words: int = WORDS) -> embedding_pb2.EmbedRequest:
    """Of texts that no other call has: those would wait for one another's vectors."""
    return embedding_pb2.EmbedRequest(
        model="base",
        input_type=vectors_pb2.INPUT_TYPE_QUERY,
        texts=[f"{next(numbers)} " + "word " * words for _ in range(texts)],
        priority=vectors_pb2.PRIORITY_INTERACTIVE,
    )


class Outcomes:
    def __init__(self) -> None:
        self.codes: Counter[grpc.StatusCode] = Counter()
        self.delays: list[float] = []
        self.longest = 0.0

    async def call(self, stub: Any, deadline: float) -> None:
        sent = request()
        began = time.perf_counter()
        try:
            answer = await stub.Embed(sent, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            self.codes[error.code()] += 1
            if error.code() is CODE.RESOURCE_EXHAUSTED:
                self.delays.append(retry_delay(error))
        else:
            self.codes[CODE.OK] += 1
            assert answer.vectors.count == TEXTS
        self.longest = max(self.longest, time.perf_counter() - began)


async def stubs(address: str, count: int) -> AsyncIterator[Any]:
    """Over connections of their own, and all of them open."""
    for _ in range(count):
        channel = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        await channel.channel_ready()
        yield embedding_pb2_grpc.EmbeddingServiceStub(channel)


async def capacity(stub: Any) -> float:
    """Calls a second, of callers who wait for their answers and never find the queue full."""
    outcomes, calls = Outcomes(), 24
    free = asyncio.Semaphore(3)

    async def one() -> None:
        async with free:
            await outcomes.call(stub, PATIENCE)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(calls)))
    assert outcomes.codes == {CODE.OK: calls}
    return calls / (time.perf_counter() - began)


async def overload(address: str, process: ServeProcess) -> tuple[Outcomes, float, int]:
    """How the calls ended, how many a second the server can do, and the most memory that it had."""
    connections = [stub async for stub in stubs(address, 8)]
    able = await capacity(connections[0])
    outcomes, calls, most = Outcomes(), [], 0
    began = time.perf_counter()
    for number in itertools.count():
        due = began + number / (10 * able)
        if due > began + SECONDS:
            break
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        calls.append(asyncio.create_task(outcomes.call(connections[number % 8], DEADLINE)))
        most = max(most, resident(process.process.pid))
    await asyncio.gather(*calls)
    return outcomes, able, max(most, resident(process.process.pid))


def test_ten_times_too_much(server: ServeProcess) -> None:
    with Client(server.address, timeout=PATIENCE) as client:
        known = client.embed("base", ["what it was before"], "query").values
        # Whatever a full queue needs at most, it has had once.
        with grpc.insecure_channel(server.address) as channel:
            embedding_pb2_grpc.EmbeddingServiceStub(channel).Embed(request(16, 300), timeout=PATIENCE)
        before = resident(server.process.pid)

        outcomes, able, most = asyncio.run(overload(server.address, server))

        codes = outcomes.codes
        assert set(codes) <= {CODE.OK, CODE.RESOURCE_EXHAUSTED, CODE.DEADLINE_EXCEEDED}, codes
        assert len(outcomes.delays) == codes[CODE.RESOURCE_EXHAUSTED] > codes[CODE.OK], codes
        assert all(0 < delay <= 5 for delay in outcomes.delays)
        # Who was let in is mostly served, and the server does what it can do: less than half would be a collapse.
        assert codes[CODE.OK] >= 4 * codes[CODE.DEADLINE_EXCEEDED], codes
        assert codes[CODE.OK] >= able * SECONDS / 4, (codes, able)
        assert outcomes.longest < DEADLINE + PATIENCE / 6
        assert most - before < GROWTH, f"{(most - before) >> 20} MiB more"

        # More than the limit is let in only where not one token is queued.
        whole = client.embed("base", [f"{next(numbers)} " + "word " * 300 for _ in range(17)], "document")
        assert whole.token_counts.sum() == 17 * 256 > QUEUED_TOKENS
        np.testing.assert_array_equal(client.embed("base", ["what it was before"], "query").values, known)
        assert resident(server.process.pid) - before < GROWTH


def test_the_cancelled_and_the_late_never_reach_the_model() -> None:
    with local_server() as server, grpc.insecure_channel(server.address) as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)

        def send(text: str, timeout: float = PATIENCE) -> Any:
            sent = embedding_pb2.EmbedRequest(model="gated", input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=[text])
            return stub.Embed.future(sent, timeout=timeout)

        first = send("wait")
        server.encoder.wait_for(1)
        kept = [send(f"kept {number}") for number in range(100)]
        cancelled = [send(f"cancelled {number}") for number in range(100)]
        until(lambda: server.active_calls == 201)
        late = [send(f"late {number}", 0.2) for number in range(100)]
        for call in cancelled:
            call.cancel()
        assert {call.code() for call in late} == {CODE.DEADLINE_EXCEEDED}
        until(lambda: server.active_calls == 101)
        server.encoder.gate.set()
        assert {call.code() for call in [first, *kept]} == {CODE.OK}
        assert sorted(server.encoder.texts) == sorted(["wait", *(f"kept {number}" for number in range(100))])
        until(lambda: server.active_calls == 0)
        assert {name: server.server.counts()[name] for name in ("queued_tokens", "waiting")} == {
            "queued_tokens": 0,
            "waiting": 0,
        }


def test_a_text_counts_as_long_as_anybody_waits_for_it() -> None:
    """Callers that give up and ask again must not fill the queue past its limit."""
    with local_server(max_queued_tokens=100) as server, grpc.insecure_channel(server.address) as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)

        def send(text: str) -> Any:
            sent = embedding_pb2.EmbedRequest(model="gated", input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=[text])
            return stub.Embed.future(sent)

        first = send("wait")
        server.encoder.wait_for(1)
        gives_up = send("x" * 60)
        until(lambda: server.server.counts()["waiting"] == 1)
        asks_again = send("x" * 60)
        until(lambda: server.server.counts()["joined"] == 1)
        gives_up.cancel()
        until(lambda: server.active_calls == 2)
        counts = server.server.counts()
        server.encoder.gate.set()
        assert {first.code(), asks_again.code()} == {CODE.OK}
        assert (counts["waiting"], counts["queued_tokens"]) == (1, 64)
