"""What a service tells of itself: reflection, channelz, and the health of its models."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from described import VERSIONS, Described
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import RawClient
from serving_harness import PATIENCE, LocalServer, local_server, until

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2

CODE = grpc.StatusCode
CHANNELZ = "grpc.channelz.v1.Channelz"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def channel(server: LocalServer) -> Iterator[grpc.Channel]:
    # A connection of its own: what others do does not count.
    with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as connected:
        yield connected


def request(*texts: str, model: str = "gated") -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(model=model, input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=texts)


def stub(channel: grpc.Channel) -> Any:
    return embedding_pb2_grpc.EmbeddingServiceStub(channel)


@pytest.mark.parametrize("version", VERSIONS)
class TestReflection:
    def test_streams_are_described(self, channel: grpc.Channel, version: str) -> None:
        service = Described(channel, version).service("crossfade.v1.EmbeddingService")
        streams = {
            name: (method.client_streaming, method.server_streaming) for name, method in service.methods_by_name.items()
        }
        assert streams == {"Embed": (False, False), "EmbedStream": (True, True)}
        method = service.methods_by_name["EmbedStream"]
        assert [field.name for field in method.input_type.fields] == ["id", "request"]
        own = embedding_pb2.DESCRIPTOR.services_by_name["EmbeddingService"].methods_by_name["EmbedStream"]
        assert method.output_type.full_name == own.output_type.full_name

    def test_every_service_that_is_listed_is_described(self, channel: grpc.Channel, version: str) -> None:
        described = Described(channel, version)
        services = described.services()
        assert {"grpc.health.v1.Health", CHANNELZ, f"grpc.reflection.{version}.ServerReflection"} <= services
        for name in services:
            assert described.service(name).full_name == name

    def test_calls_can_be_made_by_it(self, channel: grpc.Channel, version: str) -> None:
        listed: Any = Described(channel, version).call("crossfade.v1.ModelService", "ListModels")
        assert [model.name for model in listed.models] == ["gated"]

    def test_what_is_not_there(self, channel: grpc.Channel, version: str) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            Described(channel, version).ask(file_containing_symbol="crossfade.v1.Nope")
        assert caught.value.code() is CODE.NOT_FOUND


class Channelz:
    """What the server says of itself and of the connection that asks."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._described = Described(channel, "v1")

    def __call__(self, method: str, **fields: int) -> Any:
        return self._described.call(CHANNELZ, method, **fields)

    def data(self) -> Any:
        (server,) = self("GetServers").server
        assert self("GetServer", server_id=server.ref.server_id).server.ref == server.ref
        return server.data

    def counts(self) -> tuple[int, int, int]:
        data = self.data()
        return data.calls_started, data.calls_succeeded, data.calls_failed

    def sockets(self) -> dict[str, int]:
        """Ids by the other end's address."""
        (server,) = self("GetServers").server
        listed = self("GetServerSockets", server_id=server.ref.server_id)
        assert listed.end
        return {reference.name: reference.socket_id for reference in listed.socket_ref}


