"""Clients that begin and do not go on: whoever else calls is served, and what they make the server keep is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from raw_http2 import RawClient, framed
from serving_harness import PATIENCE, HostedProcess, hosted_process, resident, until
from wire_details import retry_delay

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.client import Client

EMBED, STREAM = "EmbeddingService/Embed", "EmbeddingService/EmbedStream"
ROW_BYTES = 4 * 4096
CODE = grpc.StatusCode


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HostedProcess]:
    settings = {"CROSSFADE_MAX_RECEIVING_BYTES": str(1 << 20), "CROSSFADE_MAX_CONNECTIONS": "64"}
    with hosted_process("drain", tmp_path / "log", **settings) as running:
        yield running
        assert running.end() == 0
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def client(server: HostedProcess) -> Iterator[Client]:
    with Client(server.address, timeout=PATIENCE) as connected:
        connected.limits()
        yield connected


def well(client: Client) -> bool:
    return client.embed("wide", ["four"], "query").values[0, 0] == 4


def embed(*texts: str) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(model="wide", input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=texts)


def batch(number: int, texts: int) -> embedding_pb2.EmbedStreamRequest:
    return embedding_pb2.EmbedStreamRequest(id=number, request=embed(*(f"{number} {text}" for text in range(texts))))


def connected(address: str) -> grpc.Channel:
    """A connection of its own, that takes answers of any size."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    return grpc.insecure_channel(address, options=options)


def stub(channel: grpc.Channel) -> Any:
    return embedding_pb2_grpc.EmbeddingServiceStub(channel)


def settled(server: HostedProcess, client: Client) -> dict[str, int]:
    """What the server has done once it does nothing more for anybody but `client`, who is answered meanwhile."""
    known, same = server.counts(), 0
    while same < 20:
        assert well(client)
        threading.Event().wait(0.01)
        now = server.counts()
        same = same + 1 if now["tokens"] == known["tokens"] + 4 else 0
        known = now
    return known


def test_a_stream_that_is_not_read_is_held_back(server: HostedProcess, client: Client) -> None:
    """By what gRPC keeps on either side and eight batches in work: not by all that was asked for."""
    batches, texts = 100, 256
    before = resident(server.process.pid)
    with connected(server.address) as channel:
        answers = stub(channel).EmbedStream((batch(number, texts) for number in range(batches)), timeout=PATIENCE)
        until(lambda: server.counts()["batches"] > 4)
        counts = settled(server, client)
        assert counts["active_calls"] == 1
        asked = sum(len(text) for number in range(batches) for text in batch(number, texts).request.texts)
        assert counts["tokens"] < asked / 4
        growth = resident(server.process.pid) - before
        # An answer has 4 MiB, all of them 400.
        assert growth < 30 * texts * ROW_BYTES, f"{growth >> 20} MiB more"
        for number, answer in enumerate(answers):
            assert answer.id == number
            assert answer.response.vectors.count == texts
        assert number == batches - 1
    until(lambda: server.counts()["active_calls"] == 0)
    assert server.counts()["queued_tokens"] == 0


def test_unread_streams_leave_room_for_other_calls_of_their_connection(tmp_path: Path) -> None:
    def requests(stream: int) -> Iterator[embedding_pb2.EmbedStreamRequest]:
        for number in range(100):
            texts = (f"{stream} {number} {text} " + "x" * 400 for text in range(200))
            yield embedding_pb2.EmbedStreamRequest(id=number, request=embed(*texts))

    with (
        hosted_process("drain", tmp_path / "log") as server,
        Client(server.address, timeout=PATIENCE) as other,
        connected(server.address) as channel,
    ):
        streams = [stub(channel).EmbedStream(requests(number), timeout=PATIENCE) for number in range(8)]
        until(lambda: server.counts()["batches"] > 8)
        settled(server, other)
        call = stub(channel).Embed.future(embed("four"), timeout=3)
        assert call.code() is CODE.OK
        for stream in streams:
            stream.cancel()


def test_a_stream_whose_time_is_over_takes_no_place(server: HostedProcess) -> None:
    first, *rest = (batch(number, 256).SerializeToString() for number in range(30))
    with RawClient(server.address, PATIENCE) as raw:
        raw.begin(STREAM, len(first), first + b"".join(map(framed, rest)), timeout="500m")
        until(lambda: server.counts()["batches"] > 4)
        for _ in range(300):  # of ten milliseconds: six times the time that it has
            if server.counts()["active_calls"] == 0:
                break
            threading.Event().wait(0.01)
        assert server.counts()["active_calls"] == 0


