from crossfade._pb import vectors_pb2 as _vectors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LongTexts(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LONG_TEXTS_TRUNCATE: _ClassVar[LongTexts]
    LONG_TEXTS_REFUSE: _ClassVar[LongTexts]
LONG_TEXTS_TRUNCATE: LongTexts
LONG_TEXTS_REFUSE: LongTexts

class EmbedRequest(_message.Message):
    __slots__ = ("model", "input_type", "texts", "dimensions", "encoding", "long_texts", "prompt_name", "priority")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    LONG_TEXTS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_NAME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    model: str
    input_type: _vectors_pb2.InputType
    texts: _containers.RepeatedScalarFieldContainer[str]
    dimensions: int
    encoding: _vectors_pb2.Encoding
    long_texts: LongTexts
    prompt_name: str
    priority: _vectors_pb2.Priority
    def __init__(self, model: _Optional[str] = ..., input_type: _Optional[_Union[_vectors_pb2.InputType, str]] = ..., texts: _Optional[_Iterable[str]] = ..., dimensions: _Optional[int] = ..., encoding: _Optional[_Union[_vectors_pb2.Encoding, str]] = ..., long_texts: _Optional[_Union[LongTexts, str]] = ..., prompt_name: _Optional[str] = ..., priority: _Optional[_Union[_vectors_pb2.Priority, str]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("vectors", "fingerprint", "token_counts", "truncated", "times")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    vectors: _vectors_pb2.Vectors
    fingerprint: str
    token_counts: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    times: _vectors_pb2.StageTimes
    def __init__(self, vectors: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., fingerprint: _Optional[str] = ..., token_counts: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ..., times: _Optional[_Union[_vectors_pb2.StageTimes, _Mapping]] = ...) -> None: ...

class EmbedStreamRequest(_message.Message):
    __slots__ = ("id", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: int
    request: EmbedRequest
    def __init__(self, id: _Optional[int] = ..., request: _Optional[_Union[EmbedRequest, _Mapping]] = ...) -> None: ...

class EmbedStreamResponse(_message.Message):
    __slots__ = ("id", "response", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: EmbedResponse
    failure: Failure
    def __init__(self, id: _Optional[int] = ..., response: _Optional[_Union[EmbedResponse, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message", "error")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    error: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
