from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Judgment(_message.Message):
    __slots__ = ("document_id", "grade")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    grade: int
    def __init__(self, document_id: _Optional[str] = ..., grade: _Optional[int] = ...) -> None: ...

class Judgments(_message.Message):
    __slots__ = ("query_id", "judgments")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    JUDGMENTS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    judgments: _containers.RepeatedCompositeFieldContainer[Judgment]
    def __init__(self, query_id: _Optional[str] = ..., judgments: _Optional[_Iterable[_Union[Judgment, _Mapping]]] = ...) -> None: ...

class ScoredDocument(_message.Message):
    __slots__ = ("document_id", "score")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    score: float
    def __init__(self, document_id: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class RunQuery(_message.Message):
    __slots__ = ("query_id", "documents")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    documents: _containers.RepeatedCompositeFieldContainer[ScoredDocument]
    def __init__(self, query_id: _Optional[str] = ..., documents: _Optional[_Iterable[_Union[ScoredDocument, _Mapping]]] = ...) -> None: ...

class MeasureRequest(_message.Message):
    __slots__ = ("qrels", "run", "measures", "count_missing_queries", "per_query")
    QRELS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    COUNT_MISSING_QUERIES_FIELD_NUMBER: _ClassVar[int]
    PER_QUERY_FIELD_NUMBER: _ClassVar[int]
    qrels: _containers.RepeatedCompositeFieldContainer[Judgments]
    run: _containers.RepeatedCompositeFieldContainer[RunQuery]
    measures: _containers.RepeatedScalarFieldContainer[str]
    count_missing_queries: bool
    per_query: bool
    def __init__(self, qrels: _Optional[_Iterable[_Union[Judgments, _Mapping]]] = ..., run: _Optional[_Iterable[_Union[RunQuery, _Mapping]]] = ..., measures: _Optional[_Iterable[str]] = ..., count_missing_queries: _Optional[bool] = ..., per_query: _Optional[bool] = ...) -> None: ...

class MeasureValue(_message.Message):
    __slots__ = ("measure", "mean", "values")
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    measure: str
    mean: float
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, measure: _Optional[str] = ..., mean: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class MeasureResponse(_message.Message):
    __slots__ = ("measures", "query_ids", "queries", "missing_queries")
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    QUERY_IDS_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    MISSING_QUERIES_FIELD_NUMBER: _ClassVar[int]
    measures: _containers.RepeatedCompositeFieldContainer[MeasureValue]
    query_ids: _containers.RepeatedScalarFieldContainer[str]
    queries: int
    missing_queries: int
    def __init__(self, measures: _Optional[_Iterable[_Union[MeasureValue, _Mapping]]] = ..., query_ids: _Optional[_Iterable[str]] = ..., queries: _Optional[int] = ..., missing_queries: _Optional[int] = ...) -> None: ...
