"""The BERT family as a fused ONNX graph, from its weights: no torch, no export.

Embedding + layer norm, attention, skip connection + layer norm, and bias + GELU are one operator each
(com.microsoft, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).

The graph is packed: after the embedding, the tokens of all texts lie one after the other, (tokens, hidden), and padding
is gone. Only attention needs its rectangle of texts, and gets it for the time being. So a batch of unequal texts costs
little more than their tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.graph import MICROSOFT, GraphBuilder
from crossfade.models.importing.weights import Weights
from crossfade.models.session import ATTENTION_MASK, INPUT_IDS

_INT32, _INT64 = 6, 7
_MASKED = float(np.finfo(np.float32).min)
_GELU_TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
_NORM_PARTS = {False: ("weight", "bias"), True: ("gamma", "beta")}
_ROBERTA = ("roberta", "xlm-roberta", "camembert")
SUPPORTED = ("bert", "distilbert", *_ROBERTA)
# These count positions from pad_id + 1 on, over the tokens that are not padding.
SHIFTED_POSITIONS = (*_ROBERTA, "mpnet")


@dataclass(frozen=True, slots=True)
class _Names:
    """Where an architecture keeps its weights. `{}` is the number of the layer."""

    prefixes: tuple[str, ...]
    layer: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    up: str
    down: str
    output_norm: str


_BERT_NAMES = _Names(
    prefixes=("", "bert.", "roberta."),
    layer="encoder.layer.{}.",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    output_norm="output.LayerNorm",
)
_DISTILBERT_NAMES = _Names(
    prefixes=("", "distilbert."),
    layer="transformer.layer.{}.",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    output_norm="output_layer_norm",
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """What config.json says, in one vocabulary for all members of the family."""

    model_type: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    activation: str
    pad_id: int

    @property
    def shifts_positions(self) -> bool:
        """RoBERTa counts positions from pad_id + 1 and gives padding the position pad_id."""
        return self.model_type in SHIFTED_POSITIONS

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text have a position."""
        return self.positions - self.pad_id - 1 if self.shifts_positions else self.positions


def read_architecture(config: Mapping[str, Any], where: str) -> Architecture:
    """Understand config.json. Raises InvalidInput, naming what is not supported, or BundleError for a wrong value."""
    model_type = str(config.get("model_type"))
    if model_type not in SUPPORTED:
        raise InvalidInput(
            f"{where}: the architecture {model_type} cannot be built from weights (supported: {', '.join(SUPPORTED)})"
        )
    position_type = config.get("position_embedding_type", "absolute")
    if position_type not in {"absolute", None}:
        raise InvalidInput(f"{where}: position_embedding_type {position_type} is not supported (supported: absolute)")
    if config.get("is_decoder"):
        raise InvalidInput(f"{where}: a decoder (is_decoder) is not supported; its attention looks back only")
    distil = model_type == "distilbert"

    def integer(name: str, default: int | None = None) -> int:
        value = config.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BundleError(f"{where}: {name} must be a whole number of 0 or more, not {value!r}")
        return value

    activation = str(config.get("activation" if distil else "hidden_act", "gelu"))
    if activation not in {"gelu", "relu", *_GELU_TANH}:
        raise InvalidInput(
            f"{where}: the activation {activation} is not supported (supported: gelu, relu, {', '.join(_GELU_TANH)})"
        )
    result = Architecture(
        model_type=model_type,
        hidden=integer("dim" if distil else "hidden_size"),
        layers=integer("n_layers" if distil else "num_hidden_layers"),
        heads=integer("n_heads" if distil else "num_attention_heads"),
        intermediate=integer("hidden_dim" if distil else "intermediate_size"),
        vocabulary=integer("vocab_size"),
        positions=integer("max_position_embeddings"),
        token_types=0 if distil else integer("type_vocab_size", 2),
        epsilon=1e-12 if distil else float(config.get("layer_norm_eps", 1e-12)),
        activation=activation,
        pad_id=integer("pad_token_id", 1 if model_type in _ROBERTA else 0),
    )
    if result.heads == 0 or result.hidden % result.heads:
        raise BundleError(f"{where}: {result.hidden} hidden units cannot be shared by {result.heads} attention heads")
    return result


def position_limit(config: Mapping[str, Any]) -> int | None:
    """How many tokens of a text have a position, for any architecture; None when config.json does not say."""
    positions, pad_id = config.get("max_position_embeddings"), config.get("pad_token_id", 1)
    if not isinstance(positions, int) or positions < 1:
        return None
    shifted = config.get("model_type") in SHIFTED_POSITIONS and isinstance(pad_id, int)
    return positions - pad_id - 1 if shifted else positions


def build_transformer(builder: GraphBuilder, architecture: Architecture, weights: Weights) -> str:
    """Add the transformer; return the name of its last hidden states, float32, (batch, sequence, hidden)."""
    return _Transformer(builder, architecture, weights).build()


class _Packing:
    """The two ways in which the hidden states lie: (texts, longest, hidden) with padding, (tokens, hidden) without."""

    def __init__(self, builder: GraphBuilder, hidden: int) -> None:
        self._builder = builder
        present = builder.add("Reshape", ATTENTION_MASK, builder.integers(-1))
        self._flat = builder.integers(-1, hidden)
        # Where in the rectangle each token stands, and which token stands where in the rectangle. Padding gets the
        # token before it, or the last of all: attention and pooling look at neither.
        self._places = builder.add("Reshape", builder.add("NonZero", present), builder.integers(-1))
        counted = builder.add("CumSum", present, builder.constant(np.array(0, dtype=np.int64)))
        numbers = builder.add("Sub", counted, builder.constant(np.array(1, dtype=np.int64)))
        self._numbers = builder.add("Reshape", numbers, builder.add("Shape", ATTENTION_MASK))

    def pack(self, padded: str) -> str:
        return self._builder.add("Gather", self._builder.add("Reshape", padded, self._flat), self._places, axis=0)

    def unpack(self, packed: str) -> str:
        return self._builder.add("Gather", packed, self._numbers, axis=0)


