"""Wire messages to the client's types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2, models_pb2, scoring_pb2, vectors_pb2
from crossfade.client.types import (
    Candidate,
    Chunk,
    CollectionInfo,
    Embedding,
    Encoding,
    Hit,
    HitStage,
    InputType,
    Limits,
    Measured,
    ModelInfo,
    Scored,
    SearchResults,
    SearchStage,
    StageTimes,
    Upserted,
)
from crossfade.errors import CrossfadeError, InvalidInput
from crossfade.protocol.settings import collection_settings, metric
from crossfade.store.aliases import Alias
from crossfade.store.metadata import dates
from crossfade.store.types import CollectionSettings, Document, IndexVersion

ENCODINGS: dict[Encoding, vectors_pb2.Encoding] = {
    "float32": vectors_pb2.ENCODING_FLOAT32,
    "float16": vectors_pb2.ENCODING_FLOAT16,
    "int8": vectors_pb2.ENCODING_INT8,
    "binary": vectors_pb2.ENCODING_BINARY,
}
ENCODING_NAMES: dict[int, Encoding] = {number: name for name, number in ENCODINGS.items()}
# As they travel, and as the machine has them.
_DTYPES: dict[Encoding, tuple[str, type[np.generic]]] = {
    "float32": ("<f4", np.float32),
    "float16": ("<f2", np.float16),
    "int8": ("i1", np.int8),
    "binary": ("u1", np.uint8),
}
_INPUT_TYPES: dict[str, vectors_pb2.InputType] = {
    "query": vectors_pb2.INPUT_TYPE_QUERY,
    "document": vectors_pb2.INPUT_TYPE_DOCUMENT,
}


def input_type_number(input_type: InputType) -> vectors_pb2.InputType:
    if input_type not in _INPUT_TYPES:
        raise InvalidInput(f"input_type {input_type!r} does not exist: say 'query' or 'document'")
    return _INPUT_TYPES[input_type]


def vectors_message(values: NDArray[np.float32]) -> vectors_pb2.Vectors:
    """`values`: little-endian float32, C order."""
    count, dimension = values.shape
    return vectors_pb2.Vectors(count=count, dimension=dimension, data=values.tobytes())


def document_message(document: Document) -> collections_pb2.Document:
    message = collections_pb2.Document(id=document.id, title=document.title, text=document.text)
    for name, value in document.metadata.items():
        _put_value(message.metadata[name], value, document.id, name)
    return message


def metadata_size(document: Document) -> int:
    """Bytes of a document's message, when it has metadata. Raises InvalidInput for a value that cannot be one."""
    if not document.metadata:
        return 0
    message: Any = document_message(document)  # protobuf's methods have no types
    size: int = message.ByteSize()
    return size


def _put_value(message: collections_pb2.MetadataValue, value: object, document: str, name: str) -> None:
    match value:
        case bool():
            message.bool = value
        case int() if -(2**63) <= value < 2**63:
            message.int = value
        case float():
            message.float = value
        case str():
            message.string = value
        case date():
            message.datetime = _written(value, document, name)
        case list() | tuple() if all(isinstance(each, str) for each in value):
            message.strings.values.extend(value)
        case _:
            raise InvalidInput(
                f"document {document[:80]!r}: field {name[:80]!r} has {value!r:.80}: use a string, an int of 64 bits, "
                "a float, a bool, a date or datetime, or a list of strings"
            )


def _written(value: date, document: str, name: str) -> str:
    """A `datetime` or a `date` as it travels. Raises InvalidInput for one that the store could not keep."""
    try:
        return dates.text(dates.of(value))
    except ValueError as error:
        raise InvalidInput(f"document {document[:80]!r}: field {name[:80]!r} has {value!r:.80}: {error}") from None


def _document(message: collections_pb2.Document) -> Document:
    metadata = {name: _value(message.metadata[name]) for name in sorted(message.metadata)}
    return Document(message.id, message.title, message.text, metadata, message.version)


def _value(message: collections_pb2.MetadataValue) -> object:
    untyped: Any = message
    kind = untyped.WhichOneof("kind")
    if kind == "strings":
        return list(message.strings.values)
    if kind == "datetime":
        return dates.when(dates.parse(message.datetime))
    return None if kind is None else getattr(message, kind)


