"""A cross-encoder behind `serve --reranker`: what it says of a query and a text over the wire is what it says here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving_harness import ServeProcess, serve_process
from tiny_cross_encoder import write_cross_encoder
from tiny_models import WORDS, Tiny, write_model

from crossfade.chunking import ChunkingSettings, Method
from crossfade.client import Client, Document, SearchOptions
from crossfade.errors import InvalidInput, NotFound
from crossfade.models.cross_bundle import CrossEncoderBundle
from crossfade.models.cross_encoder import CrossEncoder
from crossfade.models.importing import import_model
from crossfade.models.importing.cross_encoder import import_cross_encoder
from crossfade.retrieval.reranking import DEFAULT_DEPTH
from crossfade.store import CollectionSettings

TINY = Tiny()
QUERY = "the quick fox"
DOCUMENTS = [
    Document(f"d{number:03}", title=WORDS[number % 21], text=" ".join(WORDS[(number * step) % 21] for step in range(9)))
    for number in range(3 * DEFAULT_DEPTH)
]


@dataclass(frozen=True)
class Served:
    process: ServeProcess
    encoder: CrossEncoder
    bundle: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    import_model(str(write_model(directory / "source", TINY)), directory / "base")
    import_cross_encoder(write_cross_encoder(directory / "pairs", TINY), directory / "cross")
    encoder = CrossEncoder(CrossEncoderBundle.load(directory / "cross"), threads=1)
    models = ("--model", f"base={directory / 'base'}", "--reranker", f"cross={directory / 'cross'}")
    with serve_process(directory / "log", *models, "--store", str(directory / "store")) as process:
        with Client(process.address) as client:
            client.create_collection("docs", model="base")
            client.upsert("docs", DOCUMENTS, model="base")
        yield Served(process, encoder, directory / "cross")


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.process.address) as client:
        yield client


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_the_first_candidates_get_its_scores_and_its_order(served: Served, client: Client, mode: str) -> None:
    more = {} if mode == "lexical" else {"model": "base"}
    found = client.search("docs", 100, texts=[QUERY], options=SearchOptions(mode=mode, candidates=100), **more)
    first = [hit.id for hit in found.hits[0]]
    options = SearchOptions(mode=mode, candidates=100, reranker="cross", explain=True)
    answer = client.search("docs", 100, texts=[QUERY], options=options, with_documents=True, **more)
    (hits,) = answer.hits
    assert answer.stages[-1].stage == "reranked"
    read, rest = hits[:DEFAULT_DEPTH], hits[DEFAULT_DEPTH:]
    assert {hit.id for hit in read} == set(first[:DEFAULT_DEPTH])
    assert [hit.id for hit in rest] == first[DEFAULT_DEPTH:]
    texts = [f"{hit.document.title} {hit.document.text}" for hit in read if hit.document is not None]
    # In other batches the same sums come in another order: some hundred roundings of 2^-24 of about 10.
    assert [hit.score for hit in read] == pytest.approx(served.encoder.score(QUERY, texts).scores.tolist(), abs=1e-4)
    assert sorted(read, key=lambda hit: (-hit.score, hit.id)) == read
    assert [hit.id for hit in read] != first[:DEFAULT_DEPTH]
    for place, hit in enumerate(read, 1):
        assert (hit.stages[-1].stage, hit.stages[-1].rank) == ("reranked", place)
        assert hit.stages[-1].score == pytest.approx(hit.score, abs=1e-6)


def test_of_a_document_in_chunks_it_reads_the_one_that_was_found(served: Served, client: Client) -> None:
    settings = CollectionSettings(chunking=ChunkingSettings(Method.SENTENCES, size=8))
    client.create_collection("cut", model="base", settings=settings)
    text = "The lazy dog jumps over a file. Open the cache and read it. How do I read a line?"
    done = client.upsert("cut", [Document("one", text=text), Document("other", text="Fox.")], model="base")
    assert done.chunk_counts.tolist() == [3, 1]
    options = SearchOptions(reranker="cross")
    (hits,) = client.search("cut", 2, model="base", texts=["lazy dog"], options=options, with_documents=True).hits
    assert {hit.id for hit in hits} == {"one", "other"}
    for hit in hits:
        assert hit.document is not None
        start, stop = hit.span or (0, len(hit.document.text))
        (score,) = served.encoder.score("lazy dog", [hit.document.text[start:stop]]).scores.tolist()
        assert hit.score == pytest.approx(score, abs=1e-4)
    (one,) = (hit for hit in hits if hit.id == "one")
    assert one.span is not None
    assert one.span[1] - one.span[0] < len(text)


def test_what_it_cannot_do_is_said(served: Served, client: Client, tmp_path: Path) -> None:
    options = SearchOptions(mode="lexical", reranker="cross")
    with pytest.raises(InvalidInput, match="the query is 60 tokens long and the model reads 37"):
        client.search("docs", 3, texts=["fox " * 60], options=options)
    with pytest.raises(NotFound, match="no reranker 'other' is served here: use one of cross"):
        client.search("docs", 3, texts=["fox"], options=SearchOptions(mode="lexical", reranker="other"))
    with pytest.raises(RuntimeError, match="is a cross-encoder, which scores pairs"):
        ServeProcess(tmp_path / "log", "--model", f"cross={served.bundle}")
