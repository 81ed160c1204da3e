"""A graph in float32 -> its matrix products in eight-bit integers, scaled row by row.

Weights are int8 with a scale for each output column, kept in the file. Activations are uint8 with a scale for each row,
found when the row is there: one token of one text. ONNX Runtime's own dynamic quantisation takes one scale for the
whole batch instead, which lets a text's vector depend on the texts beside it. What query, key and value are made of is
taken in sixteen bits, as two products: it makes half of all the error otherwise. Measurements: docs/models.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from crossfade.models.graph import MICROSOFT, PREFIX, GraphBuilder
from crossfade.models.session import INPUT_IDS
from crossfade.models.surgery import (
    drop_unused_weights,
    float_weights,
    head_outputs,
    import_microsoft,
    matrix,
    opset,
)

_MIDDLE = 128
_LARGEST = 127
_STEP = 1 / _LARGEST
_FINE_STEP = _STEP / 2 / _LARGEST
_LEAST = 1e-12  # of a row that is all zeros: its size must not be 0
# What com.microsoft's Attention may say without meaning more than MultiHeadAttention can.
_ATTENTION_ATTRIBUTES = {"num_heads", "mask_filter_value", "scale", "unidirectional"}


def to_int8(model: onnx.ModelProto) -> int:
    """Rewrite the graph in place; return how many matrix products are in integers now (0: nothing was found).

    Rewritten are MatMul by a weight, com.microsoft's Attention (its projection; the scores and the softmax stay in
    float32), and the table of word embeddings. The head stays in float32.
    """
    rewriter = _Rewriter(model)
    graph = model.graph
    for node in list(graph.node):
        rewriter.take(node)
    del graph.node[:]
    graph.node.extend(rewriter.builder.nodes)
    graph.initializer.extend(rewriter.builder.initializers)
    del graph.value_info[:]  # what it says of tensors that are no longer there
    drop_unused_weights(graph)
    import_microsoft(model)
    return rewriter.products


def quantise_factor(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(inputs, outputs) -> int8 of the same shape and a scale for each column: weight = int8 * scale, nearly.

    Symmetric: without a zero point the product needs no correction. No two weights that are multiplied together (rows
    0 and 1, 2 and 3, ...) add up to more than 128: processors with AVX2 and no VNNI sum their two products in 16 bits,
    where 255 * 128 still fits and more is cut off without a word. So one bundle gives the same vectors everywhere,
    as its fingerprint promises. MiniLM's vectors are off by 7 % more than with the full range; by 60 % with seven bits.
    """
    padded = np.concatenate([weight, np.zeros((len(weight) % 2, weight.shape[1]), dtype=np.float32)])
    pairs = padded.reshape(-1, 2, weight.shape[1])
    positive, negative = (np.maximum(side, 0).sum(axis=1).max(axis=0, initial=0) for side in (pairs, -pairs))
    return _rounded(weight, np.maximum(positive, negative))


