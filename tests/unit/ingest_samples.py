"""Sources and collections for tests of ingest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from evaluation_fakes import FakeEncoder
from word_tokens import WordTokens

from crossfade.chunking import TokenBudget
from crossfade.ingest import EmbeddingCutter
from crossfade.store import Collection, CollectionSpec, Document, DurableCollection, DurableStore

FINGERPRINT = "cf1-given"


def lines(path: Path, records: Iterable[Any]) -> Path:
    """JSON lines; a str or bytes is a line as it is."""
    rows = [
        each if isinstance(each, bytes) else (each if isinstance(each, str) else json.dumps(each)) for each in records
    ]
    path.write_bytes(b"".join((row if isinstance(row, bytes) else row.encode()) + b"\n" for row in rows))
    return path


def with_vectors(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Documents with vectors of 2 dimensions that say their numbers."""
    return [
        {"_id": f"d{n}", "title": f"title {n}", "text": f"text {n}", "vector": [n, -n], "metadata": {"n": n}}
        for n in range(start, start + count)
    ]


def made(store: DurableStore, name: str = "c", dimension: int = 2) -> DurableCollection:
    return store.create(CollectionSpec(name, dimension, "ip", FINGERPRINT))


def embedding(encoder: FakeEncoder, limit: int = 8) -> EmbeddingCutter:
    return EmbeddingCutter(encoder, WordTokens(), TokenBudget(limit, 2))


def contents(collection: Collection) -> dict[str, tuple[Document, list[tuple[Any, list[float]]]]]:
    """Everything that is in a collection, by id: documents, and the spans and vectors of their rows."""
    found: dict[str, list[tuple[Any, list[float]]]] = {}
    for part in collection.snapshot().parts:
        alive = np.ones(len(part.ids), np.bool_)
        if part.live is not None:
            alive = np.unpackbits(part.live, count=len(part.ids), bitorder="little").astype(np.bool_)
        spans = [None] * len(part.ids) if part.spans is None else part.spans.tolist()
        for name, span, row, there in zip(part.ids, spans, part.vectors.tolist(), alive.tolist(), strict=True):
            if there:
                found.setdefault(name, []).append((span, row))
    documents = collection.documents(sorted(found))
    assert len(found) == len(collection)
    return {each.id: (each, found[each.id]) for each in documents if each is not None}
