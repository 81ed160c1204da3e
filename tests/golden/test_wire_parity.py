"""The reference vectors through a real server's wire, while others send texts of other lengths.

A text's vector depends on its company: batches are padded to their longest text, and the libraries that multiply
matrices cut sums up by the shapes that they are given. So the vectors are not bit for bit those that each text gets
alone (where it was measured, nine in ten are, and an element of the rest is off by 3e-8 at most), and `COMPANY` bounds
by how much. It is what rounding comes to, not the worst that it might: over six layers that would say nothing.

The bound. A sum of n products in float32 is off by sqrt(n) u of its size, whatever its order, u = 2^-24 (Higham and
Mary 2019, theorem 3.1, with their lambda at 1: the mean over rounding errors, to which the many elements of a vector
come close). On its way a text passes, in each of MiniLM's 6 layers, three products of width 384 (query, key and value
beside each other; the attention's output; the first of the feed-forward), one of width 32 (scores), one as long as the
text, at most 256 (their values), and one of width 1536 (the second of the feed-forward); at the end, a mean over the
text. Their errors are independent, so their squares add up, and the layers' norms put every token back to one length,
so that a layer hands an error on without making it larger. Relative to the vector, whose length is 1, that is
sqrt(6 (3 384 + 32 + 256 + 1536) + 256) u = 134.6 u; of the difference of two such orders, sqrt(2) times that.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from serving_harness import serve_process

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.client import Client, Document, Vectors
from crossfade.models.importing import import_model

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
PATIENCE = 60.0
LEAST_COSINE = 0.9999
SUMS = 6 * (3 * 384 + 32 + 256 + 1536) + 256
# Of a vector alone and in company: the length of their difference.
COMPANY = (2 * SUMS) ** 0.5 * 2.0**-24

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference vectors of the shared folder are not there")

Rows = NDArray[np.float32]


class Golden:
    """The server, the reference, and what each text gets alone."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = Client(address, timeout=PATIENCE)
        entries = json.loads((GOLDEN / "minilm-texts.json").read_bytes())
        self.texts: list[str] = [entry["text"] for entry in entries]
        self.counts: list[int] = [entry["tokens"] for entry in entries]
        self.reference: Rows = np.load(GOLDEN / "minilm-embeddings.npy")
        self.alone = np.concatenate([self.client.embed("base", [text], "document").values for text in self.texts])

    def check(self, rows: NDArray[np.intp], found: Rows) -> None:
        away = np.linalg.norm(found.astype(np.float64) - self.alone[rows], axis=1)
        assert away.max() <= COMPANY, f"text {rows[away.argmax()]} is {away.max()} from what it is alone"
        assert least_cosine(found, self.reference[rows]) >= LEAST_COSINE


def least_cosine(found: Rows, reference: Rows) -> float:
    a, b = found.astype(np.float64), reference.astype(np.float64)
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    directory = tmp_path_factory.mktemp("wire")
    bundle = import_model("minilm", directory / "bundle").path
    with serve_process(directory / "log", "--model", f"base={bundle}") as server:
        made = Golden(server.address)
        with made.client:
            yield made


class Others:
    """Callers with other texts, of one word to many, one to many a call, until they are told to stop."""

    def __init__(self, address: str) -> None:
        self.stop = threading.Event()
        self._address = address

    def __call__(self, seed: int) -> int:
        rng = random.Random(seed)
        calls = 0
        with Client(self._address, timeout=PATIENCE) as client:
            while not self.stop.is_set():
                texts = [self._text(rng) for _ in range(rng.choice([1, 1, 2, 5]))]
                if calls % 3 == 2:
                    client.search("docs", 3, model="base", texts=texts)
                else:
                    client.embed("base", texts, "query")
                calls += 1
        return calls

    @staticmethod
    def _text(rng: random.Random) -> str:
        words = rng.choice([0, 1, 2, 4, 8, 16, 32, 64])
        return " ".join(rng.choice(["fox", "日本", "stop-word", "9,81", "é"]) for _ in range(words))


