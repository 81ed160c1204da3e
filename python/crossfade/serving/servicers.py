"""The thin layer: each method reads a message, hands a batch to the executor, writes a message. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2, models_pb2, scoring_pb2
from crossfade.errors import InvalidInput
from crossfade.serving import wire
from crossfade.serving.batches import GivenVectors, MeasureBatch, ScoreBatch, SearchBatch, Space, UpsertBatch
from crossfade.serving.call import Call
from crossfade.serving.decode import has
from crossfade.serving.executor import Executor

Answer = Callable[[Any, Call, wire.Clock], Message]


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc. `computes`: it may take long, so it waits its turn among the workers; the others never wait for it."""

    service: str
    name: str
    request: type[Message]
    answer: Answer
    computes: bool


def methods(executor: Executor) -> list[Method]:
    """Every rpc of crossfade.v1."""
    collections = Collections(executor)
    calls = collections_pb2
    in_collections: list[tuple[str, type[Message], Answer, bool]] = [
        ("CreateCollection", calls.CreateCollectionRequest, collections.create, False),
        ("ListCollections", calls.ListCollectionsRequest, collections.list, False),
        ("DeleteCollection", calls.DeleteCollectionRequest, collections.drop, False),
        ("Upsert", calls.UpsertRequest, collections.upsert, True),
        ("Delete", calls.DeleteRequest, collections.delete, True),
        ("Search", calls.SearchRequest, collections.search, True),
    ]
    computing = Computing(executor)
    return [
        *(Method("crossfade.v1.CollectionService", *parts) for parts in in_collections),
        Method("crossfade.v1.EmbeddingService", "Embed", embedding_pb2.EmbedRequest, computing.embed, True),
        Method("crossfade.v1.EvaluationService", "Measure", evaluation_pb2.MeasureRequest, computing.measure, True),
        Method("crossfade.v1.ModelService", "ListModels", models_pb2.ListModelsRequest, computing.list_models, False),
        Method("crossfade.v1.ScoringService", "Score", scoring_pb2.ScoreRequest, computing.score, True),
    ]