def times(message: vectors_pb2.StageTimes) -> StageTimes:
    return StageTimes(message.queue_ns, message.tokenise_ns, message.infer_ns, message.search_ns, message.total_ns)


def embedding(responses: Sequence[embedding_pb2.EmbedResponse]) -> Embedding:
    """Several calls' answers as one. Raises CrossfadeError when the model changed between them."""
    vectors = [response.vectors for response in responses]
    encoding, dimension = _space(vectors)
    scales = np.concatenate([np.array(part.scales, dtype=np.float32) for part in vectors])
    return Embedding(
        values=np.concatenate([_matrix(part, encoding) for part in vectors]),
        fingerprint=one_fingerprint([response.fingerprint for response in responses]),
        token_counts=_counts(responses),
        truncated=_flags(responses),
        times=StageTimes.sum(times(response.times) for response in responses),
        encoding=encoding,
        dimension=dimension,
        scales=scales if encoding == "int8" else None,
    )


def upserted(responses: Sequence[collections_pb2.UpsertResponse]) -> Upserted:
    return Upserted(
        added=sum(response.added for response in responses),
        replaced=sum(response.replaced for response in responses),
        token_counts=_counts(responses),
        truncated=_flags(responses),
        times=StageTimes.sum(times(response.times) for response in responses),
        chunk_counts=np.array([count for response in responses for count in response.chunk_counts], np.int64),
        unread_characters=np.array([count for response in responses for count in response.unread_characters], np.int64),
        chunks=[_chunks(each) for response in responses for each in response.document_chunks],
        versions=tuple(sorted(set.intersection(*(set(response.written_versions) for response in responses)))),
    )


def _chunks(message: collections_pb2.DocumentChunks) -> list[Chunk]:
    return [Chunk(each.start, each.stop, each.read_end) for each in message.chunks]


def results(responses: Sequence[collections_pb2.SearchResponse]) -> SearchResults:
    return SearchResults(
        hits=[[_hit(hit) for hit in answer.hits] for response in responses for answer in response.results],
        query_fingerprint=one_fingerprint([response.query_fingerprint for response in responses]),
        times=StageTimes.sum(times(response.times) for response in responses),
        stages=_stages(responses),
        candidates=_candidates(responses),
        incomplete=any(response.incomplete for response in responses),
        pending=max((response.pending for response in responses), default=0),
    )


def _stages(responses: Sequence[collections_pb2.SearchResponse]) -> tuple[SearchStage, ...]:
    """Of all calls, by name, in the order of the first."""
    found: dict[str, SearchStage] = {}
    for response in responses:
        for stage in response.stages:
            before = found.get(stage.stage, SearchStage(stage.stage, 0, 0))
            found[stage.stage] = SearchStage(stage.stage, before.candidates + stage.candidates, before.ns + stage.ns)
    return tuple(found.values())


def _candidates(responses: Sequence[collections_pb2.SearchResponse]) -> tuple[dict[str, list[Candidate]], ...]:
    """Of each query; none at all where no call has any."""
    answers = [answer for response in responses for answer in response.results]
    if not any(answer.stages for answer in answers):
        return ()
    return tuple(
        {
            given.stage: [
                Candidate(each.id, rank, each.score, (each.start, each.stop) if each.stop else None)
                for rank, each in enumerate(given.candidates, start=1)
            ]
            for given in answer.stages
        }
        for answer in answers
    )


def scored(responses: Sequence[scoring_pb2.ScoreResponse]) -> Scored:
    (response,) = responses
    return Scored(
        scores=np.array([ranking.scores for ranking in response.rankings], dtype=np.float32),
        indices=np.array([ranking.indices for ranking in response.rankings], dtype=np.int64),
        times=times(response.times),
    )


def measured(responses: Sequence[evaluation_pb2.MeasureResponse]) -> Measured:
    (response,) = responses
    return Measured(
        means={value.measure: value.mean for value in response.measures},
        per_query={
            value.measure: dict(zip(response.query_ids, value.values, strict=True))
            for value in response.measures
            if response.query_ids
        },
        queries=response.queries,
        missing_queries=response.missing_queries,
    )


