"""How a call is to be done, checked before it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from crossfade._pb import collections_pb2, embedding_pb2, vectors_pb2
from crossfade.client import messages
from crossfade.client.types import Encoding, InputType, LongTexts, Priority, SearchMode
from crossfade.errors import InvalidInput
from crossfade.fusion import check_weight

_Name = TypeVar("_Name", bound=str)
_Number = TypeVar("_Number")

_LONG_TEXTS: dict[LongTexts, embedding_pb2.LongTexts] = {
    "truncate": embedding_pb2.LONG_TEXTS_TRUNCATE,
    "refuse": embedding_pb2.LONG_TEXTS_REFUSE,
}
_MODES: dict[SearchMode, collections_pb2.SearchMode] = {
    "dense": collections_pb2.SEARCH_MODE_UNSPECIFIED,
    "lexical": collections_pb2.SEARCH_MODE_LEXICAL,
    "hybrid": collections_pb2.SEARCH_MODE_HYBRID,
}
_METHODS: dict[Literal["rrf", "weighted"], collections_pb2.Fusion.Method] = {
    "rrf": collections_pb2.Fusion.METHOD_RECIPROCAL_RANKS,
    "weighted": collections_pb2.Fusion.METHOD_WEIGHTED_SCORES,
}
_PRIORITIES: dict[Priority, vectors_pb2.Priority] = {
    "interactive": vectors_pb2.PRIORITY_INTERACTIVE,
    "bulk": vectors_pb2.PRIORITY_BULK,
    "shadow": vectors_pb2.PRIORITY_SHADOW,
}


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """What an Embed may be told. Raises InvalidInput for what does not exist."""

    dimensions: int | None = None
    encoding: Encoding = "float32"
    long_texts: LongTexts = "truncate"
    prompt_name: str | None = None
    priority: Priority | None = None

    def __post_init__(self) -> None:
        _number("encoding", self.encoding, messages.ENCODINGS)
        _number("long_texts", self.long_texts, _LONG_TEXTS)
        priority_number(self.priority)
        if self.dimensions is not None and not (isinstance(self.dimensions, int) and 0 < self.dimensions < 2**32):
            raise InvalidInput(
                f"dimensions is {self.dimensions!r}: give how many elements of a vector to keep, or None for all"
            )
        if self.prompt_name == "":
            raise InvalidInput("prompt_name is empty: name one of the model's prompts, or give None for its usual one")


@dataclass(frozen=True, slots=True)
class Embedder:
    """Makes the requests of a batch or a stream: a model, told how."""

    model: str
    input_type: InputType
    options: EmbedOptions = field(default_factory=EmbedOptions)

    def __post_init__(self) -> None:
        messages.input_type_number(self.input_type)

    def request(self, texts: Sequence[str]) -> embedding_pb2.EmbedRequest:
        options = self.options
        return embedding_pb2.EmbedRequest(
            model=self.model,
            input_type=messages.input_type_number(self.input_type),
            texts=texts,
            dimensions=options.dimensions or 0,
            encoding=messages.ENCODINGS[options.encoding],
            long_texts=_LONG_TEXTS[options.long_texts],
            prompt_name=options.prompt_name or "",
            priority=priority_number(options.priority),
        )


@dataclass(frozen=True, slots=True)
class Fusion:
    """How a hybrid search makes one list of two. `method`: "weighted", the sum of weight times score, each list's
    scores brought to 0 to 1, or "rrf", the sum of weight / (rank_constant + rank).
    """

    method: Literal["rrf", "weighted"] = "weighted"
    rank_constant: int = 60
    dense_weight: float = 1.0
    lexical_weight: float = 1.0

    def __post_init__(self) -> None:
        _number("fusion method", self.method, _METHODS)
        if not 0 < self.rank_constant < 2**32:
            raise InvalidInput(f"rank_constant is {self.rank_constant!r}: give a whole number of 1 or more")
        for name, weight in (("dense_weight", self.dense_weight), ("lexical_weight", self.lexical_weight)):
            check_weight(weight, name)
        if self.dense_weight == self.lexical_weight == 0:
            raise InvalidInput("dense_weight and lexical_weight are both 0: every document would tie")

    def message(self) -> collections_pb2.Fusion:
        return collections_pb2.Fusion(
            method=_METHODS[self.method],
            rank_constant=self.rank_constant,
            dense_weight=self.dense_weight,
            lexical_weight=self.lexical_weight,
        )


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a Search may be told. Raises InvalidInput for what does not exist."""

    with_documents: bool = False
    priority: Priority | None = None
    filter: str | Mapping[str, Any] | None = None
    exact: bool = False
    ef: int | None = None
    mode: SearchMode = "dense"
    candidates: int | None = None
    fusion: Fusion = field(default_factory=Fusion)
    reranker: str | None = None
    explain: bool = False
    best_chunks: int | None = None
    explain_candidates: bool = False

    def __post_init__(self) -> None:
        priority_number(self.priority)
        _number("mode", self.mode, _MODES)
        for name, value in (("ef", self.ef), ("candidates", self.candidates), ("best_chunks", self.best_chunks)):
            if value is not None and not (isinstance(value, int) and 0 < value < 2**32):
                raise InvalidInput(f"{name} is {value!r}: give a whole number of 1 or more, or None")

    def message(self) -> collections_pb2.SearchOptions | None:
        """What of it goes into a message of its own; None when all of that is as it is by default."""
        message: Any = collections_pb2.SearchOptions(  # protobuf's methods have no types
            filter=_json(self.filter),
            exact=self.exact,
            ef=self.ef or 0,
            mode=_MODES[self.mode],
            candidates=self.candidates or 0,
            reranker=self.reranker or "",
            explain=self.explain or self.explain_candidates,
            best_chunks=self.best_chunks or 0,
            explain_candidates=self.explain_candidates,
        )
        if self.fusion != Fusion():
            message.fusion.CopyFrom(self.fusion.message())
        written: collections_pb2.SearchOptions = message
        return written if message.ByteSize() else None


def _json(condition: str | Mapping[str, Any] | None) -> str:
    if condition is None or isinstance(condition, str):
        return condition or ""
    try:
        return json.dumps(condition, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"filter cannot be written as JSON: {error}") from None


def priority_number(priority: Priority | None) -> vectors_pb2.Priority:
    if priority is None:
        return vectors_pb2.PRIORITY_UNSPECIFIED
    return _number("priority", priority, _PRIORITIES)


def _number(what: str, name: _Name, numbers: Mapping[_Name, _Number]) -> _Number:
    if not isinstance(name, str) or name not in numbers:
        raise InvalidInput(f"{what} {name!r} does not exist: use one of {', '.join(numbers)}")
    return numbers[name]
