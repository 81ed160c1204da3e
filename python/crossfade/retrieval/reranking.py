"""A second look at the best candidates, by a model too slow for a whole corpus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.kernels import max_sim
from crossfade.models.cross_encoder import CrossEncoder
from crossfade.models.token_encoder import TokenSource
from crossfade.models.types import InputType
from crossfade.retrieval.types import Hit

DEFAULT_DEPTH = 50


class Candidate(NamedTuple):
    """A document that the first stage found. `text`: what the model is to read; `score`: the first stage's."""

    id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Reranked:
    """All candidates of one query, in their new order.

    `hits[: reranked]` have the reranker's scores: descending, equal scores by id ascending (UTF-8 bytes). The others
    follow in the order of the first stage; their scores are made up so that they descend below, and say nothing else,
    since the two stages' scores have no common scale. `truncated`: how many of the texts were not read to their end.
    Times in nanoseconds: tokenising, inference, scoring and sorting.
    """

    hits: list[Hit]
    reranked: int
    truncated: int
    tokenise_ns: int
    infer_ns: int
    score_ns: int


class Reranker(Protocol):
    """Puts candidates in a better order. Safe to use from many threads."""

    @property
    def fingerprint(self) -> str:
        """Of everything that moves a score: part of what a measurement was made with."""
        ...

    @property
    def depth(self) -> int:
        """How many candidates are looked at, at most."""
        ...

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> Reranked:
        """The candidates in their new order. They may come in any; the best `depth` of them, by score descending, then
        id ascending, are scored anew.

        Raises InvalidInput for an id twice, a score that is NaN, or a text that cannot be read.
        """
        ...


class CrossEncoderReranker:
    """Scores query and text together. The most precise, and the slowest: one inference a candidate."""

    def __init__(self, encoder: CrossEncoder, depth: int = DEFAULT_DEPTH) -> None:
        """Raises InvalidInput for a depth below 1."""
        self._encoder = encoder
        self._depth = _checked_depth(depth)

    @property
    def fingerprint(self) -> str:
        return self._encoder.bundle.fingerprint

    @property
    def depth(self) -> int:
        return self._depth

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> Reranked:
        """As `Reranker` says. A query that leaves the model no room for a text is InvalidInput too."""
        best, rest = _split(candidates, self._depth)
        found = self._encoder.score(query, [each.text for each in best])
        started = time.perf_counter_ns()
        hits = _ordered(best, found.scores, rest)
        return Reranked(
            hits=hits,
            reranked=len(best),
            truncated=int(found.truncated.sum()),
            tokenise_ns=found.tokenise_ns,
            infer_ns=found.infer_ns,
            score_ns=time.perf_counter_ns() - started,
        )


class MaxSimReranker:
    """Late interaction (Khattab and Zaharia 2020, "ColBERT"): for each token of the query the most similar token of the
    text, added up. The base model's own token vectors are compared, which it was not trained for: measure it. They are
    made when they are asked for; with a `CachedTokenEncoder`, once for as long as they are kept.
    """

    def __init__(self, encoder: TokenSource, depth: int = DEFAULT_DEPTH, threads: int | None = None) -> None:
        """`threads`: of the scoring, None = all cores. Raises InvalidInput for a depth below 1."""
        self._encoder = encoder
        self._depth = _checked_depth(depth)
        self._threads = threads

    @property
    def fingerprint(self) -> str:
        """Of the kind of scoring, and of both sides' vectors: `maxsim:DOCUMENT:QUERY`."""
        bundle = self._encoder.bundle
        return f"maxsim:{bundle.document_fingerprint}:{bundle.query_fingerprint}"

    @property
    def depth(self) -> int:
        return self._depth

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> Reranked:
        """As `Reranker` says."""
        best, rest = _split(candidates, self._depth)
        asked = self._encoder.encode([query], InputType.QUERY)
        read = self._encoder.encode([each.text for each in best], InputType.DOCUMENT)
        started = time.perf_counter_ns()
        scores = np.empty(0, dtype=np.float32)
        if best:
            scores = max_sim(asked.vectors, read.vectors, read.offsets, threads=self._threads)
        hits = _ordered(best, scores, rest)
        return Reranked(
            hits=hits,
            reranked=len(best),
            truncated=int(read.truncated.sum()),
            tokenise_ns=asked.tokenise_ns + read.tokenise_ns,
            infer_ns=asked.infer_ns + read.infer_ns,
            score_ns=time.perf_counter_ns() - started,
        )


def _checked_depth(depth: int) -> int:
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise InvalidInput(f"the depth of a reranker must be a whole number of 1 or more, not {depth!r}")
    return depth


def _split(candidates: Sequence[Candidate], depth: int) -> tuple[list[Candidate], list[Candidate]]:
    """The best by the first stage, and the rest; both in its order."""
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.score != candidate.score:
            raise InvalidInput(f"the score of candidate {candidate.id!r} is NaN, which has no place in an order")
        if candidate.id in seen:
            raise InvalidInput(f"candidate {candidate.id!r} was given twice: give each document once")
        seen.add(candidate.id)
    # Python compares strings by code point, and UTF-8 bytes keep that order.
    ordered = sorted(candidates, key=lambda each: (-each.score, each.id))
    return ordered[:depth], ordered[depth:]


def _ordered(best: Sequence[Candidate], scores: NDArray[np.float32], rest: Sequence[Candidate]) -> list[Hit]:
    hits = [Hit(candidate.id, score) for candidate, score in zip(best, scores.tolist(), strict=True)]
    hits.sort(key=lambda hit: (-hit.score, hit.id))
    below = _descending(hits[-1].score if hits else 0.0)
    return hits + [Hit(candidate.id, next(below)) for candidate in rest]


def _descending(start: float) -> Iterator[float]:
    """Scores below `start`, each less than the one before also in single precision, in which runs are compared."""
    score = np.float32(start)
    while True:
        score = min(score - np.float32(1), np.nextafter(score, np.float32(-np.inf)))
        yield float(score)
