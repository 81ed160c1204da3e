"""What a Retriever needs of an encoder, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.models.types import Embeddings, InputType


class Hit(NamedTuple):
    """One document of an answer. Higher scores are better in every metric.

    `span`: where the text that was found begins and ends in the document's; None when it is all of it. `key`: of the
    write that brought the document; -1 where writes have none.
    """

    id: str
    score: float
    span: tuple[int, int] | None = None
    key: int = -1


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage did for all queries: "dense", "lexical", "fused" or "reranked"; documents that it gave on."""

    name: str
    candidates: int
    ns: int


@dataclass(frozen=True, slots=True)
class HitStage:
    """What a stage made of a document: its rank, from 1, its score, and of a lexical one the words that matched."""

    stage: str
    rank: int
    score: float
    terms: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class StageCandidates:
    """What a stage gave on: `hits[i]` of query i, best first, as it scored them, each with its best chunk's span. A
    reranker's are those that it read."""

    stage: str
    hits: list[list[Hit]]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Answers to a batch of queries, in the order asked.

    `hits[i]`: score descending, equal scores by id ascending (UTF-8 bytes). `token_counts` and `truncated`, one a
    query, are None when vectors were given. Times in nanoseconds; a stage that did not run is 0.
    `explanations`: of each hit, when they were asked for; `candidates`: of each stage, in the order in which they ran,
    when those were. `incomplete`: a damaged part was not searched.
    `pending`: documents that the index lacks, and that could not be found.
    """

    hits: list[list[Hit]]
    query_fingerprint: str
    token_counts: NDArray[np.int32] | None
    truncated: NDArray[np.bool_] | None
    tokenise_ns: int
    infer_ns: int
    search_ns: int
    stages: Sequence[Stage] = ()
    explanations: list[list[list[HitStage]]] | None = None
    candidates: Sequence[StageCandidates] = ()
    incomplete: bool = False
    pending: int = 0


class EncoderBundle(Protocol):
    """The part of a model bundle that ties vectors to an index."""

    @property
    def document_fingerprint(self) -> str: ...
    @property
    def query_fingerprint(self) -> str: ...
    @property
    def dimension(self) -> int: ...


class VectorMaker(Protocol):
    """Whatever made vectors, or will."""

    @property
    def bundle(self) -> EncoderBundle: ...


class TextEncoder(VectorMaker, Protocol):
    """Texts in, vectors out; `crossfade.models.Encoder` is one."""

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings: ...
