"""Decides how a source becomes a graph: built from weights, or an exported one with a head put on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx

from crossfade.errors import InvalidInput
from crossfade.models.graph import GraphBuilder, text_inputs, vectors_info
from crossfade.models.heads import finish, pool
from crossfade.models.importing.bert import Architecture, build_transformer, position_limit, read_architecture
from crossfade.models.importing.dense import check_widths, has_dense_weights, read_dense
from crossfade.models.importing.exported import Export, attach_head, find_export, read_export, width
from crossfade.models.importing.source import Source
from crossfade.models.importing.weights import INDEX_FILE, SINGLE_FILE, has_weights, open_weights
from crossfade.models.session import ATTENTION_MASK, EMBEDDING
from crossfade.models.types import Pooling, Precision


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """A graph that can be built. `max_tokens`: how many tokens it can read, None when it does not say. `packed`:
    padding is computed by attention alone.
    """

    dimension: int
    max_tokens: int | None
    pooling: Pooling
    precision: Precision
    build: Callable[[], onnx.ModelProto]
    packed: bool = False


def plan_graph(source: Source, pooling: Pooling | None) -> GraphPlan:
    """Weights of a supported architecture before an export: their graph is fused.

    Raises InvalidInput when the source is of no supported kind, saying which are.
    """
    export = find_export(source.transformer) or find_export(source.root)
    chosen = _pooling(source, pooling)
    if not has_weights(source.transformer):
        if export is None:
            raise InvalidInput(
                f"{source.transformer} holds neither weights ({SINGLE_FILE} or {INDEX_FILE}) nor an exported graph "
                "(model.onnx or onnx/model.onnx): save the model with safetensors, or export it to ONNX"
            )
        return _from_export(source, read_export(export), chosen, stated=pooling)
    try:
        architecture = read_architecture(source.config, str(source.transformer / "config.json"))
    except InvalidInput as error:
        if export is None:
            raise InvalidInput(f"{error}; export the model to ONNX and import that directory") from None
        return _from_export(source, read_export(export), chosen, stated=pooling)
    return _from_weights(source, architecture, chosen)


def _pooling(source: Source, stated: Pooling | None) -> Pooling:
    pooling = stated or source.pooling
    if pooling is None:
        raise InvalidInput(
            f"{source.root} does not say how token vectors become one (it has no modules.json): give --pooling "
            f"({', '.join(member.value for member in Pooling)})"
        )
    return pooling


def _from_weights(source: Source, architecture: Architecture, pooling: Pooling) -> GraphPlan:
    dimension = check_widths(source.dense, architecture.hidden)

    def build() -> onnx.ModelProto:
        builder = GraphBuilder()
        with open_weights(source.transformer) as weights:
            hidden = build_transformer(builder, architecture, weights)
        dense = [read_dense(layer) for layer in source.dense]
        finish(builder, pool(builder, hidden, ATTENTION_MASK, pooling), dense, normalise=source.normalise)
        return builder.model(text_inputs(), vectors_info(EMBEDDING, dimension))

    return GraphPlan(dimension, architecture.max_tokens, pooling, Precision.FP32, build, packed=True)


def _from_export(source: Source, export: Export, pooling: Pooling, *, stated: Pooling | None) -> GraphPlan:
    """`pooling` is put after the token vectors; where the graph gives sentences only, it is what the source states."""
    dense_at_hand = all(has_dense_weights(layer) for layer in source.dense)
    own_head = export.sequence is None or not dense_at_hand
    if own_head and export.sentence is None:
        raise InvalidInput(
            f"{source.root}: the weights of a Dense module are missing (safetensors): save them beside it"
        )
    if own_head and stated is not None and source.pooling not in {None, stated}:
        raise InvalidInput(
            f"{export.path} pools by itself ({source.pooling}): it cannot be given the pooling {stated}; "
            "export it with its token vectors"
        )
    output = export.sentence if own_head else export.sequence
    hidden = None if output is None else width(output)
    dimension = _dimension(source, hidden, own_head=own_head)

    def build() -> onnx.ModelProto:
        return attach_head(
            export,
            model_type=str(source.config.get("model_type")),
            pooling=None if own_head else pooling,
            dense=[] if own_head else [read_dense(layer) for layer in source.dense],
            normalise=source.normalise,
            dimension=dimension,
        )

    return GraphPlan(dimension, position_limit(source.config), pooling, export.precision, build)


def _dimension(source: Source, declared: int | None, *, own_head: bool) -> int:
    configured: Any = source.config.get("hidden_size", source.config.get("dim"))
    if own_head and source.dense:
        configured = source.dense[-1].outputs
    hidden = declared if declared is not None else configured
    if not isinstance(hidden, int):
        raise InvalidInput(
            f"{source.root} does not say how long its vectors are: neither the graph's output nor config.json "
            "(hidden_size) has it; export it with a fixed last dimension"
        )
    return hidden if own_head else check_widths(source.dense, hidden)