def test_who_stalls_does_not_outlast_a_drain(tmp_path: Path) -> None:
    half = embed("some text").SerializeToString()
    with (
        hosted_process("drain", tmp_path / "log", CROSSFADE_DRAIN_SECONDS="0.5") as server,
        connected(server.address) as channel,
        RawClient(server.address, PATIENCE) as raw,
    ):
        raw.begin(EMBED, 2 * len(half), half)
        answers = stub(channel).EmbedStream((batch(number, 256) for number in range(100)), timeout=PATIENCE)
        until(lambda: server.counts()["batches"] > 4 and server.counts()["active_calls"] == 2)
        assert server.end() == 0
        with pytest.raises(grpc.RpcError):
            list(answers)
        assert answers.code() is CODE.UNAVAILABLE
        assert "Traceback" not in server.log.read_text()


def test_half_a_message(server: HostedProcess, client: Client) -> None:
    half = embed("some text").SerializeToString()
    with RawClient(server.address, PATIENCE) as raw:
        for _ in range(50):
            raw.begin(EMBED, 2 * len(half), half)
            raw.begin(STREAM, 2 * len(half), half)
        until(lambda: server.counts()["active_calls"] == 100)
        assert well(client)
    until(lambda: server.counts()["active_calls"] == 0)
    assert well(client)


def test_large_messages_that_are_declared_and_never_come(server: HostedProcess, client: Client) -> None:
    before = resident(server.process.pid)
    with RawClient(server.address, PATIENCE) as raw:
        for _ in range(200):
            raw.begin(EMBED, 30 << 20)
        until(lambda: server.counts()["active_calls"] == 200)
        assert well(client)
        # What was declared is 6 GB.
        assert resident(server.process.pid) - before < 30 << 20


def test_requests_that_come_in_are_bounded_all_together(server: HostedProcess, client: Client) -> None:
    large = embed(*["x" * 1000] * 300)
    with connected(server.address) as channel:
        assert stub(channel).Embed(large, timeout=PATIENCE).vectors.count == 300
        with RawClient(server.address, PATIENCE) as raw:
            refusals: list[grpc.Call] = []

            def refused() -> bool:
                if server.counts()["active_calls"] == 0:  # at first, or when it came second and was refused itself
                    for _ in range(8):  # a stream may send 128 KiB ahead of being read
                        raw.begin(EMBED, 10 << 20, bytes(115_000))
                call = stub(channel).Embed.future(large, timeout=PATIENCE)
                if call.code() is not CODE.OK:
                    refusals.append(call)
                return call.code() is not CODE.OK

            until(refused)
            assert refusals[0].code() is CODE.RESOURCE_EXHAUSTED
            assert "bytes of requests are being read, the limit is 1048576" in refusals[0].details()
            assert retry_delay(refusals[0]) > 0
            assert well(client)  # a small one finds room
        until(lambda: stub(channel).Embed.future(large, timeout=PATIENCE).code() is CODE.OK)


def test_many_connections(server: HostedProcess, client: Client) -> None:
    """Up to the limit all are served; one more waits until another ends, and is served then."""
    assert well(client)
    channels = [connected(server.address) for _ in range(62)]
    try:
        calls = [stub(channel).Embed.future(embed("x" * n), timeout=PATIENCE) for n, channel in enumerate(channels)]
        sizes = [np.frombuffer(call.result().vectors.data, "<f4")[0] for call in calls]
        assert sizes == list(range(62))
        with RawClient(server.address, PATIENCE) as raw, ThreadPoolExecutor() as pool:
            raw.begin(EMBED, 10)
            until(lambda: server.counts()["active_calls"] == 1)
            with connected(server.address) as late:
                waiting = pool.submit(stub(late).Embed, embed("late"), timeout=PATIENCE)
                for _ in range(20):
                    assert well(client)
                assert not waiting.done()
                raw.close()
                assert waiting.result(PATIENCE).vectors.count == 1
    finally:
        for channel in channels:
            channel.close()
