"""The stages of a search over one snapshot: find, fuse, rerank."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.fusion import Fusion, fuse_arrays
from crossfade.retrieval.options import SearchOptions
from crossfade.retrieval.places import Place, Places, hits_of
from crossfade.retrieval.ranking import nearest
from crossfade.retrieval.reranking import Candidate, Reranker
from crossfade.retrieval.shares import share
from crossfade.retrieval.types import Hit, HitStage, Stage, StageCandidates
from crossfade.retrieval.words import explain_words, matching
from crossfade.store.metadata import BoundFilter
from crossfade.store.types import Document, Metric, Snapshot

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
    """`explanations[i][j]`: how hit j of query i came to its place; None unless it was asked for. `candidates`: of each
    stage, where those were."""

    hits: list[list[Hit]]
    stages: list[Stage] = field(default_factory=list)
    explanations: list[list[list[HitStage]]] | None = None
    candidates: list[StageCandidates] = field(default_factory=list)


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
        self._candidates: list[StageCandidates] = []
        self._options = SearchOptions()

    def run(self, query: Query, k: int, options: SearchOptions) -> Found:
        """Raises InvalidInput when a stage lacks what it needs."""
        self._options = options
        depth = options.depth(k)
        arms: dict[str, list[Places]] = {}
        # Not what comes after: a reranker has a model to wait for.
        with share(self._threads, len(query)) as threads:
            if options.mode in {"dense", "hybrid"}:
                arms["dense"] = self._stage("dense", lambda: self._dense(query, depth, options, threads))
            if options.mode in {"lexical", "hybrid"}:
                arms["lexical"] = self._stage("lexical", lambda: self._lexical(query, depth, options, threads))
            (places, *others) = arms.values()
            if others:
                wanted = k if options.reranker is None else depth
                lists = [places, *others]
                places = self._stage("fused", lambda: fused(lists, options.fusion, wanted))
        if options.reranker is None:
            hits = [hits_of(self._snapshot, some[:k]) for some in places]
        else:
            hits = [some[:k] for some in self._reranked_stage(query, places, options.reranker)]
        if not options.explain:
            return Found(hits, self._stages)
        if "lexical" in arms and query.texts is not None:
            self._tell_words(query.texts, arms["lexical"], hits)
        explanations = [[told.get(hit.id, []) for hit in some] for some, told in zip(hits, self._told, strict=True)]
        return Found(hits, self._stages, explanations, self._candidates)

    def _stage(self, name: str, work: Callable[[], list[Places]]) -> list[Places]:
        started = time.perf_counter_ns()
        self._check()
        places = work()
        self._note(name, started, [len(some) for some in places])
        if self._options.explain:
            self._tell(name, ([(name, 0.0 - below) for below, name, _, _ in some] for some in places))
        if self._options.explain_candidates:
            self._candidates.append(StageCandidates(name, [hits_of(self._snapshot, some) for some in places]))
        return places

    def _reranked_stage(self, query: Query, places: list[Places], reranker: Reranker) -> list[list[Hit]]:
        started = time.perf_counter_ns()
        self._check()
        hits = self._reranked(query, [hits_of(self._snapshot, some) for some in places], reranker)
        self._note("reranked", started, [len(some) for some in hits])
        if self._options.explain:
            # Of those that it has not read there is nothing to tell.
            read = [some[: reranker.depth] for some in hits]
            self._tell("reranked", ([(hit.id, hit.score) for hit in some] for some in read))
            if self._options.explain_candidates:
                self._candidates.append(StageCandidates("reranked", read))
        return hits

    def _note(self, name: str, started: int, counts: Sequence[int]) -> None:
        self._stages.append(Stage(name, sum(counts), time.perf_counter_ns() - started))

    def _tell(self, stage: str, lists: Iterable[list[tuple[str, float]]]) -> None:
        """`lists`: ids and scores, best first."""
        lists = list(lists)
        self._told = self._told or [{} for _ in lists]
        for notes, some in zip(self._told, lists, strict=True):
            for place, (name, score) in enumerate(some, 1):
                notes.setdefault(name, []).append(HitStage(stage, place, score))

    def _tell_words(self, texts: Sequence[str], words: list[Places], hits: list[list[Hit]]) -> None:
        """Of the hits that are given on, what each word gave."""
        for text, some, last, told in zip(texts, words, hits, self._told, strict=True):
            names = {hit.id for hit in last}
            kept = [place for place in some if place[1] in names]
            for (_, name, _, _), terms in zip(kept, explain_words(text, self._snapshot, kept), strict=True):
                stages = told[name]
                place = next(at for at, stage in enumerate(stages) if stage.stage == "lexical")
                stages[place] = replace(stages[place], terms=terms)

    def _dense(self, query: Query, depth: int, options: SearchOptions, threads: int) -> list[Places]:
        if query.vectors is None:
            raise InvalidInput("a search by vectors needs query vectors, or texts and a model that makes them")
        walking, best = options.walking, options.best_chunks
        return nearest(query.vectors, self._snapshot, depth, self._metric, threads, self._condition, walking, best)

    def _lexical(self, query: Query, depth: int, options: SearchOptions, threads: int) -> list[Places]:
        if query.texts is None:
            raise InvalidInput("a search by words needs query texts: send texts, not vectors")
        return matching(query.texts, self._snapshot, depth, threads, self._condition, options.best_chunks)

    def _reranked(self, query: Query, hits: list[list[Hit]], reranker: Reranker) -> list[list[Hit]]:
        if query.texts is None:
            raise InvalidInput("a reranker needs query texts: send texts, not vectors")
        answers: list[list[Hit]] = []
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


def fused(arms: Sequence[list[Places]], fusion: Fusion, depth: int) -> list[Places]:
    """One list a query of those of several arms, by `crossfade.fusion`; a document's row is that of its first arm."""
    settings = Fusion(fusion.rule, fusion.normalisation, fusion.weights, fusion.k, depth)
    lists: list[Places] = []
    for some in zip(*arms, strict=True):
        rows: dict[str, Place] = {}
        for places in reversed(some):
            rows.update((place[1], place) for place in places)
        names = sorted(rows)  # so that the order of numbers is that of ids
        numbers = {name: number for number, name in enumerate(names)}
        runs = [
            (
                np.array([[numbers[name] for _, name, _, _ in places]], dtype=np.int64).reshape(1, -1),
                0.0 - np.array([[below for below, _, _, _ in places]], dtype=np.float64).reshape(1, -1),
            )
            for places in some
        ]
        result = fuse_arrays(runs, settings)
        lists.append(
            [
                (-score, *rows[names[number]][1:])
                for number, score in zip(result.ids[0].tolist(), result.scores[0].tolist(), strict=True)
                if number >= 0
            ]
        )
    return lists
