"""What an evaluation stands on: documents, queries and judgments of one split, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from crossfade.store.types import Document

Qrels = dict[str, dict[str, int]]
"""query id -> document id -> grade; a grade above 0 is relevant."""

Run = dict[str, dict[str, float]]
"""query id -> document id -> score; higher is better."""

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as work goes on, in the stage's own unit."""


@dataclass(frozen=True)
class Dataset:
    """One split of a retrieval data set.

    `queries` holds the judged queries only, in file order. `absent_judgments` counts judgments of documents that the
    corpus lacks; they stay in `qrels`, where they count as relevant documents that nothing can retrieve.
    """

    name: str
    split: str
    documents: list[Document]
    queries: dict[str, str]
    qrels: Qrels
    absent_judgments: int = 0

    @cached_property
    def corpus_hash(self) -> str:
        """SHA-256 (hex) of the documents in order: ids, titles, texts. Whitespace of the file plays no part."""
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
    def documents_by_id(self) -> dict[str, Document]:
        return {document.id: document for document in self.documents}


def _digest(parts: Iterable[str]) -> str:
    """Hash a sequence of strings so that no two sequences share their bytes: each part is preceded by its length."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode()
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()
