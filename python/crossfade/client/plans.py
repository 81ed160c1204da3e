"""What each of the client's methods sends and how it reads the answers: shared by `Client` and `AsyncClient`.

A `Plan` is one or more calls in order and the function that makes their answers one. The two clients differ in how
they wait, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from numpy.typing import NDArray

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2, models_pb2, scoring_pb2
from crossfade.client import messages
from crossfade.client.batching import matrix, rows, slices, text_sizes
from crossfade.client.failures import with_note
from crossfade.client.options import Embedder, SearchOptions, priority_number
from crossfade.client.types import (
    AlsoVersions,
    CollectionInfo,
    Embedding,
    Limits,
    Measured,
    ModelInfo,
    Priority,
    Scored,
    SearchMode,
    SearchResults,
    Upserted,
    Vectors,
)
from crossfade.errors import CrossfadeError, InvalidInput
from crossfade.protocol import ANY_VERSION
from crossfade.protocol.settings import metric_number, settings_message
from crossfade.store.checks import check_ids
from crossfade.store.types import CollectionSettings, Document, Metric

Answer = TypeVar("Answer")
Built = TypeVar("Built")
Arguments = ParamSpec("Arguments")

Progress = Callable[[int, int], None]
"""Called with (items done, items in all) after each call of a batch."""

_COLLECTIONS = "/crossfade.v1.CollectionService/"


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc: its path, the type of its answer, and whether it changes nothing on the server."""

    path: str
    response: type[Message]
    repeatable: bool = True


EMBED = Method("/crossfade.v1.EmbeddingService/Embed", embedding_pb2.EmbedResponse)
SCORE = Method("/crossfade.v1.ScoringService/Score", scoring_pb2.ScoreResponse)
MEASURE = Method("/crossfade.v1.EvaluationService/Measure", evaluation_pb2.MeasureResponse)
LIST_MODELS = Method("/crossfade.v1.ModelService/ListModels", models_pb2.ListModelsResponse)
CREATE = Method(f"{_COLLECTIONS}CreateCollection", collections_pb2.CreateCollectionResponse, repeatable=False)
LIST = Method(f"{_COLLECTIONS}ListCollections", collections_pb2.ListCollectionsResponse)
DROP = Method(f"{_COLLECTIONS}DeleteCollection", collections_pb2.DeleteCollectionResponse, repeatable=False)
UPSERT = Method(f"{_COLLECTIONS}Upsert", collections_pb2.UpsertResponse, repeatable=False)
DELETE = Method(f"{_COLLECTIONS}Delete", collections_pb2.DeleteResponse, repeatable=False)
SEARCH = Method(f"{_COLLECTIONS}Search", collections_pb2.SearchResponse)
HEALTH = Method("/grpc.health.v1.Health/Check", health_pb2.HealthCheckResponse)


def explained(build: Callable[Arguments, Built]) -> Callable[Arguments, Built]:
    """What protobuf refuses (another type, a number out of range, a lone surrogate) is the caller's InvalidInput."""

    @wraps(build)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        try:
            return build(*args, **kwargs)
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"the call cannot be sent: {error}") from error

    return wrapper


class Step:
    """One call. Its request is made when its turn comes, so that a large batch is never in memory twice."""

    __slots__ = ("items", "request")

    def __init__(self, build: Callable[[], Message], items: int) -> None:
        self.request = explained(build)
        self.items = items


@dataclass(frozen=True, slots=True)
class Plan(Generic[Answer]):
    """`writes`: what a failure after the first call must say was stored, such as "documents"."""

    method: Method
    steps: Sequence[Step]
    combine: Callable[[list[Any]], Answer]
    writes: str = ""
    items: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", sum(step.items for step in self.steps))

    def explain(self, error: CrossfadeError, done: int) -> CrossfadeError:
        """`error`, saying how much of the batch was stored before it."""
        if not (self.writes and done):
            return error
        return with_note(error, f"the first {done} of {self.items} {self.writes} of this batch are done")


def one(method: Method, request: Message, combine: Callable[[list[Any]], Answer]) -> Plan[Answer]:
    return Plan(method, [Step(lambda: request, 1)], combine)


def list_models() -> Plan[list[ModelInfo]]:
    return one(
        LIST_MODELS,
        models_pb2.ListModelsRequest(),
        lambda answers: [messages.model(found) for found in answers[0].models],
    )


def limits() -> Plan[Limits]:
    return one(LIST_MODELS, models_pb2.ListModelsRequest(), lambda answers: messages.limits(answers[0].limits))


