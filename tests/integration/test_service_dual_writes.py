"""Documents written to several index versions by one call, on `crossfade serve` as users start it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from serving_harness import ServeProcess, serve_process
from tiny_models import Tiny, write_model

from crossfade._pb import collections_pb2, collections_pb2_grpc
from crossfade.chunking import ChunkingSettings, Method
from crossfade.client import AlsoVersions, AsyncClient, Client, Document, Vectors
from crossfade.errors import Conflict, FingerprintMismatch, InvalidInput, NotFound
from crossfade.models import Bundle
from crossfade.models.importing import import_model
from crossfade.store import CollectionSettings

TEXTS = ["the quick brown fox", "the lazy dog jumps", "how do i open a file", "read it line by line", "error by cache"]
DOCUMENTS = [Document(f"d{at}", "a file" if at % 2 else "", text) for at, text in enumerate(TEXTS)]
BOTH = AlsoVersions(versions=(1, 2))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of equal dimension, so that nothing but fingerprints keeps their vectors apart; `wide` is served nowhere."""
    place = tmp_path_factory.mktemp("bundles")
    tinies = {"old": Tiny(), "new": Tiny(seed=8), "wide": Tiny(seed=9, hidden=64)}
    return {
        name: import_model(str(write_model(place / f"{name}-source", tiny)), place / name).path
        for name, tiny in tinies.items()
    }


def serving(bundles: dict[str, Path], store: Path, **environment: str) -> SimpleNamespace:
    models = [word for name in ("old", "new") for word in ("--model", f"{name}={bundles[name]}")]
    return serve_process(store.with_suffix(".log"), *models, "--store", str(store), **environment)


@pytest.fixture
def server(bundles: dict[str, Path], tmp_path: Path) -> Iterator[ServeProcess]:
    with serving(bundles, tmp_path / "store", CROSSFADE_MAX_TEXTS_PER_CALL="2") as running:
        yield running


@pytest.fixture
def client(server: ServeProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


def make(client: Client, name: str = "docs", **more: CollectionSettings) -> None:
    client.create_collection(name, model="old", **more)
    client.create_index(name, model="new")


def pending(client: Client, name: str = "docs") -> list[int]:
    (info,) = (each for each in client.list_collections() if each.name == name)
    return [index.pending for index in info.indexes]


def ranking(client: Client, collection: str, model: str, text: str = "open a file") -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in client.search(collection, 9, model=model, texts=[text]).hits[0]]


