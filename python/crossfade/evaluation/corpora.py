"""The corpus of a data set as an arm searches it: in memory where vectors of whole documents do, else in a store that
is made for the evaluation and goes with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import TokenBudget, chunk
from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.models.encoder import Encoder
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Collection, CollectionSettings, CollectionSpec, DurableCollection, DurableStore
from crossfade.store.types import Document

_DOCUMENTS = 512  # cut or written at once
_NO_MODEL = "none"  # the fingerprint of a collection that is searched by words alone

Spans = list[list[tuple[int, int]]]


class ArmCorpora:
    """Collections by arm and model, each made once. Use as a context manager: what is on disk goes at its end."""

    def __init__(self, indexes: CorpusIndexes, *, progress: Progress | None = None) -> None:
        self._indexes = indexes
        self._progress = progress
        self._held = ExitStack()
        self._store: DurableStore | None = None
        self._made: dict[tuple[object, ...], tuple[Collection, Mapping[str, Any]]] = {}

    def __enter__(self) -> ArmCorpora:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def dataset(self) -> Dataset:
        return self._indexes.dataset

    def collection(self, arm: Arm, encoder: ModelEncoder | None) -> tuple[Collection, Mapping[str, Any]]:
        """The corpus as the arm searches it, and what the record should say of it: tokens that the model read,
        documents that it did not read to their end, and rows where documents are cut."""
        if encoder is not None and arm.whole and arm.mode == "dense":
            corpus = self._indexes.vectors(encoder)
            return self._indexes.collection(encoder), _notes(corpus.tokens, corpus.truncated)
        embedded = None if arm.mode == "lexical" else encoder
        cutting = None if arm.whole else encoder
        key = (_fingerprint(embedded), _fingerprint(cutting), arm.chunking, arm.analyser)
        if key not in self._made:
            vectors, spans, notes = self._rows(arm, embedded, cutting)
            made = self._new(arm, embedded)
            self._write(made, vectors, spans)
            self._made[key] = made, notes
        return self._made[key]

    def _rows(
        self, arm: Arm, embedded: ModelEncoder | None, cutting: ModelEncoder | None
    ) -> tuple[NDArray[np.float32], Spans | None, Mapping[str, Any]]:
        """Vectors of all rows, which mean nothing where words alone are searched, where each lies, and what to note."""
        if cutting is None:
            if embedded is None:
                return np.ones((len(self.dataset.documents), 1), dtype=np.float32), None, {}
            corpus = self._indexes.vectors(embedded)
            return corpus.vectors, None, _notes(corpus.tokens, corpus.truncated)
        texts, spans, unread = self._cut(arm, cutting)
        if embedded is None:
            return np.ones((len(texts), 1), dtype=np.float32), spans, {"rows": len(texts)}
        corpus = self._indexes.chunks(embedded, texts, arm.chunking)
        return corpus.vectors, spans, {**_notes(corpus.tokens, unread), "rows": len(texts)}

    def _new(self, arm: Arm, encoder: ModelEncoder | None) -> DurableCollection:
        if self._store is None:
            place = self._held.enter_context(tempfile.TemporaryDirectory(prefix="crossfade-evaluation-"))
            self._store = self._held.enter_context(DurableStore(Path(place) / "store", upkeep=False))
        dimension = 1 if encoder is None else encoder.bundle.dimension
        spec = CollectionSpec(f"corpus-{len(self._made)}", dimension, "cosine", _fingerprint(encoder))
        return self._store.create(spec, CollectionSettings(analyser=arm.analyser, chunking=arm.chunking))

    def _cut(self, arm: Arm, encoder: ModelEncoder) -> tuple[list[str], Spans, int]:
        """What the model is to read of all documents, where it lies in each, and of how many something is not read."""
        if not isinstance(encoder, Encoder):
            raise InvalidInput("documents are cut by a model's tokenizer, and this encoder has none: give a bundle's")
        bundle, documents = encoder.bundle, self.dataset.documents
        tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        budget = TokenBudget(bundle.max_tokens, tokenizer.special_tokens, bundle.prompts.document)
        texts: list[str] = []
        spans: Spans = []
        unread = 0
        for start in range(0, len(documents), _DOCUMENTS):
            some: Sequence[Document] = documents[start : start + _DOCUMENTS]
            done = chunk(some, tokenizer, arm.chunking, budget)
            for document, pieces in zip(some, done.chunks, strict=True):
                texts += [piece.content_of(document.text) for piece in pieces]
                spans.append([(piece.start, piece.end) for piece in pieces])
            unread += done.report.unread_documents
            if self._progress:
                self._progress("cutting documents", start + len(some), len(documents))
        return texts, spans, unread

    def _write(self, collection: DurableCollection, vectors: NDArray[np.float32], spans: Spans | None) -> None:
        documents, row = self.dataset.documents, 0
        for start in range(0, len(documents), _DOCUMENTS):
            some = documents[start : start + _DOCUMENTS]
            part = None if spans is None else spans[start : start + _DOCUMENTS]
            end = row + (len(some) if part is None else sum(map(len, part)))
            collection.upsert(some, vectors[row:end], spans=part)
            row = end
            if self._progress:
                self._progress("indexing", start + len(some), len(documents))
        collection.seal()


def _fingerprint(encoder: ModelEncoder | None) -> str:
    return _NO_MODEL if encoder is None else encoder.bundle.document_fingerprint


def _notes(tokens: int, truncated: int) -> dict[str, Any]:
    return {"corpus_tokens": tokens, "truncated_documents": truncated}


def check_collection(dataset: Dataset, collection: Collection) -> None:
    """Raises InvalidInput unless a store's collection holds the documents of the data set, and no other: the judgments
    are of those."""
    name = collection.spec.name
    if collection.settings.tenant_field is not None:
        raise InvalidInput(f"collection {name!r} is of tenants, and judgments are not: evaluate one that is not shared")
    if (pending := collection.snapshot().pending) > 0:
        raise InvalidInput(
            f"the index version of collection {name!r} lacks {pending:,} documents: fill it before it is measured"
        )
    documents = dataset.documents
    for start in range(0, len(documents), _DOCUMENTS):
        some = documents[start : start + _DOCUMENTS]
        for wanted, found in zip(some, collection.documents([each.id for each in some]), strict=True):
            if found is None:
                raise InvalidInput(
                    f"collection {name!r} lacks document {wanted.id!r} of {dataset.name}: ingest it first"
                )
            if (found.title, found.text) != (wanted.title, wanted.text):
                raise InvalidInput(
                    f"document {wanted.id!r} says one thing in collection {name!r} and another in {dataset.name}: "
                    "ingest the data set again"
                )
    if len(collection) != len(documents):
        raise InvalidInput(
            f"collection {name!r} has {len(collection):,} documents and {dataset.name} {len(documents):,}: judgments "
            "say nothing of the others; put the data set into a collection of its own"
        )
