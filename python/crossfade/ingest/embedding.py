"""Batches to pieces: documents with their vectors, each piece one upsert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import Chunked, ChunkingSettings, Method, TokenBudget, TokenCounter, chunk
from crossfade.ingest.batches import Batch
from crossfade.ingest.records import Position
from crossfade.ingest.report import ChunkTotals, Unread
from crossfade.models import Encoder
from crossfade.models.tokenizer import TextTokenizer
from crossfade.models.types import Embeddings, InputType
from crossfade.store import IndexVectors
from crossfade.store.types import Document

# Documents that are cut together: few enough that long ones do not make a piece much larger than it should be.
_SLICE = 32
_ALL = 1 << 62  # rows

Spans = list[list[tuple[int, int]]]


class DocumentBundle(Protocol):
    """What a cutter needs to know of a model's bundle; `crossfade.models.Bundle` is one."""

    @property
    def document_fingerprint(self) -> str: ...
    @property
    def dimension(self) -> int: ...


class DocumentEncoder(Protocol):
    """Texts in, vectors out; `crossfade.models.Encoder` is one."""

    @property
    def bundle(self) -> DocumentBundle: ...
    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings: ...


@dataclass(slots=True)
class Piece:
    """What one upsert takes. `vectors`: float32, shape (rows, dimension). `spans`: of each document's rows; None where
    every document is one row of its whole text. `end`: the position of its last document. `unread`: of its documents,
    those that the model did not read to their end."""

    documents: list[Document]
    vectors: NDArray[np.float32]
    spans: Spans | None
    end: Position
    totals: ChunkTotals = field(default_factory=ChunkTotals)
    unread: list[Unread] = field(default_factory=list)


@dataclass(slots=True)
class Read:
    """What a model has made of documents: as a `Piece`, wherever they come from. `stop`: the place, among those that it
    was given, behind the last of these."""

    documents: list[Document]
    stop: int
    vectors: NDArray[np.float32]
    spans: Spans | None
    totals: ChunkTotals
    unread: list[Unread]


class Cutter(Protocol):
    """Makes pieces of batches."""

    @property
    def fingerprint(self) -> str:
        """Of the vectors."""
        ...

    @property
    def dimension(self) -> int | None:
        """Of the vectors; None when the sources decide."""
        ...

    @property
    def takes_vectors(self) -> bool:
        """Whether documents must come with their vectors."""
        ...

    def to_json(self, settings: ChunkingSettings) -> dict[str, Any]:
        """What decides over spans and vectors, in plain values."""
        ...

    def pieces(self, batch: Batch, rows: int, settings: ChunkingSettings) -> Iterator[Piece]:
        """In order; each of about `rows` rows, or of one document that has more. `settings`: the collection's."""
        ...


class GivenVectors:
    """Documents come with their vectors, a row each, however the collection would cut them. `fingerprint`: of the
    encoder that made them."""

    takes_vectors = True
    dimension = None

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def to_json(self, settings: ChunkingSettings) -> dict[str, Any]:
        del settings
        return {"vectors": "given", "fingerprint": self.fingerprint}

    def pieces(self, batch: Batch, rows: int, settings: ChunkingSettings) -> Iterator[Piece]:
        """As they are: a batch has no more documents than `rows`."""
        del rows, settings
        if batch.records:
            documents = [record.document for _, record in batch.records]
            matrix = np.stack([record.vector for _, record in batch.records if record.vector is not None])
            yield Piece(documents, matrix, None, batch.records[-1][0], ChunkTotals(rows=len(documents)))


class EmbeddingCutter:
    """Documents are cut into chunks as their collection says, and these embedded by a model."""

    takes_vectors = False

    def __init__(self, encoder: DocumentEncoder, tokenizer: TokenCounter, budget: TokenBudget) -> None:
        """`tokenizer`, `budget`: the encoder's own (docs/chunking.md); `of` makes them."""
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._budget = budget

    @classmethod
    def of(cls, encoder: Encoder) -> EmbeddingCutter:
        """For what an encoder reads."""
        bundle = encoder.bundle
        tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        budget = TokenBudget(bundle.max_tokens, tokenizer.special_tokens, bundle.prompts.document)
        return cls(encoder, tokenizer, budget)

    @property
    def fingerprint(self) -> str:
        return self._encoder.bundle.document_fingerprint

    @property
    def dimension(self) -> int:
        return self._encoder.bundle.dimension

    def to_json(self, settings: ChunkingSettings) -> dict[str, Any]:
        return {"vectors": "model", "fingerprint": self.fingerprint, "chunking": settings.to_json()}

    def pieces(self, batch: Batch, rows: int, settings: ChunkingSettings) -> Iterator[Piece]:
        for read in self.read([record.document for _, record in batch.records], rows, settings):
            end, _ = batch.records[read.stop - 1]
            yield Piece(read.documents, read.vectors, read.spans, end, read.totals, read.unread)

    def read(self, documents: Sequence[Document], rows: int, settings: ChunkingSettings) -> Iterator[Read]:
        """What the model makes of the documents, in order, in parts of about `rows` rows, or of one document that has
        more. `settings`: the collection's."""
        start, cut = 0, _Cut()
        for at in range(0, len(documents), _SLICE):
            some = documents[at : at + _SLICE]
            more = chunk(some, self._tokenizer, settings, self._budget)
            if at > start and len(cut.texts) + more.report.chunks > rows:
                yield self._read(documents[start:at], at, cut, settings)
                start, cut = at, _Cut()
            cut.add(some, more)
        if start < len(documents):
            yield self._read(documents[start:], len(documents), cut, settings)

    def whole(self, documents: Sequence[Document], settings: ChunkingSettings) -> IndexVectors:
        """What the model makes of all the documents, in one part."""
        (read,) = self.read(documents, _ALL, settings)
        return IndexVectors(read.vectors, read.spans)

    def _read(self, documents: Sequence[Document], stop: int, cut: _Cut, settings: ChunkingSettings) -> Read:
        vectors = self._encoder.encode(cut.texts, InputType.DOCUMENT).vectors
        spans = None if settings.method is Method.WHOLE else cut.spans
        return Read(list(documents), stop, vectors, spans, cut.totals, cut.unread)


@dataclass(slots=True)
class _Cut:
    """What documents were cut into, gathered until it is enough for a part."""

    texts: list[str] = field(default_factory=list)
    spans: Spans = field(default_factory=list)
    totals: ChunkTotals = field(default_factory=ChunkTotals)
    unread: list[Unread] = field(default_factory=list)

    def add(self, documents: Sequence[Document], more: Chunked) -> None:
        for document, chunks, unread in zip(documents, more.chunks, more.report.unread.tolist(), strict=True):
            self.texts += [each.content_of(document.text) for each in chunks]
            self.spans.append([(each.start, each.end) for each in chunks])
            if unread:
                places = tuple((each.start, each.end, each.read_end) for each in chunks)
                self.unread.append(Unread(document.id, unread, places))
        self.totals = self.totals.plus(ChunkTotals.of(more.report))
