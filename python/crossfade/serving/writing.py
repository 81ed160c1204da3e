"""Upserts: documents cut and embedded once for each model that they need, and written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crossfade._native import Call
from crossfade.errors import NotFound
from crossfade.models import Embeddings
from crossfade.serving.batches import EmbedDocuments, UpsertBatch, Upserted
from crossfade.serving.dual_writes import Plan, Planner, Source, still_there
from crossfade.serving.limits import Limits
from crossfade.serving.passages import Cutter, Passages, Reading
from crossfade.store import Collection, IndexVectors, UpsertCounts
from crossfade.store.checks import check_ids


class Writing:
    """The part of the executor that takes documents. Safe to use from many threads."""

    def __init__(
        self,
        planner: Planner,
        limits: Limits,
        cutter: Callable[[str], Cutter],
        embed: EmbedDocuments,
    ) -> None:
        """`cutter`: of a served model, cuts documents into what it reads of them; `embed`: that to vectors, by way of
        the front end's queue."""
        self._planner = planner
        self._limits = limits
        self._cutter = cutter
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
            model: self._embedded(model, collection, batch, call, told=model == plan.sources[plan.target])
            for model in dict.fromkeys(source for source in plan.sources.values() if isinstance(source, str))
        }
        vectors = {version: _vectors(source, read) for version, source in plan.sources.items()}
        # Before they are written: what is said of documents must not fail when they have been taken.
        reading = self._reading(plan.sources[plan.target], batch, read)
        counts, written = _write(collection, batch, plan, vectors)
        done = [each for _, each, _ in read.values()]
        return Upserted(counts, sum(queue_ns for _, _, queue_ns in read.values()), reading, done, written)

    def _embedded(
        self, model: str, collection: Collection, batch: UpsertBatch, call: Call, *, told: bool
    ) -> tuple[Passages, Embeddings, int]:
        """`told`: the answer says what this model read, chunk by chunk if that is asked for."""
        passages = self._cutter(model).cut(batch.documents, collection.settings.chunking)
        if told and batch.with_chunks:
            self._limits.chunks(len(passages.texts))
        return passages, *self._embed(model, passages.texts, call)

    def _reading(
        self, source: Source, batch: UpsertBatch, read: Mapping[str, tuple[Passages, Embeddings, int]]
    ) -> Reading | None:
        """What the model of the version that is written to by default has read; None where no model did."""
        if not isinstance(source, str):
            return None
        passages, embeddings, _ = read[source]
        return self._cutter(source).reading(batch.documents, passages, embeddings)


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
