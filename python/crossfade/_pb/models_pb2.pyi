from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "bundle_name", "dimension", "max_tokens", "pooling", "normalise", "precision", "query_fingerprint", "document_fingerprint", "parent_name", "parent_fingerprint", "prompt_names")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    NORMALISE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    QUERY_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PARENT_NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_NAMES_FIELD_NUMBER: _ClassVar[int]
    name: str
    bundle_name: str
    dimension: int
    max_tokens: int
    pooling: str
    normalise: bool
    precision: str
    query_fingerprint: str
    document_fingerprint: str
    parent_name: str
    parent_fingerprint: str
    prompt_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., bundle_name: _Optional[str] = ..., dimension: _Optional[int] = ..., max_tokens: _Optional[int] = ..., pooling: _Optional[str] = ..., normalise: _Optional[bool] = ..., precision: _Optional[str] = ..., query_fingerprint: _Optional[str] = ..., document_fingerprint: _Optional[str] = ..., parent_name: _Optional[str] = ..., parent_fingerprint: _Optional[str] = ..., prompt_names: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("texts_per_call", "text_bytes", "message_bytes", "k", "results_per_call", "score_vectors", "queued_tokens")
    TEXTS_PER_CALL_FIELD_NUMBER: _ClassVar[int]
    TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    RESULTS_PER_CALL_FIELD_NUMBER: _ClassVar[int]
    SCORE_VECTORS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    texts_per_call: int
    text_bytes: int
    message_bytes: int
    k: int
    results_per_call: int
    score_vectors: int
    queued_tokens: int
    def __init__(self, texts_per_call: _Optional[int] = ..., text_bytes: _Optional[int] = ..., message_bytes: _Optional[int] = ..., k: _Optional[int] = ..., results_per_call: _Optional[int] = ..., score_vectors: _Optional[int] = ..., queued_tokens: _Optional[int] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "limits")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    limits: Limits
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...
