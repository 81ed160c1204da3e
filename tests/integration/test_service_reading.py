"""What a served model reads of documents, and what it never does, told over the wire; held against what it embeds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from serving_harness import LocalServer, ServeProcess, serve_process

from crossfade._pb import collections_pb2, collections_pb2_grpc
from crossfade.chunking import ChunkingSettings, Method, TokenBudget, chunk
from crossfade.client import AsyncClient, Chunk, Client, Document, SearchOptions, Vectors
from crossfade.errors import LimitExceeded
from crossfade.models import Bundle
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import CollectionSettings

LONG = " ".join(f"The dough of bread number {at} rests overnight, and is baked." for at in range(200))
DOCUMENTS = [
    Document("long", text=LONG),
    Document("short", "A title", "Cheese ripens in caves."),
    Document("titled", "Bread and its dough", LONG),
    Document("no title is that long", "word " * 400, "Nothing of this is read."),
    Document("empty"),
]
WITH_ALL = SearchOptions(explain=True, with_documents=True)
SENTENCES = ChunkingSettings(Method.SENTENCES, size=40, overlap=1)


@pytest.fixture(scope="module")
def server(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("reading")
    limits = {"CROSSFADE_MAX_TEXTS_PER_CALL": "3", "CROSSFADE_MAX_MESSAGE_BYTES": str(1 << 16)}
    arguments = ("--model", f"base={minilm_bundle}", "--store", str(folder / "store"))
    with serve_process(folder / "log", *arguments, **limits) as running:
        yield running


@pytest.fixture
def client(server: ServeProcess) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


def visible(text: str) -> int:
    return sum(not character.isspace() for character in text)


def test_documents_that_are_not_cut(client: Client) -> None:
    client.create_collection("whole", model="base")
    told = client.upsert("whole", DOCUMENTS, model="base", with_chunks=True)  # in two calls
    assert told.truncated.tolist() == [True, False, True, True, False]
    assert told.chunk_counts.tolist() == [1] * 5
    ends = [only.read_end for (only,) in told.chunks]
    assert [[(only.start, only.stop)] for (only,) in told.chunks] == [[(0, len(each.text))] for each in DOCUMENTS]
    assert (ends[1], ends[3], ends[4]) == (len(DOCUMENTS[1].text), 0, 0)
    assert told.unread_characters.tolist() == [
        visible(each.text[end:]) for each, end in zip(DOCUMENTS, ends, strict=True)
    ]
    for document, end in ((DOCUMENTS[0], ends[0]), (DOCUMENTS[2], ends[2])):
        assert 500 < end < 2000
        prefix = f"{document.title} " if document.title else ""
        words = document.text[:end].split()
        read = [prefix + document.text, prefix + document.text[:end], prefix + " ".join(words[:-1])]
        embedded = client.embed("base", read, "document")
        # What was read is all that the vector is made of, and not a word less.
        assert embedded.truncated.tolist() == [True, False, False]
        assert np.abs(embedded.values[0] - embedded.values[1]).max() < 1e-5
        assert np.abs(embedded.values[0] - embedded.values[2]).max() > 1e-4
    assert ends[2] < ends[0]  # a title takes of what is read


def test_chunks_are_told_where_they_are_asked_for(client: Client, minilm_bundle: Path) -> None:
    client.create_collection("cut", model="base", settings=CollectionSettings(chunking=SENTENCES))
    plain = client.upsert("cut", DOCUMENTS[:3], model="base")
    assert plain.chunks == []
    told = client.upsert("cut", DOCUMENTS[:3], model="base", with_chunks=True)
    assert [len(chunks) for chunks in told.chunks] == told.chunk_counts.tolist() == plain.chunk_counts.tolist()
    bundle = Bundle.load(minilm_bundle)
    tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
    expected = chunk(DOCUMENTS[:3], tokenizer, SENTENCES, TokenBudget(bundle.max_tokens, tokenizer.special_tokens))
    assert told.chunks == [[Chunk(each.start, each.end, each.end) for each in found] for found in expected.chunks]
    assert told.unread_characters.tolist() == [0, 0, 0]
    assert len(told.chunks[0]) > 20


def test_a_hit_tells_how_far_its_document_was_read(client: Client) -> None:
    client.create_collection("found", model="base")
    told = client.upsert("found", DOCUMENTS, model="base", with_chunks=True)
    ends = {each.id: chunks[0].read_end for each, chunks in zip(DOCUMENTS, told.chunks, strict=True)}
    searches: list[SearchOptions] = [WITH_ALL, SearchOptions(mode="hybrid", explain=True, with_documents=True)]
    for options in searches:
        (hits,) = client.search("found", 2, model="base", texts=["bread"], options=options).hits
        assert [(hit.read_end, hit.span) for hit in hits] == [
            (ends[hit.id], (0, len(document.text)))
            for hit in hits
            for document in DOCUMENTS
            if document.id == hit.id and document.text
        ]
        assert {hit.id for hit in hits} & {"long", "titled"}
    for options in (SearchOptions(), SearchOptions(explain=True), SearchOptions(with_documents=True)):
        (hits,) = client.search("found", 2, model="base", texts=["bread"], options=options).hits
        assert [hit.read_end for hit in hits] == [None, None]


def test_a_hit_of_a_document_that_is_cut(client: Client) -> None:
    client.create_collection("parts", model="base", settings=CollectionSettings(chunking=SENTENCES))
    told = client.upsert("parts", DOCUMENTS[:3], model="base", with_chunks=True)
    chunks = {each.id: found for each, found in zip(DOCUMENTS[:3], told.chunks, strict=True)}
    (hits,) = client.search("parts", 3, model="base", texts=["dough"], options=WITH_ALL).hits
    assert {hit.id for hit in hits} == set(chunks)
    for hit in hits:
        assert hit.span is not None
        assert (*hit.span, hit.read_end) in chunks[hit.id]


def test_of_vectors_that_came_with_documents_nothing_is_told(client: Client) -> None:
    client.create_collection("given", dimension=2, fingerprint="f")
    vectors = Vectors(np.ones((1, 2), np.float32), "f")
    told = client.upsert("given", DOCUMENTS[:1], vectors=vectors, with_chunks=True)
    assert (told.added, told.chunks) == (1, [])
    assert [len(each) for each in (told.truncated, told.chunk_counts, told.unread_characters)] == [0, 0, 0]
    (hits,) = client.search("given", 1, vectors=vectors, options=WITH_ALL).hits
    assert [(hit.id, hit.read_end) for hit in hits] == [("long", None)]  # of a model that is not served


def test_more_chunks_than_an_answer_holds(client: Client) -> None:
    settings = CollectionSettings(chunking=ChunkingSettings("tokens", size=1))
    client.create_collection("many", model="base", settings=settings)
    document = Document("a", text="a " * 5000)
    with pytest.raises(LimitExceeded, match=r"the places of 5000 chunks are about 70000 bytes.*leave with_chunks out"):
        client.upsert("many", [document], model="base", with_chunks=True)
    assert next(each for each in client.list_collections() if each.name == "many").documents == 0


def test_the_asynchronous_client_asks_alike(server: ServeProcess, client: Client) -> None:
    client.create_collection("async", model="base")

    async def upsert() -> list[list[Chunk]]:
        async with AsyncClient(server.address) as other:
            told = await other.upsert("async", DOCUMENTS[:2], model="base", with_chunks=True)
            return [list(each) for each in told.chunks]

    assert asyncio.run(upsert()) == client.upsert("async", DOCUMENTS[:2], model="base", with_chunks=True).chunks


def test_a_client_that_knows_nothing_of_it_is_answered_as_before(server: ServeProcess, client: Client) -> None:
    client.create_collection("raw", model="base")
    sent = collections_pb2.UpsertRequest(collection="raw", model="base")
    sent.documents.add(id="a", text="Bread.")
    with grpc.insecure_channel(server.address) as channel:
        answer = collections_pb2_grpc.CollectionServiceStub(channel).Upsert(sent)
    assert not answer.document_chunks
    assert list(answer.unread_characters) == [0]


def test_tokens_of_bytes_in_a_collection_in_memory() -> None:
    """A character that is cut in two counts as read."""
    server = LocalServer(max_tokens=5)
    try:
        with Client(server.address) as client:
            client.create_collection("c", model="gated")
            documents = [
                Document("a", text="ab \u00e9\u00e9f"),
                Document("b", text="abcde"),
                Document("c", "abcd", "e"),
            ]
            told = client.upsert("c", documents, model="gated", with_chunks=True)
            assert told.truncated.tolist() == [True, False, True]
            assert told.chunks == [[Chunk(0, 6, 4)], [Chunk(0, 5, 5)], [Chunk(0, 1, 0)]]
            assert told.unread_characters.tolist() == [2, 0, 1]
    finally:
        server.close()
