"""What the client takes and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.store.types import CollectionSettings, Document, IndexVersion, Metric

InputType = Literal["query", "document"]
Encoding = Literal["float32", "float16", "int8", "binary"]
LongTexts = Literal["truncate", "refuse"]
Priority = Literal["interactive", "bulk", "shadow"]
SearchMode = Literal["dense", "lexical", "hybrid"]


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Where the time went, in nanoseconds, as the server saw it; summed where one answer took several calls."""

    queue_ns: int = 0
    tokenise_ns: int = 0
    infer_ns: int = 0
    search_ns: int = 0
    total_ns: int = 0

    @staticmethod
    def sum(parts: Iterable[StageTimes]) -> StageTimes:
        rows = [(part.queue_ns, part.tokenise_ns, part.infer_ns, part.search_ns, part.total_ns) for part in parts]
        return StageTimes(*(sum(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Vectors and where they live. `values`: float32, shape (n, dimension); `fingerprint`: of their encoder."""

    values: NDArray[Any]
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class AlsoVersions:
    """Further versions of a collection's index that take documents in one transaction. `versions`: each of a served
    model, which embeds the documents; `served`: all that have one; `vectors`: by version, one vector a document.
    """

    versions: Sequence[int] = ()
    served: bool = False
    vectors: Mapping[int, Vectors] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding(Vectors):
    """One row a text, in their order.

    `values` by `encoding`: "float32", "float16" and "int8" of that dtype, shape (n, dimension); "binary" uint8, shape
    (n, ceil(dimension / 8)), a bit an element, 1 above zero, the first element in the highest bit. `scales`: of int8
    alone, float32, shape (n,): an element is its code times its row's scale. `token_counts`: int32, shape (n,), special
    tokens included. `truncated`: bool, shape (n,), true where the end of a text was not read.
    """

    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    times: StageTimes
    encoding: Encoding
    dimension: int
    scales: NDArray[np.float32] | None = None

    def as_float32(self) -> NDArray[np.float32]:
        """The vectors as float32, shape (n, dimension): what is left of them in this encoding; of binary, +1 and -1."""
        if self.encoding == "binary":
            bits = np.unpackbits(self.values, axis=1, count=self.dimension)
            return bits.astype(np.float32) * np.float32(2) - np.float32(1)
        values = self.values.astype(np.float32, copy=False)
        return values if self.scales is None else values * self.scales[:, np.newaxis]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A served model. `parent_*` are empty when its bundle was not made from another one.

    `prompt_names`: what `embed` takes as `prompt_name`, sorted.
    """

    name: str
    bundle_name: str
    dimension: int
    max_tokens: int
    pooling: str
    normalise: bool
    precision: str
    query_fingerprint: str
    document_fingerprint: str
    parent_name: str
    parent_fingerprint: str
    prompt_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes in one call. The client splits by the first three and by `results_per_call` itself.

    `queued_tokens`: of all calls together; 0 when the server does not say.
    """

    texts_per_call: int
    text_bytes: int
    message_bytes: int
    k: int
    results_per_call: int
    score_vectors: int
    queued_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """`dimension` and `document_fingerprint` are of the index version that is the current one; `indexes`: all, by
    version. `settings`: what it was made with, and the fields that documents brought since; None where a
    newer server has some that this client does not know.
    """

    name: str
    dimension: int
    metric: Metric
    document_fingerprint: str
    documents: int
    current_version: int = 1
    indexes: tuple[IndexVersion, ...] = ()
    settings: CollectionSettings | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """How many documents an index was given, and how many it lacks still."""

    filled: int
    pending: int
    times: StageTimes


class Chunk(NamedTuple):
    """Characters [start, stop) of a document's text (code points), embedded as one vector; the model stopped before the
    character `read_end`, which is `stop` where it read all."""

    start: int
    stop: int
    read_end: int


@dataclass(frozen=True, slots=True, eq=False)
class Upserted:
    """`token_counts` (int32), `truncated` (bool), `chunk_counts` and `unread_characters` (both int64) have one entry a
    document when a model embedded them, else none: of documents that came with vectors nobody knows what was read.
    `unread_characters`: of each text, white space not counted, that the model never reads. `chunks`: of each document,
    in the order of its text, where they were asked for and a model embedded them. `versions`: of the index, that have
    the documents now, in ascending order; of a batch of several calls, those that have all of it.
    """

    added: int
    replaced: int
    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    times: StageTimes
    chunk_counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    unread_characters: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    versions: tuple[int, ...] = ()
    chunks: Sequence[Sequence[Chunk]] = ()


@dataclass(frozen=True, slots=True)
class HitStage:
    """What a stage made of a document: "dense", "lexical", "fused" or "reranked"; its rank, from 1, and score; of a
    lexical stage, what each word that matched gave.
    """

    stage: str
    rank: int
    score: float
    terms: dict[str, float]


@dataclass(frozen=True, slots=True)
class SearchStage:
    """What a stage did for all queries: documents that it gave on, and its time in nanoseconds."""

    stage: str
    candidates: int
    ns: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that a stage gave on for a query: its rank there, from 1, its score, and where the text that was found
    begins and ends in the document's, None where that is not known."""

    id: str
    rank: int
    score: float
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`document` is None unless asked for, or when it was deleted since the search. `span`: where the text that was
    found begins and ends in the document's, where documents or an explanation were asked for; `stages`: how the hit
    came to its place, where an explanation was. `read_end`: the character of the document's text before which the
    index's model stops, where both were asked for and it is served.
    """

    id: str
    score: float
    document: Document | None = None
    span: tuple[int, int] | None = None
    stages: tuple[HitStage, ...] = ()
    read_end: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResults:
    """`hits[i]` answers query i: score descending, equal scores by id. `stages`: where an explanation was asked for.
    `candidates[i]`: what each stage gave on for query i, by the stage's name, best first, where candidates were asked
    for; a reranker's are those that it read. `incomplete`: a damaged part of the collection is being built again, and
    was not searched. `pending`: documents that the index version lacks, and that could not be found.
    """

    hits: list[list[Hit]]
    query_fingerprint: str
    times: StageTimes
    stages: tuple[SearchStage, ...] = ()
    candidates: tuple[dict[str, list[Candidate]], ...] = ()
    incomplete: bool = False
    pending: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """`scores` float32 and `indices` int64 (rows of the corpus), shape (queries, min(k, corpus rows)), best first."""

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]
    times: StageTimes


@dataclass(frozen=True, slots=True)
class Measured:
    """`per_query[measure][query id]` when asked for, else empty; `missing_queries`: judged ones without an answer."""

    means: dict[str, float]
    per_query: dict[str, dict[str, float]]
    queries: int
    missing_queries: int
