"""What an evaluation stands on: documents, queries and judgments of one split, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade.evaluation.corpus_file import CorpusFile, DocumentsById, framed
from crossfade.store.types import Document

Qrels = dict[str, dict[str, int]]
"""query id -> document id -> grade; a grade above 0 is relevant."""

Run = dict[str, dict[str, float]]
"""query id -> document id -> score; higher is better."""

Rankings = Mapping[str, Mapping[str, float]]
"""The same, read only: dictionaries, or arrays that read like them (`array_run.ArrayRun`)."""

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as work goes on, in the stage's own unit."""


@dataclass(frozen=True)
class Dataset:
    """One split of a retrieval data set.

    `documents`: a list, or of a large corpus what reads each from its file (`corpus_file.CorpusFile`): to go through
    them in order, or in slices, is much faster than to ask for one after another. `queries` holds the judged queries
    only, in file order. `absent_judgments` counts judgments of documents that the corpus lacks; they stay in `qrels`,
    where they count as relevant documents that nothing can retrieve.
    """

    name: str
    split: str
    documents: Sequence[Document]
    queries: dict[str, str]
    qrels: Qrels
    absent_judgments: int = 0

    @cached_property
    def corpus_hash(self) -> str:
        """SHA-256 (hex) of the documents in order: ids, titles, texts. Whitespace of the file plays no part."""
        if isinstance(self.documents, CorpusFile):
            return self.documents.digest
        return _digest(part for document in self.documents for part in (document.id, document.title, document.text))

    @cached_property
    def queries_hash(self) -> str:
        """SHA-256 (hex) of the judged queries, whatever their order."""
        return _digest(part for query_id in sorted(self.queries) for part in (query_id, self.queries[query_id]))

    @cached_property
    def qrels_hash(self) -> str:
        """SHA-256 (hex) of the judgments, whatever their order."""
        return _digest(
            part
            for query_id in sorted(self.qrels)
            for document_id, grade in sorted(self.qrels[query_id].items())
            for part in (query_id, document_id, str(grade))
        )

    @cached_property
    def documents_by_id(self) -> Mapping[str, Document]:
        if isinstance(self.documents, CorpusFile):
            return DocumentsById(self.documents)
        return {document.id: document for document in self.documents}

    @cached_property
    def document_ids(self) -> NDArray[np.object_]:
        """The id of each document, in order: an object array, shape (documents,)."""
        names = self.documents.ids if isinstance(self.documents, CorpusFile) else [each.id for each in self.documents]
        ids: NDArray[np.object_] = np.empty(len(names), dtype=object)
        ids[:] = names
        return ids

    @cached_property
    def document_places(self) -> Mapping[str, int]:
        """Document id to its place in `documents`."""
        if isinstance(self.documents, CorpusFile):
            return self.documents.places
        return {document.id: place for place, document in enumerate(self.documents)}

    @cached_property
    def document_lengths(self) -> NDArray[np.int32]:
        """Characters of each document's title and text, int32, shape (documents,)."""
        if isinstance(self.documents, CorpusFile):
            return self.documents.lengths
        lengths = (len(document.title) + len(document.text) for document in self.documents)
        return np.fromiter(lengths, dtype=np.int32, count=len(self.documents))

    def contents(self, rows: Sequence[int]) -> list[str]:
        """What a model reads of the documents at these places."""
        if isinstance(self.documents, CorpusFile):
            return [document.content for document in self.documents.read(rows)]
        return [self.documents[row].content for row in rows]


def _digest(parts: Iterable[str]) -> str:
    """Hash a sequence of strings so that no two sequences share their bytes."""
    state = hashlib.sha256()
    for part in parts:
        state.update(framed(part))
    return state.hexdigest()
