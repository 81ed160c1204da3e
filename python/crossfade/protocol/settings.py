"""A collection's metric and settings as messages, and back."""

from __future__ import annotations

from typing import Any, cast

from crossfade._pb import collections_pb2, vectors_pb2
from crossfade.chunking import ChunkingSettings, Method
from crossfade.errors import InvalidInput
from crossfade.lexical import AnalyserSettings
from crossfade.store.metadata import FieldType, MetadataSchema
from crossfade.store.settings import HnswSettings
from crossfade.store.types import CollectionSettings, Metric, Precision

_METRIC_NUMBERS: dict[Metric, vectors_pb2.Metric] = {
    "cosine": vectors_pb2.METRIC_COSINE,
    "ip": vectors_pb2.METRIC_INNER_PRODUCT,
    "l2": vectors_pb2.METRIC_L2,
}
_METRICS: dict[int, Metric] = {vectors_pb2.METRIC_UNSPECIFIED: "cosine"}
_METRICS |= {number: name for name, number in _METRIC_NUMBERS.items()}
_FIELD_TYPES: dict[int, FieldType] = {
    collections_pb2.FIELD_TYPE_STRING: FieldType.STRING,
    collections_pb2.FIELD_TYPE_INT: FieldType.INT,
    collections_pb2.FIELD_TYPE_FLOAT: FieldType.FLOAT,
    collections_pb2.FIELD_TYPE_BOOL: FieldType.BOOL,
    collections_pb2.FIELD_TYPE_DATETIME: FieldType.DATETIME,
    collections_pb2.FIELD_TYPE_STRINGS: FieldType.STRINGS,
}
_FIELD_NUMBERS: dict[FieldType, Any] = {kind: number for number, kind in _FIELD_TYPES.items()}


def metric(number: int) -> Metric:
    """Cosine where nothing is said. Raises InvalidInput for a number that this version does not know."""
    if number not in _METRICS:
        raise InvalidInput(f"metric {number} is unknown: use METRIC_COSINE, METRIC_INNER_PRODUCT or METRIC_L2")
    return _METRICS[number]


def metric_number(metric: Metric) -> vectors_pb2.Metric:
    """Raises InvalidInput for a name that does not exist."""
    if metric not in _METRIC_NUMBERS:
        raise InvalidInput(f"metric {metric!r} does not exist: use one of {', '.join(_METRIC_NUMBERS)}")
    return _METRIC_NUMBERS[metric]


def collection_settings(message: collections_pb2.CollectionSettings) -> CollectionSettings:
    """Raises InvalidInput for what does not exist."""
    unknown = [number for number in message.fields.values() if number not in _FIELD_TYPES]
    if unknown:
        raise InvalidInput(f"field type {unknown[0]} is unknown: use one of FieldType")
    chunking, analyser = message.chunking, message.analyser
    return CollectionSettings(
        fields=MetadataSchema({name: _FIELD_TYPES[number] for name, number in message.fields.items()}),
        analyser=_analyser(analyser),
        chunking=ChunkingSettings(
            method=Method(chunking.method) if chunking.method in set(Method) else _no_method(chunking.method),
            size=chunking.size,
            overlap=chunking.overlap,
            heading_prefix=chunking.heading_prefix,
        ),
        tenant_field=message.tenant_field or None,
        precision=_precision(message.precision),
        hnsw=_hnsw(message.hnsw),
    )


def _no_method(name: str) -> Method:
    if name:
        raise InvalidInput(f"chunking method {name[:80]!r} is unknown: use one of {', '.join(Method)}")
    return Method.WHOLE


def _precision(name: str) -> Precision:
    return cast(Precision, name or "f32")  # the settings refuse what does not exist


def _hnsw(message: collections_pb2.Hnsw) -> HnswSettings:
    usual = HnswSettings()
    return HnswSettings(
        message.m or usual.m, message.ef_construction or usual.ef_construction, message.recall or usual.recall
    )


def _analyser(message: collections_pb2.Analyser) -> AnalyserSettings:
    name, words = message.name or "english", message.stop_words or "english"
    own = tuple(message.own_stop_words)
    if (words == "own") != bool(own):
        raise InvalidInput('own stop words go with stop_words "own", and only with that: send both or neither')
    if name not in ("english", "plain") or words not in ("english", "none", "own"):
        raise InvalidInput(
            f"analyser {name[:80]!r} with stop words {words[:80]!r} does not exist: use english or plain, with "
            "english, none or own"
        )
    chosen: Any = (name, own if words == "own" else words)
    return AnalyserSettings(*chosen)


def settings_message(settings: CollectionSettings) -> collections_pb2.CollectionSettings:
    chunking, analyser, hnsw = settings.chunking, settings.analyser, settings.hnsw
    own = analyser.stop_words if isinstance(analyser.stop_words, tuple) else ()
    return collections_pb2.CollectionSettings(
        fields={name: _FIELD_NUMBERS[kind] for name, kind in settings.fields.items()},
        analyser=collections_pb2.Analyser(
            name=analyser.analyser,
            stop_words="own" if isinstance(analyser.stop_words, tuple) else analyser.stop_words,
            own_stop_words=own,
        ),
        chunking=collections_pb2.Chunking(
            method=chunking.method.value,
            size=chunking.size,
            overlap=chunking.overlap,
            heading_prefix=chunking.heading_prefix,
        ),
        tenant_field=settings.tenant_field or "",
        precision=settings.precision,
        hnsw=collections_pb2.Hnsw(m=hnsw.m, ef_construction=hnsw.ef_construction, recall=hnsw.recall),
    )
