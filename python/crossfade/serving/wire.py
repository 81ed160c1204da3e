"""Between the wire's messages and the executor's batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from crossfade._pb import collections_pb2, models_pb2, vectors_pb2
from crossfade.config import Settings
from crossfade.errors import InvalidInput
from crossfade.fusion import Fusion, Normalisation, Rule, check_weight
from crossfade.models import Embeddings
from crossfade.protocol.settings import metric_number, settings_message
from crossfade.retrieval import Hit, HitStage, Reranker, SearchOptions, StageCandidates, Walking
from crossfade.retrieval.options import Mode
from crossfade.serving.batches import CollectionState, ServedModel
from crossfade.store import Alias, Document, IndexVersion
from crossfade.store.metadata import FieldType, Filter, MetadataSchema, dates

_MODES: dict[int, Mode] = {
    collections_pb2.SEARCH_MODE_UNSPECIFIED: "dense",
    collections_pb2.SEARCH_MODE_DENSE: "dense",
    collections_pb2.SEARCH_MODE_LEXICAL: "lexical",
    collections_pb2.SEARCH_MODE_HYBRID: "hybrid",
}
_RULES: dict[int, tuple[Rule, Normalisation]] = {
    collections_pb2.Fusion.METHOD_UNSPECIFIED: ("sum", "min-max"),
    collections_pb2.Fusion.METHOD_RECIPROCAL_RANKS: ("rrf", "none"),
    collections_pb2.Fusion.METHOD_WEIGHTED_SCORES: ("sum", "min-max"),
}


class Clock:
    """How long a call takes, from its receipt here."""

    __slots__ = ("_received",)

    def __init__(self) -> None:
        self._received = time.perf_counter_ns()

    def times(self, embeddings: Sequence[Embeddings], queue_ns: int) -> vectors_pb2.StageTimes:
        """The stages so far, of all models that ran; the total runs from the receipt of the call to now."""
        return vectors_pb2.StageTimes(
            queue_ns=queue_ns,
            tokenise_ns=sum(each.tokenise_ns for each in embeddings),
            infer_ns=sum(each.infer_ns for each in embeddings),
            total_ns=time.perf_counter_ns() - self._received,
        )


def has(message: Message, field: str) -> bool:
    """Whether a field that tells "absent" from "empty" was sent."""
    untyped: Any = message
    return bool(untyped.HasField(field))


def vectors(message: vectors_pb2.Vectors, what: str) -> NDArray[np.float32]:
    """float32, shape (count, dimension), a window on the message's bytes where the machine is little-endian.

    Raises InvalidInput when they are in another encoding, or the data's length is not count * dimension * 4.
    """
    if message.encoding != vectors_pb2.ENCODING_FLOAT32:
        raise InvalidInput(f"{what}: the encoding is {message.encoding}: send float32 values (ENCODING_FLOAT32)")
    expected = message.count * message.dimension * 4
    if len(message.data) != expected:
        raise InvalidInput(
            f"{what}: data holds {len(message.data)} bytes, but count {message.count} times dimension "
            f"{message.dimension} times 4 is {expected}: send little-endian float32 values, row after row"
        )
    if message.dimension == 0 and message.count > 0:
        raise InvalidInput(f"{what}: dimension is 0: every vector needs at least one value")
    flat = np.frombuffer(message.data, dtype="<f4").astype(np.float32, copy=False)
    return flat.reshape(message.count, message.dimension)


def document(message: collections_pb2.Document) -> Document:
    """Raises InvalidInput, naming document and field, for a metadata value that is none."""
    metadata = {name: _value(message, name, value) for name, value in message.metadata.items()}
    return Document(id=message.id, title=message.title, text=message.text, metadata=metadata)


def document_message(document: Document, fields: MetadataSchema) -> collections_pb2.Document:
    message = collections_pb2.Document(
        id=document.id, title=document.title, text=document.text, version=document.version
    )
    for name, value in document.metadata.items():
        _put(message.metadata[name], value, fields.get(name))
    return message


def _value(message: collections_pb2.Document, name: str, value: collections_pb2.MetadataValue) -> object:
    untyped: Any = value
    kind = untyped.WhichOneof("kind")
    if kind is None:
        raise InvalidInput(f"document {message.id[:80]!r}: field {name[:80]!r} has no value: send one, or no field")
    if kind == "strings":
        return list(value.strings.values)
    if kind == "datetime":
        return _moment(value.datetime, f"document {message.id[:80]!r}: field {name[:80]!r}")
    return getattr(value, kind)


def _put(message: collections_pb2.MetadataValue, value: object, kind: FieldType | None) -> None:
    match value:
        case bool():
            message.bool = value
        case int() if kind is FieldType.DATETIME:
            message.datetime = dates.text(value)
        case int():
            message.int = value
        case float():
            message.float = value
        case str():
            message.string = value
        case list():
            message.strings.values.extend(value)


def _moment(text: str, what: str) -> datetime:
    """A date-time or a date as RFC 3339 writes them. Raises InvalidInput."""
    try:
        return dates.when(dates.parse(text))
    except ValueError as error:
        raise InvalidInput(f"{what} has {text[:80]!r}, expected {dates.EXPECTED}: {error}") from None


def search_options(data: bytes, reranker: Callable[[str], Reranker]) -> SearchOptions:
    """What a `SearchOptions` message says. Raises InvalidInput, and NotFound for a reranker that is not served."""
    kind: Any = collections_pb2.SearchOptions
    message: collections_pb2.SearchOptions = kind.FromString(data)
    if message.mode not in _MODES:
        raise InvalidInput(f"mode {message.mode} is unknown: use one of SearchMode")
    return SearchOptions(
        filter=Filter.parse(message.filter) if message.filter else None,
        walking=Walking(message.exact, message.ef or None),
        mode=_MODES[message.mode],
        candidates=message.candidates or None,
        fusion=_fusion(message.fusion),
        reranker=reranker(message.reranker) if message.reranker else None,
        best_chunks=message.best_chunks or 1,
        explain=message.explain,
        explain_candidates=message.explain_candidates,
    )


def _fusion(message: collections_pb2.Fusion) -> Fusion:
    if message.method not in _RULES:
        raise InvalidInput(f"fusion method {message.method} is unknown: use one of Fusion.Method")
    rule, normalisation = _RULES[message.method]
    weights = [message.dense_weight, message.lexical_weight]
    given = [has(message, "dense_weight"), has(message, "lexical_weight")]
    if any(given) and not all(given):
        raise InvalidInput("one weight of the fusion is given: send dense_weight and lexical_weight, or neither")
    for name in ("dense_weight", "lexical_weight"):
        check_weight(getattr(message, name), f"{name} of the fusion")
    return Fusion(rule, normalisation, weights if all(given) else None, float(message.rank_constant or 60))


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a search beside its answers. `explanations[i][j]`: of hit j of query i; None for nothing.
    `candidates`: of each stage, for the same queries. `read_ends`: by id and span of a hit, the character before which
    the model stops reading."""

    explanations: Sequence[Sequence[Sequence[HitStage]]] | None = None
    candidates: Sequence[StageCandidates] = ()
    read_ends: Mapping[tuple[str, tuple[int, int]], int] = field(default_factory=dict)


