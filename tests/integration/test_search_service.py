"""Collections on disk behind a real server: metadata, filters, words, both, chunks, rerankers, tenants, restarts."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from serving_harness import ServeProcess, serve_process

from crossfade._pb import collections_pb2, collections_pb2_grpc
from crossfade.chunking import ChunkingSettings, Method
from crossfade.client import Client, Document, Fusion, SearchOptions, Vectors
from crossfade.errors import Conflict, InvalidInput, NotFound
from crossfade.lexical import AnalyserSettings
from crossfade.retrieval import Retriever
from crossfade.retrieval import SearchOptions as StoreSearchOptions
from crossfade.store import CollectionSettings, CollectionSpec, DurableStore, HnswSettings, Precision
from crossfade.store.metadata import Filter, MetadataSchema

DOCUMENTS = [
    Document(
        "bread", "Baking", "Mix flour, water and yeast, knead the dough and bake it.", {"language": "en", "year": 2020}
    ),
    Document("brot", "Backen", "Mehl, Wasser und Hefe mischen, kneten und backen.", {"language": "de", "year": 2021}),
    Document("engine", "Motors", "A combustion engine burns petrol. See AB-12/9.", {"language": "en", "year": 2022}),
    Document(
        "error",
        "",
        "The driver stops with ERR_0x80070005 when the disk is full.",
        {"year": 2023, "tags": ["io", "disk"]},
    ),
    Document("stars", "", "A telescope shows distant galaxies and stars.", {"language": "en"}),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "kept"


@pytest.fixture(scope="module")
def server(minilm_bundle: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    log = tmp_path_factory.mktemp("serve") / "log"
    model, reranker = f"base={minilm_bundle}", f"tokens={minilm_bundle}"
    with serve_process(log, "--model", model, "--store", str(store), "--reranker", reranker) as running:
        yield running


@pytest.fixture
def client(server: ServeProcess) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def docs(server: ServeProcess) -> None:
    with Client(server.address) as client:
        client.create_collection("docs", model="base")
        client.upsert("docs", DOCUMENTS, model="base")


def found(client: Client, text: str, options: SearchOptions, k: int = 5) -> list[str]:
    model = None if options.mode == "lexical" else "base"
    return [hit.id for hit in client.search("docs", k, model=model, texts=[text], options=options).hits[0]]


def test_metadata_come_back_as_they_went(client: Client) -> None:
    hits = client.search("docs", 5, model="base", texts=["bread"], with_documents=True).hits[0]
    assert {hit.id: hit.document for hit in hits} == {document.id: document for document in DOCUMENTS}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "language", "eq": "en"}, {"bread", "engine", "stars"}),
        ({"and": [{"field": "language", "eq": "en"}, {"field": "year", "gte": 2021}]}, {"engine"}),
        ({"not": {"field": "language", "exists": True}}, {"error"}),
        ({"field": "tags", "contains_any": ["disk"]}, {"error"}),
        ({"field": "year", "lt": 1900}, set()),
    ],
)
def test_filters(client: Client, condition: dict[str, object], expected: set[str]) -> None:
    assert set(found(client, "anything", SearchOptions(filter=condition))) == expected
    assert set(found(client, "anything", SearchOptions(filter=json.dumps(condition), exact=True))) == expected
    words = "flour engine galaxies disk mehl"
    assert set(found(client, words, SearchOptions(filter=condition, mode="lexical"))) == expected


def test_a_filter_on_a_field_that_is_not_there_is_refused_by_name(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"langage.*language"):
        found(client, "x", SearchOptions(filter={"field": "langage", "eq": "en"}))


def test_words_find_codes_whole(client: Client) -> None:
    lexical = SearchOptions(mode="lexical")
    assert found(client, "err_0x80070005", lexical)[0] == "error"
    assert found(client, "AB-12/9", lexical)[0] == "engine"
    assert found(client, "zebra", lexical) == []


def test_hybrid_is_explained_stage_by_stage(client: Client) -> None:
    options = SearchOptions(mode="hybrid", fusion=Fusion("rrf"), reranker="tokens", explain=True)
    answer = client.search("docs", 3, model="base", texts=["knead the dough"], options=options)
    assert [stage.stage for stage in answer.stages] == ["dense", "lexical", "fused", "reranked"]
    assert all(stage.ns > 0 for stage in answer.stages)
    best = answer.hits[0][0]
    assert best.id == "bread"
    assert [stage.stage for stage in best.stages] == ["dense", "lexical", "fused", "reranked"]
    lexical = best.stages[1]
    assert set(lexical.terms) == {"knead", "dough"}
    assert sum(lexical.terms.values()) == pytest.approx(lexical.score, abs=1e-9)
    dense, fused = best.stages[0], best.stages[2]
    assert fused.score == pytest.approx(1 / (60 + dense.rank) + 1 / (60 + lexical.rank))
    assert best.score == pytest.approx(best.stages[3].score, abs=1e-6)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01t01:59:60.25+02:00", "2017-01-01T00:00:00.250000Z"),
        ("2020-02-29 09:30:00z", "2020-02-29T09:30:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_date_times_are_those_of_rfc_3339(server: ServeProcess, client: Client, written: str, kept: str) -> None:
    name = f"at-{abs(hash(written))}"
    client.create_collection(name, model="base")
    request = collections_pb2.UpsertRequest(collection=name, model="base")
    request.documents.add(id="a", text="x").metadata["at"].datetime = written
    search = collections_pb2.SearchRequest(collection=name, model="base", texts=["x"], k=1, with_documents=True)
    with grpc.insecure_channel(server.address) as channel:
        stub = collections_pb2_grpc.CollectionServiceStub(channel)
        stub.Upsert(request)
        (hit,) = stub.Search(search).results[0].hits
    assert hit.document.metadata["at"].datetime == kept
    options = SearchOptions(filter={"field": "at", "eq": written})
    (hits,) = client.search(name, 1, model="base", texts=["x"], options=options, with_documents=True).hits
    assert hits[0].document is not None
    at = hits[0].document.metadata["at"]
    assert at.isoformat().replace("+00:00", "Z") == kept
    # What the client gives it takes.
    assert client.upsert(name, [hits[0].document], model="base").replaced == 1


@pytest.mark.parametrize("written", ["2016-12-30T23:59:60Z", "2020-01-01T09:30:00", "2020-02-30", "20200101", "x", ""])
def test_date_times_that_are_none(client: Client, server: ServeProcess, written: str) -> None:
    request = collections_pb2.UpsertRequest(collection="docs", model="base")
    request.documents.add(id="a").metadata["at"].datetime = written
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
        collections_pb2_grpc.CollectionServiceStub(channel).Upsert(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"document 'a': field 'at' has {written!r}, expected a date")


def test_weights_make_one_arm_silent(client: Client) -> None:
    dense_only = Fusion("weighted", dense_weight=1, lexical_weight=0)
    text = "stars"
    fused = found(client, text, SearchOptions(mode="hybrid", fusion=dense_only))
    assert fused == found(client, text, SearchOptions())


@pytest.mark.parametrize("name", ["dense_weight", "lexical_weight"])
def test_weights_whose_scores_could_not_travel(server: ServeProcess, client: Client, name: str) -> None:
    weights = {"dense_weight": 1.0, "lexical_weight": 1.0}
    for weight in (1e39, 1e300, 1e-300, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match=rf"^{name} is .*: it must be 0, or from 1e-30 to 1e\+30"):
            Fusion(**{**weights, name: weight})
        request = collections_pb2.SearchRequest(collection="docs", model="base", texts=["bread"], k=3)
        request.options.mode = collections_pb2.SEARCH_MODE_HYBRID
        request.options.fusion.CopyFrom(collections_pb2.Fusion(**{**weights, name: weight}))
        with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
            collections_pb2_grpc.CollectionServiceStub(channel).Search(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details().startswith(f"{name} of the fusion is ")
    with pytest.raises(InvalidInput, match="both 0"):
        Fusion(dense_weight=0, lexical_weight=0)
    for weight in (1e-30, 1e30):
        options = SearchOptions(mode="hybrid", fusion=Fusion(dense_weight=weight, lexical_weight=weight))
        (hits,) = client.search("docs", 3, model="base", texts=["bread dough"], options=options).hits
        assert [hit.id for hit in hits] == found(client, "bread dough", SearchOptions(mode="hybrid"), 3)
        assert 0 < hits[0].score < float("inf")


def test_what_a_mode_needs_is_said(client: Client) -> None:
    vectors = client.embed("base", ["bread"], "query")
    with pytest.raises(InvalidInput, match="need texts"):
        client.search("docs", 3, vectors=vectors, options=SearchOptions(mode="hybrid"))
    with pytest.raises(InvalidInput, match="give texts, and neither model nor vectors"):
        client.search("docs", 3, model="base", texts=["x"], options=SearchOptions(mode="lexical"))
    with pytest.raises(NotFound, match="no reranker 'other' is served here: use one of tokens"):
        client.search("docs", 3, model="base", texts=["x"], options=SearchOptions(reranker="other"))


def test_expected_versions(client: Client) -> None:
    client.create_collection("versions", dimension=2, fingerprint="f")
    vectors = Vectors(np.ones((1, 2), np.float32), "f")
    document = Document("a", text="first")
    client.upsert("versions", [document], vectors=vectors, expected_versions=[0])
    client.upsert("versions", [document], vectors=vectors, expected_versions=[0])  # sent again: taken as done
    with pytest.raises(Conflict, match="has version 1, and 0 was expected"):
        client.upsert("versions", [Document("a", text="other")], vectors=vectors, expected_versions=[0])
    client.upsert("versions", [Document("a", text="second")], vectors=vectors, expected_versions=[1])


def test_a_collection_cuts_its_documents(client: Client) -> None:
    settings = CollectionSettings(chunking=ChunkingSettings(Method.SENTENCES, size=8))
    made = client.create_collection("cut", model="base", settings=settings)
    assert made.documents == 0
    text = "Bread needs flour and yeast. A telescope shows distant galaxies. An engine burns petrol."
    done = client.upsert("cut", [Document("long", "Mixed", text), Document("short", text="Cheese.")], model="base")
    assert done.chunk_counts.tolist() == [3, 1]
    assert done.unread_characters.tolist() == [0, 0]
    for query, words in (("astronomy", "galaxies"), ("baking", "flour"), ("motors", "engine")):
        (hits,) = client.search("cut", 2, model="base", texts=[query], with_documents=True).hits
        assert [hit.id for hit in hits] == ["long", "short"]
        assert hits[0].span is not None
        start, stop = hits[0].span
        assert words in text[start:stop]
        assert stop - start < len(text) / 2


def test_documents_are_found_by_the_mean_of_their_best_chunks(client: Client) -> None:
    settings = CollectionSettings(chunking=ChunkingSettings(Method.SENTENCES, size=8))
    client.create_collection("means", model="base", settings=settings)
    mixed = "Knead the bread dough. A telescope shows distant galaxies. An engine burns petrol."
    baking = "Bread needs flour and dough. Dough is kneaded for bread. Fresh bread smells of yeast."
    chunks = [sentence + "." for text in (mixed, baking) for sentence in text.rstrip(".").split(". ")]
    documents = [Document("mixed", text=mixed), Document("baking", text=baking)]
    assert client.upsert("means", documents, model="base").chunk_counts.tolist() == [3, 3]
    query = ["knead the bread dough"]
    asked = client.embed("base", query, "query").values
    made = client.embed("base", chunks, "document").values
    scores = (made @ asked[0]).tolist()
    of = {"mixed": sorted(scores[:3]), "baking": sorted(scores[3:])}
    for best, order in ((None, "mixed baking"), (1, "mixed baking"), (3, "baking mixed"), (9, "baking mixed")):
        options = SearchOptions(best_chunks=best)
        (hits,) = client.search("means", 2, model="base", texts=query, options=options, with_documents=True).hits
        assert [hit.id for hit in hits] == order.split()
        for hit in hits:
            counted = of[hit.id][-(best or 1) :]
            assert hit.score == pytest.approx(sum(counted) / len(counted), abs=1e-5)
            assert hit.span is not None
    # By words a sentence that shares none with the query counts as nothing, and not as zero.
    options = SearchOptions(mode="lexical", best_chunks=3)
    (best_of_all,) = client.search("means", 2, texts=["telescope"], options=SearchOptions(mode="lexical")).hits
    assert client.search("means", 2, texts=["telescope"], options=options).hits == [best_of_all]
    assert [hit.id for hit in best_of_all] == ["mixed"]


def test_each_stage_lists_its_candidates(client: Client) -> None:
    texts = ["knead the dough", "distant galaxies and petrol"]
    options = SearchOptions(mode="hybrid", reranker="tokens", candidates=3, explain_candidates=True)
    answer = client.search("docs", 2, model="base", texts=texts, options=options)
    plain = client.search(
        "docs", 2, model="base", texts=texts, options=SearchOptions(mode="hybrid", reranker="tokens", candidates=3)
    )
    assert plain.candidates == ()
    assert [[(hit.id, hit.score) for hit in some] for some in answer.hits] == [
        [(hit.id, hit.score) for hit in some] for some in plain.hits
    ]
    assert len(answer.candidates) == 2
    for text, hits, stages in zip(texts, answer.hits, answer.candidates, strict=True):
        assert list(stages) == ["dense", "lexical", "fused", "reranked"]
        (dense,) = client.search("docs", 3, model="base", texts=[text]).hits
        assert [(each.id, each.score) for each in stages["dense"]] == [(hit.id, hit.score) for hit in dense]
        (words,) = client.search("docs", 3, texts=[text], options=SearchOptions(mode="lexical")).hits
        assert [each.id for each in stages["lexical"]] == [hit.id for hit in words]
        for listed in stages.values():
            assert [each.rank for each in listed] == list(range(1, len(listed) + 1))
            assert len(listed) <= 3
            assert all(each.span is not None for each in listed)
        assert [each.id for each in stages["reranked"]][:2] == [hit.id for hit in hits]
        # What a hit is told of itself is what the lists say of it.
        for hit in hits:
            for stage in hit.stages:
                (found,) = [each for each in stages[stage.stage] if each.id == hit.id]
                assert (found.rank, found.score) == (stage.rank, stage.score)
    found = sum(len(stages["dense"]) for stages in answer.candidates)
    assert next(stage for stage in answer.stages if stage.stage == "dense").candidates == found
    dropped = {each.id for each in answer.candidates[0]["dense"]} - {hit.id for hit in answer.hits[0]}
    assert dropped, "what no hit tells of"


@pytest.mark.parametrize("precision", ["f16", "int8"])
def test_a_collection_has_the_precision_it_was_made_with(client: Client, precision: Precision) -> None:
    """Scores are those of f32, or of what f16 rounds vectors to: within 2^-11, vectors having a norm of 1."""
    name = f"held-{precision}"
    client.create_collection(name, model="base", settings=CollectionSettings(precision=precision))
    client.upsert(name, DOCUMENTS, model="base")
    (hits,) = client.search(name, 3, model="base", texts=["baking bread"]).hits
    (expected,) = client.search("docs", 3, model="base", texts=["baking bread"]).hits
    assert [hit.id for hit in hits] == [hit.id for hit in expected]
    for hit, other in zip(hits, expected, strict=True):
        assert hit.score == pytest.approx(other.score, abs=2**-11)


def test_a_collection_says_how_it_was_made(client: Client, server: ServeProcess) -> None:
    made_with = CollectionSettings(
        MetadataSchema({"year": "int"}),
        AnalyserSettings("plain", ("oven", "the")),
        tenant_field="tenant",
        hnsw=HnswSettings(24, 300, 0.995),
    )
    made = client.create_collection("chosen", model="base", settings=made_with)
    assert made.settings == made_with
    told = {each.name: each.settings for each in client.list_collections()}
    assert told["chosen"] == made_with
    usual = told["docs"]
    assert usual is not None
    assert (usual.hnsw, usual.analyser) == (HnswSettings(), AnalyserSettings())
    assert usual.fields["year"] == "int"  # came with a document
    # As any client says it; what is left out, or 0, is as by default.
    kind: Any = collections_pb2
    request = kind.CreateCollectionRequest(name="raw", model="base")
    request.settings.hnsw.m = 48
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = collections_pb2_grpc.CollectionServiceStub(channel)
        answered = stub.CreateCollection(request).collection.settings
        assert (answered.hnsw.m, answered.hnsw.ef_construction, answered.hnsw.recall) == (48, 200, 0.98)
        for name, value, message in (
            ("m", 1, "m of the graph must be at least 2 and at most 256, not 1"),
            ("ef_construction", 2**32 - 1, "ef_construction of the graph must be at least 1 and at most 65536"),
            ("recall", -0.5, "must be a number greater than 0 and at most 1, not -0.5"),
        ):
            wrong = kind.CreateCollectionRequest(name="wrong", model="base")
            setattr(wrong.settings.hnsw, name, value)
            with pytest.raises(grpc.RpcError) as caught:
                stub.CreateCollection(wrong)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert message in caught.value.details()
    assert "wrong" not in {each.name for each in client.list_collections()}


def test_tenants_have_nothing_of_each_other(server: ServeProcess) -> None:
    with (
        Client(server.address) as nobody,
        Client(server.address, tenant="a") as a,
        Client(server.address, tenant="b") as b,
    ):
        nobody.create_collection("shared", model="base", settings=CollectionSettings(tenant_field="tenant"))
        for client, name in ((a, "a"), (b, "b")):
            client.upsert("shared", [Document("same", text=f"The secret of {name}.")], model="base")
        for client, name in ((a, "a"), (b, "b")):
            for options in (
                SearchOptions(),
                SearchOptions(mode="hybrid", explain=True),
                SearchOptions(filter={"or": [{"field": "tenant", "eq": "a"}, {"field": "tenant", "eq": "b"}]}),
                SearchOptions(filter={"not": {"field": "tenant", "eq": name}}),
            ):
                (hits,) = client.search(
                    "shared", 9, model="base", texts=["the secret"], options=options, with_documents=True
                ).hits
                texts = [hit.document and (hit.document.id, hit.document.text) for hit in hits]
                assert texts in ([("same", f"The secret of {name}.")], [])
                assert (texts == []) == (isinstance(options.filter, dict) and "not" in options.filter)
        with pytest.raises(InvalidInput, match="crossfade-tenant"):
            nobody.search("shared", 1, model="base", texts=["x"])
        with pytest.raises(InvalidInput, match="leave the field out"):
            a.upsert("shared", [Document("x", text="x", metadata={"tenant": "b"})], model="base")
        options = SearchOptions(mode="hybrid", explain_candidates=True, best_chunks=2)
        (stages,) = a.search("shared", 9, model="base", texts=["the secret"], options=options).candidates
        assert {name: [each.id for each in listed] for name, listed in stages.items()} == {
            "dense": ["same"],
            "lexical": ["same"],
            "fused": ["same"],
        }
        assert b.delete("shared", ["same"]) == 1
        (hits,) = a.search("shared", 9, model="base", texts=["the secret"]).hits
        assert [hit.id for hit in hits] == ["same"]
        assert b.search("shared", 9, model="base", texts=["the secret"]).hits == [[]]


def test_a_tenant_runs_nothing_but_its_own_documents(server: ServeProcess) -> None:
    with Client(server.address) as owner, Client(server.address, tenant="a") as a:
        settings = CollectionSettings(fields=MetadataSchema({"kind": "string"}), tenant_field="tenant")
        owner.create_collection("kept", model="base", settings=settings)
        for call in (
            lambda: a.delete_collection("kept"),
            lambda: a.create_collection("other", model="base"),
            a.list_collections,
        ):
            with pytest.raises(InvalidInput, match="is not a tenant's to call"):
                call()
        a.upsert("kept", [Document("d1", text="one", metadata={"kind": "x"})], model="base")
        with pytest.raises(InvalidInput, match="'secret' that was not declared"):
            a.upsert("kept", [Document("d2", text="two", metadata={"secret": "x"})], model="base")
        with pytest.raises(InvalidInput, match=r"did you mean .kind.") as caught:
            a.search("kept", 1, model="base", texts=["x"], options=SearchOptions(filter={"field": "kinds", "eq": "x"}))
        assert "secret" not in str(caught.value)
        with pytest.raises(Conflict) as conflict:
            a.upsert("kept", [Document("d1", text="other")], model="base", expected_versions=[0])
        assert "document 'd1' has version 1" in str(conflict.value)
        options = SearchOptions(mode="lexical", explain=True)
        (hits,) = a.search("kept", 1, texts=["one"], options=options).hits
        assert [stage.terms for stage in hits[0].stages] == [{}]


def test_versions_are_read_where_they_are_held_against(client: Client) -> None:
    client.create_collection("read", model="base")
    for text in ("one", "two", "three"):
        client.upsert("read", [Document("d", text=text)], model="base")
    (hits,) = client.search("read", 1, model="base", texts=["three"], with_documents=True).hits
    assert hits[0].document is not None
    assert hits[0].document.version == 3
    client.upsert("read", [Document("d", text="four"), Document("e")], model="base", expected_versions=[3, None])


def test_a_hit_whose_document_was_written_again_comes_without_it(minilm_bundle: Path, tmp_path: Path) -> None:
    """The new text was never held against the query, nor its metadata against the filter."""
    with DurableStore(tmp_path / "store", upkeep=False) as store:
        collection = store.create(CollectionSpec("c", 2, "ip", "f"))
        vectors = np.ones((1, 2), np.float32)
        collection.upsert([Document("d", text="public", metadata={"s": "public"})], vectors)
        condition = Filter.parse({"field": "s", "eq": "public"})
        found = Retriever(collection).search_vectors(
            vectors, 1, fingerprint="f", options=StoreSearchOptions(filter=condition)
        )
        ((hit,),) = found.hits
        assert collection.documents([hit.id], [hit.key]) == [Document("d", text="public", metadata={"s": "public"})]
        collection.upsert([Document("d", text="private", metadata={"s": "private"})], vectors)
        assert collection.documents([hit.id], [hit.key]) == [None]
        assert collection.documents([hit.id]) == [Document("d", text="private", metadata={"s": "private"})]


def test_a_long_document_in_many_chunks_costs_its_length_once(tmp_path: Path) -> None:
    text = "\N{GRINNING FACE}" + "x" * 1_000_000
    with DurableStore(tmp_path / "store", upkeep=False) as store:
        collection = store.create(CollectionSpec("c", 2, "ip", "f"))
        spans = [[(at * 250, at * 250 + 250) for at in range(4000)]]
        collection.upsert([Document("d", text=text)], np.ones((4000, 2), np.float32), spans=spans)
        tracemalloc.start()
        collection.seal()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100e6  # 4 MB of text; one copy a chunk would be 16 GB
        assert sum(part.count for part in collection.snapshot().parts) == 4000


def test_a_second_server_on_the_store_is_refused(server: ServeProcess, store: Path, minilm_bundle: Path) -> None:
    command = ["serve", "--listen", "127.0.0.1:0", "--model", f"base={minilm_bundle}", "--store", str(store)]
    done = subprocess.run(
        [sys.executable, "-m", "crossfade.cli.main", *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "is open in another process" in done.stderr


def test_everything_is_there_after_a_restart(
    server: ServeProcess, store: Path, minilm_bundle: Path, tmp_path: Path
) -> None:
    with Client(server.address) as client:
        before = {
            mode: found(client, "knead the dough with yeast", SearchOptions(mode=mode))
            for mode in ("dense", "lexical", "hybrid")
        }
        collections = client.list_collections()
    server.process.terminate()
    assert server.process.wait(60) == 0
    with (
        serve_process(tmp_path / "log", "--model", f"base={minilm_bundle}", "--store", str(store)) as again,
        Client(again.address) as client,
    ):
        assert client.list_collections() == collections
        for mode in ("dense", "lexical", "hybrid"):
            assert found(client, "knead the dough with yeast", SearchOptions(mode=mode)) == before[mode]
