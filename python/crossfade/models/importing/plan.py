"""Decides how a source becomes a graph: built from weights, or an exported one with a head put on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from crossfade.errors import InvalidInput
from crossfade.models.graph import GraphBuilder, text_inputs, vectors_info
from crossfade.models.heads import finish, pool
from crossfade.models.importing.bert import Architecture, build_transformer, read_architecture
from crossfade.models.importing.source import Source
from crossfade.models.importing.weights import open_weights
from crossfade.models.session import ATTENTION_MASK, EMBEDDING
from crossfade.models.types import Pooling, Precision


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """A graph that can be built. `max_tokens`: how many tokens it can read, None when it does not say."""

    dimension: int
    max_tokens: int | None
    pooling: Pooling
    precision: Precision
    build: Callable[[], onnx.ModelProto]


def plan_graph(source: Source, pooling: Pooling | None) -> GraphPlan:
    """Raises InvalidInput when the source is of no supported kind, saying which are."""
    pooling = pooling or source.pooling
    if pooling is None:
        raise InvalidInput(
            f"{source.root} does not say how token vectors become one (it has no modules.json): give --pooling "
            f"({', '.join(member.value for member in Pooling)})"
        )
    architecture = read_architecture(source.config, str(source.transformer / "config.json"))
    return _from_weights(source, architecture, pooling)


def _from_weights(source: Source, architecture: Architecture, pooling: Pooling) -> GraphPlan:
    dimension = architecture.hidden
    for layer in source.dense:
        outputs, inputs = layer.weight.shape
        if inputs != dimension:
            raise InvalidInput(f"{source.root}: a dense layer takes {inputs} values and gets {dimension}")
        dimension = outputs

    def build() -> onnx.ModelProto:
        builder = GraphBuilder()
        with open_weights(source.transformer) as weights:
            hidden = build_transformer(builder, architecture, weights)
        finish(builder, pool(builder, hidden, ATTENTION_MASK, pooling), source.dense, normalise=source.normalise)
        return builder.model(text_inputs(), vectors_info(EMBEDDING, dimension))

    return GraphPlan(dimension, architecture.max_tokens, pooling, Precision.FP32, build)
