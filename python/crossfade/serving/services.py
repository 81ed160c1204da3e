"""The calls that come one by one: each reads a message, has the executor answer, writes a message; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from crossfade._native import Call
from crossfade._pb import collections_pb2, evaluation_pb2, models_pb2
from crossfade.errors import InvalidInput
from crossfade.protocol import ANY_VERSION
from crossfade.protocol.settings import collection_settings, metric
from crossfade.serving import wire
from crossfade.serving.batches import AlsoVersions, GivenVectors, MeasureBatch, Space, UpsertBatch
from crossfade.serving.executor import Executor
from crossfade.serving.versions import Versions

Answer = Callable[[bytes, Call], bytes]


def services(executor: Executor) -> Mapping[str, Answer]:
    """Every method that the front end hands on, by its path. The request has been found readable."""
    collections = Collections(executor)
    indexes = Indexes(executor.versions)
    calls = collections_pb2
    paths: dict[str, tuple[type[Message], Callable[[Any, Call], Message]]] = {
        "/crossfade.v1.CollectionService/CreateCollection": (calls.CreateCollectionRequest, collections.create),
        "/crossfade.v1.CollectionService/ListCollections": (calls.ListCollectionsRequest, collections.list),
        "/crossfade.v1.CollectionService/DeleteCollection": (calls.DeleteCollectionRequest, collections.drop),
        "/crossfade.v1.CollectionService/Upsert": (calls.UpsertRequest, collections.upsert),
        "/crossfade.v1.CollectionService/Delete": (calls.DeleteRequest, collections.delete),
        "/crossfade.v1.CollectionService/CreateIndex": (calls.CreateIndexRequest, indexes.create),
        "/crossfade.v1.CollectionService/DropIndex": (calls.DropIndexRequest, indexes.drop),
        "/crossfade.v1.CollectionService/FillIndex": (calls.FillIndexRequest, indexes.fill),
        "/crossfade.v1.CollectionService/SetCurrentIndex": (calls.SetCurrentIndexRequest, indexes.set_current),
        "/crossfade.v1.CollectionService/SetAlias": (calls.SetAliasRequest, indexes.set_alias),
        "/crossfade.v1.CollectionService/DropAlias": (calls.DropAliasRequest, indexes.drop_alias),
        "/crossfade.v1.CollectionService/ListAliases": (calls.ListAliasesRequest, indexes.list_aliases),
        "/crossfade.v1.EvaluationService/Measure": (evaluation_pb2.MeasureRequest, Evaluation(executor).measure),
        "/crossfade.v1.ModelService/ListModels": (models_pb2.ListModelsRequest, Models(executor).list),
    }
    return {path: _answer(path, request, answer) for path, (request, answer) in paths.items()}


# What a tenant's call may ask of collections: documents, its own. The rest is for whoever runs the service.
_OF_TENANTS = {f"/crossfade.v1.CollectionService/{name}" for name in ("Upsert", "Delete")}


def _answer(path: str, request: type[Message], answer: Callable[[Any, Call], Message]) -> Answer:
    kind: Any = request  # protobuf's own classes are made at run time and carry no types
    of_collections = path.startswith("/crossfade.v1.CollectionService/")

    def run(data: bytes, call: Call) -> bytes:
        if call.tenant is not None and of_collections and path not in _OF_TENANTS:
            raise InvalidInput(
                f"{path.rpartition('/')[2]} is not a tenant's to call: leave the metadata key crossfade-tenant out, if "
                "you run the service"
            )
        message: Any = answer(kind.FromString(data), call)
        written: bytes = message.SerializeToString()
        return written

    return run


class Evaluation:
    """The evaluation service."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def measure(self, request: evaluation_pb2.MeasureRequest, call: Call) -> evaluation_pb2.MeasureResponse:
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


