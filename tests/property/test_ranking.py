"""Ranking a snapshot of parts, dead rows, filters and documents of several rows, against sorting everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.retrieval.ranking import Walking, rank
from crossfade.store import CollectionSpec, Document, DurableStore, StoreSettings
from crossfade.store.metadata import Filter, bind
from crossfade.store.settings import GraphSettings

LANGUAGES = ("de", "en", "fr")


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Writes of documents with one to four rows of few possible vectors, so that ties are common; deletes; seals."""
    names = st.sampled_from([f"{number}" for number in range(12)])
    row = st.tuples(st.integers(-2, 2), st.integers(-1, 1))
    document = st.tuples(names, st.lists(row, min_size=1, max_size=draw(st.integers(1, 4))), st.sampled_from(LANGUAGES))
    write = st.lists(document, min_size=1, max_size=8, unique_by=lambda each: each[0])
    step = st.one_of(write, write, st.lists(names, max_size=3).map(lambda ids: ("delete", ids)), st.just("seal"))
    return draw(st.lists(step, min_size=1, max_size=10))


@settings(max_examples=80, deadline=None)
@given(
    steps=histories(),
    queries=st.lists(st.tuples(st.integers(-2, 2), st.integers(-1, 1)), min_size=1, max_size=4),
    k=st.integers(1, 15),
    language=st.sampled_from([None, *LANGUAGES]),
)
def test_against_sorting_everything(
    tmp_path_factory: Any, steps: list[Any], queries: list[tuple[int, int]], k: int, language: str | None
) -> None:
    path: Path = tmp_path_factory.mktemp("store")
    there: dict[str, tuple[list[tuple[int, int]], str]] = {}
    with DurableStore(
        path, StoreSettings(seal_rows=6, merge_factor=2, graph=GraphSettings(least_rows=4)), upkeep=False
    ) as store:
        collection = store.create(CollectionSpec("c", 2, "ip", "f"))
        for step in steps:
            if step == "seal":
                collection.seal()
                collection.keep_up()
            elif step[0] == "delete":
                collection.delete(step[1])
                for name in step[1]:
                    there.pop(name, None)
            else:
                documents = [
                    Document(name, text="x" * len(rows), metadata={"language": language})
                    for name, rows, language in step
                ]
                spans = [[(at, at + 1) for at in range(len(rows))] for _, rows, _ in step]
                vectors = np.array([row for _, rows, _ in step for row in rows], np.float32)
                collection.upsert(documents, vectors, spans=spans)
                there.update((name, (rows, language)) for name, rows, language in step)
        condition = None
        if language is not None and "language" in collection.fields:
            condition = bind(Filter.parse({"field": "language", "eq": language}), collection.fields)
        asked = np.array(queries, np.float32)
        found = rank(asked, collection.snapshot(), k, "ip", 1, condition, Walking(exact=True))
        walked = rank(asked, collection.snapshot(), k, "ip", 1, condition)
    # So few rows are walked whole; among equal scores at the cut a walk may find others.
    assert [[hit.score for hit in hits] for hits in walked] == [[hit.score for hit in hits] for hits in found]
    for (x, y), hits in zip(queries, found, strict=True):
        scores = {
            name: max(x * a + y * b for a, b in rows)
            for name, (rows, of) in there.items()
            if condition is None or of == language
        }
        expected = sorted(scores.items(), key=lambda item: (-item[1], item[0].encode()))[:k]
        assert [(hit.id, hit.score) for hit in hits] == expected
        for hit in hits:
            assert hit.span is not None
            a, b = there[hit.id][0][hit.span[0]]
            assert x * a + y * b == hit.score
