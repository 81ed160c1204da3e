"""Calls that a server has no room for: what the client is told, and what it sends again when asked to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from serving_harness import PATIENCE, local_server

from crossfade._pb import collections_pb2, models_pb2
from crossfade.client import AsyncClient, Client, Document
from crossfade.errors import InvalidInput, Overloaded

LISTED = models_pb2.ListModelsResponse(
    models=[models_pb2.Model(name="m")],
    limits=models_pb2.Limits(texts_per_call=9, message_bytes=1 << 20, results_per_call=99),
)
ANSWERS = {
    "ListModels": LISTED,
    "Search": collections_pb2.SearchResponse(results=[collections_pb2.Hits()], query_fingerprint="f"),
    "Upsert": collections_pb2.UpsertResponse(added=1),
}


def field(number: int, data: bytes) -> bytes:
    """A short length-delimited field, as protobuf writes it."""
    return bytes([number << 3 | 2, len(data)]) + data


def details(seconds: float) -> bytes:
    """A google.rpc.Status with a google.rpc.RetryInfo."""
    delay = Duration(nanos=round(seconds * 1e9)).SerializeToString()
    info = AnyMessage(type_url="type.googleapis.com/google.rpc.RetryInfo", value=field(1, delay))
    return b"\x08\x08" + field(2, b"full") + field(3, info.SerializeToString())


class Busy:
    """Refuses each method's first calls, and keeps the times at which they came."""

    def __init__(self, refusals: int, delay: float | None) -> None:
        self.refusals, self.delay = refusals, delay
        self.calls: dict[str, list[float]] = {name: [] for name in ANSWERS}
        self.came = threading.Semaphore(0)

    def answer(self, name: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls[name].append(time.monotonic())
        self.came.release()
        if len(self.calls[name]) <= self.refusals:
            trailers: list[tuple[str, Any]] = [("crossfade-error", "Overloaded")]
            if self.delay is not None:
                trailers.append(("grpc-status-details-bin", details(self.delay)))
            context.set_trailing_metadata(tuple(trailers))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full: try again later")
        return ANSWERS[name].SerializeToString()


@contextmanager
def busy_server(refusals: int, delay: float | None) -> Iterator[tuple[str, Busy]]:
    busy = Busy(refusals, delay)

    class Handler(grpc.GenericRpcHandler):
        def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            name = call.method.rpartition("/")[2]
            return grpc.unary_unary_rpc_method_handler(partial(busy.answer, name))

    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Handler()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", busy
        finally:
            server.stop(None).wait()


def test_nothing_is_sent_again_unless_asked() -> None:
    with busy_server(1, 0.05) as (address, busy), Client(address) as client:
        with pytest.raises(Overloaded, match="full: try again later") as caught:
            client.list_models()
        assert caught.value.retry_after == pytest.approx(0.05)
        assert len(busy.calls["ListModels"]) == 1


def test_a_call_is_sent_again_after_as_long_as_the_server_says() -> None:
    with busy_server(2, 0.05) as (address, busy), Client(address, retry_overloaded=2) as client:
        assert [model.name for model in client.list_models()] == ["m"]
        assert client.search("docs", 1, model="m", texts=["a"]).hits == [[]]
        for name in ("ListModels", "Search"):
            first, second, third = busy.calls[name][:3]
            assert second - first >= 0.05
            assert third - second >= 0.05


def test_so_it_is_with_asyncio() -> None:
    async def use(address: str) -> None:
        async with AsyncClient(address, retry_overloaded=2) as client:
            assert [model.name for model in await client.list_models()] == ["m"]
        async with AsyncClient(address) as client:
            with pytest.raises(Overloaded) as caught:
                await client.search("docs", 1, model="m", texts=["a"])
            assert caught.value.retry_after == pytest.approx(0.05)

    with busy_server(2, 0.05) as (address, busy):
        asyncio.run(use(address))
        first, second, third = busy.calls["ListModels"][:3]
        assert min(second - first, third - second) >= 0.05
        assert len(busy.calls["Search"]) == 1


def test_no_more_often_than_asked() -> None:
    with busy_server(9, 0.01) as (address, busy), Client(address, retry_overloaded=2) as client:
        with pytest.raises(Overloaded):
            client.list_models()
        assert len(busy.calls["ListModels"]) == 3


@pytest.mark.parametrize("delay", [None, 0.9])
def test_not_without_a_time_nor_beyond_the_deadline(delay: float | None) -> None:
    with busy_server(9, delay) as (address, busy), Client(address, retry_overloaded=5, timeout=0.8) as client:
        with pytest.raises(Overloaded):
            client.list_models()
        assert len(busy.calls["ListModels"]) == 1


def test_a_write_is_left_to_the_caller() -> None:
    with busy_server(1, 0.01) as (address, busy), Client(address, retry_overloaded=5) as client:
        with pytest.raises(Overloaded):
            client.upsert("docs", [Document("a")], model="m")
        assert len(busy.calls["Upsert"]) == 1


def test_closing_the_client_ends_the_wait() -> None:
    with busy_server(9, 0.99) as (address, busy), ThreadPoolExecutor() as pool:
        client = Client(address, retry_overloaded=5)
        future = pool.submit(client.list_models)
        assert busy.came.acquire(timeout=PATIENCE)
        client.close()
        with pytest.raises(InvalidInput, match="this client is closed"):
            future.result(PATIENCE)


def test_what_crossfade_itself_says_is_understood() -> None:
    with (
        local_server(max_concurrent_calls=1) as server,
        Client(server.address) as client,
        Client(server.address, retry_overloaded=1000) as patient,
        ThreadPoolExecutor() as pool,
    ):
        client.limits()
        patient.limits()
        first = pool.submit(client.embed, "gated", ["wait"], "query")
        server.encoder.wait_for(1)
        with pytest.raises(Overloaded) as caught:
            client.embed("gated", ["a"], "query")
        assert caught.value.retry_after == pytest.approx(0.1)
        second = pool.submit(patient.embed, "gated", ["a"], "query")
        server.encoder.gate.set()
        assert first.result(PATIENCE).values.tolist() == [[4, 1]]
        assert second.result(PATIENCE).values.tolist() == [[1, 1]]
