"""A document that is damaged in the store's database, as callers of a server meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from serving_harness import PATIENCE, GatedEncoder

from crossfade._pb import collections_pb2
from crossfade.client import Client, Document
from crossfade.config import Settings
from crossfade.errors import Damaged
from crossfade.serving.server import Server
from crossfade.store import CollectionSettings, DurableStore


@pytest.fixture(params=[None, "acme"], ids=["nobody's", "a tenant's"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Client]]:
    """Three documents, of which d2's text is another than was written."""
    with ExitStack() as held:
        store = held.enter_context(DurableStore(tmp_path / "store"))
        server = Server({"gated": GatedEncoder(tmp_path)}, store, Settings())
        target = server.start("127.0.0.1:0")
        held.callback(server.drain, 0)
        nobody = held.enter_context(Client(target, timeout=PATIENCE))
        settings = CollectionSettings(tenant_field="whose") if request.param else None
        nobody.create_collection("docs", model="gated", metric="l2", settings=settings)
        client = held.enter_context(Client(target, timeout=PATIENCE, tenant=request.param))
        client.upsert("docs", [Document(f"d{n}", text="x" * n) for n in (1, 2, 3)], model="gated")
        with store.database.writing() as connection:
            connection.execute("UPDATE documents_1 SET text = 'yy' WHERE text = 'xx'")
        yield target, client


def test_the_rest_is_served_and_the_damage_named(address: tuple[str, Client]) -> None:
    _, client = address
    for _ in range(2):
        found = client.search("docs", 3, texts=["xx"], with_documents=True)
        assert found.incomplete
        assert {hit.id: hit.document and hit.document.text for hit in found.hits[0]} == {
            "d1": "x",
            "d2": None,
            "d3": "xxx",
        }
    with pytest.raises(Damaged, match=r"collection 'docs': document 'd2' .* upsert it again, or restore"):
        client.upsert("docs", [Document("d2", text="xx")], model="gated", expected_versions=[1])
    client.upsert("docs", [Document("d2", text="xx")], model="gated")
    found = client.search("docs", 3, texts=["xx"], with_documents=True)
    assert not found.incomplete
    best = found.hits[0][0]
    assert best.document is not None
    assert (best.id, best.document.text) == ("d2", "xx")
    assert best.document.version > 1


def test_its_status_is_not_one_to_try_again(address: tuple[str, Client]) -> None:
    target, client = address
    sent = collections_pb2.UpsertRequest(
        collection="docs", model="gated", documents=[collections_pb2.Document(id="d2")], expected_versions=[1]
    )
    metadata = (("crossfade-tenant", "acme"),) if client._metadata else ()
    with grpc.insecure_channel(target) as channel:
        upsert = channel.unary_unary(
            "/crossfade.v1.CollectionService/Upsert", request_serializer=lambda message: message.SerializeToString()
        )
        with pytest.raises(grpc.RpcError) as raised:
            upsert(sent, metadata=metadata)
    assert raised.value.code() is grpc.StatusCode.DATA_LOSS
    assert ("crossfade-error", "Damaged") in raised.value.trailing_metadata()
