"""Rows in place of hits: the same documents, scores and order, ties among them, whatever the batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.retrieval.ranking import Walking, rank
from crossfade.retrieval.rows import rank_rows
from crossfade.store.types import Part, Snapshot


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Few different numbers, so that most scores tie; ids in an order that is not that of rows."""
    rows, queries = draw(st.integers(1, 60)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    spread = draw(st.sampled_from([1, 2, 1000]))
    vectors = chance.integers(-spread, spread + 1, (rows, 4)).astype(np.float32)
    asked = chance.integers(-spread, spread + 1, (queries, 4)).astype(np.float32)
    ids = [f"d{number}" for number in chance.permutation(rows)]
    return asked, vectors, ids, draw(st.integers(1, 70))


@settings(max_examples=200, deadline=None)
@given(searches())
def test_rows_are_the_hits(search: tuple[np.ndarray, np.ndarray, list[str], int]) -> None:
    asked, vectors, ids, k = search
    snapshot = Snapshot((Part(ids, vectors, None, len(ids)),))
    places = {name: row for row, name in enumerate(ids)}
    hits = rank(asked, snapshot, k, "cosine", 1, None, Walking(exact=True))
    found = rank_rows(asked, snapshot, k, "cosine", 1, places)
    assert found.rows.dtype == np.int32
    assert found.scores.dtype == np.float32
    for some, rows, scores in zip(hits, found.rows.tolist(), found.scores.tolist(), strict=True):
        assert [(hit.id, hit.score) for hit in some] == [
            (ids[row], score) for row, score in zip(rows, scores, strict=True)
        ]


def test_a_batch_is_its_queries() -> None:
    chance = np.random.default_rng(5)
    vectors = chance.standard_normal((3000, 48), dtype=np.float32)
    asked = chance.standard_normal((300, 48), dtype=np.float32)
    ids = [f"d{row}" for row in range(len(vectors))]
    snapshot = Snapshot((Part(ids, vectors, None, len(ids)),))
    places = {name: row for row, name in enumerate(ids)}
    whole = rank_rows(asked, snapshot, 100, "cosine", 0, places)
    for query in range(0, 300, 37):
        alone = rank_rows(asked[query : query + 1], snapshot, 100, "cosine", 1, places)
        np.testing.assert_array_equal(whole.rows[query], alone.rows[0])
        np.testing.assert_array_equal(whole.scores[query], alone.scores[0])
