"""An exported ONNX graph, as optimum or sentence-transformers writes it, made a bundle's graph.

Its inputs become input_ids and attention_mask alone; pooling, dense layers and normalisation are put after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.graph import MICROSOFT, PREFIX, GraphBuilder, text_inputs, vectors_info
from crossfade.models.heads import DenseLayer, finish, pool
from crossfade.models.importing.bert import SHIFTED_POSITIONS
from crossfade.models.session import ATTENTION_MASK, EMBEDDING, INPUT_IDS
from crossfade.models.types import Pooling, Precision

_SEQUENCE_OUTPUTS = ("last_hidden_state", "token_embeddings")
_SENTENCE_OUTPUT = "sentence_embedding"
_OLDEST_OPSET = 11
_INT8_OPERATORS = (
    *("MatMulInteger", "MatMulIntegerToFloat", "ConvInteger", "QLinearMatMul", "DynamicQuantizeMatMul"),
    *("QAttention", "QGemm"),
)
_INT4_OPERATORS = ("MatMulNBits", "GatherBlockQuantized")


@dataclass(frozen=True, slots=True)
class Export:
    """A graph file, read. `sequence`: the output of token vectors; `sentence`: of one vector a text; None if absent."""

    path: Path
    model: onnx.ModelProto
    sequence: onnx.ValueInfoProto | None
    sentence: onnx.ValueInfoProto | None
    precision: Precision


def find_export(directory: Path) -> Path | None:
    """model.onnx or onnx/model.onnx, or the only .onnx file there is; None when there is none.

    Raises InvalidInput when there are several and none is the obvious one.
    """
    for path in (directory / "model.onnx", directory / "onnx" / "model.onnx"):
        if path.is_file():
            return path
    found = sorted([*directory.glob("*.onnx"), *directory.glob("onnx/*.onnx")])
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(directory)) for path in found)
        raise InvalidInput(f"{directory} holds several graphs ({names}): name the one to import model.onnx")
    return found[0] if found else None


def read_export(path: Path) -> Export:
    """Raises BundleError when the file is corrupt, InvalidInput for a graph that is not a text encoder."""
    model = load_export(path)
    outputs = {output.name: output for output in model.graph.output}
    sequence = next((outputs[name] for name in _SEQUENCE_OUTPUTS if name in outputs), None)
    sentence = outputs.get(_SENTENCE_OUTPUT)
    if sequence is None and sentence is None:
        sequence = _only_sequence(model.graph.output)
    if sequence is None and sentence is None:
        raise InvalidInput(
            f"{path} gives {', '.join(outputs) or 'nothing'}; expected {_SEQUENCE_OUTPUTS[0]} or {_SENTENCE_OUTPUT}: "
            "export it for feature extraction"
        )
    return Export(path, model, sequence, sentence, precision_of(model))


def load_export(path: Path) -> onnx.ModelProto:
    """The graph and its weights. Raises BundleError when the file is corrupt, InvalidInput for an opset too old."""
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: the graph's weights are missing ({error}); copy them beside it") from None
    except (DecodeError, onnx.checker.ValidationError, OSError, ValueError) as error:
        raise BundleError(f"{path} is truncated, corrupt or lacks its weights: {error}; download it again") from None
    if not model.graph.node:
        raise BundleError(f"{path} is truncated, corrupt or empty: it has no nodes; download it again")
    if _opset(model) < _OLDEST_OPSET:
        raise InvalidInput(f"{path} is of opset {_opset(model)}; export it again with opset {_OLDEST_OPSET} or newer")
    return model


def width(output: onnx.ValueInfoProto) -> int | None:
    """The last dimension that the graph declares; None when it does not."""
    shape = output.type.tensor_type.shape.dim
    return int(shape[-1].dim_value) or None if shape else None


def attach_head(
    export: Export,
    *,
    model_type: str,
    pooling: Pooling | None,
    dense: Iterable[DenseLayer],
    normalise: bool,
    dimension: int,
) -> onnx.ModelProto:
    """The bundle's graph. `pooling` None: the graph's own sentence_embedding is taken as it is, without `dense`."""
    model, graph = export.model, export.model.graph
    source = export.sentence if pooling is None else export.sequence
    if source is None:
        raise InvalidInput(f"{export.path} has no output of token vectors to pool: export it for feature extraction")
    inside = _rename_taken(graph, source.name)
    before = GraphBuilder(_opset(model))
    _replace_inputs(before, export.path, graph, model_type)
    after = GraphBuilder(_opset(model), prefix=f"{PREFIX}head/")
    value = inside
    if source.type.tensor_type.elem_type != TensorProto.FLOAT:
        value = after.add("Cast", value, to=TensorProto.FLOAT)
    if pooling is None:
        finish(after, value, (), normalise=normalise)
    else:
        finish(after, pool(after, value, ATTENTION_MASK, pooling), list(dense), normalise=normalise)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.initializers, *after.initializers])
    # Before version 4, weights had to be among the inputs.
    model.ir_version = max(model.ir_version, 4)
    del graph.input[:]
    graph.input.extend(text_inputs())
    del graph.output[:]
    graph.output.append(vectors_info(EMBEDDING, dimension))
    if MICROSOFT not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(MICROSOFT, 1))
    return model


def _replace_inputs(builder: GraphBuilder, path: Path, graph: onnx.GraphProto, model_type: str) -> None:
    """Make the graph's other inputs out of input_ids and attention_mask, and its int32 inputs out of int64 ones."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value.type.tensor_type.elem_type for value in graph.input if value.name not in constants}
    for required in (INPUT_IDS, ATTENTION_MASK):
        if required not in inputs:
            raise InvalidInput(f"{path} has no input {required} (it has {', '.join(inputs)}): export it with one")
    for name, kind in inputs.items():
        if name in (INPUT_IDS, ATTENTION_MASK):
            if kind != TensorProto.INT64:
                inner = f"{PREFIX}{name}"
                rename_value(graph, name, inner)
                builder.add("Cast", name, to=kind, output=inner)
        elif name == "token_type_ids":
            builder.add("Cast", builder.add("Sub", INPUT_IDS, INPUT_IDS), to=kind, output=name)
        elif name == "position_ids" and model_type not in SHIFTED_POSITIONS:
            counted = builder.add("CumSum", ATTENTION_MASK, builder.integers(1))
            positions = builder.add("Sub", counted, builder.integers(1))
            builder.add("Cast", positions, to=kind, output=name)
        else:
            raise InvalidInput(
                f"{path} asks for the input {name}, which is not supported (supported: {INPUT_IDS}, {ATTENTION_MASK}, "
                "token_type_ids, position_ids of models that count from 0): export it for feature extraction"
            )


