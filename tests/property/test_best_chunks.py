"""Searches by the mean of a document's best chunks, against folding the scores of all chunks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossfade import lexical
from crossfade.chunking import ChunkIndex, Fold, fold
from crossfade.retrieval import Hit, Retriever, SearchOptions, Walking
from crossfade.retrieval.means import rows_of_documents
from crossfade.retrieval.ranking import nearest
from crossfade.store import CollectionSettings, CollectionSpec, Document, DurableStore, StoreSettings
from crossfade.store.metadata import Filter, MetadataSchema
from crossfade.store.settings import GraphSettings
from crossfade.store.tenancy import TenantCollection
from crossfade.store.types import Part, Snapshot

LANGUAGES = ("de", "en")
TENANTS = ("t", "u")
WORDS = ("tea", "milk", "cup", "dog")


@dataclass(frozen=True)
class Chunk:
    vector: tuple[int, int]
    text: str


def chunks() -> st.SearchStrategy[Chunk]:
    """Of few possible vectors and words, so that ties are common."""
    words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
    return st.builds(Chunk, st.tuples(st.integers(-3, 3), st.integers(-1, 1)), words)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Writes of documents with one to seven chunks; deletes; seals, which make segments of the tail."""
    names = st.sampled_from([f"{number}" for number in range(10)])
    document = st.tuples(names, st.lists(chunks(), min_size=1, max_size=7), st.sampled_from(LANGUAGES))
    write = st.tuples(
        st.sampled_from(TENANTS), st.lists(document, min_size=1, max_size=6, unique_by=lambda each: each[0])
    )
    gone = st.tuples(st.just("delete"), st.sampled_from(TENANTS), st.lists(names, max_size=3))
    return draw(st.lists(st.one_of(write, write, gone, st.just("seal")), min_size=1, max_size=9))


def upsert(collection: Any, documents: list[tuple[str, list[Chunk], str]]) -> None:
    spans, made = [], []
    for name, parts, language in documents:
        text, found = "", []
        for part in parts:
            found.append((len(text), len(text) + len(part.text)))
            text += part.text + "\n"
        spans.append(found)
        made.append(Document(name, text=text, metadata={"language": language}))
    vectors = np.array([part.vector for _, parts, _ in documents for part in parts], np.float32)
    collection.upsert(made, vectors, spans=spans)


def folded(scores: dict[str, list[float]], k: int, best: int) -> list[tuple[str, float, int]]:
    """(id, score, number of the best chunk), by `fold` of all chunks."""
    ids = sorted(scores)
    flat = [[score for name in ids for score in scores[name]]]
    index = ChunkIndex(ids, [len(scores[name]) for name in ids])
    hits = fold(flat, [range(len(flat[0]))], index, k, Fold.MEAN, best)
    return [
        (ids[number], score, int(row - index.first_chunk[number]))
        for number, score, row in zip(
            hits.documents[0, : hits.counts[0]].tolist(), hits.scores[0].tolist(), hits.chunks[0].tolist(), strict=False
        )
    ]


def naive(scores: dict[str, dict[int, float]], k: int, best: int) -> list[tuple[str, float, int]]:
    """The same of scores in float64, by number of each chunk that is found."""
    found = []
    for name, chunks in scores.items():
        ordered = sorted((-score, number) for number, score in chunks.items())[:best]
        if ordered:
            found.append((sum(score for score, _ in ordered) / len(ordered), name, ordered[0][1]))
    return [(name, -below, number) for below, name, number in sorted(found)[:k]]


def told(hits: list[Hit], there: dict[str, tuple[list[Chunk], str]], shown: Any) -> list[tuple[str, float, int]]:
    answers = []
    for hit in hits:
        name = shown(hit.id)
        ends = np.cumsum([len(part.text) + 1 for part in there[name][0]])
        assert hit.span is not None
        answers.append((name, hit.score, int(np.searchsorted(ends, hit.span[1]))))
    return answers


