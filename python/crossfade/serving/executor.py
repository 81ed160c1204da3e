"""Everything the service does, by whole batches, without a word of gRPC.

Whatever receives calls (the grpc.aio servicers now, another front end later) hands batches to this object from any
thread. Every check of a call's content is here, so that two front ends cannot differ.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from crossfade import kernels, measures
from crossfade.config import Settings
from crossfade.errors import FingerprintMismatch, InvalidInput, NotFound
from crossfade.models import Bundle, Embeddings, InputType
from crossfade.retrieval import Retriever, SearchResult, check_encoder
from crossfade.serving.batches import (
    CollectionState,
    Embedded,
    Found,
    GivenVectors,
    MeasureBatch,
    Measured,
    ScoreBatch,
    Scored,
    SearchBatch,
    ServedModel,
    Space,
    UpsertBatch,
    Upserted,
)
from crossfade.serving.call import Call
from crossfade.serving.limits import Limits
from crossfade.store import Collection, CollectionSpec, Document, Metric, Store
from crossfade.store.checks import check_ids, finite_matrix

Value = TypeVar("Value", int, float)

# Texts between two looks at whether the caller still waits; enough for the encoder to sort them by length well.
_SLICE = 256


class ServedEncoder(Protocol):
    """A loaded model; `crossfade.models.Encoder` is one."""

    @property
    def bundle(self) -> Bundle: ...

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings: ...


class Executor:
    """Models by the name they are served under, and the collections. Safe to use from many threads.

    Every method that computes takes the `Call` it works for and gives up between two steps when nobody waits.
    """

    def __init__(self, encoders: Mapping[str, ServedEncoder], store: Store, settings: Settings) -> None:
        self._encoders = dict(sorted(encoders.items()))
        self._store = store
        self._limits = Limits(settings)
        self._threads = settings.threads

    @property
    def settings(self) -> Settings:
        return self._limits.settings

    def list_models(self) -> list[ServedModel]:
        """Sorted by name."""
        return [ServedModel(name, encoder.bundle) for name, encoder in self._encoders.items()]

    def embed(self, model: str, input_type: InputType, texts: Sequence[str], call: Call) -> Embedded:
        """Raises NotFound, InvalidInput, LimitExceeded."""
        encoder = self._encoder(model)
        self._limits.batch(len(texts), "texts")
        self._limits.texts(texts, "text")
        fingerprint = encoder.bundle.fingerprint(input_type)
        return Embedded(_encode(encoder, texts, input_type, call), fingerprint)

    def create_collection(self, name: str, metric: Metric, space: str | Space) -> CollectionState:
        """`space`: a served model's name, or a space named outright. Raises NotFound, AlreadyExists, InvalidInput."""
        if isinstance(space, str):
            bundle = self._encoder(space).bundle
            space = Space(bundle.dimension, bundle.document_fingerprint)
        spec = CollectionSpec(name, space.dimension, metric, space.document_fingerprint)
        return _state(self._store.create(spec))

    def list_collections(self) -> list[CollectionState]:
        """Sorted by name."""
        return [_state(collection) for collection in self._store.list()]

    def delete_collection(self, name: str) -> None:
        """Raises NotFound."""
        self._store.drop(name)

    def upsert(self, batch: UpsertBatch, call: Call) -> Upserted:
        """All of the batch is taken, or none. Raises NotFound, InvalidInput, LimitExceeded, FingerprintMismatch."""
        collection = self._store.get(batch.collection)
        documents = batch.documents
        self._limits.batch(len(documents), "documents")
        # Before the model runs: it may take seconds, and the store would refuse these afterwards.
        check_ids([document.id for document in documents])
        if batch.given is not None:
            if batch.model:
                raise InvalidInput("model and vectors are both given: send one of them")
            self._limits.texts((document.content for document in documents), "document")
            _check_document_vectors(collection.spec, batch.given)
            call.check()
            return Upserted(collection.upsert(documents, batch.given.vectors), None)
        if not batch.model:
            raise InvalidInput(
                "neither model nor vectors are given: name a served model to embed the documents, or send one vector "
                "a document with the fingerprint of the encoder that made them"
            )
        encoder = self._encoder(batch.model)
        check_encoder(collection, encoder)
        contents = [document.content for document in documents]
        self._limits.texts(contents, "document")
        embeddings = _encode(encoder, contents, InputType.DOCUMENT, call)
        return Upserted(collection.upsert(documents, embeddings.vectors), embeddings)

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        """How many of the ids were there. Raises NotFound for the collection, InvalidInput, LimitExceeded."""
        found = self._store.get(collection)
        self._limits.batch(len(ids), "ids")
        return found.delete(ids)

    def search(self, batch: SearchBatch, call: Call) -> Found:
        """Raises NotFound, InvalidInput, LimitExceeded, FingerprintMismatch."""
        collection = self._store.get(batch.collection)
        self._limits.k(batch.k)
        if batch.given is not None:
            result = self._search_vectors(collection, batch, batch.given, call)
        else:
            result = self._search_texts(collection, batch, call)
        documents: dict[str, Document] = {}
        if batch.with_documents:
            ids = list({hit.id for hits in result.hits for hit in hits})
            documents = {
                name: document
                for name, document in zip(ids, collection.documents(ids), strict=True)
                if document is not None
            }
            sizes = {
                name: len(document.id) + len(document.title) + len(document.text)
                for name, document in documents.items()
            }
            self._limits.answer(sum(sizes.get(hit.id, 0) for hits in result.hits for hit in hits))
        return Found(result, documents)

    def score(self, batch: ScoreBatch, call: Call) -> Scored:
        """Exact top-k of the vectors given. Raises InvalidInput, LimitExceeded."""
        self._limits.k(batch.k)
        self._limits.score_side(len(batch.queries), "query")
        self._limits.score_side(len(batch.corpus), "corpus")
        self._limits.results(len(batch.queries), min(batch.k, len(batch.corpus)))
        dimension = batch.queries.shape[1]
        why = f"the query vectors have {dimension} dimensions"
        queries = finite_matrix(batch.queries, rows=None, dimension=dimension, what="query vector", why=why)
        corpus = finite_matrix(batch.corpus, rows=None, dimension=dimension, what="corpus vector", why=why)
        call.check()
        start = time.perf_counter_ns()
        scores, indices = kernels.top_k(queries, corpus, batch.k, metric=batch.metric, threads=self._threads)
        return Scored(scores, indices, time.perf_counter_ns() - start)

    def measure(self, batch: MeasureBatch, call: Call) -> Measured:
        """Measures of a run, ties as trec_eval orders them. Raises InvalidInput."""
        if not batch.measures:
            raise InvalidInput("no measures in the call: name at least one, such as nDCG@10")
        self._limits.measures(len(batch.measures), len(batch.qrels))
        if not batch.qrels:
            raise InvalidInput("no judgments in the call: send the qrels of at least one query")
        qrels = _by_query(batch.qrels, "qrels")
        run = _by_query(batch.run, "run")
        missing = sum(query not in run for query in qrels)
        if missing == len(qrels) and not batch.count_missing_queries:
            raise InvalidInput(
                "the run answers none of the judged queries: check that both use the same query ids, or set "
                "count_missing_queries to count them as 0"
            )
        call.check()
        table = measures.evaluate(
            qrels, run, list(batch.measures), missing="zero" if batch.count_missing_queries else "skip"
        )
        return Measured(table.measures, table.query_ids, table.means(), table.values, len(table.missing))

    def _search_texts(self, collection: Collection, batch: SearchBatch, call: Call) -> SearchResult:
        if not batch.model:
            what = "texts are given without a model" if batch.texts else "neither texts nor vectors are given"
            raise InvalidInput(f"{what}: send texts with a served model's name, or vectors with their fingerprint")
        encoder = self._encoder(batch.model)
        retriever = Retriever(collection, encoder, self._threads)
        self._limits.batch(len(batch.texts), "query texts")
        self._limits.results(len(batch.texts), min(batch.k, len(collection)))
        self._limits.texts(batch.texts, "query text")
        call.check()
        return retriever.search_texts(batch.texts, batch.k)

    def _search_vectors(
        self, collection: Collection, batch: SearchBatch, given: GivenVectors, call: Call
    ) -> SearchResult:
        if batch.texts or batch.model:
            raise InvalidInput("vectors are given together with texts or a model: send one or the other")
        self._limits.batch(len(given.vectors), "query vectors")
        self._limits.results(len(given.vectors), min(batch.k, len(collection)))
        spec = collection.spec
        encoder = next(
            (
                encoder
                for encoder in self._encoders.values()
                if encoder.bundle.query_fingerprint == given.fingerprint
                and encoder.bundle.document_fingerprint == spec.document_fingerprint
            ),
            None,
        )
        retriever = Retriever(collection, encoder, self._threads)
        call.check()
        return retriever.search_vectors(given.vectors, batch.k, fingerprint=given.fingerprint)

    def _encoder(self, name: str) -> ServedEncoder:
        encoder = self._encoders.get(name)
        if encoder is None:
            served = ", ".join(self._encoders) or "none"
            raise NotFound(f"no model {name[:80]!r} is served here: use one of {served}")
        return encoder