def _rename_taken(graph: onnx.GraphProto, source: str) -> str:
    """Free the name that the bundle's output will have; return the name that the source output has then."""
    if EMBEDDING not in _names(graph):
        return source
    inner = f"{PREFIX}{EMBEDDING}"
    rename_value(graph, EMBEDDING, inner)
    return inner if source == EMBEDDING else source


def _names(graph: onnx.GraphProto) -> set[str]:
    return {name for each in _graphs(graph) for node in each.node for name in (*node.input, *node.output)}


def rename_value(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a value another name wherever it is made or read, the graph's inputs and outputs left as they are."""
    for each in _graphs(graph):
        for node in each.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for tensor in each.initializer:
            tensor.name = new if tensor.name == old else tensor.name
        for value in each.value_info:
            value.name = new if value.name == old else value.name


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its If and Loop nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):  # an empty graph where the attribute is none
                yield from _graphs(inner)


def _only_sequence(outputs: Iterable[onnx.ValueInfoProto]) -> onnx.ValueInfoProto | None:
    three = [output for output in outputs if len(output.type.tensor_type.shape.dim) == 3]
    return three[0] if len(three) == 1 else None


def _opset(model: onnx.ModelProto) -> int:
    return next((int(entry.version) for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)


def precision_of(model: onnx.ModelProto) -> Precision:
    """What most of the graph computes in, by its operators and weights."""
    operators = {node.op_type for graph in _graphs(model.graph) for node in graph.node}
    if operators & set(_INT4_OPERATORS):
        return Precision.INT4
    if operators & set(_INT8_OPERATORS):
        return Precision.INT8
    sizes: Counter[Any] = Counter()
    for tensor in model.graph.initializer:
        sizes[tensor.data_type] += len(tensor.raw_data)
    most = sizes.most_common(1)[0][0] if sizes else TensorProto.FLOAT
    kinds = {
        TensorProto.FLOAT16: Precision.FP16,
        TensorProto.BFLOAT16: Precision.BF16,
        TensorProto.INT8: Precision.INT8,
    }
    kinds[TensorProto.UINT8] = Precision.INT8
    return kinds.get(most, Precision.FP32)
