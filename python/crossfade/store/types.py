"""What a store holds and the interface every back end implements."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.chunking import ChunkingSettings
from crossfade.errors import InvalidInput
from crossfade.kernels import Graph, Quantised
from crossfade.lexical import AnalyserSettings
from crossfade.store.metadata import BoundFilter, FieldType, MetadataSchema, Selection
from crossfade.store.settings import HnswSettings

if TYPE_CHECKING:
    from crossfade.store.writes import IndexVectors

Metric = Literal["cosine", "ip", "l2"]
Precision = Literal["f32", "f16", "int8"]
"""How segments hold vectors (`crossfade.store.precision`)."""

Vectors = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Document:
    """One document. An empty document is legal: it is embedded like any other."""

    id: str
    title: str = ""
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    version: int = field(default=0, compare=False)
    """Raised by each write of it, and never given to its id again, of one that a store with versions has given; 0 of
    others."""

    @property
    def content(self) -> str:
        """What the model reads: title, a space, then text; the title left out when empty."""
        return content(self.title, self.text)


def content(title: str, text: str) -> str:
    """What is read of a document, or of a piece of its text, by models and by word."""
    return f"{title} {text}" if title else text


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is bound to: name and metric for life, the rest for as long as its index is the current one."""

    name: str
    dimension: int
    metric: Metric
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What a collection keeps of itself, beside its documents. `fields`: of metadata, and their types. `analyser`: how
    texts become words. `chunking`: how documents that a served model embeds are cut. `tenant_field`: the field of
    every document that says whose it is; None when they are nobody's. `precision`: how segments hold vectors, for as
    long as the collection is there: "f32"; "f16", half the bytes, and scores of vectors that are rounded to it; or
    "int8", where a quarter is scanned, and scores are exact, of candidates. `hnsw`: how graphs of segments are built.

    Raises InvalidInput for another precision, and for a tenants' field of another type than string.
    """

    fields: MetadataSchema = field(default_factory=MetadataSchema)
    analyser: AnalyserSettings = field(default_factory=AnalyserSettings)
    chunking: ChunkingSettings = field(default_factory=ChunkingSettings)
    tenant_field: str | None = None
    precision: Precision = "f32"
    hnsw: HnswSettings = field(default_factory=HnswSettings)

    def __post_init__(self) -> None:
        if self.tenant_field is not None and self.tenant_field not in self.fields:
            declared = self.fields.declare({self.tenant_field: FieldType.STRING})
            object.__setattr__(self, "fields", declared)
        if self.tenant_field is not None and self.fields[self.tenant_field] is not FieldType.STRING:
            raise InvalidInput(f"the tenants' field {self.tenant_field!r} must be of strings")
        if self.precision not in get_args(Precision):
            raise InvalidInput(
                f"precision {self.precision!r:.80} is not known: use one of {', '.join(get_args(Precision))}"
            )

    def to_json(self) -> str:
        return json.dumps(
            {
                "fields": self.fields.to_json(),
                "analyser": json.loads(self.analyser.to_json()),
                "chunking": self.chunking.to_json(),
                "tenant_field": self.tenant_field,
                "precision": self.precision,
                "hnsw": self.hnsw.to_json(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CollectionSettings:
        """What `to_json` wrote, now or before there were precisions and settings of graphs: both as by default then."""
        values = json.loads(text)
        return cls(
            MetadataSchema.from_json(values["fields"]),
            AnalyserSettings.from_json(json.dumps(values["analyser"])),
            ChunkingSettings.from_json(values["chunking"]),
            values["tenant_field"],
            values.get("precision", "f32"),
            HnswSettings.from_json(values["hnsw"]) if "hnsw" in values else HnswSettings(),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that lie together. No later write changes it.

    `ids[i]` is the document of row i of `vectors`, float32 or float16, shape (rows, dimension), C-contiguous: scores
    are theirs, exactly. `codes`, where there are any, stand for them: the best of these are likely the best. All rows
    of a document lie in one part. `live`: which rows may be found, one bit a row in little bit order, or None for all;
    `count`: how many. `spans[i]`: where the text of row i begins and ends in its document's, None when that is not
    known; `whole`: every row is another document. `select`: the rows that a filter keeps, dead or alive; None when
    there are no metadata. `graph`: leads to near rows without a look at all of them; `ef`: how far it is walked by
    default. `text`: its rows by their words.
    `documents`: the number of the write that brought each row's document.
    """

    ids: Sequence[str]
    vectors: Vectors
    live: NDArray[np.uint8] | None
    count: int
    spans: NDArray[np.int32] | None = None
    whole: bool = True
    select: Callable[[BoundFilter], Selection] | None = None
    graph: Graph | None = None
    ef: int = 0
    text: lexical.Segment | lexical.View | None = None
    documents: NDArray[np.int64] | None = None
    codes: Quantised | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent, immutable view of a collection: rows in parts. No later write changes it.

    `incomplete`: a damaged part is being built again, and its rows are not among them. `pending`: documents of the
    collection that its index lacks.
    """

    parts: tuple[Part, ...]
    incomplete: bool = False
    pending: int = 0


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One version of a collection's index. `rows`: vectors that may be found; `pending`: documents that it lacks;
    `bytes`: of its segments on the disk; `graphs_built`: every segment that is large enough for a graph has one.
    """

    version: int
    dimension: int
    document_fingerprint: str
    rows: int
    pending: int
    segments: int
    bytes: int
    graphs_built: bool


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    added: int
    replaced: int


class Collection(Protocol):
    """Documents and their vectors. Safe to use from many threads: a search never races a write."""

    @property
    def spec(self) -> CollectionSpec: ...

    @property
    def fields(self) -> MetadataSchema:
        """The fields that documents have, and their types."""
        ...

    @property
    def settings(self) -> CollectionSettings: ...

    def __len__(self) -> int: ...

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        *,
        spans: Sequence[Sequence[tuple[int, int]]] | None = None,
        expected: Sequence[int | None] | None = None,
        also: Mapping[int, IndexVectors] | None = None,
    ) -> UpsertCounts:
        """Add or replace, all or nothing. Shape (len(documents), dimension), or a row for each of the spans of all
        documents' texts. `expected`: versions, where they are kept. `also`: vectors of further versions of the index.

        Raises InvalidInput on a duplicate or empty id, a wrong shape, NaN or infinity; Conflict.
        """
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Remove the ids that are there; return how many were."""
        ...

    def documents(self, ids: Sequence[str], keys: Sequence[int] | None = None) -> list[Document | None]:
        """The documents of the ids, in order; None for one that is not there.

        `keys`: of the writes that brought them, -1 for any; a document that was written again since is not that one.
        """
        ...

    def snapshot(self) -> Snapshot: ...

    def pinned(self) -> Collection:
        """The same, bound for good to the index version that it searches and writes now: whoever looks at `spec` and
        then searches or writes what was made for it must not meet another index meanwhile.
        """
        ...

    @property
    def current(self) -> int:
        """The index version that is searched and written to when nobody says which."""
        ...

    def index_versions(self) -> Sequence[IndexVersion]:
        """By version."""
        ...


class Store(Protocol):
    """Named collections."""

    def create(self, spec: CollectionSpec, settings: CollectionSettings | None = None) -> Collection:
        """Raises AlreadyExists when the name is taken, InvalidInput when name or dimension cannot be used."""
        ...

    def get(self, name: str) -> Collection:
        """Raises NotFound, naming the collections there are."""
        ...

    def drop(self, name: str) -> None:
        """Raises NotFound."""
        ...

    def list(self) -> list[Collection]:
        """Sorted by name."""
        ...