def _encode(encoder: ServedEncoder, texts: Sequence[str], input_type: InputType, call: Call) -> Embeddings:
    parts: list[Embeddings] = []
    for start in range(0, len(texts), _SLICE):
        call.check()
        parts.append(encoder.encode(texts[start : start + _SLICE], input_type))
    if len(parts) == 1:
        return parts[0]
    return Embeddings(
        vectors=np.concatenate([part.vectors for part in parts]),
        token_counts=np.concatenate([part.token_counts for part in parts]),
        truncated=np.concatenate([part.truncated for part in parts]),
        tokenise_ns=sum(part.tokenise_ns for part in parts),
        infer_ns=sum(part.infer_ns for part in parts),
    )


def _check_document_vectors(spec: CollectionSpec, given: GivenVectors) -> None:
    if not given.fingerprint:
        raise InvalidInput("vectors came without a fingerprint: give the fingerprint that Embed returned with them")
    if given.fingerprint != spec.document_fingerprint:
        raise FingerprintMismatch(
            f"the vectors have fingerprint {given.fingerprint[:80]}, collection {spec.name!r} holds "
            f"{spec.document_fingerprint}: embed the documents, as documents, with the model the collection was made "
            "for, or create a collection for their own"
        )


def _by_query(queries: Sequence[tuple[str, Sequence[tuple[str, Value]]]], what: str) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for query, pairs in queries:
        if query in found:
            raise InvalidInput(f"{what} name query {query[:80]!r} twice: send each query once")
        values = found[query] = dict(pairs)
        if len(values) != len(pairs):
            twice = Counter(document for document, _ in pairs).most_common(1)[0][0]
            raise InvalidInput(f"{what} name document {twice[:80]!r} twice for query {query[:80]!r}: send it once")
    return found


def _state(collection: Collection) -> CollectionState:
    return CollectionState(collection.spec, len(collection))
