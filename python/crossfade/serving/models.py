"""The models as the front end runs them: a lane for every way in which token ids become vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.models import Bundle, InputType

Infer = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]

Reading = tuple[int, str, str]
"""Lane, prompt, and the fingerprint of what comes out."""


class ServedEncoder(Protocol):
    """A loaded model; `crossfade.models.Encoder` is one."""

    @property
    def bundle(self) -> Bundle: ...

    @property
    def graph(self) -> object:
        """Encoders with one graph and no adapter share lanes."""
        ...

    @property
    def adapter(self) -> object | None: ...

    @property
    def batch_tokens(self) -> int: ...

    @property
    def padding_cost(self) -> float: ...

    @property
    def replicas(self) -> int: ...

    def infer(self, ids: NDArray[np.int64], mask: NDArray[np.int64], input_type: InputType) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Lane:
    """Runs batches of one kind. Lanes of one device wait for each other."""

    infer: Infer
    batch_tokens: int
    padding_cost: float = 1.0
    replicas: int = 1
    device: int = 0


@dataclass(frozen=True, slots=True)
class ServedModels:
    """Models by the name they are served under, and what the front end is told of them."""

    encoders: Mapping[str, ServedEncoder]
    lanes: Sequence[Lane]
    tokenizers: Sequence[tuple[bytes, int]]
    configuration: Sequence[Mapping[str, Any]]


def served_models(encoders: Mapping[str, ServedEncoder]) -> ServedModels:
    """Lanes and tokenizers, each once, however many models share it."""
    lanes: list[Lane] = []
    lane_numbers: dict[tuple[int, int], int] = {}
    tokenizers: list[tuple[bytes, int]] = []
    tokenizer_numbers: dict[tuple[str, int], int] = {}
    configuration: list[dict[str, Any]] = []

    def lane(encoder: ServedEncoder, kind: InputType) -> int:
        adapter = encoder.adapter if kind is InputType.QUERY else None
        key = (id(encoder.graph), 0 if adapter is None else id(adapter))
        if key not in lane_numbers:
            lane_numbers[key] = len(lanes)
            lanes.append(Lane(_infer(encoder, kind), encoder.batch_tokens, encoder.padding_cost, encoder.replicas))
        return lane_numbers[key]

    for name, encoder in sorted(encoders.items()):
        bundle = encoder.bundle
        key = (bundle.tokenizer_key, bundle.max_tokens)
        if key not in tokenizer_numbers:
            tokenizer_numbers[key] = len(tokenizers)
            tokenizers.append((bundle.tokenizer_path.read_bytes(), bundle.max_tokens))
        lanes_of = {kind: lane(encoder, kind) for kind in InputType}
        query, document = _readings(bundle, lanes_of)
        configuration.append(
            {
                "name": name,
                "dimension": bundle.dimension,
                "normalise": bundle.normalise,
                "tokenizer": tokenizer_numbers[key],
                "query": query,
                "document": document,
                "prompts": {prompt: _readings(bundle, lanes_of, prompt) for prompt in bundle.prompts.named},
            }
        )
    return ServedModels(dict(sorted(encoders.items())), lanes, tokenizers, configuration)


def _readings(bundle: Bundle, lanes: Mapping[InputType, int], prompt: str | None = None) -> tuple[Reading, Reading]:
    """How queries and documents are read, with their own prompts or with a named one."""

    def reading(kind: InputType) -> Reading:
        vectors = bundle.fingerprint(kind) if prompt is None else bundle.prompt_fingerprint(prompt, kind)
        return lanes[kind], bundle.prompts.of(kind, prompt), vectors

    return reading(InputType.QUERY), reading(InputType.DOCUMENT)


def _infer(encoder: ServedEncoder, kind: InputType) -> Infer:
    return lambda ids, mask: encoder.infer(ids, mask, kind)
