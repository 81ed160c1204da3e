"""A bundle's graph up to its token vectors: what it pools, before it pools.

`model.onnx` gives one vector a text. For late interaction the graph is cut before its pooling when it is loaded, and
each token's vector brought to unit length. Nothing on disk changes, so the bundle's vectors and fingerprints do not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.devices import Device
from crossfade.models.graph import PREFIX, GraphBuilder, read_graph, serialise
from crossfade.models.replicas import Replicas
from crossfade.models.session import ATTENTION_MASK, INPUT_IDS
from crossfade.models.surgery import drop_unused_weights, head_outputs, names_read, opset

TOKEN_VECTORS = "token_vectors"  # noqa: S105 - an output's name, not a secret

_LEAST_NORM = 1e-12


class NoTokenVectors(InvalidInput):
    """The graph gives sentences only."""


class TokenGraph:
    """Token ids in, one unit-length vector a token out. Safe to run from many threads."""

    def __init__(self, path: Path, *, threads: int = 0, device: Device = Device.CPU, replicas: int = 1) -> None:
        """`path`: of a bundle's `model.onnx`. `threads`, `replicas`: as `Replicas` takes them; the weights are loaded
        beside those of the bundle's encoder.

        Raises BundleError when the graph cannot be run, NoTokenVectors when it has no token vectors to give.
        """
        content = serialise(token_model(path))
        self._replicas = Replicas(path, threads=threads, device=device, replicas=replicas, content=content)
        self._path = path
        self.device = device
        one = np.ones((1, 1), dtype=np.int64)
        self.dimension = int(self.run(one * 0, one).shape[2])

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Both int64, shape (batch, sequence), right-padded. Result: float32, (batch, sequence, dimension); what is at
        padding means nothing. Raises BundleError when the graph fails or gives NaN.
        """
        # A graph whose attention needs no mask would have lost this input with its head.
        inputs = {item.name for item in self._replicas.first.get_inputs()}
        given = {INPUT_IDS: ids, ATTENTION_MASK: mask}
        found = self._replicas.run(TOKEN_VECTORS, {name: value for name, value in given.items() if name in inputs})
        if found.ndim != 3 or found.shape[:2] != ids.shape:
            raise BundleError(
                f"{self._path} gives token vectors of shape {found.shape} for ids of shape {ids.shape}: import the "
                "model again"
            )
        return found


def token_model(path: Path) -> onnx.ModelProto:
    """The graph that ends in token vectors. Weights in a file beside it stay there.

    Raises BundleError when the file is missing or corrupt, NoTokenVectors when the graph pools in a way that was not
    put there by crossfade: an export that gives sentences only.
    """
    model = read_graph(path)
    graph = model.graph
    tokens = _pooled(graph)
    if tokens is None:
        raise NoTokenVectors(
            f"{path} pools by itself and gives no token vectors: export the model with its last_hidden_state "
            "(feature extraction), and import that"
        )
    builder = GraphBuilder(opset(model), prefix=f"{PREFIX}tokens/")
    squares = builder.reduce_sum(builder.add("Mul", tokens, tokens), 2, keep=True)
    least = builder.constant(np.array(_LEAST_NORM, dtype=np.float32))
    builder.add("Div", tokens, builder.add("Max", builder.add("Sqrt", squares), least), output=TOKEN_VECTORS)
    nodes = [*_needed(graph, tokens), *builder.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(builder.initializers)
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(TOKEN_VECTORS, TensorProto.FLOAT, ["batch", "sequence", "hidden"])
    )
    del graph.value_info[:]
    drop_unused_weights(graph)
    return model


def _pooled(graph: onnx.GraphProto) -> str | None:
    """The name of the token vectors that the head pools; None when it pools none. `heads.pool` is what this reads."""
    head = head_outputs(graph)
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if not head.intersection(node.output):
            continue
        weights = made_by.get(node.input[0]) if node.input else None
        if node.op_type == "MatMul" and weights is not None and weights.op_type == "Reshape":
            return str(node.input[1])
        if node.op_type == "Gather" and _takes_first(node, constants):
            return str(node.input[0])
    return None


def _takes_first(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    """Whether the node takes the first token of each text."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    index = constants.get(node.input[1])
    return axis == 1 and index is not None and not index.dims and not numpy_helper.to_array(index).any()


def _needed(graph: onnx.GraphProto, output: str) -> list[onnx.NodeProto]:
    """The nodes that the output is made of, in their order."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed |= names_read(node)
            kept.append(node)
    return kept[::-1]