class TestChannelz:
    def test_calls_are_counted(self, channel: grpc.Channel) -> None:
        channelz = Channelz(channel)
        assert channelz.counts() == (0, 0, 0)
        for _ in range(3):
            stub(channel).Embed(request("x"))
        with pytest.raises(grpc.RpcError):
            stub(channel).Embed(request("x", model="nope"))
        assert channelz.counts() == (4, 3, 1)
        assert channelz.data().last_call_started_timestamp.seconds > 1_700_000_000

    def test_the_connection_is_there_until_it_ends(self, server: LocalServer, channel: grpc.Channel) -> None:
        channelz = Channelz(channel)
        ((name, own),) = channelz.sockets().items()
        stub(channel).Embed(request("x"))
        found = channelz("GetSocket", socket_id=own).socket
        assert f"127.0.0.1:{found.remote.tcpip_address.port}" == name == found.ref.name
        assert f"127.0.0.1:{found.local.tcpip_address.port}" == server.address
        assert found.local.tcpip_address.ip_address == socket.inet_aton("127.0.0.1")
        assert (found.data.streams_started, found.data.streams_succeeded, found.data.streams_failed) == (1, 1, 0)
        with RawClient(server.address, PATIENCE) as other:
            until(lambda: len(channelz.sockets()) == 2)
            other.begin("EmbeddingService/Embed", 10)
            (another,) = set(channelz.sockets().values()) - {own}
            until(lambda: channelz("GetSocket", socket_id=another).socket.data.streams_started == 1)
        until(lambda: channelz.sockets() == {name: own})
        with pytest.raises(grpc.RpcError) as caught:
            channelz("GetSocket", socket_id=another)
        assert caught.value.code() is CODE.NOT_FOUND

    def test_pages(self, server: LocalServer, channel: grpc.Channel) -> None:
        channelz = Channelz(channel)
        raws = [RawClient(server.address, PATIENCE) for _ in range(5)]
        try:
            until(lambda: len(channelz.sockets()) == 6)
            seen: list[int] = []
            while True:
                start = seen[-1] + 1 if seen else 0
                page = channelz("GetServerSockets", server_id=1, start_socket_id=start, max_results=4)
                seen += [reference.socket_id for reference in page.socket_ref]
                if page.end:
                    break
                assert len(page.socket_ref) == 4
            assert sorted(channelz.sockets().values()) == seen
        finally:
            for raw in raws:
                raw.close()

    def test_a_call_that_is_cancelled_has_failed(self, server: LocalServer, channel: grpc.Channel) -> None:
        channelz = Channelz(channel)
        call = stub(channel).Embed.future(request("wait"))
        server.encoder.wait_for(1)
        call.cancel()
        until(lambda: server.active_calls == 0)
        assert channelz.counts() == (1, 0, 1)

    def test_a_stream_is_counted_on_its_connection_too(self, channel: grpc.Channel) -> None:
        channelz = Channelz(channel)
        sent = [embedding_pb2.EmbedStreamRequest(id=n, request=request("x")) for n in range(3)]
        assert len(list(stub(channel).EmbedStream(iter(sent)))) == 3
        until(lambda: channelz.counts() == (1, 1, 0))
        (own,) = channelz.sockets().values()
        data = channelz("GetSocket", socket_id=own).socket.data
        assert (data.streams_started, data.streams_succeeded, data.streams_failed) == (1, 1, 0)
        assert (data.messages_received, data.messages_sent) == (3, 3)


class TestHealthOfModels:
    def watch(self, channel: grpc.Channel, service: str) -> Iterator[health_pb2.HealthCheckResponse]:
        asked = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(channel).Watch(asked, timeout=PATIENCE)

    def check(self, channel: grpc.Channel, service: str) -> int:
        asked = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(channel).Check(asked, timeout=PATIENCE).status

    def fail(self, channel: grpc.Channel) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            stub(channel).Embed(request("burst"))
        assert caught.value.code() is CODE.INTERNAL

    def test_it_follows_the_model(self, channel: grpc.Channel) -> None:
        told = self.watch(channel, "model:gated")
        assert next(told).status == SERVING
        self.fail(channel)
        assert next(told).status == NOT_SERVING
        assert self.check(channel, "model:gated") == NOT_SERVING
        # The server takes calls all the same: another model may be well, and this one may recover.
        assert self.check(channel, "") == self.check(channel, "crossfade.v1.EmbeddingService") == SERVING
        stub(channel).Embed(request("fine"))
        assert next(told).status == SERVING

    def test_one_bad_text_among_good_ones_is_no_failure_of_the_model(
        self, server: LocalServer, channel: grpc.Channel
    ) -> None:
        first = stub(channel).Embed.future(request("wait"))
        server.encoder.wait_for(1)
        calls = [stub(channel).Embed.future(request(text)) for text in ("burst", "other")]
        until(lambda: server.server.counts()["waiting"] == 2)
        told = self.watch(channel, "model:gated")
        assert next(told).status == SERVING
        server.encoder.gate.set()
        assert [call.code() for call in [first, *calls]] == [CODE.OK, CODE.INTERNAL, CODE.OK]
        assert ["burst", "other"] in [sorted(batch) for batch in server.encoder.batches]
        self.fail(channel)
        assert next(told).status == NOT_SERVING  # it was told of nothing before

    def test_a_model_that_is_not_served(self, channel: grpc.Channel) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            self.check(channel, "model:nope")
        assert caught.value.code() is CODE.NOT_FOUND

    def test_a_drain_has_the_last_word(self, server: LocalServer, channel: grpc.Channel) -> None:
        self.fail(channel)
        told = self.watch(channel, "model:gated")
        assert next(told).status == NOT_SERVING
        with RawClient(server.address, PATIENCE) as raw:  # holds the drain up
            raw.begin("EmbeddingService/Embed", 10)
            call = stub(channel).Embed.future(request("wait"))
            server.encoder.wait_for(1)
            until(lambda: server.active_calls == 2)
            server.begin_drain()
            until(lambda: self.check(channel, "") == NOT_SERVING)
            server.encoder.gate.set()
            assert call.code() is CODE.OK
            until(lambda: server.active_calls == 1)
        statuses = []
        with suppress(grpc.RpcError):  # the server's end
            statuses.extend(answer.status for answer in told)
        assert SERVING not in statuses
