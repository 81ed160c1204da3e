"""Builds ONNX graphs node by node, and writes them so that equal graphs are equal bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crossfade.errors import BundleError
from crossfade.models.manifest import GRAPH_DATA_FILE, GRAPH_FILE
from crossfade.models.session import ATTENTION_MASK, INPUT_IDS

# Stated, not the newest: the same source must give the same bytes with any version of the onnx package, and every
# ONNX Runtime that pyproject.toml admits must read them.
OPSET = 17
IR_VERSION = 9
MICROSOFT = "com.microsoft"
PREFIX = "crossfade/"

# A protobuf message ends at 2 GiB; graphs that come near keep their weights in a file beside them.
INLINE_LIMIT = 1 << 30
_EXTERNAL_MINIMUM = 1024
_ALIGNMENT = 4096


class GraphBuilder:
    """Nodes and weights in the order they were added. Every name it makes up begins with the prefix."""

    def __init__(self, opset: int = OPSET, prefix: str = PREFIX) -> None:
        self.opset = opset
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its (first) output."""
        return self.add_multiple(operator, *inputs, domain=domain, outputs=[output], **attributes)[0]

    def add_multiple(
        self, operator: str, *inputs: str, outputs: Sequence[str | None], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Append a node of several outputs; None for one that gets a made-up name."""
        name = f"{self._prefix}{operator}_{len(self.nodes)}"
        names = [f"{name}:{i}" if output is None else output for i, output in enumerate(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, domain=domain, **attributes))
        return names

    def constant(self, value: NDArray[Any]) -> str:
        """Add a weight or constant and return its name."""
        name = f"{self._prefix}constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant(np.array(values, dtype=np.int64))

    def reduce_sum(self, value: str, axis: int, *, keep: bool) -> str:
        """ReduceSum over one axis, as the graph's opset spells it."""
        if self.opset >= 13:
            return self.add("ReduceSum", value, self.integers(axis), keepdims=int(keep))
        return self.add("ReduceSum", value, axes=[axis], keepdims=int(keep))

    def model(self, inputs: Sequence[onnx.ValueInfoProto], output: onnx.ValueInfoProto) -> onnx.ModelProto:
        """The whole graph; the nodes must have made the output under its name."""
        graph = helper.make_graph(self.nodes, "crossfade", list(inputs), [output], initializer=self.initializers)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION,
            producer_name="crossfade",
        )


def text_inputs() -> list[onnx.ValueInfoProto]:
    """The inputs of a bundle's graph."""
    return [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in (INPUT_IDS, ATTENTION_MASK)
    ]


def vectors_info(name: str, dimension: int) -> onnx.ValueInfoProto:
    """An input or output of one vector a row."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", dimension])


def write_graph(model: onnx.ModelProto, directory: Path, properties: Mapping[str, str]) -> None:
    """Write model.onnx, and model.onnx.data when the weights are too many for one message.

    `properties` are what the graph says about itself; they replace whatever it said before.
    """
    del model.metadata_props[:]
    helper.set_model_props(model, dict(sorted(properties.items())))
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > INLINE_LIMIT:
        _move_weights(model, directory / GRAPH_DATA_FILE)
    (directory / GRAPH_FILE).write_bytes(serialise(model))


def read_graph(path: Path) -> onnx.ModelProto:
    """A graph; weights in a file beside it stay there. Raises BundleError when it is missing or corrupt."""
    try:
        return onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing: import the model again") from None
    except (DecodeError, OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}; import the model again") from None


def serialise(model: onnx.ModelProto) -> bytes:
    """The same bytes for the same graph."""
    message: Any = model  # protobuf's methods have no types here
    result: bytes = message.SerializeToString(deterministic=True)
    return result


def _move_weights(model: onnx.ModelProto, path: Path) -> None:
    with path.open("wb") as file:
        for tensor in model.graph.initializer:
            size = len(tensor.raw_data)
            if size < _EXTERNAL_MINIMUM:
                continue
            file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT, os.SEEK_SET)
            entries = {"location": path.name, "offset": str(file.tell()), "length": str(size)}
            file.write(tensor.raw_data)
            tensor.raw_data = b""
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)