@settings(max_examples=100, deadline=None)
@given(
    steps=histories(),
    query=st.tuples(st.tuples(st.integers(-2, 2), st.integers(-1, 1)), st.lists(st.sampled_from(WORDS), min_size=1)),
    k=st.integers(1, 12),
    best=st.integers(2, 4),
    language=st.sampled_from([None, *LANGUAGES]),
)
def test_against_folding_all_chunks(
    tmp_path_factory: Any,
    steps: list[Any],
    query: tuple[tuple[int, int], list[str]],
    k: int,
    best: int,
    language: str | None,
) -> None:
    path: Path = tmp_path_factory.mktemp("store")
    there: dict[str, dict[str, tuple[list[Chunk], str]]] = {tenant: {} for tenant in TENANTS}
    store_settings = StoreSettings(seal_rows=9, merge_factor=2, graph=GraphSettings(least_rows=4))
    with DurableStore(path, store_settings, upkeep=False) as store:
        fields = MetadataSchema({"language": "string"})
        collection = store.create(CollectionSpec("c", 2, "ip", "f"), CollectionSettings(fields, tenant_field="tenant"))
        views = {tenant: TenantCollection(collection, "tenant", tenant) for tenant in TENANTS}
        for step in steps:
            if step == "seal":
                collection.seal()
                collection.keep_up()
            elif step[0] == "delete":
                views[step[1]].delete(step[2])
                for name in step[2]:
                    there[step[1]].pop(name, None)
            else:
                upsert(views[step[0]], step[1])
                there[step[0]].update((name, (parts, of)) for name, parts, of in step[1])
        (x, y), words = query
        text = " ".join(words)
        condition = None if language is None else Filter.parse({"field": "language", "eq": language})
        for tenant, view in views.items():
            mine = {name: parts for name, (parts, of) in there[tenant].items() if language in (None, of)}
            retriever = Retriever(view, threads=1)
            for exact in (True, False):
                options = SearchOptions(view.imposed(condition), Walking(exact), best_chunks=best)
                vector = np.array([[x, y]], np.float32)
                (hits,) = retriever.search_vectors(vector, k, fingerprint="f", options=options).hits
                dense: dict[str, list[float]] = {
                    name: [x * part.vector[0] + y * part.vector[1] for part in parts] for name, parts in mine.items()
                }
                expected = folded(dense, k, best)
                if exact:
                    assert told(hits, there[tenant], view.shown) == expected
                # So few rows are walked whole; among equal scores at the cut a walk may find others.
                assert [hit.score for hit in hits] == [score for _, score, _ in expected]
            options = SearchOptions(view.imposed(condition), mode="lexical", best_chunks=best)
            (hits,) = retriever.search_texts([text], k, options).hits
            by_words = word_scores(collection.snapshot(), text, view, mine)
            assert told(hits, there[tenant], view.shown) == naive(by_words, k, best)


def word_scores(
    snapshot: Snapshot, text: str, view: TenantCollection, mine: dict[str, list[Chunk]]
) -> dict[str, dict[int, float]]:
    """Of each chunk of some documents that is found, by a search that finds every row."""
    parts = [lexical.Part(part.text, part.live) for part in snapshot.parts if part.text is not None]
    scores: dict[str, dict[int, float]] = {name: {} for name in mine}
    if not parts:
        return scores
    (found,) = lexical.search([text], parts, sum(part.rows.rows for part in parts))
    for number, row, score in zip(*(column.tolist() for column in found), strict=True):
        part = snapshot.parts[number]
        name = view.shown(part.ids[row])
        if name in mine and part.ids[row] != name:  # kept behind this tenant's name
            ends = np.cumsum([len(chunk.text) + 1 for chunk in mine[name]])
            assert part.spans is not None
            scores[name][int(np.searchsorted(ends, part.spans[row, 1]))] = score
    return scores


