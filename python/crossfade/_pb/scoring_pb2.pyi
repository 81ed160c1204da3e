from crossfade._pb import vectors_pb2 as _vectors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("queries", "corpus", "k", "metric")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    queries: _vectors_pb2.Vectors
    corpus: _vectors_pb2.Vectors
    k: int
    metric: _vectors_pb2.Metric
    def __init__(self, queries: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., corpus: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., k: _Optional[int] = ..., metric: _Optional[_Union[_vectors_pb2.Metric, str]] = ...) -> None: ...

class Ranking(_message.Message):
    __slots__ = ("indices", "scores")
    INDICES_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, indices: _Optional[_Iterable[int]] = ..., scores: _Optional[_Iterable[float]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("rankings", "times")
    RANKINGS_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    rankings: _containers.RepeatedCompositeFieldContainer[Ranking]
    times: _vectors_pb2.StageTimes
    def __init__(self, rankings: _Optional[_Iterable[_Union[Ranking, _Mapping]]] = ..., times: _Optional[_Union[_vectors_pb2.StageTimes, _Mapping]] = ...) -> None: ...
