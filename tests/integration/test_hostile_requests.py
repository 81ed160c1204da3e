"""Every bad input over gRPC, against `crossfade serve` with a real model: the status, the words, and that the server
is as well after it as before."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from serving_harness import PATIENCE, ServeProcess, serve_process

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2, scoring_pb2, vectors_pb2
from crossfade.client import Client, Document, Vectors

DIMENSION = 384
QUERY = vectors_pb2.INPUT_TYPE_QUERY
CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def server(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    log = tmp_path_factory.mktemp("hostile") / "log"
    with serve_process(log, "--model", f"base={minilm_bundle}") as running:
        yield running
        running.terminate()
        assert running.wait() == 0
        assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def client(server: ServeProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        connected.create_collection("docs", model="base")
        connected.upsert("docs", [Document("bread", text="How to bake bread"), Document("empty")], model="base")
        connected.create_collection("elsewhere", dimension=DIMENSION, fingerprint="cf1-elsewhere")
        yield connected


@pytest.fixture
def well(client: Client) -> Iterator[None]:
    """Before and after each test the server answers the same, and holds the same."""

    def state() -> tuple[object, ...]:
        hits = client.search("docs", 5, model="base", texts=["a loaf of rye"], with_documents=True).hits
        return hits, client.list_collections(), client.list_models()

    before = state()
    yield
    assert state() == before
    assert client.health()


pytestmark = pytest.mark.usefixtures("well")


def fingerprint(client: Client) -> str:
    return client.list_models()[0].document_fingerprint


def matrix(values: np.ndarray) -> vectors_pb2.Vectors:
    return vectors_pb2.Vectors(count=values.shape[0], dimension=values.shape[1], data=values.astype("<f4").tobytes())


def bad_vectors() -> list[tuple[vectors_pb2.Vectors, str]]:
    good = np.ones((2, DIMENSION), np.float32)
    nan, infinite = good.copy(), good.copy()
    nan[1, 7] = np.nan
    infinite[0, 3] = -np.inf
    short = matrix(good)
    short.data = short.data[:-1]
    lying = matrix(good)
    lying.count = 3
    none = vectors_pb2.Vectors(count=2)
    huge = vectors_pb2.Vectors(count=2**32 - 1, dimension=2**32 - 1, data=b"")
    return [
        (matrix(nan), "vector 1 holds nan at position 7: every value must be a finite float32"),
        (matrix(infinite), "vector 0 holds -inf at position 3"),
        (
            matrix(good[:, :-1]),
            r"vectors have shape \(2, 383\), expected \((2|any), 384\): .*'docs' holds 384 dimensions",
        ),
        (short, "data holds 3071 bytes, but count 2 times dimension 384 times 4 is 3072: send little-endian"),
        (lying, "data holds 3072 bytes, but count 3 times dimension 384 times 4 is 4608"),
        (none, "dimension is 0"),
        (huge, "data holds 0 bytes, but count 4294967295 times dimension 4294967295 times 4 is"),
    ]


def call(server: ServeProcess, path: str, data: bytes) -> grpc.RpcError:
    """The error of a raw call, without any stub between."""
    with grpc.insecure_channel(server.address, options=[("grpc.max_send_message_length", -1)]) as channel:
        raw = channel.unary_unary(f"/crossfade.v1.{path}")
        with pytest.raises(grpc.RpcError) as caught:
            raw(data, timeout=PATIENCE)
    return caught.value


def refused(server: ServeProcess, path: str, request: Message | bytes, code: grpc.StatusCode, words: str) -> None:
    data = request if isinstance(request, bytes) else request.SerializeToString()
    error = call(server, path, data)
    assert error.code() is code, error.details()
    assert re.search(words, error.details()), error.details()
    assert "Traceback" not in error.details()


EMBED = "EmbeddingService/Embed"
UPSERT = "CollectionService/Upsert"
SEARCH = "CollectionService/Search"
CREATE = "CollectionService/CreateCollection"


def embed(*texts: str, model: str = "base", input_type: int = QUERY) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(model=model, input_type=input_type, texts=texts)


def upsert(*ids: str, collection: str = "docs", model: str = "base") -> collections_pb2.UpsertRequest:
    documents = [collections_pb2.Document(id=name) for name in ids]
    return collections_pb2.UpsertRequest(collection=collection, documents=documents, model=model)


def search(*texts: str, collection: str = "docs", model: str = "base", k: int = 1) -> collections_pb2.SearchRequest:
    return collections_pb2.SearchRequest(collection=collection, model=model, texts=texts, k=k)


CASES: dict[str, tuple[str, Message | bytes, grpc.StatusCode, str]] = {
    "unknown model": (
        EMBED,
        embed("a", model="nope"),
        CODE.NOT_FOUND,
        "no model 'nope' is served here: use one of base",
    ),
    "no model": (EMBED, embed("a", model=""), CODE.NOT_FOUND, "no model ''"),
    "input type not said": (
        EMBED,
        embed("a", input_type=0),
        CODE.INVALID_ARGUMENT,
        "input_type is unspecified: say INPUT_TYPE_QUERY or INPUT_TYPE_DOCUMENT",
    ),
    "input type unknown": (EMBED, embed("a", input_type=9), CODE.INVALID_ARGUMENT, r"input_type is unknown \(9\)"),
    "empty batch": (EMBED, embed(), CODE.INVALID_ARGUMENT, "no texts in the call: send at least one"),
    "100,000 texts": (
        EMBED,
        embed(*["word"] * 100_000),
        CODE.INVALID_ARGUMENT,
        "100000 texts in one call, the limit is 1024: split them .* CROSSFADE_MAX_TEXTS_PER_CALL",
    ),
    "a text of 10 MB": (
        EMBED,
        embed("fine", "x" * 10_000_000),
        CODE.INVALID_ARGUMENT,
        "text 1 is 10000000 bytes long, the limit is 1048576: cut it into passages, or raise CROSSFADE_MAX_TEXT_BYTES",
    ),
    "a message of 40 MB": (
        EMBED,
        embed("x" * 40_000_000),
        CODE.RESOURCE_EXHAUSTED,
        r"the message has 40000\d+ bytes, the limit is 33554432: split it .* CROSSFADE_MAX_MESSAGE_BYTES",
    ),
    "invalid UTF-8": (
        EMBED,
        embed("fine", "MARK").SerializeToString().replace(b"MARK", b"M\xffRK"),
        CODE.INVALID_ARGUMENT,
        r"texts\[1\] of the crossfade.v1.EmbedRequest is not valid UTF-8 \(at its byte 1\): send text as UTF-8",
    ),
    "invalid UTF-8 in a document": (
        UPSERT,
        upsert("MARK").SerializeToString().replace(b"MARK", b"\xc3\x28RK"),
        CODE.INVALID_ARGUMENT,
        r"documents\[0\].id of the crossfade.v1.UpsertRequest is not valid UTF-8",
    ),
    "a request cut short": (
        EMBED,
        embed("some text").SerializeToString()[:-3],
        CODE.INVALID_ARGUMENT,
        "not a readable crossfade.v1.EmbedRequest: its 16 bytes are cut short or are not protobuf",
    ),
    "no protobuf": (
        SEARCH,
        b'{"collection": "docs"}',
        CODE.INVALID_ARGUMENT,
        "not a readable crossfade.v1.SearchRequest",
    ),
    "unknown collection": (
        UPSERT,
        upsert("a", collection="nope"),
        CODE.NOT_FOUND,
        "no collection 'nope': .*docs, elsewh",
    ),
    "search of an unknown collection": (SEARCH, search("a", collection="x"), CODE.NOT_FOUND, "no collection 'x'"),
    "search by an unknown model": (SEARCH, search("a", model="nope"), CODE.NOT_FOUND, "no model 'nope'"),
    "delete from an unknown collection": (
        "CollectionService/Delete",
        collections_pb2.DeleteRequest(collection="nope", ids=["a"]),
        CODE.NOT_FOUND,
        "no collection 'nope'",
    ),
    "drop an unknown collection": (
        "CollectionService/DeleteCollection",
        collections_pb2.DeleteCollectionRequest(name="nope"),
        CODE.NOT_FOUND,
        "no collection 'nope'",
    ),
    "no documents": (UPSERT, upsert(), CODE.INVALID_ARGUMENT, "no documents in the call"),
    "duplicate ids": (
        UPSERT,
        upsert("new", "bread", "new"),
        CODE.INVALID_ARGUMENT,
        r"id 'new' is given twice in one call \(documents 0 and 2\): keep one of them",
    ),
    "an empty id": (UPSERT, upsert("new", ""), CODE.INVALID_ARGUMENT, "document 1 has an empty id"),
    "no source of vectors": (UPSERT, upsert("new", model=""), CODE.INVALID_ARGUMENT, "neither model nor vectors"),
    "upsert by a model of another space": (
        UPSERT,
        upsert("new", collection="elsewhere"),
        CODE.FAILED_PRECONDITION,
        "fingerprint is cf1-[0-9a-f]+, collection 'elsewhere' holds cf1-elsewhere: use the model .* embed its",
    ),
    "search by a model of another space": (
        SEARCH,
        search("a", collection="elsewhere"),
        CODE.FAILED_PRECONDITION,
        "fingerprint is cf1-[0-9a-f]+, collection 'elsewhere' holds cf1-elsewhere",
    ),
    "k = 0": (SEARCH, search("a", k=0), CODE.INVALID_ARGUMENT, "k is 0: ask for at least 1 result"),
    "k above the limit": (
        SEARCH,
        search("a", k=10_001),
        CODE.INVALID_ARGUMENT,
        "k is 10001, the limit is 10000: ask for",
    ),
    "no queries": (SEARCH, search(), CODE.INVALID_ARGUMENT, "no query texts in the call"),
    "nothing to search with": (SEARCH, search(model=""), CODE.INVALID_ARGUMENT, "neither texts nor vectors are given"),
    "a taken name": (
        CREATE,
        collections_pb2.CreateCollectionRequest(name="docs", model="base"),
        CODE.ALREADY_EXISTS,
        "collection 'docs' exists already: delete it first or choose another name",
    ),
    "a name that cannot be used": (
        CREATE,
        collections_pb2.CreateCollectionRequest(name="../etc", model="base"),
        CODE.INVALID_ARGUMENT,
        "name '../etc' cannot be used: use 1 to 128 letters",
    ),
    "no space": (
        CREATE,
        collections_pb2.CreateCollectionRequest(name="new"),
        CODE.INVALID_ARGUMENT,
        "space is missing",
    ),
    "dimension 0": (
        CREATE,
        collections_pb2.CreateCollectionRequest(
            name="new", vector_space=collections_pb2.VectorSpace(document_fingerprint="f")
        ),
        CODE.INVALID_ARGUMENT,
        "dimension 0 cannot be used",
    ),
    "unknown metric": (
        CREATE,
        collections_pb2.CreateCollectionRequest(name="new", model="base", metric=9),
        CODE.INVALID_ARGUMENT,
        "metric 9 is unknown: use METRIC_COSINE",
    ),
    "score of two dimensions": (
        "ScoringService/Score",
        scoring_pb2.ScoreRequest(queries=matrix(np.ones((1, 2))), corpus=matrix(np.ones((1, 3))), k=1),
        CODE.INVALID_ARGUMENT,
        "corpus vectors have shape .* the query vectors have 2 dimensions",
    ),
    "measure without judgments": (
        "EvaluationService/Measure",
        evaluation_pb2.MeasureRequest(measures=["RR"]),
        CODE.INVALID_ARGUMENT,
        "no judgments in the call",
    ),
    "unknown measure": (
        "EvaluationService/Measure",
        evaluation_pb2.MeasureRequest(
            measures=["nDGC@10"],
            qrels=[
                evaluation_pb2.Judgments(query_id="q", judgments=[evaluation_pb2.Judgment(document_id="d", grade=1)])
            ],
            run=[evaluation_pb2.RunQuery(query_id="q")],
        ),
        CODE.INVALID_ARGUMENT,
        "nDGC@10",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input(server: ServeProcess, case: str) -> None:
    refused(server, *CASES[case])


@pytest.mark.parametrize("number", range(len(bad_vectors())))
def test_bad_vectors_are_refused_in_upsert_search_and_score(server: ServeProcess, client: Client, number: int) -> None:
    bad, words = bad_vectors()[number]
    documents = [collections_pb2.Document(id=name) for name in ("bread", "new")]
    made_by = fingerprint(client)
    refused(
        server,
        UPSERT,
        collections_pb2.UpsertRequest(collection="docs", documents=documents, vectors=bad, fingerprint=made_by),
        CODE.INVALID_ARGUMENT,
        words,
    )
    refused(
        server,
        SEARCH,
        collections_pb2.SearchRequest(collection="docs", vectors=bad, fingerprint=made_by, k=1),
        CODE.INVALID_ARGUMENT,
        words,
    )
    if bad.dimension != DIMENSION - 1:  # to score, any dimension will do
        request = scoring_pb2.ScoreRequest(queries=bad, corpus=matrix(np.ones((1, DIMENSION))), k=1)
        refused(server, "ScoringService/Score", request, CODE.INVALID_ARGUMENT, words.partition(":")[0])


def test_vectors_of_another_model_are_refused_though_their_dimension_fits(server: ServeProcess) -> None:
    vectors = matrix(np.ones((1, DIMENSION)))
    documents = [collections_pb2.Document(id="new")]
    words = "have fingerprint cf1-stranger, collection 'docs' holds cf1-[0-9a-f]+.*: embed the"
    for path, request in (
        (UPSERT, collections_pb2.UpsertRequest(collection="docs", documents=documents, vectors=vectors)),
        (SEARCH, collections_pb2.SearchRequest(collection="docs", vectors=vectors, k=1)),
    ):
        refused(server, path, request, CODE.INVALID_ARGUMENT, "without a fingerprint")
        request.fingerprint = "cf1-stranger"
        refused(server, path, request, CODE.FAILED_PRECONDITION, words)


def test_an_empty_document_is_embedded_and_not_skipped(client: Client) -> None:
    client.create_collection("blank", model="base")
    upserted = client.upsert(
        "blank", [Document("full", text="x"), Document("none"), Document("space", " ")], model="base"
    )
    assert (upserted.added, upserted.token_counts[1]) == (3, 2)
    embedded = client.embed("base", [""], "document")
    assert np.linalg.norm(embedded.values[0]) == pytest.approx(1, abs=1e-5)
    first = client.search("blank", 3, vectors=Vectors(embedded.values, embedded.fingerprint)).hits[0]
    assert {hit.id for hit in first} == {"full", "none", "space"}
    assert {hit.id: hit.score for hit in first}["none"] == pytest.approx(1, abs=1e-5)
    client.delete_collection("blank")


def test_a_client_that_stops_reading_and_then_dies_hurts_nobody(server: ServeProcess, client: Client) -> None:
    script = (
        "import os, signal, sys\n"
        "import numpy as np\n"
        "from crossfade.client import Client\n"
        "from concurrent.futures import ThreadPoolExecutor, as_completed\n"
        "client = Client(sys.argv[1])\n"
        "client.limits()\n"
        "eye = np.eye(300, dtype=np.float32)\n"
        "pool = ThreadPoolExecutor(8)\n"
        "calls = [pool.submit(client.score, np.repeat(eye, 10, axis=0), eye, 300) for _ in range(8)]\n"
        "next(as_completed(calls))\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    leaver = subprocess.Popen([sys.executable, "-c", script, server.address], stderr=subprocess.DEVNULL)
    try:
        _, status = os.waitpid(leaver.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        for _ in range(5):
            assert client.search("docs", 1, model="base", texts=["bread"], timeout=PATIENCE).hits[0][0].id == "bread"
    finally:
        leaver.send_signal(signal.SIGKILL)
        leaver.wait()
    assert client.search("docs", 1, model="base", texts=["bread"]).hits[0][0].id == "bread"


def test_connections_that_speak_something_else_hurt_nobody(server: ServeProcess, client: Client) -> None:
    host, port = server.address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    greetings = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"",
        b"\x00" * 100,
        preface,  # and then silence
        preface + struct.pack(">I", 0xFFFFFF00) + b"\x00" * 5,  # a frame that promises 16 MiB
    ]
    held: list[socket.socket] = []
    try:
        for greeting in greetings * 4:
            connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
            connection.sendall(greeting)
            held.append(connection)
        assert client.search("docs", 1, model="base", texts=["bread"]).hits[0][0].id == "bread"
    finally:
        for connection in held:
            connection.close()
