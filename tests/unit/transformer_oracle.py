"""The transformer of the BERT family in plain NumPy, float64, one text at a time: nothing to pad, nothing to mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny_models import Tiny, Weights, dense_weights, layer_names, make_tokenizer, make_weights

Vector = NDArray[np.float64]

_ERF = np.vectorize(math.erf)
ACTIVATIONS: dict[str, Any] = {
    "gelu": lambda x: 0.5 * x * (1 + _ERF(x / math.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
}


def hidden_states(tiny: Tiny, ids: list[int], raw: Weights) -> Vector:
    w = {name.removeprefix(tiny.prefix): value.astype(np.float64) for name, value in raw.items()}

    def linear(x: Vector, name: str) -> Vector:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: Vector, name: str) -> Vector:
        epsilon = 1e-5 if tiny.roberta else 1e-12
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    positions = np.arange(len(ids))
    if tiny.roberta:  # counted from pad_id + 1 over what is not the padding token
        real = np.array(ids) != tiny.pad_id
        positions = np.cumsum(real) * real + tiny.pad_id
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][positions]
    if not tiny.distilbert:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    size = tiny.hidden // tiny.heads
    for layer in range(tiny.layers):
        names = layer_names(tiny, layer)
        q, k, v = (
            linear(x, names[part]).reshape(len(ids), tiny.heads, size).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(size))
        attended = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), tiny.hidden)
        x = norm(x + linear(attended, names["attention_output"]), names["attention_norm"])
        raised = ACTIVATIONS[tiny.activation](linear(x, names["up"]))
        x = norm(x + linear(raised, names["down"]), names["output_norm"])
    return x


def embed(tiny: Tiny, text: str, *, max_tokens: int, weights: Weights | None = None) -> Vector:
    """One text's vector, tokenised, pooled, put through the dense layer and normalised as `tiny` says."""
    tokenizer = make_tokenizer(tiny)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    hidden = hidden_states(tiny, tokenizer.encode(text).ids, make_weights(tiny) if weights is None else weights)
    pooled: Vector = {"mean": hidden.mean(0), "cls": hidden[0], "lasttoken": hidden[-1]}[tiny.pooling]
    if tiny.dense is not None:
        layer = {name: value.astype(np.float64) for name, value in dense_weights(tiny).items()}
        activation = tiny.dense[1].rpartition(".")[2].lower()
        pooled = ACTIVATIONS[activation](layer["linear.weight"] @ pooled + layer["linear.bias"])
    return pooled / np.linalg.norm(pooled) if tiny.normalise else pooled
