"""BM25 search against the formula in float64, and against bm25s on the same tokens."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from math import log1p
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.lexical import AnalyserSettings, Hits, Part, Segment, Tail, build, explain, search, tokens

PLAIN = AnalyserSettings("plain", "none")
UNIT = 2.0**-35
WORDS = st.sampled_from(["a"] * 4 + ["b"] * 3 + ["c", "c", "d", "e-1", "F_g"])
# Up to 40 tokens a length is kept exactly.
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def oracle(query: str, texts: Sequence[str], k1: float, b: float) -> list[tuple[float, int]]:
    """Each row's score, and how many tokens of the query it has."""
    rows, wanted = tokens(texts, PLAIN), tokens([query], PLAIN)[0]
    average = sum(map(len, rows)) / len(rows)

    def one(row: list[str], token: str) -> float:
        df, tf = sum(token in other for other in rows), row.count(token)
        return log1p((len(rows) - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * len(row) / average))

    matching = [[token for token in wanted if token in row] for row in rows]
    return [(sum(one(row, token) for token in some), len(some)) for row, some in zip(rows, matching, strict=True)]


def found(hits: Hits) -> list[tuple[float, int, int]]:
    return list(zip(hits.scores.tolist(), hits.parts.tolist(), hits.rows.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=25),
    query=TEXTS,
    cut=st.integers(0, 25),
    k=st.integers(1, 30),
    formula=st.sampled_from([(1.2, 0.75), (0.0, 0.0), (0.9, 0.4), (20.0, 1.0)]),
    seed=st.none() | st.integers(0, 2**32),
)
def test_like_the_formula(
    texts: list[str], query: str, cut: int, k: int, formula: tuple[float, float], seed: int | None
) -> None:
    k1, b = formula
    first, second = texts[:cut], texts[cut:]
    tail = Tail(PLAIN)
    assert tail.append(second) == 0
    masks = [None if seed is None else np.random.default_rng(seed).random(len(s)) < 0.6 for s in (first, second)]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        assert build(Path(folder) / "s", [first], PLAIN) == len(first)
        segment = Segment(Path(folder) / "s", PLAIN)
    parts = [Part(segment, masks[0]), Part(tail.view(), masks[1])]
    [hits] = search([query], parts, k, k1=k1, b=b)
    exact = oracle(query, texts, k1, b)
    places = [(0, row) for row in range(len(first))] + [(1, row) for row in range(len(second))]
    allowed = [mask is None or bool(mask[row]) for mask, row in ((masks[part], row) for part, row in places)]
    rows = found(hits)
    assert rows == sorted(rows, key=lambda hit: (-hit[0], *hit[1:]))
    scores = dict(zip(places, exact, strict=True))
    matching = [place for place, may in zip(places, allowed, strict=True) if may and scores[place][1]]
    assert len(rows) == min(k, len(matching))
    for score, part, row in rows:
        wanted, count = scores[part, row]
        # Each term is rounded to a unit, and is at least one; 16 roundings of float64 stand for what is before that.
        bound = count * UNIT + (16 + count) * 2.0**-52 * wanted
        assert abs(score - wanted) <= bound
        assert (part, row) in matching
    if len(rows) == k:
        left_out = [scores[place][0] for place in matching if place not in {hit[1:] for hit in rows}]
        assert all(score <= rows[-1][0] + 30 * UNIT for score in left_out)
    for why, (score, _, _) in zip(explain(query, parts, [hit[1:] for hit in rows], k1=k1, b=b), rows, strict=True):
        assert why.score == score == sum(term.contribution for term in why.terms)


@pytest.mark.parametrize("seed", range(5))
def test_like_bm25s_on_the_same_tokens(seed: int) -> None:
    random = np.random.default_rng(seed)
    words = np.array([f"w{word}" for word in range(200)])
    texts = [" ".join(words[(random.zipf(1.3, random.integers(1, 40)) - 1) % 200]) for _ in range(400)]
    queries = [" ".join(words[(random.zipf(1.3, 5) - 1) % 200]) for _ in range(20)]
    tail = Tail(PLAIN)
    tail.append(texts)
    retriever = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
    retriever.index(tokens(texts, PLAIN), show_progress=False)
    for query, hits in zip(queries, search(queries, [tail], 400), strict=True):
        theirs = retriever.get_scores(tokens([query], PLAIN)[0])
        ours = np.zeros(len(texts))
        ours[hits.rows] = hits.scores
        # bm25s keeps its scores of single tokens in float32 where it pleases: 2^-24 of each.
        np.testing.assert_allclose(ours, theirs, rtol=2.0**-22, atol=1e-9)
