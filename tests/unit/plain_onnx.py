"""A tiny model as an unfused ONNX graph: the operators and the layout that optimum and sentence-transformers export."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_models import Tiny, layer_names, make_weights, write_modules, write_transformer

SHAPE = ["batch_size", "sequence_length"]


class Plain:
    """Builds the graph; attributes say what the exporter was asked for."""

    def __init__(self, tiny: Tiny, *, opset: int = 17, kind: int = TensorProto.INT64) -> None:
        self.tiny, self.opset, self.kind = tiny, opset, kind
        self.weights = make_weights(tiny)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"/{operator}_{len(self.nodes)}_output_0"
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=f"/{operator}_{len(self.nodes)}", **attributes)
        )
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"onnx::{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(self.weights[name])

    def linear(self, x: str, name: str) -> str:
        product = self.add("MatMul", x, self.constant(self.weights[f"{name}.weight"].T))
        return self.add("Add", product, self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        """Spelled out, as it is below opset 17."""
        centred = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        variance = self.add("ReduceMean", self.add("Mul", centred, centred), axes=[-1])
        epsilon = self.constant(1e-5 if self.tiny.roberta else 1e-12)
        scaled = self.add("Div", centred, self.add("Sqrt", self.add("Add", variance, epsilon)))
        return self.add("Add", self.add("Mul", scaled, self.weight(f"{name}.weight")), self.weight(f"{name}.bias"))

    def heads(self, x: str) -> str:
        size = self.tiny.hidden // self.tiny.heads
        split = self.add("Reshape", x, self.constant([0, 0, self.tiny.heads, size], np.int64))
        return self.add("Transpose", split, perm=[0, 2, 1, 3])

    def unsqueeze(self, x: str, *axes: int) -> str:
        if self.opset >= 13:
            return self.add("Unsqueeze", x, self.constant(axes, np.int64))
        return self.add("Unsqueeze", x, axes=list(axes))

    def transformer(self, *, position_ids: bool) -> str:
        table = self.weights["embeddings.position_embeddings.weight"]
        if position_ids:
            positions = "position_ids"
        else:
            length = self.add("Gather", self.add("Shape", "input_ids"), self.constant(1, np.int64))
            start = self.tiny.pad_id + 1 if self.tiny.roberta else 0
            table = table[start:]
            positions = self.add("Range", self.constant(0, np.int64), length, self.constant(1, np.int64))
        x = self.add("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        x = self.add("Add", x, self.add("Gather", self.constant(table), positions))
        if not self.tiny.distilbert:
            types = self.weight("embeddings.token_type_embeddings.weight")
            x = self.add("Add", x, self.add("Gather", types, "token_type_ids"))
        x = self.norm(x, "embeddings.LayerNorm")
        seen = self.add("Cast", self.unsqueeze("attention_mask", 1, 2), to=TensorProto.FLOAT)
        unseen = self.add("Sub", self.constant(1.0), seen)
        mask = self.add("Mul", unseen, self.constant(np.finfo(np.float32).min))
        for layer in range(self.tiny.layers):
            names = layer_names(self.tiny, layer)
            q, k, v = (self.heads(self.linear(x, names[part])) for part in ("query", "key", "value"))
            scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
            scaled = self.add("Div", scores, self.constant(math.sqrt(self.tiny.hidden // self.tiny.heads)))
            shares = self.add("Softmax", self.add("Add", scaled, mask), axis=3)
            mixed = self.add("Transpose", self.add("MatMul", shares, v), perm=[0, 2, 1, 3])
            flat = self.add("Reshape", mixed, self.constant([0, 0, self.tiny.hidden], np.int64))
            x = self.norm(self.add("Add", x, self.linear(flat, names["attention_output"])), names["attention_norm"])
            raised = self.linear(x, names["up"])
            erf = self.add("Erf", self.add("Div", raised, self.constant(math.sqrt(2))))
            gelu = self.add(
                "Mul", self.add("Mul", raised, self.add("Add", erf, self.constant(1.0))), self.constant(0.5)
            )
            x = self.norm(self.add("Add", x, self.linear(gelu, names["down"])), names["output_norm"])
        return x

    def model(
        self, outputs: dict[str, list[Any]], *, position_ids: bool = False, extra: tuple[str, ...] = ()
    ) -> onnx.ModelProto:
        inputs = ["input_ids", "attention_mask"]
        inputs += [] if self.tiny.distilbert else ["token_type_ids"]
        inputs += ["position_ids"] if position_ids else []
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info(name, self.kind, SHAPE) for name in (*inputs, *extra)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            initializer=self.tensors,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def token_model(
    tiny: Tiny,
    *,
    output: str = "last_hidden_state",
    opset: int = 17,
    kind: int = TensorProto.INT64,
    position_ids: bool = False,
    extra: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """As optimum exports for feature extraction. `kind`: the inputs' type; `extra`: more inputs, unused."""
    plain = Plain(tiny, opset=opset, kind=kind)
    plain.add("Identity", plain.transformer(position_ids=position_ids), output=output)
    shape = [*SHAPE, tiny.hidden]
    return plain.model({output: shape}, position_ids=position_ids, extra=extra)


def sentence_model(tiny: Tiny, *, with_tokens: bool = True) -> onnx.ModelProto:
    """As sentence-transformers exports: pooled by the mean inside, with or without the token vectors beside it."""
    plain = Plain(tiny)
    tokens = plain.add("Identity", plain.transformer(position_ids=False), output="token_embeddings")
    weights = plain.unsqueeze(plain.add("Cast", "attention_mask", to=TensorProto.FLOAT), -1)
    axis = plain.constant([1], np.int64)
    summed = plain.add("ReduceSum", plain.add("Mul", tokens, weights), axis, keepdims=0)
    count = plain.add("ReduceSum", weights, axis, keepdims=0)
    plain.add("Div", summed, count, output="sentence_embedding")
    outputs: dict[str, list[Any]] = {"token_embeddings": [*SHAPE, tiny.hidden]} if with_tokens else {}
    return plain.model({**outputs, "sentence_embedding": ["batch_size", tiny.hidden]})


def write_export(
    directory: Path,
    tiny: Tiny,
    model: onnx.ModelProto,
    *,
    file: str = "onnx/model.onnx",
    modules: bool = True,
    external: bool = False,
) -> Path:
    """A directory as the hub lays it out, with the graph in `file`."""
    write_transformer(directory, tiny)
    if modules:
        write_modules(directory, tiny)
    path = directory / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}_data", size_threshold=64)
    else:
        onnx.save(model, path)
    return directory