def near(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> bool:
    """The same documents, and scores but for float32's last bits: other texts were beside them in the batch."""
    return [name for name, _ in found] == [name for name, _ in expected] and np.allclose(
        [score for _, score in found], [score for _, score in expected], rtol=0, atol=1e-5
    )


def test_both_versions_hold_what_each_model_makes(client: Client) -> None:
    make(client)
    told = client.upsert("docs", DOCUMENTS, model="old", also=AlsoVersions(versions=[2]))
    assert (told.added, told.versions, len(told.token_counts)) == (5, (1, 2), 5)
    assert told.times.infer_ns > 0
    assert pending(client) == [0, 0]
    client.set_alias("next", "docs", 2)
    for name, model in (("docs", "old"), ("next", "new")):
        client.create_collection(f"only-{model}", model=model)
        client.upsert(f"only-{model}", DOCUMENTS, model=model)
        assert near(ranking(client, name, model), ranking(client, f"only-{model}", model))
    assert client.upsert("docs", DOCUMENTS[:1], model="old").versions == (1,)
    assert pending(client) == [0, 1]


def test_writers_that_name_no_model_live_through_a_switch_and_back(client: Client) -> None:
    make(client)
    for also in (BOTH, AlsoVersions(served=True)):
        for current in (2, 1):
            assert client.upsert("docs", DOCUMENTS, also=also).versions == (1, 2)
            assert pending(client) == [0, 0]
            client.set_current_index("docs", current)
    with pytest.raises(InvalidInput, match="neither model nor vectors are given"):
        client.upsert("docs", DOCUMENTS, also=AlsoVersions(versions=[2]))
    with pytest.raises(InvalidInput, match="give either model"):
        client.upsert("docs", DOCUMENTS)


def test_vectors_of_a_model_that_is_served_nowhere(client: Client, bundles: dict[str, Path]) -> None:
    make(client)
    wide = Bundle.load(bundles["wide"])
    third = client.create_index("docs", dimension=wide.dimension, fingerprint=wide.document_fingerprint).version
    with pytest.raises(
        NotFound,
        match=rf"index version {third} of collection 'docs' holds vectors of {wide.document_fingerprint}, and no model",
    ):
        client.upsert("docs", DOCUMENTS, model="old", also=AlsoVersions(versions=[2, third]))
    values = np.eye(5, wide.dimension, dtype=np.float32)
    vectors = {third: Vectors(values, wide.document_fingerprint)}
    told = client.upsert("docs", DOCUMENTS, model="old", also=AlsoVersions(versions=[2], vectors=vectors))
    assert (told.versions, pending(client)) == ((1, 2, third), [0, 0, 0])
    client.set_alias("far", "docs", third)
    for at, name in enumerate(document.id for document in DOCUMENTS):
        hits = client.search("far", 1, vectors=Vectors(values[at : at + 1], wide.document_fingerprint)).hits[0]
        assert [hit.id for hit in hits] == [name]
    # All of a call, or nothing: also when only the further version refuses it.
    for other in (Vectors(values[:, :5], wide.document_fingerprint), Vectors(values, "cf1-other")):
        with pytest.raises((InvalidInput, FingerprintMismatch), match=f"index version {third}"):
            client.upsert(
                "docs", [Document("x"), *DOCUMENTS[1:]], model="old", also=AlsoVersions(vectors={third: other})
            )
    spoilt = Vectors(np.full((1, wide.dimension), np.nan, np.float32), wide.document_fingerprint)
    with pytest.raises(InvalidInput, match="holds nan"):
        client.upsert("docs", [Document("x")], model="old", also=AlsoVersions(vectors={third: spoilt}))
    with pytest.raises(InvalidInput, match="5 vectors are given for 1 documents"):
        client.upsert("docs", DOCUMENTS[:1], model="old", also=AlsoVersions(vectors=vectors))
    assert [document.id for document in DOCUMENTS] == sorted(name for name, _ in ranking(client, "docs", "old"))


def test_documents_that_are_cut_are_cut_for_every_version(client: Client) -> None:
    make(client, settings=CollectionSettings(chunking=ChunkingSettings(Method.TOKENS, size=4)))
    told = client.upsert("docs", DOCUMENTS, model="old", also=BOTH)
    (info,) = client.list_collections()
    assert [index.rows for index in info.indexes] == [told.chunk_counts.sum()] * 2
    assert told.chunk_counts.max() > 1


def test_expected_versions_are_of_the_document_wherever_it_is_written(client: Client) -> None:
    make(client)
    for _ in range(2):  # the second as a caller whose answer was lost sends it
        assert client.upsert("docs", DOCUMENTS[:2], also=BOTH, expected_versions=[0, 0]).versions == (1, 2)
    with pytest.raises(Conflict, match="document 'd0' has version 1"):
        client.upsert("docs", [Document("d0", text="cache")], also=BOTH, expected_versions=[0])
    assert client.upsert("docs", [Document("d0", text="cache")], also=BOTH, expected_versions=[1]).replaced == 1


def test_a_server_that_writes_all_versions_asks_nothing_of_its_callers(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    with (
        serving(bundles, tmp_path / "store", CROSSFADE_WRITE_ALL_VERSIONS="true") as server,
        Client(server.address) as client,
        Client(server.address, tenant="acme") as acme,
    ):
        make(client)
        assert client.upsert("docs", DOCUMENTS, model="old").versions == (1, 2)
        make(client, "shared", settings=CollectionSettings(tenant_field="whose"))
        assert acme.upsert("shared", DOCUMENTS[:1], model="old").versions == (1, 2)
        assert (pending(client), pending(client, "shared")) == ([0, 0], [0, 0])


def test_tenants_may_ask_for_it_and_write_no_documents_but_their_own(server: ServeProcess, client: Client) -> None:
    make(client, "shared", settings=CollectionSettings(tenant_field="whose"))
    with Client(server.address, tenant="a") as a, Client(server.address, tenant="b") as b:
        for tenant, text in ((a, TEXTS[0]), (b, TEXTS[1])):
            assert tenant.upsert("shared", [Document("same", text=text)], model="old", also=BOTH).versions == (1, 2)
        client.set_current_index("shared", 2)
        (hits,) = a.search("shared", 9, model="new", texts=["dog"], with_documents=True).hits
        assert [(hit.id, hit.document.text) for hit in hits] == [("same", TEXTS[0])]


def test_what_was_acknowledged_is_in_both_versions_after_a_kill(bundles: dict[str, Path], tmp_path: Path) -> None:
    store = tmp_path / "store"
    with serving(bundles, store) as server, Client(server.address) as client:
        make(client)
        client.upsert("docs", DOCUMENTS, model="old", also=BOTH)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with serving(bundles, store) as server, Client(server.address) as client:
        assert pending(client) == [0, 0]
        client.set_current_index("docs", 2)
        assert len(ranking(client, "docs", "new")) == 5


def test_the_client_for_asyncio_does_the_same(server: ServeProcess, client: Client) -> None:
    make(client)

    async def write() -> tuple[int, ...]:
        async with AsyncClient(server.address) as connected:
            return (await connected.upsert("docs", DOCUMENTS, also=AlsoVersions(served=True))).versions

    assert asyncio.run(write()) == (1, 2)
    assert pending(client) == [0, 0]


def test_a_flood_of_vectors_is_refused_before_it_is_read(server: ServeProcess, client: Client) -> None:
    make(client)
    request = collections_pb2.UpsertRequest(
        collection="docs",
        documents=[collections_pb2.Document(id="a")],
        also_vectors=[collections_pb2.VersionVectors(version=2)] * 3,
    )
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
        collections_pb2_grpc.CollectionServiceStub(channel).Upsert(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "3 also_vectors in one call, the limit is 2" in caught.value.details()