@pytest.mark.parametrize("best", [2, 3, 5])
def test_by_words_of_many_chunks(tmp_path: Path, best: int) -> None:
    """So many that a search does not see all of them: in a segment, with rows that are dead, and a tail."""
    rng = np.random.default_rng(best)
    words = [f"w{number}" for number in range(40)]
    there: dict[str, tuple[list[Chunk], str]] = {}
    with DurableStore(tmp_path, upkeep=False) as store:
        settings = CollectionSettings(MetadataSchema({"language": "string"}), tenant_field="tenant")
        collection = store.create(CollectionSpec("c", 2, "ip", "f"), settings)
        view = TenantCollection(collection, "tenant", "t")
        for turn in range(4):
            batch = []
            for number in rng.choice(400, 150, replace=False).tolist():
                texts = [" ".join(rng.choice(words, rng.integers(2, 12))) for _ in range(rng.integers(1, 9))]
                batch.append((f"{number}", [Chunk((1, 0), text) for text in texts], LANGUAGES[number % 2]))
            upsert(view, batch)
            there.update((name, (parts, language)) for name, parts, language in batch)
            if turn == 1:
                collection.seal()
        gone = [f"{number}" for number in range(0, 400, 7)]
        view.delete(gone)
        for name in gone:
            there.pop(name, None)
        snapshot, retriever = collection.snapshot(), Retriever(view, threads=1)
        assert len(snapshot.parts) == 2
        for language in (None, "de"):
            condition = None if language is None else Filter.parse({"field": "language", "eq": language})
            mine = {name: parts for name, (parts, of) in there.items() if language in (None, of)}
            queries = [" ".join(rng.choice(words, count)) for count in (1, 2, 3, 5, 8)]
            for k in (1, 2, 5, 20, 500):
                options = SearchOptions(view.imposed(condition), mode="lexical", best_chunks=best)
                answers = retriever.search_texts(queries, k, options).hits
                for query, hits in zip(queries, answers, strict=True):
                    expected = naive(word_scores(snapshot, query, view, mine), k, best)
                    found = told(hits, there, view.shown)
                    assert [(name, row) for name, _, row in found] == [(name, row) for name, _, row in expected]
                    assert [score for _, score, _ in found] == pytest.approx(
                        [score for _, score, _ in expected], abs=1e-14
                    )


@settings(max_examples=300, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=8),
    data=st.data(),
)
@example(lengths=[1, 64, 65, 1], data=None)
def test_all_rows_of_a_document_are_found_from_any(lengths: list[int], data: st.DataObject | None) -> None:
    # Numbers in no order, and the last document's again in front: rows that a write which failed has left, dead.
    numbers = np.repeat([0, *range(len(lengths), 0, -1)], [2, *lengths]).astype(np.int64)
    numbers[:2] = numbers[-1]
    alive = np.arange(len(numbers)) >= 2
    if data is not None:
        alive &= np.array(data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers))))
    if not alive.any():
        return
    part = Part([""] * len(numbers), np.zeros((len(numbers), 1), np.float32), None, 1, whole=False, documents=numbers)
    chosen = np.flatnonzero(alive)
    rows = chosen if data is None else np.array(data.draw(st.lists(st.sampled_from(chosen.tolist()), min_size=1)))
    found = rows_of_documents(part, np.packbits(alive, bitorder="little"), rows)
    assert found.tolist() == np.flatnonzero(alive & np.isin(numbers, numbers[rows])).tolist()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_second_best_chunk_may_lie_deep(tmp_path: Path, metric: Any) -> None:
    """Thousands of lone chunks between a document's best chunk and its next: the mean is over both all the same."""
    rng = np.random.default_rng(7)
    angles = np.concatenate([[0.0, 1.5], rng.uniform(0.1, 1.0, 3_000), [0.02, 0.06], [0.3] * 4])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    documents = [Document("deep", text="xx"), *(Document(f"{number:04}", text="x") for number in range(3_000))]
    documents += [Document("near", text="xx"), Document("level", text="xxxx")]
    spans = [[(at, at + 1) for at in range(len(each.text))] for each in documents]
    with DurableStore(tmp_path, upkeep=False) as store:
        collection = store.create(CollectionSpec("c", 2, metric, "f"))
        collection.upsert(documents, vectors, spans=spans)
        query = np.array([[1, 0]], np.float32)
        everything: list[Any] = nearest(query, collection.snapshot(), 4_000, metric, 1, None, Walking(True), 2)[0]
        assert len(everything) == len(documents)
        below = next(place[0] for place in everything if place[1] == "deep")
        assert everything.index(next(place for place in everything if place[1] == "deep")) > 1_000
        values = [1.0, np.cos(1.5)] if metric == "cosine" else [0.0, -(2 - 2 * np.cos(1.5))]
        assert -below == pytest.approx(sum(values) / 2, abs=1e-6)
        for k in (1, 2, 10, 2_000):
            found = nearest(query, collection.snapshot(), k, metric, 1, None, Walking(True), 2)[0]
            assert found == everything[:k]
        assert everything[0][1] == "near"