class Computing:
    """The services that keep nothing: embedding, scoring, evaluation, models."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def embed(self, request: embedding_pb2.EmbedRequest, call: Call, clock: wire.Clock) -> embedding_pb2.EmbedResponse:
        kind = wire.input_type(request.input_type)
        embedded = self._executor.embed(request.model, kind, request.texts, call)
        embeddings = embedded.embeddings
        return embedding_pb2.EmbedResponse(
            vectors=wire.vectors_message(embeddings.vectors),
            fingerprint=embedded.fingerprint,
            token_counts=embeddings.token_counts.tolist(),
            truncated=embeddings.truncated.tolist(),
            times=clock.embedding_times(embeddings),
        )

    def score(self, request: scoring_pb2.ScoreRequest, call: Call, clock: wire.Clock) -> scoring_pb2.ScoreResponse:
        batch = ScoreBatch(
            queries=wire.vectors(request.queries, "queries"),
            corpus=wire.vectors(request.corpus, "corpus"),
            k=request.k,
            metric=wire.metric(request.metric),
        )
        scored = self._executor.score(batch, call)
        rows = zip(scored.indices.tolist(), scored.scores.tolist(), strict=True)
        return scoring_pb2.ScoreResponse(
            rankings=[scoring_pb2.Ranking(indices=indices, scores=scores) for indices, scores in rows],
            times=clock.times(search_ns=scored.search_ns),
        )

    def measure(
        self,
        request: evaluation_pb2.MeasureRequest,
        call: Call,
        clock: wire.Clock,  # noqa: ARG002 - every method is called alike; this answer carries no times
    ) -> evaluation_pb2.MeasureResponse:
        batch = MeasureBatch(
            qrels=[
                (query.query_id, [(one.document_id, one.grade) for one in query.judgments]) for query in request.qrels
            ],
            run=[(query.query_id, [(one.document_id, one.score) for one in query.documents]) for query in request.run],
            measures=request.measures,
            count_missing_queries=request.count_missing_queries,
        )
        measured = self._executor.measure(batch, call)
        values = measured.values.T.tolist() if request.per_query else [[]] * len(measured.measures)
        return evaluation_pb2.MeasureResponse(
            measures=[
                evaluation_pb2.MeasureValue(measure=name, mean=measured.means[name], values=column)
                for name, column in zip(measured.measures, values, strict=True)
            ],
            query_ids=measured.query_ids if request.per_query else (),
            queries=len(measured.query_ids),
            missing_queries=measured.missing_queries,
        )

    def list_models(self, _request: Message, _call: Call, _clock: wire.Clock) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(
            models=[wire.model_message(served) for served in self._executor.list_models()],
            limits=wire.limits_message(self._executor.settings),
        )


class Collections:
    """The collection service."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def create(
        self, request: collections_pb2.CreateCollectionRequest, _call: Call, _clock: wire.Clock
    ) -> collections_pb2.CreateCollectionResponse:
        if has(request, "model"):
            space: str | Space = request.model
        elif has(request, "vector_space"):
            space = Space(request.vector_space.dimension, request.vector_space.document_fingerprint)
        else:
            raise InvalidInput(
                "the collection's space is missing: name a served model, or give a vector_space with its dimension and "
                "document fingerprint"
            )
        state = self._executor.create_collection(request.name, wire.metric(request.metric), space)
        return collections_pb2.CreateCollectionResponse(collection=wire.collection_message(state))

    def list(self, _request: Message, _call: Call, _clock: wire.Clock) -> collections_pb2.ListCollectionsResponse:
        states = self._executor.list_collections()
        return collections_pb2.ListCollectionsResponse(collections=[wire.collection_message(state) for state in states])

    def drop(
        self, request: collections_pb2.DeleteCollectionRequest, _call: Call, _clock: wire.Clock
    ) -> collections_pb2.DeleteCollectionResponse:
        self._executor.delete_collection(request.name)
        return collections_pb2.DeleteCollectionResponse()

    def upsert(
        self, request: collections_pb2.UpsertRequest, call: Call, clock: wire.Clock
    ) -> collections_pb2.UpsertResponse:
        batch = UpsertBatch(
            collection=request.collection,
            documents=[wire.document(message) for message in request.documents],
            model=request.model,
            given=_given(request),
        )
        upserted = self._executor.upsert(batch, call)
        embeddings = upserted.embeddings
        return collections_pb2.UpsertResponse(
            added=upserted.counts.added,
            replaced=upserted.counts.replaced,
            token_counts=() if embeddings is None else embeddings.token_counts.tolist(),
            truncated=() if embeddings is None else embeddings.truncated.tolist(),
            times=clock.embedding_times(embeddings),
        )

    def delete(
        self, request: collections_pb2.DeleteRequest, call: Call, _clock: wire.Clock
    ) -> collections_pb2.DeleteResponse:
        call.check()
        return collections_pb2.DeleteResponse(deleted=self._executor.delete(request.collection, request.ids))

    def search(
        self, request: collections_pb2.SearchRequest, call: Call, clock: wire.Clock
    ) -> collections_pb2.SearchResponse:
        batch = SearchBatch(
            collection=request.collection,
            k=request.k,
            model=request.model,
            texts=request.texts,
            given=_given(request),
            with_documents=request.with_documents,
        )
        found = self._executor.search(batch, call)
        result = found.result
        return collections_pb2.SearchResponse(
            results=[
                collections_pb2.Hits(
                    hits=[
                        collections_pb2.Hit(
                            id=hit.id, score=hit.score, document=wire.document_message(found.documents.get(hit.id))
                        )
                        for hit in hits
                    ]
                )
                for hits in result.hits
            ],
            query_fingerprint=result.query_fingerprint,
            times=clock.times(tokenise_ns=result.tokenise_ns, infer_ns=result.infer_ns, search_ns=result.search_ns),
        )


def _given(request: collections_pb2.UpsertRequest | collections_pb2.SearchRequest) -> GivenVectors | None:
    """The vectors of a request that has them. An empty Vectors message is still an answer to "which of the two"."""
    if not has(request, "vectors"):
        return None
    return GivenVectors(wire.vectors(request.vectors, "vectors"), request.fingerprint)
