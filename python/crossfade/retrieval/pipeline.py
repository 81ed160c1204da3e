"""The stages of a search over one snapshot: find, fuse, rerank."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.fusion import Fusion, fuse_arrays
from crossfade.retrieval.options import SearchOptions
from crossfade.retrieval.ranking import rank
from crossfade.retrieval.reranking import Candidate, Reranker
from crossfade.retrieval.shares import share
from crossfade.retrieval.types import Hit, HitStage, Stage
from crossfade.retrieval.words import explain_words, rank_words
from crossfade.store.metadata import BoundFilter
from crossfade.store.types import Document, Metric, Snapshot

Lists = list[list[Hit]]

# Characters of a passage that a reranker is given: no model reads more tokens than these make.
_MOST_READ = 50_000


@dataclass(frozen=True, slots=True)
class Query:
    """Queries as vectors, as texts, or both, whichever the stages need."""

    vectors: NDArray[np.float32] | None
    texts: Sequence[str] | None

    def __len__(self) -> int:
        return len(self.vectors if self.vectors is not None else self.texts or ())


@dataclass(slots=True)
class Found:
    """`explanations[i][j]`: how hit j of query i came to its place; None unless it was asked for."""

    hits: Lists
    stages: list[Stage] = field(default_factory=list)
    explanations: list[list[list[HitStage]]] | None = None


class Pipeline:
    """One search. `documents` reads documents by their ids and keys. `threads`: that were asked for, 0 for as many as
    there is room for. `check` raises when nobody waits any more."""

    def __init__(
        self,
        snapshot: Snapshot,
        metric: Metric,
        condition: BoundFilter | None,
        documents: Callable[[Sequence[str], Sequence[int]], Sequence[Document | None]],
        threads: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._snapshot = snapshot
        self._metric = metric
        self._condition = condition
        self._documents = documents
        self._threads = threads
        self._check = check
        self._stages: list[Stage] = []
        self._told: list[dict[str, list[HitStage]]] = []
        self._explain = False

    def run(self, query: Query, k: int, options: SearchOptions) -> Found:
        """Raises InvalidInput when a stage lacks what it needs."""
        self._explain = options.explain
        depth = options.depth(k)
        arms: dict[str, Lists] = {}
        # Not what comes after: a reranker has a model to wait for.
        with share(self._threads, len(query)) as threads:
            if options.mode in {"dense", "hybrid"}:
                arms["dense"] = self._stage("dense", lambda: self._dense(query, depth, options, threads))
            if options.mode in {"lexical", "hybrid"}:
                arms["lexical"] = self._stage("lexical", lambda: self._lexical(query, depth, threads))
        words = arms.get("lexical", [])
        (hits, *others) = arms.values()
        if others:
            hits = self._stage("fused", lambda: fused([hits, *others], options.fusion, depth))
        if options.reranker is not None:
            reranker = options.reranker
            found = hits
            hits = self._stage("reranked", lambda: self._reranked(query, found, reranker), reranker.depth)
        hits = [some[:k] for some in hits]
        if not options.explain:
            return Found(hits, self._stages)
        if words and query.texts is not None:
            self._tell_words(query.texts, words, hits)
        explanations = [[told.get(hit.id, []) for hit in some] for some, told in zip(hits, self._told, strict=True)]
        return Found(hits, self._stages, explanations)

    def _stage(self, name: str, work: Callable[[], Lists], told: int | None = None) -> Lists:
        """`told`: of how many hits of each query there is something to tell; None: of all."""
        started = time.perf_counter_ns()
        self._check()
        hits = work()
        self._stages.append(Stage(name, sum(map(len, hits)), time.perf_counter_ns() - started))
        if self._explain:
            self._told = self._told or [{} for _ in hits]
            for notes, some in zip(self._told, hits, strict=True):
                for place, hit in enumerate(some[:told], 1):
                    notes.setdefault(hit.id, []).append(HitStage(name, place, hit.score))
        return hits

    def _tell_words(self, texts: Sequence[str], words: Lists, hits: Lists) -> None:
        """Of the hits that are given on, what each word gave."""
        for text, some, last, told in zip(texts, words, hits, self._told, strict=True):
            names = {hit.id for hit in last}
            kept = [hit for hit in some if hit.id in names]
            for hit, terms in zip(kept, explain_words(text, self._snapshot, kept), strict=True):
                stages = told[hit.id]
                place = next(at for at, stage in enumerate(stages) if stage.stage == "lexical")
                stages[place] = replace(stages[place], terms=terms)

    def _dense(self, query: Query, depth: int, options: SearchOptions, threads: int) -> Lists:
        if query.vectors is None:
            raise InvalidInput("a search by vectors needs query vectors, or texts and a model that makes them")
        return rank(query.vectors, self._snapshot, depth, self._metric, threads, self._condition, options.walking)

    def _lexical(self, query: Query, depth: int, threads: int) -> Lists:
        if query.texts is None:
            raise InvalidInput("a search by words needs query texts: send texts, not vectors")
        return rank_words(query.texts, self._snapshot, depth, threads, self._condition)

    def _reranked(self, query: Query, hits: Lists, reranker: Reranker) -> Lists:
        if query.texts is None:
            raise InvalidInput("a reranker needs query texts: send texts, not vectors")
        answers: Lists = []
        for text, some in zip(query.texts, hits, strict=True):
            self._check()  # nobody may be waiting any more, and each query takes a model's time
            answers.append(self._reranked_one(text, some, reranker))
        return answers

    def _reranked_one(self, text: str, hits: list[Hit], reranker: Reranker) -> list[Hit]:
        """Only what the reranker reads is fetched; a document that was written again since it was found is left out."""
        read, rest = hits[: reranker.depth], hits[reranker.depth :]
        found = self._documents([hit.id for hit in read], [hit.key for hit in read])
        candidates = [
            Candidate(hit.id, passage(document, hit.span)[:_MOST_READ], hit.score)
            for hit, document in zip(read, found, strict=True)
            if document is not None
        ]
        candidates += [Candidate(hit.id, "", hit.score) for hit in rest]
        before = {hit.id: hit for hit in hits}
        return [before[hit.id]._replace(score=hit.score) for hit in reranker.rerank(text, candidates).hits]


def passage(document: Document, span: tuple[int, int] | None) -> str:
    """What a model reads of a document: title, a space, then the text of the span."""
    text = document.text if span is None else document.text[span[0] : span[1]]
    return f"{document.title} {text}" if document.title else text


def fused(arms: Sequence[Lists], fusion: Fusion, depth: int) -> Lists:
    """One list a query of those of several arms, by `crossfade.fusion`; a document's span is that of its first arm."""
    lists: Lists = []
    for some in zip(*arms, strict=True):
        best = {hit.id: hit for hits in reversed(some) for hit in hits}
        names = sorted(best)  # so that the order of numbers is that of ids
        numbers = {name: number for number, name in enumerate(names)}
        runs = [
            (
                np.array([[numbers[hit.id] for hit in hits]], dtype=np.int64).reshape(1, -1),
                np.array([[hit.score for hit in hits]], dtype=np.float64).reshape(1, -1),
            )
            for hits in some
        ]
        result = fuse_arrays(runs, Fusion(fusion.rule, fusion.normalisation, fusion.weights, fusion.k, depth))
        lists.append(
            [
                best[names[number]]._replace(score=score)
                for number, score in zip(result.ids[0].tolist(), result.scores[0].tolist(), strict=True)
                if number >= 0
            ]
        )
    return lists
