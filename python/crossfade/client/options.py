"""How a call is to be done, checked before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from crossfade._pb import embedding_pb2, vectors_pb2
from crossfade.client import messages
from crossfade.client.types import Encoding, InputType, LongTexts, Priority
from crossfade.errors import InvalidInput

_Name = TypeVar("_Name", bound=str)
_Number = TypeVar("_Number")

_LONG_TEXTS: dict[LongTexts, embedding_pb2.LongTexts] = {
    "truncate": embedding_pb2.LONG_TEXTS_TRUNCATE,
    "refuse": embedding_pb2.LONG_TEXTS_REFUSE,
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
class SearchOptions:
    """What a Search may be told. Raises InvalidInput for what does not exist."""

    with_documents: bool = False
    priority: Priority | None = None

    def __post_init__(self) -> None:
        priority_number(self.priority)


def priority_number(priority: Priority | None) -> vectors_pb2.Priority:
    if priority is None:
        return vectors_pb2.PRIORITY_UNSPECIFIED
    return _number("priority", priority, _PRIORITIES)


def _number(what: str, name: _Name, numbers: Mapping[_Name, _Number]) -> _Number:
    if not isinstance(name, str) or name not in numbers:
        raise InvalidInput(f"{what} {name!r} does not exist: use one of {', '.join(numbers)}")
    return numbers[name]
