"""The server in this process: load, cancelled and late calls, health, reflection, drain."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving_harness import PATIENCE, GatedEncoder, LocalServer, local_server, until

from crossfade._pb import embedding_pb2, embedding_pb2_grpc
from crossfade.client import AsyncClient, Client, Document
from crossfade.config import Settings
from crossfade.errors import CrossfadeError, DeadlineExceeded, InvalidInput, Overloaded, Unavailable
from crossfade.models import InputType
from crossfade.serving.server import Server
from crossfade.store import MemoryStore


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


def occupy(server: LocalServer, client: Client, pool: ThreadPoolExecutor) -> Future:
    """Have a batch run that waits for the gate: what comes now is queued."""
    future = pool.submit(client.embed, "gated", ["wait 0"], "query")
    server.encoder.wait_for(1)
    return future


def test_lookups_do_not_wait_for_calls_that_compute(server: LocalServer) -> None:
    with Client(server.address) as client, ThreadPoolExecutor() as pool:
        first = occupy(server, client, pool)
        assert [model.name for model in client.list_models()] == ["gated"]
        assert client.create_collection("docs", model="gated").documents == 0
        assert client.health()
        server.encoder.gate.set()
        assert first.result().values.tolist() == [[6.0, 1.0]]


def test_queue_time_is_told(server: LocalServer) -> None:
    with Client(server.address) as client, ThreadPoolExecutor() as pool:
        occupy(server, client, pool)
        late = pool.submit(client.embed, "gated", ["late"], "query")
        until(lambda: server.active_calls == 2)
        held = time.perf_counter_ns()
        threading.Event().wait(0.05)
        server.encoder.gate.set()
        times = late.result().times
        assert 50_000_000 <= times.queue_ns <= time.perf_counter_ns() - held + 1_000_000_000
        assert times.tokenise_ns > 0
        assert times.infer_ns > 0
        assert times.search_ns == 0
        assert times.total_ns >= times.queue_ns


def test_a_call_whose_deadline_passes_in_the_queue_never_runs(server: LocalServer) -> None:
    with Client(server.address) as client, ThreadPoolExecutor() as pool:
        first = occupy(server, client, pool)
        with pytest.raises(DeadlineExceeded):
            client.embed("gated", ["too late"], "query", timeout=0.2)
        server.encoder.gate.set()
        first.result()
        until(lambda: server.active_calls == 0)
        client.embed("gated", ["after"], "query")
        assert "too late" not in server.encoder.texts


def test_a_call_cancelled_in_the_queue_never_runs(server: LocalServer) -> None:
    with Client(server.address) as client, ThreadPoolExecutor() as pool, grpc.insecure_channel(server.address) as raw:
        first = occupy(server, client, pool)
        stub = embedding_pb2_grpc.EmbeddingServiceStub(raw)
        call = stub.Embed.future(embedding_pb2.EmbedRequest(model="gated", input_type=1, texts=["unwanted"]))
        until(lambda: server.active_calls == 2)
        call.cancel()
        until(lambda: server.active_calls == 1)
        server.encoder.gate.set()
        first.result()
        client.embed("gated", ["after"], "query")
        assert "unwanted" not in server.encoder.texts


def test_a_client_that_disappears_in_mid_call_hurts_nobody(server: LocalServer) -> None:
    with Client(server.address) as other:
        leaver = grpc.insecure_channel(server.address)
        stub = embedding_pb2_grpc.EmbeddingServiceStub(leaver)
        calls = [
            stub.Embed.future(embedding_pb2.EmbedRequest(model="gated", input_type=1, texts=["wait"])) for _ in range(8)
        ]
        server.encoder.wait_for(1)
        until(lambda: server.active_calls == 8)
        leaver.close()
        assert {call.code() for call in calls} == {grpc.StatusCode.CANCELLED}
        until(lambda: server.active_calls == 0)
        server.encoder.gate.set()
        assert other.embed("gated", ["fine"], "query").values.tolist() == [[4.0, 1.0]]
        assert server.encoder.texts.count("wait") == 1  # eight calls waited for it


def test_one_call_too_many_is_refused_and_health_still_answers() -> None:
    with local_server(max_concurrent_calls=2) as server, Client(server.address) as client, ThreadPoolExecutor() as pool:
        client.limits()
        futures = [pool.submit(client.embed, "gated", ["wait"], "query") for _ in range(2)]
        until(lambda: server.active_calls == 2)
        with pytest.raises(Overloaded, match="2 calls are in progress, which is this server's limit: try again later"):
            client.embed("gated", ["x"], "query")
        with pytest.raises(Overloaded):
            client.list_collections()
        assert client.health()
        server.encoder.gate.set()
        for future in futures:
            future.result()
        until(lambda: server.active_calls == 0)
        assert client.list_collections() == []


def test_an_unexpected_error_is_told_by_reference_only(server: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    with Client(server.address) as client:
        with pytest.raises(CrossfadeError, match=r"internal error [0-9a-f]{12}: .* its log says more") as caught:
            client.embed("gated", ["burst"], "query")
        assert "secret" not in str(caught.value)
        assert "secret of the inside" in caplog.text
        assert client.embed("gated", ["fine"], "query").values.tolist() == [[4.0, 1.0]]


def test_concurrent_writers_and_readers_get_whole_answers(server: LocalServer) -> None:
    names = [f"{number}" for number in range(20)]
    with Client(server.address) as client, ThreadPoolExecutor(8) as pool:
        client.create_collection("docs", model="gated", metric="ip")
        client.upsert("docs", [Document(name, text="x") for name in names], model="gated")

        def write(round_: int) -> None:
            client.upsert("docs", [Document(name, text="x" * round_) for name in names], model="gated")

        def read(_: int) -> set[float]:
            (hits,) = client.search("docs", 20, model="gated", texts=["q"]).hits
            assert [hit.id for hit in hits] == sorted(names)
            return {hit.score for hit in hits}

        writes = [pool.submit(write, round_) for round_ in range(1, 40)]
        seen = list(pool.map(read, range(80)))
        for future in writes:
            future.result()
    assert all(len(scores) == 1 for scores in seen)


def test_closing_the_client_ends_its_calls_by_name(server: LocalServer) -> None:
    client = Client(server.address)
    with ThreadPoolExecutor() as pool:
        client.limits()
        future = pool.submit(client.embed, "gated", ["wait"], "query")
        server.encoder.wait_for(1)
        client.close()
        with pytest.raises(InvalidInput, match="this client is closed"):
            future.result(PATIENCE)
        with pytest.raises(InvalidInput, match="this client is closed"):
            client.health()


def test_every_service_has_its_health_and_reflection_names_them(server: LocalServer) -> None:
    with Client(server.address) as client, grpc.insecure_channel(server.address) as raw:
        stub = reflection_pb2_grpc.ServerReflectionStub(raw)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        (answer,) = stub.ServerReflectionInfo(iter(asked))
        names = {service.name for service in answer.list_services_response.service}
        ours = {name for name in names if name.startswith("crossfade.v1.")}
        services = ("Collection", "Embedding", "Evaluation", "Model", "Scoring")
        assert ours == {f"crossfade.v1.{name}Service" for name in services}
        assert "grpc.health.v1.Health" in names
        assert all(client.health(name) for name in ours)
        assert not client.health("crossfade.v1.NoService")
        files = [reflection_pb2.ServerReflectionRequest(file_containing_symbol="crossfade.v1.EmbeddingService")]
        (described,) = stub.ServerReflectionInfo(iter(files))
        assert described.file_descriptor_response.file_descriptor_proto


def test_columns_that_lie_together_are_not_taken_for_rows() -> None:
    """A model may give its vectors in any order in memory."""

    class Columns(GatedEncoder):
        def infer(self, ids: np.ndarray, mask: np.ndarray, input_type: InputType) -> np.ndarray:
            return np.asfortranarray(super().infer(ids, mask, input_type))

    with local_server(encoder=Columns) as server, Client(server.address) as client:
        texts = ["x" * n for n in range(1, 9)]
        assert client.embed("gated", texts, "query").values.tolist() == [[n, 1] for n in range(1, 9)]


def test_runners_are_made_nice_once() -> None:
    seen: list[int] = []

    class Watching(GatedEncoder):
        def infer(self, ids: np.ndarray, mask: np.ndarray, input_type: InputType) -> np.ndarray:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().infer(ids, mask, input_type)

    with local_server(encoder=Watching, inference_niceness=2) as server, Client(server.address) as client:
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        seen.clear()
        for n in range(4):
            client.embed("gated", ["x" * (n + 1)], "query")
    assert seen == [min(19, before + 2)] * 4


def test_an_address_that_is_taken_can_be_tried_again(tmp_path: Path) -> None:
    with local_server() as other:
        server = Server({"gated": GatedEncoder(tmp_path)}, MemoryStore(), Settings())
        with pytest.raises(InvalidInput, match="Address already in use"):
            server.start(other.address)
        address = server.start("127.0.0.1:0")
        with Client(address) as client:
            assert client.health("model:gated")
        server.drain(1)


def test_an_unknown_method_is_explained(server: LocalServer) -> None:
    with grpc.insecure_channel(server.address) as raw:
        call = raw.unary_unary("/crossfade.v1.EmbeddingService/Nope")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as caught:
            raw.unary_unary("/crossfade.v1.EmbeddingService/" + "%" * 6000)(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


class TestDrain:
    def test_calls_in_progress_finish_and_new_ones_are_turned_away(self, server: LocalServer) -> None:
        with Client(server.address) as client, ThreadPoolExecutor() as pool:
            client.limits()
            futures = [pool.submit(client.embed, "gated", [f"wait {number}"], "query") for number in range(5)]
            until(lambda: server.active_calls == 5)
            server.begin_drain()

            refusals: list[str] = []

            def turned_away() -> bool:
                try:
                    client.list_collections()
                except Unavailable as error:
                    refusals.append(str(error))
                return bool(refusals)

            until(turned_away)
            assert refusals == ["the server is shutting down: try another replica, or try again when it is back"]
            assert not any(future.done() for future in futures)
            server.encoder.gate.set()
            assert [future.result().values.tolist() for future in futures] == [[[6.0, 1.0]]] * 5
            server.close()
            assert server.cut == 0

    def test_health_watchers_are_told_and_do_not_hold_it_up(self) -> None:
        with local_server(drain_seconds=PATIENCE * 2) as server, grpc.insecure_channel(server.address) as raw:
            watch = health_pb2_grpc.HealthStub(raw).Watch(health_pb2.HealthCheckRequest(service=""))
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            server.begin_drain()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            server.close()
            assert server.cut == 0

    def test_the_bound_is_kept(self) -> None:
        with local_server(drain_seconds=0.1) as server, Client(server.address) as client, ThreadPoolExecutor() as pool:
            client.create_collection("docs", model="gated")
            future = pool.submit(client.upsert, "docs", [Document("a", text="wait")], model="gated")  # never repeated
            server.encoder.wait_for(1)
            server.begin_drain()
            with pytest.raises(Unavailable, match="shut down before the call was done: try another replica"):
                future.result(PATIENCE)
            until(lambda: server.cut == 1)


def test_the_asyncio_client_does_what_the_other_does(server: LocalServer) -> None:
    async def use() -> None:
        async with AsyncClient(server.address) as client:
            assert await client.health()
            assert [model.parent_name for model in await client.list_models()] == ["parent"]
            await client.create_collection("docs", model="gated", metric="l2")
            await client.upsert("docs", [Document("a", text="1"), Document("b", "12", "4")], model="gated")
            many = await asyncio.gather(*(client.embed("gated", ["x" * n], "query") for n in range(20)))
            assert [one.values[0, 0] for one in many] == list(range(20))
            found = await client.search("docs", 1, vectors=many[3], with_documents=True)
            assert found.hits[0][0].document == Document("b", "12", "4")
            assert await client.delete("docs", ["a", "c"]) == 1
            assert [info.documents for info in await client.list_collections()] == [1]
            await client.delete_collection("docs")
            assert await client.list_collections() == []
            with pytest.raises(CrossfadeError, match="no collection 'docs'"):
                await client.search("docs", 1, model="gated", texts=["a"])
            scored = await client.score(many[0].values, many[1].values, 1, metric="ip")
            assert scored.scores.tolist() == [[1.0]]
            measured = await client.measure({"q": {"d": 1}}, {"q": {"d": 1.0}}, ["RR"])
            assert measured.means == {"RR": 1.0}

    asyncio.run(use())
