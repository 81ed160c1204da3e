"""Rerankers: the order of what they look at, of what they do not, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_cross_encoder import write_cross_encoder
from tiny_models import WORDS, Tiny, write_model

from crossfade.errors import InvalidInput
from crossfade.models.cross_encoder import CrossEncoder, PairScores
from crossfade.models.importing import import_model
from crossfade.models.importing.cross_encoder import import_cross_encoder
from crossfade.models.token_encoder import TokenEncoder
from crossfade.models.types import InputType
from crossfade.retrieval import Candidate, CrossEncoderReranker, Hit, MaxSimReranker, Reranker


class Numbers:
    """A text is its own score."""

    bundle = SimpleNamespace(fingerprint="cf1-numbers")

    def score(self, query: str, texts: Sequence[str]) -> PairScores:
        scores = np.array([float(text) for text in texts], np.float32)
        counts = np.full(len(texts), 5, np.int32)
        return PairScores(scores, counts, scores > 8, 11, 22)


def reranker(depth: int = 50) -> CrossEncoderReranker:
    return CrossEncoderReranker(cast(Any, Numbers()), depth)


def test_candidates_are_put_in_the_rerankers_order() -> None:
    found = reranker().rerank("q", [Candidate("a", "1", 0.9), Candidate("b", "9", 0.5), Candidate("c", "2", 0.7)])
    assert found.hits == [Hit("b", 9.0), Hit("c", 2.0), Hit("a", 1.0)]
    assert (found.reranked, found.truncated, found.tokenise_ns, found.infer_ns) == (3, 1, 11, 22)
    assert found.score_ns > 0


def test_what_is_beyond_the_depth_keeps_its_order_below() -> None:
    given_order = [Candidate(name, "-3", score) for name, score in (("d", 0.1), ("a", 0.9), ("c", 0.2), ("b", 0.9))]
    found = reranker(2).rerank("q", given_order)
    assert [hit.id for hit in found.hits] == ["a", "b", "c", "d"]
    assert [hit.score for hit in found.hits] == [-3.0, -3.0, -4.0, -5.0]
    assert found.reranked == 2


@settings(max_examples=200, deadline=None)
@given(
    data=st.dictionaries(
        st.text("aAé日", min_size=1, max_size=2),
        st.tuples(st.sampled_from(["0", "1", "-0.0", "3e38", "-3e38", "1e20"]), st.sampled_from([0.0, 0.5, -1.0])),
    ),
    depth=st.integers(1, 8),
)
def test_against_a_naive_twin(data: dict[str, tuple[str, float]], depth: int) -> None:
    candidates = [Candidate(name, text, score) for name, (text, score) in data.items()]
    found = reranker(depth).rerank("q", candidates)
    first = sorted(candidates, key=lambda each: (-each.score, each.id.encode()))
    best = sorted(first[:depth], key=lambda each: (-float(each.text), each.id.encode()))
    assert [hit.id for hit in found.hits] == [each.id for each in (*best, *first[depth:])]
    # Whoever sorts by score, in single precision too, gets this order.
    scores = [np.float32(hit.score) for hit in found.hits]
    assert all(one >= other for one, other in pairwise(scores))
    assert all(one > other for one, other in pairwise(scores[found.reranked - 1 :]) if np.isfinite(other))


def test_bad_candidates_are_refused() -> None:
    with pytest.raises(InvalidInput, match="candidate 'a' was given twice"):
        reranker().rerank("q", [Candidate("a", "1", 0.1), Candidate("a", "2", 0.2)])
    with pytest.raises(InvalidInput, match="the score of candidate 'a' is NaN"):
        reranker().rerank("q", [Candidate("a", "1", float("nan"))])
    for depth in (0, -1, True, 1.5):
        with pytest.raises(InvalidInput, match="whole number of 1 or more"):
            reranker(cast(int, depth))


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> TokenEncoder:
    directory = tmp_path_factory.mktemp("late")
    source = write_model(directory / "source", Tiny(prompts=(("query", "how do "),)))
    return TokenEncoder(import_model(str(source), directory / "bundle"), threads=1)


@settings(max_examples=30, deadline=None)
@given(
    query=st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), max_size=6),
)
def test_late_interaction_against_a_naive_twin(late: TokenEncoder, query: str, texts: list[str]) -> None:
    candidates = [Candidate(f"{row:02}", text, -row) for row, text in enumerate(texts)]
    found = MaxSimReranker(late, threads=1).rerank(query, candidates)
    (asked,) = [late.encode([query], InputType.QUERY).vectors.astype(np.float64)]
    for name, score, *_ in found.hits:
        read = late.encode([texts[int(name)]], InputType.DOCUMENT).vectors.astype(np.float64)
        expected = sum(max(float(token @ other) for other in read) for token in asked)
        # Alone and in a batch, vectors differ by some roundings of 2^-24 in each of up to 10 products.
        assert score == pytest.approx(expected, abs=1e-4)
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert found.truncated == sum(len(text.split()) + 2 > late.bundle.max_tokens for text in texts)


def test_rerankers_are_one_protocol(late: TokenEncoder, tmp_path: Path) -> None:
    bundle = import_cross_encoder(write_cross_encoder(tmp_path / "source", Tiny()), tmp_path / "bundle")
    rerankers: list[Reranker] = [MaxSimReranker(late, 3), CrossEncoderReranker(CrossEncoder(bundle, threads=1), 3)]
    candidates = [Candidate(name, text, 0.5) for name, text in (("c", "fox"), ("a", "the dog"), ("b", ""), ("d", "a"))]
    for each in rerankers:
        found = each.rerank("the fox", candidates)
        assert sorted(hit.id for hit in found.hits) == ["a", "b", "c", "d"]
        assert found.hits[-1].id == "d"
        assert (found.reranked, each.depth) == (3, 3)
        assert each.rerank("the fox", candidates[::-1]).hits == found.hits
        assert each.rerank("the fox", []).hits == []
    assert len({each.fingerprint for each in rerankers}) == 2
    assert rerankers[1].fingerprint == bundle.fingerprint
