"""What those who rewrite a graph need to know of it: where its head begins, what its weights are, what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from crossfade.models.graph import MICROSOFT, PREFIX
from crossfade.models.session import EMBEDDING

# An imported export's head bears this name; a graph built from weights ends in one of the operators instead.
_HEAD_PREFIX = f"{PREFIX}head/"
_LAST_OF_BODY = {"SkipLayerNormalization", "LayerNormalization", "EmbedLayerNormalization"}


def head_outputs(graph: onnx.GraphProto) -> set[str]:
    """The names of what the head makes: pooling, dense layers, normalisation. They stay in float32 in any precision:
    they are one row a text and cost nothing, and an error made here is not averaged away.
    """
    named = {output for node in graph.node if node.name.startswith(_HEAD_PREFIX) for output in node.output}
    if named:
        return named
    made_by = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    waiting = [EMBEDDING]
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        if node is None or name in found or node.op_type in _LAST_OF_BODY:
            continue
        found.update(node.output)
        waiting.extend(node.input)
    return found


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs inside an If or a Loop, and those inside them."""
    for attribute in node.attribute:
        # Only where there is one: writing into a message that is not there makes it be there.
        inners = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for inner in inners:
            yield inner
            for each in inner.node:
                yield from subgraphs(each)


def names_read(node: onnx.NodeProto) -> set[str]:
    """The names that a node takes, those that its inner graphs take from outside included."""
    inner = {name for graph in subgraphs(node) for each in graph.node for name in each.input}
    outputs = {output.name for graph in subgraphs(node) for output in graph.output}
    return {*node.input, *inner, *outputs}


def float_weights(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The float32 weights by name."""
    return {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def matrix(weights: Mapping[str, onnx.TensorProto], name: str) -> NDArray[np.float32] | None:
    """A weight that is a matrix; None when the name is of something else."""
    tensor = weights.get(name)
    if tensor is None or len(tensor.dims) != 2:
        return None
    result: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return result


def drop_unused_weights(graph: onnx.GraphProto) -> None:
    """Remove the weights that no node reads."""
    read = {name for node in graph.node for name in names_read(node)} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the graph is written in."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)


def import_microsoft(model: onnx.ModelProto) -> None:
    """Let the graph use ONNX Runtime's own operators."""
    if MICROSOFT not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(MICROSOFT, 1))