@explained
def embed(embedder: Embedder, texts: Sequence[str], limits: Limits) -> Plan[Embedding]:
    sizes = text_sizes(texts, "text")

    def step(part: slice) -> Step:
        return Step(lambda: embedder.request(texts[part]), part.stop - part.start)

    return Plan(EMBED, [step(part) for part in slices(sizes, limits)], messages.embedding)


@explained
def create_collection(
    name: str, metric: Metric, space: str | tuple[int, str], settings: CollectionSettings | None = None
) -> Plan[CollectionInfo]:
    request = collections_pb2.CreateCollectionRequest(
        name=name,
        metric=metric_number(metric),
        settings=None if settings is None else settings_message(settings),
    )
    if isinstance(space, str):
        request.model = space
    else:
        dimension, fingerprint = space
        if not 0 <= dimension < 2**32:
            raise InvalidInput(f"dimension {dimension} cannot be used: give the vectors' number of columns")
        request.vector_space.dimension = dimension
        request.vector_space.document_fingerprint = fingerprint
    return one(CREATE, request, lambda answers: messages.collection(answers[0].collection))


def list_collections() -> Plan[list[CollectionInfo]]:
    return one(
        LIST,
        collections_pb2.ListCollectionsRequest(),
        lambda answers: [messages.collection(found) for found in answers[0].collections],
    )


@explained
def delete_collection(name: str) -> Plan[None]:
    return one(DROP, collections_pb2.DeleteCollectionRequest(name=name), lambda _: None)


@explained
def upsert(
    collection: str,
    documents: Sequence[Document],
    source: str | Vectors | None,
    limits: Limits,
    expected: Sequence[int | None] | None = None,
    also: AlsoVersions | None = None,
    *,
    with_chunks: bool = False,
) -> Plan[Upserted]:
    # Across all the calls of the batch: the server sees one of them at a time.
    check_ids([document.id for document in documents])
    titles = text_sizes([document.title for document in documents], "title of document")
    texts = text_sizes([document.text for document in documents], "text of document")
    ids = [len(document.id.encode()) for document in documents]
    metadata = [messages.metadata_size(document) for document in documents]
    sizes = [sum(parts) for parts in zip(ids, titles, texts, metadata, strict=True)]
    if expected is not None and len(expected) != len(documents):
        raise InvalidInput(f"{len(expected)} expected versions came with {len(documents)} documents: send one each")
    asked, also = also is not None, also or AlsoVersions()
    more = {version: (rows(each, len(documents)), each.fingerprint) for version, each in also.vectors.items()}
    values = rows(source, len(documents)) if isinstance(source, Vectors) else None
    held = sum(each.shape[1] * 4 for each, _ in more.values()) + (0 if values is None else values.shape[1] * 4)
    sizes = [size + held for size in sizes]

    def step(part: slice) -> Step:
        def request() -> Message:
            sent = collections_pb2.UpsertRequest(
                collection=collection,
                documents=[messages.document_message(document) for document in documents[part]],
                expected_versions=[ANY_VERSION if each is None else each for each in expected[part]]
                if expected
                else (),
                also_versions=also.versions,
                also_served=also.served,
                with_chunks=with_chunks,
                also_vectors=[
                    collections_pb2.VersionVectors(
                        version=version, vectors=messages.vectors_message(each[part]), fingerprint=fingerprint
                    )
                    for version, (each, fingerprint) in more.items()
                ],
            )
            if isinstance(source, Vectors) and values is not None:
                vectors: Any = sent.vectors
                vectors.CopyFrom(messages.vectors_message(values[part]))
                sent.fingerprint = source.fingerprint
            elif isinstance(source, str):
                sent.model = source
            return sent

        return Step(request, part.stop - part.start)

    steps = [step(part) for part in slices(sizes, limits)]
    return Plan(UPSERT, steps, _all_written if asked else messages.upserted, writes="documents")


def _all_written(responses: Sequence[collections_pb2.UpsertResponse]) -> Upserted:
    """Raises CrossfadeError when the server knows nothing of further versions."""
    if not all(response.written_versions for response in responses):
        raise CrossfadeError(
            "the documents are in the version that is searched, and in no other: this server is older than writes to "
            "several; upgrade it, then send them again or fill the others"
        )
    return messages.upserted(responses)


@explained
def delete(collection: str, ids: Sequence[str], limits: Limits) -> Plan[int]:
    def step(part: slice) -> Step:
        return Step(lambda: collections_pb2.DeleteRequest(collection=collection, ids=ids[part]), part.stop - part.start)

    steps = [step(part) for part in slices(text_sizes(ids, "id"), limits)]
    return Plan(DELETE, steps, lambda answers: sum(answer.deleted for answer in answers), writes="ids")