def collection(message: collections_pb2.Collection) -> CollectionInfo:
    return CollectionInfo(
        name=message.name,
        dimension=message.dimension,
        metric=metric(message.metric),
        document_fingerprint=message.document_fingerprint,
        documents=message.documents,
        current_version=message.current_version,
        indexes=tuple(index(found) for found in message.indexes),
        settings=_settings(message.settings),
    )


def _settings(message: collections_pb2.CollectionSettings) -> CollectionSettings | None:
    try:
        return collection_settings(message)
    except InvalidInput:  # of a newer server: who only lists collections must not fail for it
        return None


def index(message: collections_pb2.Index) -> IndexVersion:
    return IndexVersion(
        version=message.version,
        dimension=message.dimension,
        document_fingerprint=message.document_fingerprint,
        rows=message.rows,
        pending=message.pending,
        segments=message.segments,
        bytes=message.bytes,
        graphs_built=message.graphs_built,
    )


def alias(message: collections_pb2.Alias) -> Alias:
    return Alias(message.name, message.collection, message.version or None, message.revision)


def model(message: models_pb2.Model) -> ModelInfo:
    return ModelInfo(
        name=message.name,
        bundle_name=message.bundle_name,
        dimension=message.dimension,
        max_tokens=message.max_tokens,
        pooling=message.pooling,
        normalise=message.normalise,
        precision=message.precision,
        query_fingerprint=message.query_fingerprint,
        document_fingerprint=message.document_fingerprint,
        parent_name=message.parent_name,
        parent_fingerprint=message.parent_fingerprint,
        prompt_names=tuple(message.prompt_names),
    )


def limits(message: models_pb2.Limits) -> Limits:
    return Limits(
        texts_per_call=message.texts_per_call,
        text_bytes=message.text_bytes,
        message_bytes=message.message_bytes,
        k=message.k,
        results_per_call=message.results_per_call,
        score_vectors=message.score_vectors,
        queued_tokens=message.queued_tokens,
    )


def _hit(message: collections_pb2.Hit) -> Hit:
    untyped: Any = message
    read_end = message.read_end if untyped.HasField("read_end") else None
    # Messages of an answer are built by the server; an absent document reads as one with an empty id.
    found = message.document
    document = _document(found) if found.id else None
    span = (message.start, message.stop) if message.stop else None
    stages = tuple(
        HitStage(stage.stage, stage.rank, stage.score, {term.term: term.score for term in stage.terms})
        for stage in message.stages
    )
    return Hit(message.id, message.score, document, span, stages, read_end)


def _space(parts: Sequence[vectors_pb2.Vectors]) -> tuple[Encoding, int]:
    """Encoding and dimension of all the parts."""
    number, dimension = parts[0].encoding, parts[0].dimension
    if number not in ENCODING_NAMES:
        raise CrossfadeError(f"the answer's encoding {number} is unknown to this client: upgrade crossfade here")
    if any((part.encoding, part.dimension) != (number, dimension) for part in parts):
        raise CrossfadeError("the answers of one batch differ in encoding or dimension: send the whole batch again")
    return ENCODING_NAMES[number], dimension


def _matrix(message: vectors_pb2.Vectors, encoding: Encoding) -> NDArray[Any]:
    wire, here = _DTYPES[encoding]
    width = -(-message.dimension // 8) if encoding == "binary" else message.dimension
    return np.frombuffer(message.data, dtype=wire).astype(here, copy=False).reshape(message.count, width)


def _counts(
    responses: Sequence[embedding_pb2.EmbedResponse] | Sequence[collections_pb2.UpsertResponse],
) -> NDArray[np.int32]:
    return np.concatenate([np.array(response.token_counts, dtype=np.int32) for response in responses])


def _flags(
    responses: Sequence[embedding_pb2.EmbedResponse] | Sequence[collections_pb2.UpsertResponse],
) -> NDArray[np.bool_]:
    return np.concatenate([np.array(response.truncated, dtype=np.bool_) for response in responses])


def one_fingerprint(fingerprints: Sequence[str]) -> str:
    """The one of all answers of a batch. Raises CrossfadeError when there are several."""
    if len(set(fingerprints)) != 1:
        raise CrossfadeError(
            f"the model changed while the batch was under way (fingerprints {', '.join(sorted(set(fingerprints)))}): "
            "send the whole batch again"
        )
    return fingerprints[0]
