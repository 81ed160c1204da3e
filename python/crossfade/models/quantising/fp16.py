"""A graph in float32 -> the same in float16, but for its head.

Written here and not by ONNX Runtime's own converter (onnxruntime.transformers.float16): that one needs to be told the
type of every value between fused operators, rounds the result once through float16, and adds its directory to sys.path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crossfade.models.graph import PREFIX
from crossfade.models.surgery import head_outputs, names_read, subgraphs

# The largest and the least that float16 can hold. A mask of -3.4e38 must not become infinity (minus itself it is NaN),
# nor an epsilon of 1e-12 become the 0 that it guards against.
_LARGEST = float(np.finfo(np.float16).max)
_LEAST = float(np.finfo(np.float16).smallest_subnormal)
_WEIGHTED = {"MatMul", "Gemm", "Attention", "MultiHeadAttention"}


def to_fp16(model: onnx.ModelProto) -> int:
    """Rewrite the graph in place; return how many operators with weights compute in float16 now (0: none was found)."""
    graph = model.graph
    head = head_outputs(graph)
    body = [node for node in graph.node if not head.intersection(node.output)]
    body_reads = {name for node in body for name in names_read(node)}
    _convert_weights(graph, body_reads, head)
    for node in body:
        for each in (node, *(inner for part in subgraphs(node) for inner in part.node)):
            _convert_node(each)
        for part in subgraphs(node):
            for tensor in part.initializer:
                _convert_tensor(tensor)
            for value in (*part.input, *part.output):
                if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                    value.type.tensor_type.elem_type = TensorProto.FLOAT16
            del part.value_info[:]
    _widen_at_the_head(graph, {output for node in body for output in node.output}, head)
    del graph.value_info[:]  # what it says of types no longer holds
    return sum(1 for node in body if node.op_type in _WEIGHTED)


def narrowed(value: NDArray[np.float32]) -> NDArray[np.float16]:
    """float32 -> float16 without a finite value becoming infinite, or one that is not 0 becoming 0."""
    size = np.abs(value)
    kept = np.where(np.isfinite(value), np.clip(value, -_LARGEST, _LARGEST), value)
    kept = np.where((size > 0) & (size < _LEAST), np.copysign(_LEAST, value), kept)
    result: NDArray[np.float16] = kept.astype(np.float16)
    return result


def _convert_weights(graph: onnx.GraphProto, body_reads: set[str], head: set[str]) -> None:
    """A weight that body and head share is there twice afterwards."""
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or tensor.name not in body_reads:
            continue
        readers = [node for node in graph.node if head.intersection(node.output) and tensor.name in node.input]
        if readers:
            copy = numpy_helper.from_array(numpy_helper.to_array(tensor), f"{PREFIX}fp32/{tensor.name}")
            graph.initializer.append(copy)
            for node in readers:
                node.input[:] = [copy.name if name == tensor.name else name for name in node.input]
        _convert_tensor(tensor)


def _convert_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        message: Any = tensor  # protobuf's methods have no types here
        message.CopyFrom(numpy_helper.from_array(narrowed(numpy_helper.to_array(tensor)), tensor.name))


def _convert_node(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        for tensor in _tensors(attribute):
            _convert_tensor(tensor)
    # A Constant may keep its floats outside a tensor, where they cannot be of 16 bits.
    if node.op_type == "Constant" and node.attribute and node.attribute[0].name in {"value_float", "value_floats"}:
        value = np.array(helper.get_attribute_value(node.attribute[0]), dtype=np.float32)
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(narrowed(value))))


def _tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.type == onnx.AttributeProto.TENSOR:
        yield attribute.t
    yield from attribute.tensors


def _widen_at_the_head(graph: onnx.GraphProto, body: set[str], head: set[str]) -> None:
    """What the head takes from the body is cast to float32, once each."""
    nodes: list[onnx.NodeProto] = []
    widened: dict[str, str] = {}
    for node in graph.node:
        if head.intersection(node.output):
            for place, name in enumerate(node.input):
                if name not in body:
                    continue
                if name not in widened:
                    widened[name] = f"{PREFIX}fp32/{name}"
                    nodes.append(helper.make_node("Cast", [name], [widened[name]], to=TensorProto.FLOAT))
                node.input[place] = widened[name]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