def hits_messages(
    hits: Sequence[Sequence[Hit]],
    shown: Callable[[str], str],
    documents: Mapping[str, Document],
    told: Told,
    fields: MetadataSchema,
) -> list[bytes]:
    """A `Hits` message a query, ids as they are `shown`; with the documents there are, and what is `told`."""
    encoded: list[bytes] = []
    for row, some in enumerate(hits):
        message: Any = collections_pb2.Hits()
        for place, hit in enumerate(some):
            one = message.hits.add(id=shown(hit.id), score=hit.score)
            document = documents.get(hit.id)
            if document is not None:
                one.document.CopyFrom(document_message(document, fields))
            if hit.span is not None:
                one.start, one.stop = hit.span
            if document is not None:
                read_end = told.read_ends.get((hit.id, hit.span or (0, len(document.text))))
                if read_end is not None:
                    one.read_end = read_end
            for stage in told.explanations[row][place] if told.explanations else ():
                of_hit = one.stages.add(stage=stage.stage, rank=stage.rank, score=stage.score)
                for term, score in stage.terms:
                    of_hit.terms.add(term=term, score=score)
        for given in told.candidates:
            listed = message.stages.add(stage=given.stage)
            for hit in given.hits[row]:
                start, stop = hit.span or (0, 0)
                listed.candidates.add(id=shown(hit.id), score=hit.score, start=start, stop=stop)
        encoded.append(message.SerializeToString())
    return encoded


def chunks_message(chunks: Sequence[tuple[int, int, int]]) -> collections_pb2.DocumentChunks:
    """Of a document's chunks: where they begin and end, and the character before which the model stopped."""
    message: Any = collections_pb2.DocumentChunks()
    for start, stop, read_end in chunks:
        message.chunks.add(start=start, stop=stop, read_end=read_end)
    made: collections_pb2.DocumentChunks = message
    return made


def collection_message(state: CollectionState) -> collections_pb2.Collection:
    spec = state.spec
    return collections_pb2.Collection(
        name=spec.name,
        dimension=spec.dimension,
        metric=metric_number(spec.metric),
        document_fingerprint=spec.document_fingerprint,
        documents=state.documents,
        settings=settings_message(state.settings),
        current_version=state.current,
        indexes=[index_message(index) for index in state.indexes],
    )


def index_message(index: IndexVersion) -> collections_pb2.Index:
    return collections_pb2.Index(
        version=index.version,
        dimension=index.dimension,
        document_fingerprint=index.document_fingerprint,
        rows=index.rows,
        pending=index.pending,
        segments=index.segments,
        bytes=index.bytes,
        graphs_built=index.graphs_built,
    )


def alias_message(alias: Alias) -> collections_pb2.Alias:
    return collections_pb2.Alias(
        name=alias.name, collection=alias.collection, version=alias.version or 0, revision=alias.revision
    )


def model_message(served: ServedModel) -> models_pb2.Model:
    bundle = served.bundle
    message = models_pb2.Model(
        name=served.name,
        bundle_name=bundle.name,
        dimension=bundle.dimension,
        max_tokens=bundle.max_tokens,
        pooling=bundle.pooling,
        normalise=bundle.normalise,
        precision=bundle.precision,
        query_fingerprint=bundle.query_fingerprint,
        document_fingerprint=bundle.document_fingerprint,
        prompt_names=sorted(bundle.prompts.named),
    )
    if bundle.parent is not None:
        message.parent_name = bundle.parent.name
        message.parent_fingerprint = bundle.parent.document_fingerprint
    return message


def limits_message(settings: Settings) -> models_pb2.Limits:
    return models_pb2.Limits(
        texts_per_call=settings.max_texts_per_call,
        text_bytes=settings.max_text_bytes,
        message_bytes=settings.max_message_bytes,
        k=settings.max_k,
        results_per_call=settings.max_results_per_call,
        score_vectors=settings.max_score_vectors,
        queued_tokens=settings.max_queued_tokens,
    )
