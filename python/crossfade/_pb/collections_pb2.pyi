from crossfade._pb import vectors_pb2 as _vectors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FieldType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIELD_TYPE_UNSPECIFIED: _ClassVar[FieldType]
    FIELD_TYPE_STRING: _ClassVar[FieldType]
    FIELD_TYPE_INT: _ClassVar[FieldType]
    FIELD_TYPE_FLOAT: _ClassVar[FieldType]
    FIELD_TYPE_BOOL: _ClassVar[FieldType]
    FIELD_TYPE_DATETIME: _ClassVar[FieldType]
    FIELD_TYPE_STRINGS: _ClassVar[FieldType]

class SearchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEARCH_MODE_UNSPECIFIED: _ClassVar[SearchMode]
    SEARCH_MODE_DENSE: _ClassVar[SearchMode]
    SEARCH_MODE_LEXICAL: _ClassVar[SearchMode]
    SEARCH_MODE_HYBRID: _ClassVar[SearchMode]
FIELD_TYPE_UNSPECIFIED: FieldType
FIELD_TYPE_STRING: FieldType
FIELD_TYPE_INT: FieldType
FIELD_TYPE_FLOAT: FieldType
FIELD_TYPE_BOOL: FieldType
FIELD_TYPE_DATETIME: FieldType
FIELD_TYPE_STRINGS: FieldType
SEARCH_MODE_UNSPECIFIED: SearchMode
SEARCH_MODE_DENSE: SearchMode
SEARCH_MODE_LEXICAL: SearchMode
SEARCH_MODE_HYBRID: SearchMode

class Collection(_message.Message):
    __slots__ = ("name", "dimension", "metric", "document_fingerprint", "documents", "settings", "current_version", "indexes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    dimension: int
    metric: _vectors_pb2.Metric
    document_fingerprint: str
    documents: int
    settings: CollectionSettings
    current_version: int
    indexes: _containers.RepeatedCompositeFieldContainer[Index]
    def __init__(self, name: _Optional[str] = ..., dimension: _Optional[int] = ..., metric: _Optional[_Union[_vectors_pb2.Metric, str]] = ..., document_fingerprint: _Optional[str] = ..., documents: _Optional[int] = ..., settings: _Optional[_Union[CollectionSettings, _Mapping]] = ..., current_version: _Optional[int] = ..., indexes: _Optional[_Iterable[_Union[Index, _Mapping]]] = ...) -> None: ...

class Index(_message.Message):
    __slots__ = ("version", "dimension", "document_fingerprint", "rows", "pending", "segments", "bytes", "graphs_built")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_BUILT_FIELD_NUMBER: _ClassVar[int]
    version: int
    dimension: int
    document_fingerprint: str
    rows: int
    pending: int
    segments: int
    bytes: int
    graphs_built: bool
    def __init__(self, version: _Optional[int] = ..., dimension: _Optional[int] = ..., document_fingerprint: _Optional[str] = ..., rows: _Optional[int] = ..., pending: _Optional[int] = ..., segments: _Optional[int] = ..., bytes: _Optional[int] = ..., graphs_built: _Optional[bool] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("id", "title", "text", "metadata", "version")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetadataValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetadataValue, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    text: str
    metadata: _containers.MessageMap[str, MetadataValue]
    version: int
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., metadata: _Optional[_Mapping[str, MetadataValue]] = ..., version: _Optional[int] = ...) -> None: ...

class MetadataValue(_message.Message):
    __slots__ = ("string", "int", "float", "bool", "datetime", "strings")
    STRING_FIELD_NUMBER: _ClassVar[int]
    INT_FIELD_NUMBER: _ClassVar[int]
    FLOAT_FIELD_NUMBER: _ClassVar[int]
    BOOL_FIELD_NUMBER: _ClassVar[int]
    DATETIME_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    string: str
    int: int
    float: float
    bool: bool
    datetime: str
    strings: Strings
    def __init__(self, string: _Optional[str] = ..., int: _Optional[int] = ..., float: _Optional[float] = ..., bool: _Optional[bool] = ..., datetime: _Optional[str] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ...) -> None: ...

class Strings(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("name", "metric", "settings", "model", "vector_space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VECTOR_SPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    metric: _vectors_pb2.Metric
    settings: CollectionSettings
    model: str
    vector_space: VectorSpace
    def __init__(self, name: _Optional[str] = ..., metric: _Optional[_Union[_vectors_pb2.Metric, str]] = ..., settings: _Optional[_Union[CollectionSettings, _Mapping]] = ..., model: _Optional[str] = ..., vector_space: _Optional[_Union[VectorSpace, _Mapping]] = ...) -> None: ...

class CollectionSettings(_message.Message):
    __slots__ = ("fields", "analyser", "chunking", "tenant_field", "precision", "hnsw")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FieldType
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FieldType, str]] = ...) -> None: ...
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ANALYSER_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    HNSW_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.ScalarMap[str, FieldType]
    analyser: Analyser
    chunking: Chunking
    tenant_field: str
    precision: str
    hnsw: Hnsw
    def __init__(self, fields: _Optional[_Mapping[str, FieldType]] = ..., analyser: _Optional[_Union[Analyser, _Mapping]] = ..., chunking: _Optional[_Union[Chunking, _Mapping]] = ..., tenant_field: _Optional[str] = ..., precision: _Optional[str] = ..., hnsw: _Optional[_Union[Hnsw, _Mapping]] = ...) -> None: ...

