"""What goes into the executor and what comes out: no gRPC.

Times are in nanoseconds; a stage that did not run is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade._native import Call
from crossfade.models import Bundle, Embeddings
from crossfade.serving.passages import Reading
from crossfade.store import CollectionSettings, CollectionSpec, Document, IndexVersion, UpsertCounts


class EmbedDocuments(Protocol):
    """Embeds documents with a served model, in their turn among all that is embedded.

    Returns how long they waited too, in nanoseconds.
    """

    def __call__(self, model: str, texts: Sequence[str], call: Call) -> tuple[Embeddings, int]: ...


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
class AlsoVersions:
    """Further versions of the index that are to take the documents too. `versions`: of a served model each; `served`:
    all that have one; `given`: with one vector a document each.
    """

    versions: Sequence[int] = ()
    served: bool = False
    given: Sequence[tuple[int, GivenVectors]] = ()


@dataclass(frozen=True, slots=True)
class UpsertBatch:
    """Documents with either a served model's name, which embeds them, or one vector each; with neither where `also`
    says what the version that is written to gets. `with_chunks`: the answer tells where their chunks begin and end.
    """

    collection: str
    documents: Sequence[Document]
    model: str | None = None
    given: GivenVectors | None = None
    expected: Sequence[int | None] | None = None
    also: AlsoVersions | None = None
    with_chunks: bool = False


@dataclass(frozen=True, slots=True)
class FoundHits:
    """The answer to one search; the front end reads it by these names.

    `hits[i]`: of query i, best first, (id, score). `encoded`, where more is wanted of them than that, in their place:
    a `Hits` message a query. `stages`, where they are wanted: name, candidates, nanoseconds. `incomplete`: a part of
    the collection was not searched. `pending`: documents that the index lacks, and that could not be found.
    """

    hits: list[list[tuple[str, float]]]
    encoded: list[bytes] | None
    query_fingerprint: str
    search_ns: int
    stages: list[tuple[str, int, int]] = field(default_factory=list)
    incomplete: bool = False
    pending: int = 0


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
    """`spec` is of the index version `current`."""

    spec: CollectionSpec
    documents: int
    current: int
    indexes: Sequence[IndexVersion]
    settings: CollectionSettings = field(default_factory=CollectionSettings)


@dataclass(frozen=True, slots=True)
class Filled:
    """Documents that an index was given, and how many it lacks still. `embedded`: by the model, if it lacked any."""

    documents: int
    pending: int
    embedded: Sequence[Embeddings] = ()
    queue_ns: int = 0


@dataclass(frozen=True, slots=True)
class Upserted:
    """`reading`: by the model of the version that is written to by default, and None when its vectors were given.
    `embedded`: by every model that ran. `versions`: that have the documents now, ascending.
    """

    counts: UpsertCounts
    queue_ns: int = 0
    reading: Reading | None = None
    embedded: Sequence[Embeddings] = ()
    versions: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """`values`: float64, shape (query_ids, measures); `missing_queries`: judged ones that the run does not answer."""

    measures: tuple[str, ...]
    query_ids: tuple[str, ...]
    means: dict[str, float]
    values: NDArray[np.float64]
    missing_queries: int
