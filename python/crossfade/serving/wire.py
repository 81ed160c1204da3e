"""Between the wire's messages and the executor's batches: vectors, enumerations, times."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from crossfade._pb import collections_pb2, models_pb2, vectors_pb2
from crossfade.config import Settings
from crossfade.errors import InvalidInput
from crossfade.models import Embeddings, InputType
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
_INPUT_TYPES: dict[int, InputType] = {
    vectors_pb2.INPUT_TYPE_QUERY: InputType.QUERY,
    vectors_pb2.INPUT_TYPE_DOCUMENT: InputType.DOCUMENT,
}


class Clock:
    """Where the time of one call goes. `started()` marks the end of its wait in the queue."""

    __slots__ = ("_received", "_started")

    def __init__(self) -> None:
        self._received = time.perf_counter_ns()
        self._started = self._received

    def started(self) -> None:
        self._started = time.perf_counter_ns()

    def times(self, *, tokenise_ns: int = 0, infer_ns: int = 0, search_ns: int = 0) -> vectors_pb2.StageTimes:
        """The stages so far; the total runs from the receipt of the call to now."""
        return vectors_pb2.StageTimes(
            queue_ns=self._started - self._received,
            tokenise_ns=tokenise_ns,
            infer_ns=infer_ns,
            search_ns=search_ns,
            total_ns=time.perf_counter_ns() - self._received,
        )

    def embedding_times(self, embeddings: Embeddings | None) -> vectors_pb2.StageTimes:
        if embeddings is None:
            return self.times()
        return self.times(tokenise_ns=embeddings.tokenise_ns, infer_ns=embeddings.infer_ns)


def metric(number: int) -> Metric:
    """Raises InvalidInput for a number that this version does not know."""
    if number not in _METRICS:
        raise InvalidInput(f"metric {number} is unknown: use METRIC_COSINE, METRIC_INNER_PRODUCT or METRIC_L2")
    return _METRICS[number]


def input_type(number: int) -> InputType:
    """Raises InvalidInput unless it is said whether the texts are queries or documents."""
    if number not in _INPUT_TYPES:
        given = "unspecified" if number == vectors_pb2.INPUT_TYPE_UNSPECIFIED else f"unknown ({number})"
        raise InvalidInput(
            f"input_type is {given}: say INPUT_TYPE_QUERY or INPUT_TYPE_DOCUMENT, a model may encode them differently"
        )
    return _INPUT_TYPES[number]


def vectors(message: vectors_pb2.Vectors, what: str) -> NDArray[np.float32]:
    """float32, shape (count, dimension), a window on the message's bytes where the machine is little-endian.

    Raises InvalidInput when the data's length is not count * dimension * 4.
    """
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


def vectors_message(matrix: NDArray[np.float32]) -> vectors_pb2.Vectors:
    count, dimension = matrix.shape
    return vectors_pb2.Vectors(count=count, dimension=dimension, data=matrix.astype("<f4", copy=False).tobytes())


def document(message: collections_pb2.Document) -> Document:
    return Document(id=message.id, title=message.title, text=message.text)


def document_message(found: Document | None) -> collections_pb2.Document | None:
    return None if found is None else collections_pb2.Document(id=found.id, title=found.title, text=found.text)


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
    )