class Analyser(_message.Message):
    __slots__ = ("name", "stop_words", "own_stop_words")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STOP_WORDS_FIELD_NUMBER: _ClassVar[int]
    OWN_STOP_WORDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    stop_words: str
    own_stop_words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., stop_words: _Optional[str] = ..., own_stop_words: _Optional[_Iterable[str]] = ...) -> None: ...

class Chunking(_message.Message):
    __slots__ = ("method", "size", "overlap", "heading_prefix")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    HEADING_PREFIX_FIELD_NUMBER: _ClassVar[int]
    method: str
    size: int
    overlap: int
    heading_prefix: bool
    def __init__(self, method: _Optional[str] = ..., size: _Optional[int] = ..., overlap: _Optional[int] = ..., heading_prefix: _Optional[bool] = ...) -> None: ...

class Hnsw(_message.Message):
    __slots__ = ("m", "ef_construction", "recall")
    M_FIELD_NUMBER: _ClassVar[int]
    EF_CONSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    m: int
    ef_construction: int
    recall: float
    def __init__(self, m: _Optional[int] = ..., ef_construction: _Optional[int] = ..., recall: _Optional[float] = ...) -> None: ...

class VectorSpace(_message.Message):
    __slots__ = ("dimension", "document_fingerprint")
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    dimension: int
    document_fingerprint: str
    def __init__(self, dimension: _Optional[int] = ..., document_fingerprint: _Optional[str] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpsertRequest(_message.Message):
    __slots__ = ("collection", "documents", "model", "vectors", "fingerprint", "expected_versions", "also_versions", "also_served", "also_vectors", "with_chunks")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ALSO_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ALSO_SERVED_FIELD_NUMBER: _ClassVar[int]
    ALSO_VECTORS_FIELD_NUMBER: _ClassVar[int]
    WITH_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    model: str
    vectors: _vectors_pb2.Vectors
    fingerprint: str
    expected_versions: _containers.RepeatedScalarFieldContainer[int]
    also_versions: _containers.RepeatedScalarFieldContainer[int]
    also_served: bool
    also_vectors: _containers.RepeatedCompositeFieldContainer[VersionVectors]
    with_chunks: bool
    def __init__(self, collection: _Optional[str] = ..., documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., model: _Optional[str] = ..., vectors: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., fingerprint: _Optional[str] = ..., expected_versions: _Optional[_Iterable[int]] = ..., also_versions: _Optional[_Iterable[int]] = ..., also_served: _Optional[bool] = ..., also_vectors: _Optional[_Iterable[_Union[VersionVectors, _Mapping]]] = ..., with_chunks: _Optional[bool] = ...) -> None: ...

class VersionVectors(_message.Message):
    __slots__ = ("version", "vectors", "fingerprint")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    version: int
    vectors: _vectors_pb2.Vectors
    fingerprint: str
    def __init__(self, version: _Optional[int] = ..., vectors: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class UpsertResponse(_message.Message):
    __slots__ = ("added", "replaced", "token_counts", "truncated", "times", "chunk_counts", "unread_characters", "written_versions", "document_chunks")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    added: int
    replaced: int
    token_counts: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    times: _vectors_pb2.StageTimes
    chunk_counts: _containers.RepeatedScalarFieldContainer[int]
    unread_characters: _containers.RepeatedScalarFieldContainer[int]
    written_versions: _containers.RepeatedScalarFieldContainer[int]
    document_chunks: _containers.RepeatedCompositeFieldContainer[DocumentChunks]
    def __init__(self, added: _Optional[int] = ..., replaced: _Optional[int] = ..., token_counts: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ..., times: _Optional[_Union[_vectors_pb2.StageTimes, _Mapping]] = ..., chunk_counts: _Optional[_Iterable[int]] = ..., unread_characters: _Optional[_Iterable[int]] = ..., written_versions: _Optional[_Iterable[int]] = ..., document_chunks: _Optional[_Iterable[_Union[DocumentChunks, _Mapping]]] = ...) -> None: ...

class DocumentChunks(_message.Message):
    __slots__ = ("chunks",)
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedCompositeFieldContainer[Chunk]
    def __init__(self, chunks: _Optional[_Iterable[_Union[Chunk, _Mapping]]] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("start", "stop", "read_end")
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    READ_END_FIELD_NUMBER: _ClassVar[int]
    start: int
    stop: int
    read_end: int
    def __init__(self, start: _Optional[int] = ..., stop: _Optional[int] = ..., read_end: _Optional[int] = ...) -> None: ...

class CreateIndexRequest(_message.Message):
    __slots__ = ("collection", "model", "vector_space")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VECTOR_SPACE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    vector_space: VectorSpace
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., vector_space: _Optional[_Union[VectorSpace, _Mapping]] = ...) -> None: ...

class CreateIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: Index
    def __init__(self, index: _Optional[_Union[Index, _Mapping]] = ...) -> None: ...

class DropIndexRequest(_message.Message):
    __slots__ = ("collection", "version")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: int
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class DropIndexResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FillIndexRequest(_message.Message):
    __slots__ = ("collection", "version", "model", "limit")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: int
    model: str
    limit: int
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[int] = ..., model: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class FillIndexResponse(_message.Message):
    __slots__ = ("filled", "pending", "times")
    FILLED_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    filled: int
    pending: int
    times: _vectors_pb2.StageTimes
    def __init__(self, filled: _Optional[int] = ..., pending: _Optional[int] = ..., times: _Optional[_Union[_vectors_pb2.StageTimes, _Mapping]] = ...) -> None: ...

class SetCurrentIndexRequest(_message.Message):
    __slots__ = ("collection", "version", "expected_version", "force")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    version: int
    expected_version: int
    force: bool
    def __init__(self, collection: _Optional[str] = ..., version: _Optional[int] = ..., expected_version: _Optional[int] = ..., force: _Optional[bool] = ...) -> None: ...

class SetCurrentIndexResponse(_message.Message):
    __slots__ = ("previous_version",)
    PREVIOUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    previous_version: int
    def __init__(self, previous_version: _Optional[int] = ...) -> None: ...

class Alias(_message.Message):
    __slots__ = ("name", "collection", "version", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    collection: str
    version: int
    revision: int
    def __init__(self, name: _Optional[str] = ..., collection: _Optional[str] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class SetAliasRequest(_message.Message):
    __slots__ = ("name", "collection", "version", "expected_revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    collection: str
    version: int
    expected_revision: int
    def __init__(self, name: _Optional[str] = ..., collection: _Optional[str] = ..., version: _Optional[int] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class SetAliasResponse(_message.Message):
    __slots__ = ("alias",)
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    alias: Alias
    def __init__(self, alias: _Optional[_Union[Alias, _Mapping]] = ...) -> None: ...

class DropAliasRequest(_message.Message):
    __slots__ = ("name", "expected_revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    expected_revision: int
    def __init__(self, name: _Optional[str] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class DropAliasResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAliasesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAliasesResponse(_message.Message):
    __slots__ = ("aliases",)
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    aliases: _containers.RepeatedCompositeFieldContainer[Alias]
    def __init__(self, aliases: _Optional[_Iterable[_Union[Alias, _Mapping]]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("collection", "ids")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("collection", "model", "texts", "vectors", "fingerprint", "k", "with_documents", "priority", "options")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    WITH_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    vectors: _vectors_pb2.Vectors
    fingerprint: str
    k: int
    with_documents: bool
    priority: _vectors_pb2.Priority
    options: SearchOptions
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ..., vectors: _Optional[_Union[_vectors_pb2.Vectors, _Mapping]] = ..., fingerprint: _Optional[str] = ..., k: _Optional[int] = ..., with_documents: _Optional[bool] = ..., priority: _Optional[_Union[_vectors_pb2.Priority, str]] = ..., options: _Optional[_Union[SearchOptions, _Mapping]] = ...) -> None: ...

class SearchOptions(_message.Message):
    __slots__ = ("filter", "exact", "ef", "mode", "candidates", "fusion", "reranker", "explain", "best_chunks", "explain_candidates")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    EF_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    RERANKER_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    BEST_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    filter: str
    exact: bool
    ef: int
    mode: SearchMode
    candidates: int
    fusion: Fusion
    reranker: str
    explain: bool
    best_chunks: int
    explain_candidates: bool
    def __init__(self, filter: _Optional[str] = ..., exact: _Optional[bool] = ..., ef: _Optional[int] = ..., mode: _Optional[_Union[SearchMode, str]] = ..., candidates: _Optional[int] = ..., fusion: _Optional[_Union[Fusion, _Mapping]] = ..., reranker: _Optional[str] = ..., explain: _Optional[bool] = ..., best_chunks: _Optional[int] = ..., explain_candidates: _Optional[bool] = ...) -> None: ...

class Fusion(_message.Message):
    __slots__ = ("method", "rank_constant", "dense_weight", "lexical_weight")
    class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        METHOD_UNSPECIFIED: _ClassVar[Fusion.Method]
        METHOD_RECIPROCAL_RANKS: _ClassVar[Fusion.Method]
        METHOD_WEIGHTED_SCORES: _ClassVar[Fusion.Method]
    METHOD_UNSPECIFIED: Fusion.Method
    METHOD_RECIPROCAL_RANKS: Fusion.Method
    METHOD_WEIGHTED_SCORES: Fusion.Method
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RANK_CONSTANT_FIELD_NUMBER: _ClassVar[int]
    DENSE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    method: Fusion.Method
    rank_constant: int
    dense_weight: float
    lexical_weight: float
    def __init__(self, method: _Optional[_Union[Fusion.Method, str]] = ..., rank_constant: _Optional[int] = ..., dense_weight: _Optional[float] = ..., lexical_weight: _Optional[float] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("id", "score", "document", "start", "stop", "stages", "read_end")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    READ_END_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    document: Document
    start: int
    stop: int
    stages: _containers.RepeatedCompositeFieldContainer[HitStage]
    read_end: int
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., document: _Optional[_Union[Document, _Mapping]] = ..., start: _Optional[int] = ..., stop: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[HitStage, _Mapping]]] = ..., read_end: _Optional[int] = ...) -> None: ...

class HitStage(_message.Message):
    __slots__ = ("stage", "rank", "score", "terms")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    rank: int
    score: float
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    def __init__(self, stage: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ...) -> None: ...

class Term(_message.Message):
    __slots__ = ("term", "score")
    TERM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    term: str
    score: float
    def __init__(self, term: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class SearchStage(_message.Message):
    __slots__ = ("stage", "candidates", "ns")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    NS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    candidates: int
    ns: int
    def __init__(self, stage: _Optional[str] = ..., candidates: _Optional[int] = ..., ns: _Optional[int] = ...) -> None: ...

class Hits(_message.Message):
    __slots__ = ("hits", "stages")
    HITS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    stages: _containers.RepeatedCompositeFieldContainer[StageCandidates]
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[StageCandidates, _Mapping]]] = ...) -> None: ...

class StageCandidates(_message.Message):
    __slots__ = ("stage", "candidates")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    stage: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    def __init__(self, stage: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("id", "score", "start", "stop")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    start: int
    stop: int
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., start: _Optional[int] = ..., stop: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("results", "query_fingerprint", "times", "stages", "incomplete", "pending")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Hits]
    query_fingerprint: str
    times: _vectors_pb2.StageTimes
    stages: _containers.RepeatedCompositeFieldContainer[SearchStage]
    incomplete: bool
    pending: int
    def __init__(self, results: _Optional[_Iterable[_Union[Hits, _Mapping]]] = ..., query_fingerprint: _Optional[str] = ..., times: _Optional[_Union[_vectors_pb2.StageTimes, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[SearchStage, _Mapping]]] = ..., incomplete: _Optional[bool] = ..., pending: _Optional[int] = ...) -> None: ...