def search_options(options: SearchOptions | None, with_documents: bool, priority: Priority | None) -> SearchOptions:
    """With what was said beside them."""
    found = options or SearchOptions()
    return replace(
        found,
        with_documents=with_documents or found.with_documents,
        priority=found.priority if priority is None else priority,
    )


@explained
def search(
    collection: str, k: int, queries: tuple[str, Sequence[str]] | Vectors, options: SearchOptions, limits: Limits
) -> Plan[SearchResults]:
    """`queries`: a served model's name, or none, and texts, or vectors."""
    if not 0 <= k < 2**32:
        raise InvalidInput(f"k is {k}: ask for at least 1 result a query")
    more = options.message()
    if isinstance(queries, Vectors):
        values = rows(queries)
        sizes = [values.shape[1] * 4] * len(values)
    else:
        sizes = text_sizes(queries[1], "query text")

    def step(part: slice) -> Step:
        def request() -> Message:
            if isinstance(queries, Vectors):
                sent = collections_pb2.SearchRequest(
                    vectors=messages.vectors_message(values[part]), fingerprint=queries.fingerprint
                )
            else:
                sent = collections_pb2.SearchRequest(model=queries[0], texts=queries[1][part])
            if more is not None:
                options_sent: Any = sent.options
                options_sent.CopyFrom(more)
            sent.collection, sent.k, sent.with_documents = collection, k, options.with_documents
            sent.priority = priority_number(options.priority)
            return sent

        return Step(request, part.stop - part.start)

    parts = slices(sizes, limits, per_call=max(1, limits.results_per_call // max(1, k)))
    steps = [step(part) for part in parts]
    return Plan(SEARCH, steps, messages.results)


@explained
def score(queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, metric: Metric) -> Plan[Scored]:
    if not 0 <= k < 2**32:
        raise InvalidInput(f"k is {k}: ask for at least 1 result a query")
    request = scoring_pb2.ScoreRequest(
        queries=messages.vectors_message(matrix(queries, "queries")),
        corpus=messages.vectors_message(matrix(corpus, "corpus")),
        k=k,
        metric=metric_number(metric),
    )
    return one(SCORE, request, messages.scored)


@explained
def measure(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    measures: Sequence[str],
    *,
    count_missing_queries: bool,
    per_query: bool,
) -> Plan[Measured]:
    if isinstance(measures, str):
        raise InvalidInput("measures is one string: give a list, such as ['nDCG@10', 'R@100']")
    request = evaluation_pb2.MeasureRequest(
        qrels=[
            evaluation_pb2.Judgments(
                query_id=query,
                judgments=[evaluation_pb2.Judgment(document_id=name, grade=grade) for name, grade in grades.items()],
            )
            for query, grades in qrels.items()
        ],
        run=[
            evaluation_pb2.RunQuery(
                query_id=query,
                documents=[
                    evaluation_pb2.ScoredDocument(document_id=name, score=value) for name, value in found.items()
                ],
            )
            for query, found in run.items()
        ],
        measures=measures,
        count_missing_queries=count_missing_queries,
        per_query=per_query,
    )
    return one(MEASURE, request, messages.measured)


def space(model: str | None, dimension: int | None, fingerprint: str | None) -> str | tuple[int, str]:
    """Which of its two forms a collection's space was given in."""
    if model is not None and dimension is None and fingerprint is None:
        return model
    if model is None and dimension is not None and fingerprint is not None:
        return dimension, fingerprint
    raise InvalidInput("give either model, or both dimension and fingerprint")


def source(model: str | None, vectors: Vectors | None, also: AlsoVersions | None = None) -> str | Vectors | None:
    """Where the vectors of documents come from; None when `also` says it."""
    if model is None and vectors is None and also is not None:
        return None
    if model is not None and vectors is None:
        return model
    if model is None and vectors is not None:
        return vectors
    raise InvalidInput("give either model, which embeds the documents, or vectors")


def queries(
    model: str | None, texts: Sequence[str] | None, vectors: Vectors | None, mode: SearchMode = "dense"
) -> tuple[str, Sequence[str]] | Vectors:
    """Which of its two forms a search was given in."""
    if mode == "lexical":
        if vectors is not None or model is not None or texts is None:
            raise InvalidInput("a lexical search is by words: give texts, and neither model nor vectors")
        return "", texts
    if vectors is None and texts is not None:
        return model or "", texts
    if vectors is not None and model is None and texts is None:
        return vectors
    raise InvalidInput("give either texts, with a model or without, or vectors")
