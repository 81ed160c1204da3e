"""Folding chunks to documents, against a naive twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.chunking import ChunkIndex, Fold, fold
from crossfade.errors import InvalidInput

Hit = tuple[float, int]


def naive(hits: list[Hit], owner: list[str], k: int, how: Fold, best: int) -> list[tuple[str, float, int]]:
    """(document id, score, row of the best chunk), best first."""
    found: dict[str, list[Hit]] = {}
    for score, row in sorted(hits, key=lambda hit: (-hit[0], hit[1])):
        found.setdefault(owner[row], []).append((score, row))
    result = []
    for name, own in found.items():
        top = [score for score, _ in own[: best if how is Fold.MEAN else 1]]
        result.append((name, float(np.float32(math.fsum(top) / len(top))), own[0][1]))
    return sorted(result, key=lambda each: (-each[1], each[0].encode()))[:k]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_against_the_naive_twin(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.text("aAé日😀", min_size=1, max_size=3), min_size=1, max_size=8, unique=True))
    counts = data.draw(st.lists(st.integers(0, 5), min_size=len(ids), max_size=len(ids)))
    owner = [name for name, count in zip(ids, counts, strict=True) for _ in range(count)]
    queries, depth = data.draw(st.integers(0, 4)), data.draw(st.integers(0, len(owner) + 2))
    # Few values, so that they tie; quarters, so that sums of a few are exact in any order.
    score = st.integers(-8, 8).map(lambda whole: whole / 4) | st.just(-0.0)
    hits: list[list[Hit]] = []
    for _ in range(queries):
        rows = data.draw(st.permutations(range(len(owner))))[:depth]
        rows = [*rows, *[-1] * (depth - len(rows))]
        hits.append([(data.draw(score), row) for row in data.draw(st.permutations(rows))])
    k, best = data.draw(st.integers(1, 10)), data.draw(st.integers(1, 4))
    how = data.draw(st.sampled_from(Fold))
    scores = np.array([[value for value, _ in row] for row in hits], np.float32).reshape(queries, depth)
    rows = np.array([[row for _, row in each] for each in hits], np.int64).reshape(queries, depth)
    found = fold(scores, rows, ChunkIndex(ids, counts), k, how, best)
    for query in range(queries):
        expected = naive([hit for hit in hits[query] if hit[1] >= 0], owner, k, how, best)
        count = found.counts[query]
        actual = [
            (ids[document], value, chunk)
            for document, value, chunk in zip(
                found.documents[query, :count].tolist(),
                found.scores[query, :count].tolist(),
                found.chunks[query, :count].tolist(),
                strict=True,
            )
        ]
        assert actual == expected
        assert (found.documents[query, count:] == -1).all()
        assert np.isneginf(found.scores[query, count:]).all()


def test_a_mean_divides_by_what_was_found() -> None:
    index = ChunkIndex(["long", "short"], [3, 1])
    found = fold([[0.9, 0.8, 0.4, 0.3]], [[3, 0, 1, 2]], index, 2, Fold.MEAN, 3)
    assert found.documents.tolist() == [[1, 0]]
    np.testing.assert_array_equal(found.scores, np.array([[0.9, 0.5]], np.float32))
    assert found.chunks.tolist() == [[3, 0]]


def test_infinity_is_an_order_like_any_other() -> None:
    found = fold([[-np.inf, np.inf]], [[0, 1]], ChunkIndex(["a", "b"], [1, 1]), 5)
    assert found.documents.tolist() == [[1, 0]]
    assert found.counts.tolist() == [2]


@pytest.mark.parametrize(
    ("scores", "rows", "message"),
    [
        ([[0.5]], [[0, 1]], "must both have the axes"),
        ([[0.5]], [[2]], "there is no chunk 2, the index has 2"),
        ([[0.5]], [[-2]], "there is no chunk -2"),
        ([[np.nan]], [[0]], "query 0, hit 0: its score is NaN"),
        ([[0.5, 0.4]], [[1, 1]], "the chunk 1 is among its hits twice"),
        ([["x"]], [[0]], "must be real"),
    ],
)
def test_bad_hits_are_refused(scores: list[list[float]], rows: list[list[int]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        fold(scores, rows, ChunkIndex(["a"], [2]), 1)


@pytest.mark.parametrize(
    ("ids", "counts", "message"),
    [
        (["a"], [1, 2], "one whole number for each"),
        (["a"], [-1], "negative"),
        (["a", "a"], [1, 1], "documents 0 and 1"),
    ],
)
def test_a_bad_index_is_refused(ids: list[str], counts: list[int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ChunkIndex(ids, counts)


def test_bad_settings_are_refused() -> None:
    index = ChunkIndex(["a"], [1])
    with pytest.raises(InvalidInput, match="k must be at least 1"):
        fold([[1.0]], [[0]], index, 0)
    with pytest.raises(InvalidInput, match="how must be one of max, mean"):
        fold([[1.0]], [[0]], index, 1, "median")  # type: ignore[arg-type]
