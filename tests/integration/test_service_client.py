"""The client against a live server: batches of any size, what is tried again and what is not."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import grpc
import numpy as np
import pytest
from serving_harness import local_server

from crossfade._pb import collections_pb2, embedding_pb2, models_pb2, vectors_pb2
from crossfade.client import Client, Document, Vectors
from crossfade.errors import CrossfadeError, InvalidInput, LimitExceeded, NotFound, Unavailable


def test_batches_of_any_size_pass_small_limits() -> None:
    limits = {
        "max_texts_per_call": 3,
        "max_results_per_call": 8,
        "max_message_bytes": 1 << 16,
        "max_text_bytes": 1 << 15,
    }
    seen: list[tuple[int, int]] = []
    with local_server(**limits) as server, Client(server.address) as client:
        embedded = client.embed("gated", ["x" * n for n in range(10)], "query", progress=lambda *at: seen.append(at))
        assert embedded.values[:, 0].tolist() == list(range(10))
        assert embedded.token_counts.tolist() == list(range(10))
        assert len(embedded.truncated) == 10
        assert embedded.fingerprint == "cf1-gated"
        assert seen == [(3, 10), (6, 10), (9, 10), (10, 10)]

        client.create_collection("docs", model="gated", metric="l2")
        long = [Document(f"{number:02}", text="y" * 30_000) for number in range(10)]  # two to a message
        upserted = client.upsert("docs", long, model="gated")
        assert (upserted.added, upserted.replaced, len(upserted.token_counts)) == (10, 0, 10)
        replaced = client.upsert("docs", long, vectors=Vectors(embedded.values, embedded.fingerprint))
        assert (replaced.added, replaced.replaced, len(replaced.token_counts)) == (0, 10, 0)

        found = client.search("docs", 4, vectors=embedded)
        assert [hits[0].id for hits in found.hits] == [f"{number:02}" for number in range(10)]
        assert {len(hits) for hits in found.hits} == {4}
        assert client.delete("docs", [document.id for document in long] + ["more"]) == 10


def test_a_failure_in_the_middle_says_how_far_it_came() -> None:
    with local_server(max_texts_per_call=3, max_text_bytes=100) as server, Client(server.address) as client:
        client.create_collection("docs", model="gated")
        documents = [Document(str(number), text="z" * (200 if number == 7 else 1)) for number in range(10)]
        with pytest.raises(
            LimitExceeded, match=r"document 1 is 200 bytes .* \(the first 6 of 10 documents of this batch"
        ):
            client.upsert("docs", documents, model="gated")
        assert [info.documents for info in client.list_collections()] == [6]


def test_an_answer_larger_than_grpcs_default_limit_arrives() -> None:
    with local_server() as server, Client(server.address) as client:
        client.create_collection("docs", model="gated")
        texts = [Document(str(number), text="w" * 900_000) for number in range(6)]
        client.upsert("docs", texts, model="gated")
        (hits,) = client.search("docs", 6, model="gated", texts=["q"], with_documents=True).hits
        assert [hit.document for hit in hits] == sorted(texts, key=lambda document: document.id)


def test_one_client_serves_many_threads() -> None:
    with local_server() as server, Client(server.address) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.embed("gated", ["x" * n], "query").values[0, 0], range(200)))
    assert answers == list(range(200))


def test_an_address_where_nobody_listens() -> None:
    with (
        Client("127.0.0.1:1", timeout=10) as client,
        pytest.raises(Unavailable, match=r"no answer from 127\.0\.0\.1:1 .* `crossfade serve` runs there"),
    ):
        client.list_models()


def test_a_server_that_is_not_crossfade() -> None:
    with (
        pretender({}) as (address, _),
        Client(address) as client,
        pytest.raises(CrossfadeError, match="is it a crossfade server"),
    ):
        client.list_models()


VECTORS = vectors_pb2.Vectors(count=1, dimension=1, data=np.ones(1, "<f4").tobytes())
LISTED = models_pb2.ListModelsResponse(
    limits=models_pb2.Limits(texts_per_call=9, message_bytes=1 << 20, results_per_call=99)
)


@contextmanager
def pretender(answers: dict[str, object]) -> Iterator[tuple[str, list[str]]]:
    """A server whose every method fails once with UNAVAILABLE, and its log of calls."""
    calls: list[str] = []
    lock = threading.Lock()

    def answer(path: str, _: bytes, context: grpc.ServicerContext) -> bytes:
        name = path.rpartition("/")[2]
        with lock:
            calls.append(name)
            first = calls.count(name) == 1
        if first:
            context.abort(grpc.StatusCode.UNAVAILABLE, "for a moment")
        return answers[name].SerializeToString()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            if details.method.rpartition("/")[2] not in answers:
                return None
            return grpc.unary_unary_rpc_method_handler(partial(answer, details.method))

    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[Handler()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", calls
        finally:
            server.stop(None).wait()


def test_only_calls_that_change_nothing_are_tried_again() -> None:
    answers = {
        "ListModels": LISTED,
        "Embed": embedding_pb2.EmbedResponse(vectors=VECTORS, fingerprint="f", token_counts=[1], truncated=[False]),
        "Search": collections_pb2.SearchResponse(results=[collections_pb2.Hits()], query_fingerprint="f"),
        "Upsert": collections_pb2.UpsertResponse(added=1),
        "Delete": collections_pb2.DeleteResponse(deleted=1),
        "CreateCollection": collections_pb2.CreateCollectionResponse(),
        "DeleteCollection": collections_pb2.DeleteCollectionResponse(),
    }
    with pretender(answers) as (address, calls), Client(address) as client:
        assert client.list_models() == []
        assert client.embed("m", ["a"], "query").values.tolist() == [[1.0]]
        assert client.search("docs", 1, model="m", texts=["a"]).hits == [[]]
        assert [calls.count(name) for name in ("Embed", "Search")] == [2, 2]
        for write in (
            lambda: client.upsert("docs", [Document("a")], model="m"),
            lambda: client.delete("docs", ["a"]),
            lambda: client.create_collection("docs", model="m"),
            lambda: client.delete_collection("docs"),
        ):
            with pytest.raises(Unavailable, match="for a moment"):
                write()
        assert [calls.count(name) for name in ("Upsert", "Delete", "CreateCollection", "DeleteCollection")] == [1] * 4


def test_a_model_that_changes_in_mid_batch_is_noticed() -> None:
    class Changing:
        count = 0

        def SerializeToString(self) -> bytes:
            self.count += 1
            response = embedding_pb2.EmbedResponse(
                vectors=VECTORS, fingerprint=f"f{self.count}", token_counts=[1], truncated=[False]
            )
            return response.SerializeToString()

    listed = models_pb2.ListModelsResponse(limits=models_pb2.Limits(texts_per_call=1, message_bytes=1 << 20))
    with (
        pretender({"ListModels": listed, "Embed": Changing()}) as (address, _),
        Client(address) as client,
        pytest.raises(CrossfadeError, match=r"changed while the batch was under way \(fingerprints f1, f2\)"),
    ):
        client.embed("m", ["a", "b"], "query")


def test_errors_are_those_of_the_server() -> None:
    with local_server() as server, Client(server.address) as client:
        with pytest.raises(NotFound, match="no model 'nope' is served here: use one of gated"):
            client.embed("nope", ["a"], "query")
        with pytest.raises(InvalidInput, match="no texts in the call"):
            client.embed("gated", [], "query")
        with pytest.raises(LimitExceeded, match=r"the message has 4\d+ bytes, the limit is 33554432: split it"):
            client.embed("gated", ["x" * (40 << 20)], "query")
