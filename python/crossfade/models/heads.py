"""What follows the transformer: pooling, dense layers, normalisation. In operators that every opset from 11 on has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.models.graph import MICROSOFT, GraphBuilder
from crossfade.models.session import EMBEDDING
from crossfade.models.types import Pooling

# The clamps of sentence-transformers (Pooling) and of torch.nn.functional.normalize.
_LEAST_COUNT = 1e-9
_LEAST_NORM = 1e-12

# torch's names -> ONNX's; None: nothing to do.
_ACTIVATIONS = {"Identity": None, "Tanh": "Tanh", "ReLU": "Relu", "Sigmoid": "Sigmoid", "GELU": "Gelu"}


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """y = activation(W x + b). `weight`: float32, (out, in); `bias`: float32, (out,), or None."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    activation: str


def check_activation(name: str) -> str:
    """The last part of an activation's dotted name, if a dense layer may have it; InvalidInput otherwise."""
    short = name.rpartition(".")[2]
    if short not in _ACTIVATIONS:
        raise InvalidInput(
            f"the dense layer's activation {name} is not supported (supported: {', '.join(_ACTIVATIONS)}): "
            "export the model to ONNX with its sentence_embedding output and import that"
        )
    return short


def pool(builder: GraphBuilder, tokens: str, mask: str, pooling: Pooling) -> str:
    """(batch, sequence, hidden) float32 and (batch, sequence) int64 -> (batch, hidden)."""
    if pooling is Pooling.CLS:
        return builder.add("Gather", tokens, builder.constant(np.array(0, dtype=np.int64)), axis=1)
    weights = builder.add("Cast", mask, to=1)
    if pooling is Pooling.LAST_TOKEN:
        weights = _last_only(builder, weights)
    # One row of weights a text, times its token vectors: a matrix product reads the hidden states once.
    row = builder.add("Reshape", weights, builder.integers(0, 1, -1))
    summed = builder.add("MatMul", row, tokens)
    flat = builder.add("Squeeze", summed, builder.integers(1)) if builder.opset >= 13 else None
    if flat is None:
        flat = builder.add("Squeeze", summed, axes=[1])
    if pooling is Pooling.LAST_TOKEN:
        return flat
    count = builder.reduce_sum(weights, 1, keep=True)
    least = builder.constant(np.array(_LEAST_COUNT, dtype=np.float32))
    return builder.add("Div", flat, builder.add("Max", count, least))


def finish(
    builder: GraphBuilder, pooled: str, dense: Sequence[DenseLayer], *, normalise: bool, output: str = EMBEDDING
) -> None:
    """Dense layers, then L2 normalisation when asked, ending in the graph's output."""
    value = pooled
    for layer in dense:
        value = _dense(builder, value, layer)
    if not normalise:
        builder.add("Identity", value, output=output)
        return
    squares = builder.reduce_sum(builder.add("Mul", value, value), 1, keep=True)
    least = builder.constant(np.array(_LEAST_NORM, dtype=np.float32))
    norm = builder.add("Max", builder.add("Sqrt", squares), least)
    builder.add("Div", value, norm, output=output)


def _last_only(builder: GraphBuilder, mask: str) -> str:
    """1 where a text's last token is. On a right-padded mask: the mask less itself moved one to the left."""
    rest = builder.add("Slice", mask, builder.integers(1), builder.integers(1 << 62), builder.integers(1))
    first = builder.add("Slice", mask, builder.integers(0), builder.integers(1), builder.integers(1))
    zero = builder.add("Mul", first, builder.constant(np.array(0, dtype=np.float32)))
    return builder.add("Sub", mask, builder.add("Concat", rest, zero, axis=1))


def _dense(builder: GraphBuilder, value: str, layer: DenseLayer) -> str:
    result = builder.add("MatMul", value, builder.constant(layer.weight.T))
    if layer.bias is not None:
        result = builder.add("Add", result, builder.constant(layer.bias))
    operator = _ACTIVATIONS[layer.activation]
    if operator is None:
        return result
    return builder.add(operator, result, domain=MICROSOFT if operator == "Gelu" else "")