class _Transformer:
    def __init__(self, builder: GraphBuilder, architecture: Architecture, weights: Weights) -> None:
        self._builder, self._shape, self._weights = builder, architecture, weights
        self._names = _DISTILBERT_NAMES if architecture.model_type == "distilbert" else _BERT_NAMES
        word = "embeddings.word_embeddings.weight"
        found = [prefix for prefix in self._names.prefixes if prefix + word in weights.names]
        self._prefix = found[0] if found else ""

    def build(self) -> str:
        padded, counts = self._embed()
        layout = _Packing(self._builder, self._shape.hidden)
        hidden = layout.pack(padded)
        for number in range(self._shape.layers):
            hidden = self._layer(number, hidden, layout, counts)
        return layout.unpack(hidden)

    def _embed(self) -> tuple[str, str]:
        """Embedded tokens, and the number of tokens of each text (what Attention takes as a mask)."""
        shape, add = self._shape, self._builder.add
        word = self._get("embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden)
        position = self._get("embeddings.position_embeddings.weight", shape.positions, shape.hidden)
        if shape.token_types:
            # Every token is of type 0, so its row is part of every position.
            types = self._get("embeddings.token_type_embeddings.weight", shape.token_types, shape.hidden)
            position = position + types[0]
        ids = add("Cast", INPUT_IDS, to=_INT32)
        mask = add("Cast", ATTENTION_MASK, to=_INT32)
        gamma, beta = self._norm("embeddings.LayerNorm")
        hidden, counts, _ = self._builder.add_multiple(
            "EmbedLayerNormalization",
            ids,
            "",
            self._builder.constant(word),
            self._builder.constant(position),
            "",
            gamma,
            beta,
            mask,
            self._shifted_positions() if shape.shifts_positions else "",
            outputs=[None, None, None],
            domain=MICROSOFT,
            epsilon=shape.epsilon,
        )
        return hidden, counts

    def _shifted_positions(self) -> str:
        """RoBERTa's positions: a running count of what is not the padding token, from pad_id + 1."""
        builder = self._builder
        pad = builder.constant(np.array(self._shape.pad_id, dtype=np.int64))
        is_pad = builder.add("Equal", INPUT_IDS, pad)
        real = builder.add("Cast", builder.add("Not", is_pad), to=_INT32)
        axis = builder.constant(np.array(1, dtype=np.int64))
        counted = builder.add("Mul", builder.add("CumSum", real, axis), real)
        return builder.add("Add", counted, builder.constant(np.array(self._shape.pad_id, dtype=np.int32)))

    def _layer(self, number: int, hidden: str, layout: _Packing, counts: str) -> str:
        """Hidden states in and out are packed. `counts`: tokens of each text."""
        shape, names, builder = self._shape, self._names, self._builder
        layer = names.layer.format(number)
        parts = [
            self._linear(layer + name, shape.hidden, shape.hidden) for name in (names.query, names.key, names.value)
        ]
        attended = builder.add(
            "MultiHeadAttention",
            *(layout.unpack(builder.add("MatMul", hidden, builder.constant(weight))) for weight, _ in parts),
            builder.constant(np.concatenate([bias for _, bias in parts])),
            counts,
            domain=MICROSOFT,
            num_heads=shape.heads,
            mask_filter_value=_MASKED,
        )
        attended = layout.pack(attended)
        hidden = self._project(
            attended, hidden, layer + names.attention_output, shape.hidden, layer + names.attention_norm
        )
        weight, bias = self._linear(layer + names.up, shape.hidden, shape.intermediate)
        raised = self._activate(builder.add("MatMul", hidden, builder.constant(weight)), builder.constant(bias))
        return self._project(raised, hidden, layer + names.down, shape.intermediate, layer + names.output_norm)

    def _project(self, value: str, skip: str, linear: str, inputs: int, norm: str) -> str:
        """norm(linear(value) + skip)."""
        weight, bias = self._linear(linear, inputs, self._shape.hidden)
        gamma, beta = self._norm(norm)
        product = self._builder.add("MatMul", value, self._builder.constant(weight))
        return self._builder.add(
            "SkipLayerNormalization",
            product,
            skip,
            gamma,
            beta,
            self._builder.constant(bias),
            domain=MICROSOFT,
            epsilon=self._shape.epsilon,
        )

    def _activate(self, value: str, bias: str) -> str:
        if self._shape.activation == "gelu":
            return self._builder.add("BiasGelu", value, bias, domain=MICROSOFT)
        if self._shape.activation in _GELU_TANH:
            return self._builder.add("FastGelu", value, bias, domain=MICROSOFT)
        return self._builder.add("Relu", self._builder.add("Add", value, bias))

    def _linear(self, name: str, inputs: int, outputs: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight as (inputs, outputs), for x @ weight; torch keeps its transpose. Bias (outputs,)."""
        return self._get(f"{name}.weight", outputs, inputs).T, self._get(f"{name}.bias", outputs)

    def _norm(self, name: str) -> tuple[str, str]:
        # Checkpoints of BERT's first years call them gamma and beta.
        old = f"{self._prefix}{name}.gamma" in self._weights.names
        gamma, beta = (self._get(f"{name}.{part}", self._shape.hidden) for part in _NORM_PARTS[old])
        return self._builder.constant(gamma), self._builder.constant(beta)

    def _get(self, name: str, *shape: int) -> NDArray[np.float32]:
        return self._weights.get(self._prefix + name, *shape)
