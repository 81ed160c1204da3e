"""What goes into the executor and what comes out: whole batches, no gRPC.

Times are in nanoseconds; a stage that did not run is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossfade.models import Bundle, Embeddings
from crossfade.retrieval import SearchResult
from crossfade.store import CollectionSpec, Document, Metric, UpsertCounts


@dataclass(frozen=True, slots=True)
class GivenVectors:
    """Vectors made elsewhere, float32, shape (n, dimension), and the fingerprint of the encoder that made them."""

    vectors: NDArray[np.float32]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Space:
    """A vector space whose model need not be served here."""

    dimension: int
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class UpsertBatch:
    """Documents with either a served model's name, which embeds them, or one vector each."""

    collection: str
    documents: Sequence[Document]
    model: str | None = None
    given: GivenVectors | None = None


@dataclass(frozen=True, slots=True)
class SearchBatch:
    """Queries: either texts with a served model's name, or vectors."""

    collection: str
    k: int
    model: str | None = None
    texts: Sequence[str] = ()
    given: GivenVectors | None = None
    with_documents: bool = False


@dataclass(frozen=True, slots=True)
class MeasureBatch:
    """A run and its judgments, as (query id, [(document id, grade or score), ...]); an id given twice is refused."""

    qrels: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    run: Sequence[tuple[str, Sequence[tuple[str, float]]]]
    measures: Sequence[str]
    count_missing_queries: bool = False


@dataclass(frozen=True, slots=True)
class ServedModel:
    name: str
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class CollectionState:
    spec: CollectionSpec
    documents: int


@dataclass(frozen=True, slots=True)
class Embedded:
    embeddings: Embeddings
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Upserted:
    """`embeddings` is None when vectors were given."""

    counts: UpsertCounts
    embeddings: Embeddings | None


@dataclass(frozen=True, slots=True)
class Found:
    """`documents[id]` when they were asked for; one deleted since the search is missing."""

    result: SearchResult
    documents: dict[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scored:
    """`scores` float32 and `indices` int64, shape (queries, min(k, corpus rows)), best first, then row ascending."""

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]
    search_ns: int


@dataclass(frozen=True, slots=True)
class Measured:
    """`values`: float64, shape (query_ids, measures); `missing_queries`: judged ones that the run does not answer."""

    measures: tuple[str, ...]
    query_ids: tuple[str, ...]
    means: dict[str, float]
    values: NDArray[np.float64]
    missing_queries: int


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """`queries` and `corpus`: float32, equal dimension."""

    queries: NDArray[np.float32]
    corpus: NDArray[np.float32]
    k: int
    metric: Metric
