"""Graphs rewritten for GPUs, run by the onnx package's own evaluator with the operators written out in NumPy."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from tiny_models import Tiny, write_model

from crossfade.models import Bundle, Precision
from crossfade.models.cuda_graph import pack_attention
from crossfade.models.importing import import_model
from crossfade.models.quantising import quantise
from crossfade.models.text_graph import TextGraph
from crossfade.models.token_graph import token_model

# The same products in another order, of vectors of unit length; fp16 carries 11 bits through a few layers.
ABSOLUTE = {Precision.FP32: 2e-6, Precision.FP16: 4e-3}


def _norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    wide = np.asarray(x, dtype=np.float64)
    mean = wide.mean(axis=-1, keepdims=True)
    scaled = (wide - mean) / np.sqrt(wide.var(axis=-1, keepdims=True) + epsilon)
    return (scaled * gamma + beta).astype(x.dtype)


class Contrib(OpRun):  # type: ignore[misc]
    op_domain = "com.microsoft"


class EmbedLayerNormalization(Contrib):
    def _run(self, ids: Any, _s: Any, word: Any, position: Any, _t: Any, *rest: Any, epsilon: float, **_: Any) -> Any:
        gamma, beta, mask, *positions = rest
        places = positions[0] if positions and positions[0] is not None else np.arange(ids.shape[1])[None]
        hidden = _norm(word[ids] + position[places], gamma, beta, epsilon)
        return hidden, mask.sum(axis=1).astype(np.int32), hidden


class SkipLayerNormalization(Contrib):
    def _run(self, x: Any, skip: Any, gamma: Any, beta: Any, bias: Any, epsilon: float, **_: Any) -> Any:
        return (_norm(x + skip + bias, gamma, beta, epsilon),)


class BiasGelu(Contrib):
    def _run(self, x: Any, bias: Any, **_: Any) -> Any:
        y = (x + bias).astype(np.float64)
        return ((y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))).astype(x.dtype),)


class RemovePadding(Contrib):
    """Its places: those of tokens first, in order, and then those of padding."""

    def _run(self, x: Any, counts: Any, **_: Any) -> Any:
        there = (np.arange(x.shape[1]) < counts[:, None]).reshape(-1)
        places = np.concatenate([np.flatnonzero(there), np.flatnonzero(~there)]).astype(np.int32)
        cumulated = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        packed = x.reshape(-1, x.shape[2])[there]
        return packed, places.reshape(x.shape[:2]), cumulated, np.array([counts.max()], dtype=np.int32)


class RestorePadding(Contrib):
    def _run(self, x: Any, places: Any, **_: Any) -> Any:
        out = np.zeros((places.size, x.shape[1]), dtype=x.dtype)
        out[places.reshape(-1)[: len(x)]] = x
        return (out.reshape(*places.shape, -1),)


class PackedMultiHeadAttention(Contrib):
    def _run(self, q: Any, k: Any, v: Any, bias: Any, _: Any, cumulated: Any, num_heads: int, **__: Any) -> Any:
        out = np.empty_like(q)
        parts = [x + b for x, b in zip((q, k, v), np.split(bias, 3), strict=True)]
        for begin, end in pairwise(cumulated):
            shape = (end - begin, num_heads, -1)
            a, b, c = (part[begin:end].reshape(shape).astype(np.float64) for part in parts)
            scores = np.exp(np.einsum("ihd,jhd->hij", a, b) / math.sqrt(a.shape[2]))
            scores /= scores.sum(axis=2, keepdims=True)
            out[begin:end] = np.einsum("hij,jhd->ihd", scores, c).reshape(end - begin, -1)
        return (out,)


OPERATORS = [
    EmbedLayerNormalization,
    SkipLayerNormalization,
    BiasGelu,
    RemovePadding,
    RestorePadding,
    PackedMultiHeadAttention,
]


def batch() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts of 1 to 7 tokens, one of all of them."""
    random = np.random.default_rng(5)
    counts = np.array([3, 7, 1, 5])
    mask = (np.arange(7) < counts[:, None]).astype(np.int64)
    return random.integers(4, 20, mask.shape) * mask, mask


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("tiny", [Tiny(), Tiny("distilbert", pooling="cls"), Tiny("roberta", pooling="lasttoken")])
def test_attention_over_packed_tokens_gives_the_same_vectors(tmp_path: Path, tiny: Tiny, precision: Precision) -> None:
    made = import_model(str(write_model(tmp_path / "source", tiny)), tmp_path / "bundle")
    ids, mask = batch()
    expected = TextGraph(made.graph_path).run(ids, mask)
    bundle: Bundle = made if precision is Precision.FP32 else quantise(made, tmp_path / "half", precision)
    model = onnx.load(bundle.graph_path)
    assert pack_attention(model)
    kinds = [node.op_type for node in model.graph.node]
    # One synchronisation a batch, and nothing left of the rectangles.
    assert kinds.count("RemovePadding") == kinds.count("RestorePadding") == 1
    assert not {"MultiHeadAttention", "NonZero", "CumSum"} & set(kinds) or tiny.model_type == "roberta"
    session = ReferenceEvaluator(model, new_ops=OPERATORS)
    (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(found, expected, rtol=0, atol=ABSOLUTE[precision])


def test_token_vectors_too(tmp_path: Path) -> None:
    made = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "bundle")
    model = token_model(made.graph_path)
    assert pack_attention(model)
    assert [node.op_type for node in model.graph.node].count("PackedMultiHeadAttention") == Tiny().layers


def test_other_graphs_stay_as_they_are(tmp_path: Path) -> None:
    made = import_model(str(write_model(tmp_path / "source", Tiny(layers=0))), tmp_path / "bundle")
    for path in (made.graph_path,):
        model = onnx.load(path)
        before = model.SerializeToString()
        assert not pack_attention(model)
        assert model.SerializeToString() == before
