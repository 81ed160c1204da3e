"""Between the wire's messages and the executor's batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from crossfade._pb import collections_pb2, models_pb2, vectors_pb2
from crossfade.config import Settings
from crossfade.errors import InvalidInput
from crossfade.models import Embeddings
from crossfade.serving.batches import CollectionState, ServedModel
from crossfade.store import Document, Metric

_METRICS: dict[int, Metric] = {
    vectors_pb2.METRIC_UNSPECIFIED: "cosine",
    vectors_pb2.METRIC_COSINE: "cosine",
    vectors_pb2.METRIC_INNER_PRODUCT: "ip",
    vectors_pb2.METRIC_L2: "l2",
}
_METRIC_NUMBERS = {
    "cosine": vectors_pb2.METRIC_COSINE,
    "ip": vectors_pb2.METRIC_INNER_PRODUCT,
    "l2": vectors_pb2.METRIC_L2,
}


class Clock:
    """How long a call takes, from its receipt here."""

    __slots__ = ("_received",)

    def __init__(self) -> None:
        self._received = time.perf_counter_ns()

    def times(self, embeddings: Embeddings | None, queue_ns: int) -> vectors_pb2.StageTimes:
        """The stages so far; the total runs from the receipt of the call to now."""
        total_ns = time.perf_counter_ns() - self._received
        if embeddings is None:
            return vectors_pb2.StageTimes(total_ns=total_ns)
        return vectors_pb2.StageTimes(
            queue_ns=queue_ns,
            tokenise_ns=embeddings.tokenise_ns,
            infer_ns=embeddings.infer_ns,
            total_ns=total_ns,
        )


def has(message: Message, field: str) -> bool:
    """Whether a field that tells "absent" from "empty" was sent."""
    untyped: Any = message
    return bool(untyped.HasField(field))


def metric(number: int) -> Metric:
    """Raises InvalidInput for a number that this version does not know."""
    if number not in _METRICS:
        raise InvalidInput(f"metric {number} is unknown: use METRIC_COSINE, METRIC_INNER_PRODUCT or METRIC_L2")
    return _METRICS[number]


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
    return Document(id=message.id, title=message.title, text=message.text)


def collection_message(state: CollectionState) -> collections_pb2.Collection:
    spec = state.spec
    return collections_pb2.Collection(
        name=spec.name,
        dimension=spec.dimension,
        metric=_METRIC_NUMBERS[spec.metric],
        document_fingerprint=spec.document_fingerprint,
        documents=state.documents,
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
