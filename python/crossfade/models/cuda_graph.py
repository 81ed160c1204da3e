"""A packed graph as CUDA runs it best: attention over the packed tokens, without the rectangle that the CPU needs.

ONNX Runtime has operators for it that exist for CUDA alone (com.microsoft RemovePadding, PackedMultiHeadAttention,
RestorePadding), so the bundle keeps the graph that runs everywhere, and it is rewritten when it is loaded on a GPU.
In float16 the attention is FlashAttention over texts of any lengths: padding costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import helper

from crossfade.models.graph import MICROSOFT, PREFIX
from crossfade.models.surgery import drop_unused_weights, names_read

_ATTENTION, _EMBEDDED = "MultiHeadAttention", "EmbedLayerNormalization"


def pack_attention(model: onnx.ModelProto) -> bool:
    """Rewrite a graph that `importing.bert` has built, in place, if it is one; say whether it was.

    Any other graph is left as it is.
    """
    graph = model.graph
    found = _found(graph)
    if found is None:
        return False
    tokens, offsets, cumulated = (f"{PREFIX}cuda/{name}" for name in ("tokens", "offsets", "cumulated"))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node is found.embedded:
            nodes.append(
                helper.make_node(
                    "RemovePadding",
                    [node.output[0], node.output[1]],
                    [tokens, offsets, cumulated, f"{PREFIX}cuda/longest"],
                    domain=MICROSOFT,
                )
            )
        elif node.op_type == _ATTENTION:
            nodes[-1] = _packed(node, found, offsets, cumulated)
        elif node.output[0] == found.packed_embedding:
            nodes[-1] = helper.make_node("Identity", [tokens], [node.output[0]])
        elif node.output[0] == found.unpacked:
            nodes[-1] = helper.make_node("RestorePadding", [node.input[0], offsets], [node.output[0]], domain=MICROSOFT)
    del graph.node[:]
    graph.node.extend(_needed(nodes, {output.name for output in graph.output}))
    drop_unused_weights(graph)
    return True


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the layout changes.

    `embedded`: the node after which tokens are packed; `packed_embedding`: the name of what it gives, packed.
    `unpacked`: of the last hidden states, in their rectangle again. `packed_after`: by what an attention gives, what
    that is called packed; `packed_before`: by the name of a rectangle, what was packed before it was made.
    """

    embedded: onnx.NodeProto
    packed_embedding: str
    unpacked: str
    packed_after: Mapping[str, str]
    packed_before: Mapping[str, str]


def _found(graph: onnx.GraphProto) -> _Found | None:
    """The places where a packed graph changes its layout; None when it is not built so."""
    made_by = {output: node for node in graph.node for output in node.output}
    embedded = [node for node in graph.node if node.op_type == _EMBEDDED]
    attentions = [node for node in graph.node if node.op_type == _ATTENTION]
    # Packing is Gather(Reshape(rectangle), places), unpacking Gather(packed, numbers).
    packing: dict[str, str] = {}
    unpacking: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "Gather":
            continue
        source = made_by.get(node.input[0])
        index = made_by.get(node.input[1])
        if source is not None and source.op_type == "Reshape" and index is not None and index.op_type == "Reshape":
            packing[source.input[0]] = node.output[0]
        elif index is not None and index.op_type == "Reshape":
            unpacking[node.output[0]] = node.input[0]
    if len(embedded) != 1 or not attentions or embedded[0].output[0] not in packing:
        return None
    inside = {name for node in attentions for name in node.input[:3]}
    last = unpacking.keys() - inside
    if len(last) != 1 or not inside <= unpacking.keys():
        return None
    if any(len(node.input) != 5 or node.output[0] not in packing for node in attentions):
        return None
    return _Found(embedded[0], packing[embedded[0].output[0]], last.pop(), packing, unpacking)


def _packed(attention: onnx.NodeProto, found: _Found, offsets: str, cumulated: str) -> onnx.NodeProto:
    """The same attention over packed tokens, whose output bears the name of what was packed after it."""
    heads = next(attribute.i for attribute in attention.attribute if attribute.name == "num_heads")
    queries, keys, values = (found.packed_before[name] for name in attention.input[:3])
    return helper.make_node(
        "PackedMultiHeadAttention",
        [queries, keys, values, attention.input[3], offsets, cumulated],
        [found.packed_after[attention.output[0]]],
        domain=MICROSOFT,
        name=attention.name,
        num_heads=heads,
    )


def _needed(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs are made of, in their order; of two that make the same, the first."""
    made: set[str] = set()
    once = []
    for node in nodes:
        if not made.intersection(node.output):
            made.update(name for name in node.output if name)
            once.append(node)
    needed, kept = set(outputs), []
    for node in reversed(once):
        if needed.intersection(node.output):
            needed |= names_read(node)
            kept.append(node)
    return kept[::-1]
