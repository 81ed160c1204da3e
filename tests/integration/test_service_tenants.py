"""Every call of the collection service, as a tenant's: documents of its own, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from serving_harness import GatedEncoder

from crossfade._pb import collections_pb2
from crossfade.config import Settings
from crossfade.serving.server import Server
from crossfade.store import DurableStore

METHODS = collections_pb2.DESCRIPTOR.services_by_name["CollectionService"].methods_by_name
OWN = {"Upsert", "Delete", "Search"}
# What each says of a collection that is there, so that nothing but the tenant can be the reason.
REQUESTS: dict[str, dict[str, Any]] = {
    "CreateCollection": {"name": "more", "model": "gated"},
    "ListCollections": {},
    "DeleteCollection": {"name": "shared"},
    "CreateIndex": {"collection": "shared", "model": "gated"},
    "DropIndex": {"collection": "shared", "version": 2},
    "FillIndex": {"collection": "shared", "version": 2, "model": "gated"},
    "SetCurrentIndex": {"collection": "shared", "version": 2},
    "SetAlias": {"name": "live", "collection": "shared"},
    "DropAlias": {"name": "before"},
    "ListAliases": {},
}


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[grpc.Channel]:
    with ExitStack() as held:
        store = held.enter_context(DurableStore(tmp_path / "store"))
        server = Server({"gated": GatedEncoder(tmp_path)}, store, Settings())
        connected = held.enter_context(grpc.insecure_channel(server.start("127.0.0.1:0")))
        held.callback(server.drain, 0)
        setting = {"tenant_field": "whose"}
        call(connected, "CreateCollection", {"name": "shared", "model": "gated", "settings": setting})
        call(connected, "CreateIndex", {"collection": "shared", "model": "gated"})
        call(connected, "SetAlias", {"name": "before", "collection": "shared", "version": 1})
        yield connected


def call(channel: grpc.Channel, name: str, fields: dict[str, Any], tenant: str | None = None) -> Any:
    method = METHODS[name]
    answer = message_factory.GetMessageClass(method.output_type)
    run = channel.unary_unary(
        f"/{method.containing_service.full_name}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    request = message_factory.GetMessageClass(method.input_type)(**fields)
    return run(request, metadata=() if tenant is None else (("crossfade-tenant", tenant),))


def state(channel: grpc.Channel) -> tuple[bytes, bytes]:
    return tuple(call(channel, name, {}).SerializeToString() for name in ("ListCollections", "ListAliases"))


def test_every_call_is_here() -> None:
    assert set(REQUESTS) | OWN == set(METHODS), "say here whether the new call is a tenant's to make"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Search", {"collection": "nope", "texts": ["b"], "k": 1}),
        ("Upsert", {"collection": "nope", "documents": [{"id": "a", "text": "b"}]}),
        ("Delete", {"collection": "nope", "ids": ["a"]}),
    ],
)
def test_a_tenant_is_not_told_which_collections_there_are(
    channel: grpc.Channel, name: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, name, fields, tenant="acme")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "nope" in caught.value.details()
    assert "shared" not in caught.value.details()
    with pytest.raises(grpc.RpcError, match="shared"):
        call(channel, name, fields)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call_of_whoever_runs_the_service(channel: grpc.Channel, name: str) -> None:
    before = state(channel)
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, name, REQUESTS[name], tenant="acme")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"{name} is not a tenant's to call")
    assert ("crossfade-error", "InvalidInput") in caught.value.trailing_metadata()
    assert state(channel) == before
    call(channel, name, REQUESTS[name])  # nothing but the tenant was in its way


def test_a_tenants_own_calls(channel: grpc.Channel) -> None:
    documents = [{"id": "a", "text": "x"}]
    assert (
        call(channel, "Upsert", {"collection": "shared", "documents": documents, "model": "gated"}, "acme").added == 1
    )
    search = {"collection": "shared", "model": "gated", "texts": ["x"], "k": 1}
    assert [hit.id for hit in call(channel, "Search", search, "acme").results[0].hits] == ["a"]
    assert call(channel, "Search", search, "other").results[0].hits == []
    assert call(channel, "Delete", {"collection": "shared", "ids": ["a"]}, "other").deleted == 0
    assert call(channel, "Delete", {"collection": "shared", "ids": ["a"]}, "acme").deleted == 1


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_call_of_nobodys_reads_and_writes_nothing_of_tenants(channel: grpc.Channel, name: str) -> None:
    more: dict[str, Any] = {"documents": [{"id": "a"}], "model": "gated"} if name == "Upsert" else {"ids": ["a"]}
    search = {"model": "gated", "texts": ["x"], "k": 1}
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, name, {"collection": "shared", **(search if name == "Search" else more)})
    assert "say whose call it is in the metadata key crossfade-tenant" in caught.value.details()
