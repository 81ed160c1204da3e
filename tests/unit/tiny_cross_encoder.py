"""A tiny cross-encoder as optimum exports it: random weights, tokens of both texts seen by each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from plain_onnx import Plain
from tiny_models import Tiny, make_tokenizer, vocabulary, write_transformer
from tokenizers import processors


def classifier(
    tiny: Tiny, *, output: str = "logits", labels: int = 1, kind: int = TensorProto.INT64, scale: float = 1.0
) -> onnx.ModelProto:
    """The first token's state, a linear layer, one number a pair."""
    plain = Plain(tiny, kind=kind)
    hidden = plain.transformer(position_ids=False)
    first = plain.add("Gather", hidden, plain.constant(0, np.int64), axis=1)
    weight = np.random.default_rng(5).normal(0, scale, (tiny.hidden, labels))
    plain.add("MatMul", first, plain.constant(weight), output=output)
    return plain.model({output: ["batch_size", labels]})


def write_cross_encoder(directory: Path, tiny: Tiny, model: onnx.ModelProto | None = None, **options: Any) -> Path:
    """A directory with the graph, the tokenizer (with its template for pairs) and config.json."""
    write_transformer(directory, tiny)
    tokens = vocabulary(tiny)
    tokenizer = make_tokenizer(tiny)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokens[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    onnx.save(model or classifier(tiny, **options), directory / "model.onnx")
    return directory