class Models:
    """The model service."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def list(self, _request: Message, _call: Call) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(
            models=[wire.model_message(served) for served in self._executor.list_models()],
            limits=wire.limits_message(self._executor.settings),
        )


class Collections:
    """The collection service, but for Search, and for what is in `Indexes`."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def create(
        self, request: collections_pb2.CreateCollectionRequest, _call: Call
    ) -> collections_pb2.CreateCollectionResponse:
        space, settings = _space(request, "collection"), collection_settings(request.settings)
        state = self._executor.create_collection(request.name, metric(request.metric), space, settings)
        return collections_pb2.CreateCollectionResponse(collection=wire.collection_message(state))

    def list(self, _request: Message, _call: Call) -> collections_pb2.ListCollectionsResponse:
        states = self._executor.list_collections()
        return collections_pb2.ListCollectionsResponse(collections=[wire.collection_message(state) for state in states])

    def drop(
        self, request: collections_pb2.DeleteCollectionRequest, _call: Call
    ) -> collections_pb2.DeleteCollectionResponse:
        self._executor.delete_collection(request.name)
        return collections_pb2.DeleteCollectionResponse()

    def upsert(self, request: collections_pb2.UpsertRequest, call: Call) -> collections_pb2.UpsertResponse:
        clock = wire.Clock()
        batch = UpsertBatch(
            collection=request.collection,
            documents=[wire.document(message) for message in request.documents],
            model=request.model,
            given=_given(request),
            expected=[None if each == ANY_VERSION else each for each in request.expected_versions] or None,
            also=_also(request),
            with_chunks=request.with_chunks,
        )
        upserted = self._executor.upsert(batch, call)
        response = collections_pb2.UpsertResponse(
            added=upserted.counts.added,
            replaced=upserted.counts.replaced,
            times=clock.times(upserted.embedded, upserted.queue_ns),
            written_versions=upserted.versions,
        )
        if (reading := upserted.reading) is not None:
            response.token_counts.extend(reading.tokens.tolist())
            response.truncated.extend(reading.truncated.tolist())
            response.chunk_counts.extend(map(len, reading.spans))
            response.unread_characters.extend(reading.unread.tolist())
            if request.with_chunks:
                response.document_chunks.extend(map(wire.chunks_message, reading.chunks()))
        return response

    def delete(self, request: collections_pb2.DeleteRequest, call: Call) -> collections_pb2.DeleteResponse:
        call.check()
        return collections_pb2.DeleteResponse(deleted=self._executor.delete(request.collection, request.ids, call))


class Indexes:
    """The part of the collection service that is of index versions and aliases."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def create(self, request: collections_pb2.CreateIndexRequest, _call: Call) -> collections_pb2.CreateIndexResponse:
        index = self._versions.create(request.collection, _space(request, "index"))
        return collections_pb2.CreateIndexResponse(index=wire.index_message(index))

    def drop(self, request: collections_pb2.DropIndexRequest, _call: Call) -> collections_pb2.DropIndexResponse:
        self._versions.drop(request.collection, request.version)
        return collections_pb2.DropIndexResponse()

    def fill(self, request: collections_pb2.FillIndexRequest, call: Call) -> collections_pb2.FillIndexResponse:
        clock = wire.Clock()
        call.check()
        filled = self._versions.fill(request.collection, request.version, request.model, request.limit, call)
        return collections_pb2.FillIndexResponse(
            filled=filled.documents, pending=filled.pending, times=clock.times(filled.embedded, filled.queue_ns)
        )

    def set_current(
        self, request: collections_pb2.SetCurrentIndexRequest, _call: Call
    ) -> collections_pb2.SetCurrentIndexResponse:
        expected = request.expected_version or None
        before = self._versions.set_current(request.collection, request.version, expected, force=request.force)
        return collections_pb2.SetCurrentIndexResponse(previous_version=before)

    def set_alias(self, request: collections_pb2.SetAliasRequest, _call: Call) -> collections_pb2.SetAliasResponse:
        version, expected = request.version or None, _expected_revision(request)
        alias = self._versions.set_alias(request.name, request.collection, version, expected)
        return collections_pb2.SetAliasResponse(alias=wire.alias_message(alias))

    def drop_alias(self, request: collections_pb2.DropAliasRequest, _call: Call) -> collections_pb2.DropAliasResponse:
        self._versions.drop_alias(request.name, _expected_revision(request))
        return collections_pb2.DropAliasResponse()

    def list_aliases(self, _request: Message, _call: Call) -> collections_pb2.ListAliasesResponse:
        return collections_pb2.ListAliasesResponse(
            aliases=[wire.alias_message(alias) for alias in self._versions.aliases()]
        )


def _expected_revision(request: collections_pb2.SetAliasRequest | collections_pb2.DropAliasRequest) -> int | None:
    return request.expected_revision if wire.has(request, "expected_revision") else None


def _space(
    request: collections_pb2.CreateCollectionRequest | collections_pb2.CreateIndexRequest, what: str
) -> str | Space:
    """Which of its two forms the space of a collection or an index came in."""
    if wire.has(request, "model"):
        return request.model
    if wire.has(request, "vector_space"):
        return Space(request.vector_space.dimension, request.vector_space.document_fingerprint)
    raise InvalidInput(
        f"the {what}'s space is missing: name a served model, or give a vector_space with its dimension and document "
        "fingerprint"
    )


def _given(request: collections_pb2.UpsertRequest) -> GivenVectors | None:
    """The vectors of a request that has them. An empty Vectors message is still an answer to "which of the two"."""
    if not wire.has(request, "vectors"):
        return None
    return GivenVectors(wire.vectors(request.vectors, "vectors"), request.fingerprint)


def _also(request: collections_pb2.UpsertRequest) -> AlsoVersions | None:
    if not (request.also_versions or request.also_served or request.also_vectors):
        return None
    given = [
        (each.version, GivenVectors(wire.vectors(each.vectors, f"also_vectors[{place}]"), each.fingerprint))
        for place, each in enumerate(request.also_vectors)
    ]
    return AlsoVersions(tuple(dict.fromkeys(request.also_versions)), request.also_served, given)