def quantise_table(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(rows, values) -> int8 of the same shape and a scale for each row, (rows, 1)."""
    quantised, scale = _rounded(table, np.abs(table).max(axis=1, keepdims=True, initial=0))
    return quantised, scale


def _rounded(values: NDArray[np.float32], largest: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = (largest / np.float32(_LARGEST)).astype(np.float32)
    # Below the least normal number a scale has too few bits to hold 127 steps: what is so small is 0.
    scale[scale < np.finfo(np.float32).tiny] = 1
    return np.rint(values / scale).astype(np.int8), scale


@dataclass(frozen=True, slots=True)
class _Rows:
    """Names of activations (..., n): `whole` is float32, each row over its `size` (..., 1); `coarse` is the same in
    uint8, 128 for 0 and 255 for 1.
    """

    whole: str
    coarse: str
    size: str


class _Rewriter:
    """Takes the nodes in order and puts into the builder what they become."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.builder = GraphBuilder(opset(model), prefix=f"{PREFIX}int8/")
        self.products = 0
        self._weights = float_weights(graph)
        self._head = head_outputs(graph)
        self._read = {name for node in graph.node for name in node.input}
        self._ids = _names_of_ids(graph)
        self._products_of = Counter(
            node.input[0] for node in graph.node if node.op_type == "MatMul" and node.input[1] in self._weights
        )
        self._rows: dict[str, _Rows] = {}
        self._rests: dict[str, str] = {}
        self._scalars: dict[tuple[str, float], str] = {}

    def take(self, node: onnx.NodeProto) -> None:
        done = not self._head.intersection(node.output) and (
            (node.op_type == "MatMul" and self._product(node))
            or (node.op_type == "Attention" and node.domain == MICROSOFT and self._attention(node))
            or (node.op_type == "EmbedLayerNormalization" and self._embedding(node))
            or (node.op_type == "Gather" and self._gather(node))
        )
        if not done:
            self.builder.nodes.append(node)

    def _product(self, node: onnx.NodeProto) -> bool:
        weight = matrix(self._weights, node.input[1])
        if weight is None or node.input[0] in self._weights:
            return False
        # Three products of one value are query, key and value, where attention is not one operator.
        fine = self._products_of[node.input[0]] >= 3
        self._linear(node.input[0], weight, fine=fine, output=node.output[0])
        return True

    def _attention(self, node: onnx.NodeProto) -> bool:
        """It takes one scale for all rows. So the projection goes before it, and MultiHeadAttention does the rest."""
        _, weight_name, bias, mask, *rest = [*node.input, *[""] * (4 - len(node.input))]
        weight = matrix(self._weights, weight_name)
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        # The rest: a past, a bias of the scores.
        if weight is None or any(rest) or not attributes.keys() <= _ATTENTION_ATTRIBUTES:
            return False
        width = weight.shape[1] // 3
        parts = self._split(self._linear(node.input[0], weight, fine=True), width)
        self.builder.add(
            "MultiHeadAttention", *parts, bias, mask, domain=MICROSOFT, output=node.output[0], **attributes
        )
        return True

    def _split(self, value: str, width: int) -> list[str]:
        if self.builder.opset >= 13:
            sizes = self.builder.integers(width, width, width)
            return self.builder.add_multiple("Split", value, sizes, outputs=[None] * 3, axis=2)
        return self.builder.add_multiple("Split", value, outputs=[None] * 3, axis=2, split=[width] * 3)

    def _linear(self, value: str, weight: NDArray[np.float32], *, fine: bool = False, output: str | None = None) -> str:
        """value @ weight. `fine`: what eight bits leave of the activations is multiplied too."""
        quantised, scale = quantise_factor(weight)
        factor, scales = self.builder.constant(quantised), self.builder.constant(scale)
        rows = self._quantise_rows(value)
        product = self._multiply(rows.coarse, _STEP, factor, scales)
        if fine:
            rest = self._multiply(self._rest_of(rows), _FINE_STEP, factor, scales)
            product = self.builder.add("Add", product, rest)
        self.products += 1
        return self.builder.add("Mul", product, rows.size, output=output)

    def _multiply(self, rows: str, step: float, factor: str, scales: str) -> str:
        one, middle = self._scalar(step, np.float32), self._scalar(_MIDDLE, np.uint8)
        return self.builder.add("MatMulIntegerToFloat", rows, factor, one, scales, middle, domain=MICROSOFT)

    def _quantise_rows(self, value: str) -> _Rows:
        if value not in self._rows:
            largest = self._reduce_max(self.builder.add("Abs", value))
            size = self.builder.add("Max", largest, self._scalar(_LEAST, np.float32))
            whole = self.builder.add("Div", value, size)
            step, middle = self._scalar(_STEP, np.float32), self._scalar(_MIDDLE, np.uint8)
            self._rows[value] = _Rows(whole, self.builder.add("QuantizeLinear", whole, step, middle), size)
        return self._rows[value]

    def _rest_of(self, rows: _Rows) -> str:
        """What rounding took away, in uint8 as well: at most half a step, which is 127 of the finer ones."""
        if rows.coarse not in self._rests:
            step, fine_step = self._scalar(_STEP, np.float32), self._scalar(_FINE_STEP, np.float32)
            middle = self._scalar(_MIDDLE, np.uint8)
            back = self.builder.add("DequantizeLinear", rows.coarse, step, middle)
            rest = self.builder.add("Sub", rows.whole, back)
            self._rests[rows.coarse] = self.builder.add("QuantizeLinear", rest, fine_step, middle)
        return self._rests[rows.coarse]

    def _reduce_max(self, value: str) -> str:
        if self.builder.opset >= 18:
            return self.builder.add("ReduceMax", value, self.builder.integers(-1), keepdims=1)
        return self.builder.add("ReduceMax", value, axes=[-1], keepdims=1)

    def _embedding(self, node: onnx.NodeProto) -> bool:
        """One fused operator that knows float tables only -> the same in pieces, the words from an int8 table."""
        inputs = [*node.input, *[""] * (9 - len(node.input))]
        ids, types, words, positions, _, gamma, beta, mask, position_ids = inputs
        table, places = matrix(self._weights, words), matrix(self._weights, positions)
        if table is None or places is None or types or not mask or self._read.intersection(node.output[2:]):
            return False
        builder = self.builder
        value = self._rows_of(table, ids)
        if position_ids:
            place = builder.add("Gather", positions, position_ids)
        else:
            one, two, zero = builder.integers(1), builder.integers(2), builder.integers(0)
            length = builder.add("Slice", builder.add("Shape", ids), one, two)
            place = builder.add("Slice", positions, zero, length, zero)
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        builder.add(
            "SkipLayerNormalization",
            *(value, place, gamma, beta),
            domain=MICROSOFT,
            output=node.output[0],
            epsilon=attributes.get("epsilon", 1e-12),
        )
        # How many tokens each text has, which is what attention takes as a mask.
        counts = builder.reduce_sum(mask, 1, keep=False)
        builder.add("Identity", counts, output=node.output[1])
        return True

    def _gather(self, node: onnx.NodeProto) -> bool:
        """The table of words in a graph that is not fused: the one that the ids go into."""
        table = matrix(self._weights, node.input[0])
        axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
        if table is None or axis != 0 or node.input[1] not in self._ids:
            return False
        self._rows_of(table, node.input[1], output=node.output[0])
        return True

    def _rows_of(self, table: NDArray[np.float32], ids: str, *, output: str | None = None) -> str:
        builder = self.builder
        quantised, scale = quantise_table(table)
        found = builder.add("Gather", builder.constant(quantised), ids)
        scales = builder.add("Gather", builder.constant(scale), ids)
        return builder.add("Mul", builder.add("Cast", found, to=TensorProto.FLOAT), scales, output=output)

    def _scalar(self, value: float, dtype: Any) -> str:
        key = (np.dtype(dtype).name, value)
        if key not in self._scalars:
            self._scalars[key] = self.builder.constant(np.array(value, dtype=dtype))
        return self._scalars[key]


def _names_of_ids(graph: onnx.GraphProto) -> set[str]:
    """The input of token ids, under every name it is passed on by."""
    names = {INPUT_IDS}
    for node in graph.node:  # each comes after what it takes
        if node.op_type in {"Cast", "Identity"} and node.input[0] in names:
            names.add(node.output[0])
    return names
