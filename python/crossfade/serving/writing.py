"""Upserts: documents cut and embedded once for each model that they need, and written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crossfade._native import Call
from crossfade.chunking import ChunkingSettings
from crossfade.errors import NotFound
from crossfade.models import Embeddings
from crossfade.serving.batches import EmbedDocuments, UpsertBatch, Upserted
from crossfade.serving.dual_writes import Plan, Planner, Source, still_there
from crossfade.serving.limits import Limits
from crossfade.serving.passages import Passages
from crossfade.store import Collection, Document, IndexVectors, UpsertCounts
from crossfade.store.checks import check_ids


class Writing:
    """The part of the executor that takes documents. Safe to use from many threads."""

    def __init__(
        self,
        planner: Planner,
        limits: Limits,
        cut: Callable[[str, Sequence[Document], ChunkingSettings], Passages],
        embed: EmbedDocuments,
    ) -> None:
        """`cut`: documents into what a model reads of them; `embed`: that to vectors, by way of the front end's
        queue."""
        self._planner = planner
        self._limits = limits
        self._cut = cut
        self._embed = embed

    def upsert(self, collection: Collection, batch: UpsertBatch, call: Call) -> Upserted:
        """`collection`: pinned. Raises as `Executor.upsert`."""
        documents = batch.documents
        self._limits.batch(len(documents), "documents")
        # Before a model runs: it may take seconds, and the store would refuse these afterwards.
        check_ids([document.id for document in documents])
        plan = self._planner.plan(collection, batch)
        self._limits.texts((document.content for document in documents), "document")
        call.check()
        read = {
            model: self._embedded(model, collection, documents, call)
            for model in dict.fromkeys(source for source in plan.sources.values() if isinstance(source, str))
        }
        vectors = {version: _vectors(source, read) for version, source in plan.sources.items()}
        counts, written = _write(collection, batch, plan, vectors)
        source = plan.sources[plan.target]
        passages, embeddings, _ = read[source] if isinstance(source, str) else (None, None, 0)
        done = [each for _, each, _ in read.values()]
        return Upserted(counts, embeddings, sum(queue_ns for _, _, queue_ns in read.values()), passages, done, written)

    def _embedded(
        self, model: str, collection: Collection, documents: Sequence[Document], call: Call
    ) -> tuple[Passages, Embeddings, int]:
        passages = self._cut(model, documents, collection.settings.chunking)
        return passages, *self._embed(model, passages.texts, call)


def _vectors(source: Source, read: Mapping[str, tuple[Passages, Embeddings, int]]) -> IndexVectors:
    if not isinstance(source, str):
        return IndexVectors(source.vectors)
    passages, embeddings, _ = read[source]
    return IndexVectors(embeddings.vectors, passages.spans)


def _write(
    collection: Collection, batch: UpsertBatch, plan: Plan, vectors: Mapping[int, IndexVectors]
) -> tuple[UpsertCounts, list[int]]:
    """One transaction; with it, the versions that took part in it."""
    own = vectors[plan.target]
    wanted: Sequence[int] = list(vectors)
    while True:
        also = {version: vectors[version] for version in wanted if version != plan.target}
        try:
            counts = collection.upsert(
                batch.documents, own.vectors, spans=own.spans, expected=batch.expected, also=also or None
            )
        except NotFound:
            # The end of a move: a version that nobody named is dropped while the models run.
            left = still_there(plan, collection)
            if len(left) == len(wanted):
                raise
            wanted = left
            continue
        return counts, sorted(wanted)