def batches(rng: np.random.Generator, count: int, least: int, most: int) -> Iterator[NDArray[np.intp]]:
    """Every number below `count` once, in any order, so many at a time."""
    rest = rng.permutation(count)
    while len(rest):
        size = int(rng.integers(least, most + 1))
        yield rest[:size]
        rest = rest[size:]


def singly(golden: Golden) -> None:
    for rows in batches(np.random.default_rng(1), len(golden.texts), 1, 1):
        found = golden.client.embed("base", [golden.texts[rows[0]]], "document")
        golden.check(rows, found.values)


def in_batches(golden: Golden) -> None:
    for rows in batches(np.random.default_rng(2), len(golden.texts), 2, 24):
        found = golden.client.embed("base", [golden.texts[row] for row in rows], "query")
        golden.check(rows, found.values)
        assert found.token_counts.tolist() == [golden.counts[row] for row in rows]


def as_a_stream(golden: Golden) -> None:
    sent = list(batches(np.random.default_rng(3), len(golden.texts), 1, 9))
    requests = [
        embedding_pb2.EmbedStreamRequest(
            id=number,
            request=embedding_pb2.EmbedRequest(
                model="base",
                input_type=vectors_pb2.INPUT_TYPE_DOCUMENT,
                texts=[golden.texts[row] for row in rows],
            ),
        )
        for number, rows in enumerate(sent)
    ]
    with grpc.insecure_channel(golden.address) as channel:
        answers = list(embedding_pb2_grpc.EmbeddingServiceStub(channel).EmbedStream(iter(requests), timeout=PATIENCE))
    assert [answer.id for answer in answers] == list(range(len(sent)))
    for rows, answer in zip(sent, answers, strict=True):
        vectors = answer.response.vectors
        golden.check(rows, np.frombuffer(vectors.data, "<f4").reshape(vectors.count, vectors.dimension))
        assert list(answer.response.token_counts) == [golden.counts[row] for row in rows]


def by_searching(golden: Golden) -> None:
    """A text's nearest document is its own vector, as it was alone; several texts are alike, and then theirs."""
    exact = golden.alone.astype(np.float64) @ golden.alone.astype(np.float64).T
    for rows in batches(np.random.default_rng(4), len(golden.texts), 1, 6):
        found = golden.client.search("docs", 1, model="base", texts=[golden.texts[row] for row in rows])
        for row, (hit,) in zip(rows, found.hits, strict=True):
            assert exact[row, int(hit.id)] >= exact[row].max() - 2 * COMPANY
            # The vectors are off by COMPANY, and the kernel's float32 sum by 384 u at the most.
            assert abs(hit.score - exact[row, int(hit.id)]) <= COMPANY + 384 * 2.0**-24


def test_alone(golden: Golden) -> None:
    assert least_cosine(golden.alone, golden.reference) >= LEAST_COSINE
    again = np.concatenate([golden.client.embed("base", [text], "document").values for text in golden.texts[::4]])
    np.testing.assert_array_equal(again, golden.alone[::4])  # without company, bit for bit


def test_under_mixed_load(golden: Golden) -> None:
    client = golden.client
    client.create_collection("docs", model="base")
    fingerprint = client.list_models()[0].document_fingerprint
    documents = [Document(str(row)) for row in range(len(golden.texts))]
    client.upsert("docs", documents, vectors=Vectors(golden.alone, fingerprint))
    others = Others(golden.address)
    with ThreadPoolExecutor(7) as pool:
        load = [pool.submit(others, seed) for seed in range(3)]
        try:
            ours = [pool.submit(work, golden) for work in (singly, in_batches, as_a_stream, by_searching)]
            for future in ours:
                future.result()
        finally:
            others.stop.set()
        assert min(future.result() for future in load) > 2
