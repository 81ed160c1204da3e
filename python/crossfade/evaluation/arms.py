"""How the queries of an evaluation are answered: by vectors, by words, by both; of whole documents or of chunks; with a
reranker or without. Each arm is measured on the same queries, so that the simpler remedies are seen beside a new model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Protocol

from crossfade.chunking import ChunkingSettings, Method
from crossfade.errors import InvalidInput
from crossfade.evaluation.results import ModelRef, RerankerRef, Retrieval
from crossfade.fusion import Fusion
from crossfade.lexical import AnalyserSettings
from crossfade.retrieval import Reranker, Retriever, SearchOptions, SearchResult, Walking
from crossfade.retrieval.options import HYBRID, Mode


@dataclass(frozen=True, slots=True)
class Arm:
    """`mode`: dense (by vectors), lexical (BM25) or hybrid. `chunking`: how documents are cut before they are embedded;
    a document's score is the mean of its `best_chunks` best ones' (1: that of its best). `reranker` and
    `reranker_name`: what puts the first results into another order. `candidates`: documents that each stage gives on
    (None: 100, or 4 times the depth if that is more). `exact`: every vector is looked at; otherwise graphs are walked
    where a store has them, as a server does it.

    Raises InvalidInput for what `SearchOptions` refuses.
    """

    mode: Mode = "dense"
    chunking: ChunkingSettings = field(default_factory=ChunkingSettings)
    reranker: Reranker | None = None
    reranker_name: str = ""
    candidates: int | None = None
    fusion: Fusion = HYBRID
    analyser: AnalyserSettings = field(default_factory=AnalyserSettings)
    exact: bool = True
    best_chunks: int = 1

    def __post_init__(self) -> None:
        self.options()

    @property
    def whole(self) -> bool:
        """Documents are not cut."""
        return self.chunking.method is Method.WHOLE

    def options(self) -> SearchOptions:
        """What the retriever is told."""
        return SearchOptions(
            walking=Walking(self.exact),
            mode=self.mode,
            candidates=self.candidates,
            fusion=self.fusion,
            reranker=self.reranker,
            best_chunks=self.best_chunks,
        )

    def record(self, depth: int, collection: str = "") -> Retrieval:
        """For the record. `collection`: of a store, where it is that which was searched."""
        fused, reranker = self.mode == "hybrid", self.reranker
        weights = self.fusion.weights
        return Retrieval(
            mode=self.mode,
            exact=self.exact,
            chunking={} if self.whole else self.chunking.to_json(),
            analyser={} if self.mode == "dense" else json.loads(self.analyser.to_json()),
            fusion={
                "rule": self.fusion.rule,
                "normalisation": self.fusion.normalisation,
                "weights": None if weights is None else list(weights),
                "k": self.fusion.k if self.fusion.rule == "rrf" else None,
            }
            if fused
            else {},
            candidates=self.options().depth(depth) if fused or reranker is not None else 0,
            reranker=None
            if reranker is None
            else RerankerRef(self.reranker_name or "reranker", reranker.fingerprint, reranker.depth),
            collection=collection,
            best_chunks=1 if self.whole else self.best_chunks,
        )

    def words(self) -> ModelRef:
        """What stands in a model's place where words alone are searched."""
        fingerprint = f"bm25:{hashlib.sha256(self.analyser.to_json().encode()).hexdigest()[:16]}"
        return ModelRef("BM25", fingerprint, fingerprint)


class Answering(Protocol):
    """Answers queries; a `Retriever` does, by vectors."""

    def search_texts(self, texts: list[str], k: int) -> SearchResult: ...


@dataclass(frozen=True, slots=True)
class ArmRetriever:
    """A retriever that answers as an arm says."""

    retriever: Retriever
    arm: Arm

    def search_texts(self, texts: list[str], k: int) -> SearchResult:
        """The best `k` documents for each text."""
        return self.retriever.search_texts(texts, k, self.arm.options())


def check_model(arm: Arm, *, given: bool) -> None:
    """Raises InvalidInput when the arm lacks a model, or has one that nothing would read."""
    if not given and arm.mode != "lexical":
        raise InvalidInput(f"mode {arm.mode} searches by vectors: give a model, or the mode lexical")
    if not given and not arm.whole:
        raise InvalidInput("chunks are measured in a model's tokens: give a model, or whole documents")
