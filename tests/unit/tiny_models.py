"""Small models with random weights, laid out on disk as the hub lays out real ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

Weights = dict[str, NDArray[Any]]

WORDS = ["a", "the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "open", "file", "read", "line", "by"]
WORDS += ["how", "do", "i", "and", "it", "error", "cache"]
PIECES = ["##s", "##ed", "##ing", *"abcdefghijklmnopqrstuvwxyz0123456789_,.?!", *(f"##{c}" for c in "abcdefghijklmnop")]
TEXTS = ["", "fox", "the quick brown fox jumps over the lazy dog", "how do i open a file, and read it line by line?"]


@dataclass(frozen=True)
class Tiny:
    """The shape of a tiny model, and what is written beside its weights."""

    model_type: str = "bert"
    hidden: int = 32
    layers: int = 2
    heads: int = 4
    intermediate: int = 48
    positions: int = 40
    activation: str = "gelu"
    seed: int = 7
    pooling: str = "mean"
    normalise: bool = True
    max_seq_length: int | None = 24
    prompts: tuple[tuple[str, str], ...] = ()
    dense: tuple[int, str] | None = None
    prefix: str = ""

    @property
    def roberta(self) -> bool:
        return self.model_type in {"roberta", "xlm-roberta", "camembert"}

    @property
    def distilbert(self) -> bool:
        return self.model_type == "distilbert"

    @property
    def pad_id(self) -> int:
        return 1 if self.roberta else 0

    def but(self, **changes: Any) -> Tiny:
        return replace(self, **changes)


def vocabulary(tiny: Tiny) -> dict[str, int]:
    special = ["<s>", "<pad>", "</s>", "<unk>"] if tiny.roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    return {token: row for row, token in enumerate(dict.fromkeys([*special, *WORDS, *PIECES]))}


def make_tokenizer(tiny: Tiny) -> Tokenizer:
    """WordPiece; the special tokens and their ids are those of the model's family."""
    tokens = vocabulary(tiny)
    unknown, start, end, pad = (
        ("<unk>", "<s>", "</s>", "<pad>") if tiny.roberta else ("[UNK]", "[CLS]", "[SEP]", "[PAD]")
    )
    tokenizer = Tokenizer(models.WordPiece(tokens, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, tokens[start]), (end, tokens[end])]
    )
    tokenizer.add_special_tokens([unknown, start, end, pad])
    # As the hub's files often are: saved with the cut and padding of somebody's last call.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=tokens[pad], pad_token=pad)
    return tokenizer


def make_weights(tiny: Tiny) -> Weights:
    """Weights under the names that transformers gives them, large enough that every part moves the vectors."""
    rng = np.random.default_rng(tiny.seed)
    weights: Weights = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, 0.35, (outputs, inputs)).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.3, outputs).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = rng.uniform(0.5, 1.5, tiny.hidden).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.3, tiny.hidden).astype(np.float32)

    def embedding(name: str, rows: int) -> None:
        weights[f"embeddings.{name}.weight"] = rng.normal(0, 1, (rows, tiny.hidden)).astype(np.float32)

    embedding("word_embeddings", len(vocabulary(tiny)))
    embedding("position_embeddings", tiny.positions)
    if not tiny.distilbert:
        embedding("token_type_embeddings", 1 if tiny.roberta else 2)
    norm("embeddings.LayerNorm")
    for layer in range(tiny.layers):
        names = layer_names(tiny, layer)
        for part in ("query", "key", "value", "attention_output"):
            linear(names[part], tiny.hidden, tiny.hidden)
        linear(names["up"], tiny.hidden, tiny.intermediate)
        linear(names["down"], tiny.intermediate, tiny.hidden)
        norm(names["attention_norm"])
        norm(names["output_norm"])
    if not tiny.distilbert:
        linear("pooler.dense", tiny.hidden, tiny.hidden)  # there in real files, and not used
    return {tiny.prefix + name: value for name, value in weights.items()}


def layer_names(tiny: Tiny, layer: int) -> dict[str, str]:
    if tiny.distilbert:
        start = f"transformer.layer.{layer}."
        rest = {
            "query": "attention.q_lin",
            "key": "attention.k_lin",
            "value": "attention.v_lin",
            "attention_output": "attention.out_lin",
            "attention_norm": "sa_layer_norm",
            "up": "ffn.lin1",
            "down": "ffn.lin2",
            "output_norm": "output_layer_norm",
        }
    else:
        start = f"encoder.layer.{layer}."
        rest = {
            "query": "attention.self.query",
            "key": "attention.self.key",
            "value": "attention.self.value",
            "attention_output": "attention.output.dense",
            "attention_norm": "attention.output.LayerNorm",
            "up": "intermediate.dense",
            "down": "output.dense",
            "output_norm": "output.LayerNorm",
        }
    return {key: start + name for key, name in rest.items()}


def make_config(tiny: Tiny) -> dict[str, Any]:
    shared = {
        "model_type": tiny.model_type,
        "vocab_size": len(vocabulary(tiny)),
        "max_position_embeddings": tiny.positions,
        "pad_token_id": tiny.pad_id,
    }
    if tiny.distilbert:
        own = {
            "dim": tiny.hidden,
            "n_layers": tiny.layers,
            "n_heads": tiny.heads,
            "hidden_dim": tiny.intermediate,
            "activation": tiny.activation,
        }
    else:
        own = {
            "hidden_size": tiny.hidden,
            "num_hidden_layers": tiny.layers,
            "num_attention_heads": tiny.heads,
            "intermediate_size": tiny.intermediate,
            "hidden_act": tiny.activation,
            "layer_norm_eps": 1e-5 if tiny.roberta else 1e-12,
            "type_vocab_size": 1 if tiny.roberta else 2,
        }
    return shared | own


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_transformer(directory: Path, tiny: Tiny) -> None:
    """config.json and the tokenizer: what a directory has without sentence-transformers, but for the weights."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", make_config(tiny))
    make_tokenizer(tiny).save(str(directory / "tokenizer.json"))
    write_json(directory / "tokenizer_config.json", {"model_max_length": 1000000000000000019884624838656})


def write_modules(directory: Path, tiny: Tiny) -> None:
    """What sentence-transformers adds."""
    kinds = ["Transformer", "Pooling"] + ["Dense"] * (tiny.dense is not None) + ["Normalize"] * tiny.normalise
    modules = [
        {
            "idx": row,
            "name": str(row),
            "path": f"{row}_{kind}" if row else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for row, kind in enumerate(kinds)
    ]
    write_json(directory / "modules.json", modules)
    modes = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "lasttoken": "lasttoken"}
    pooling = {f"pooling_mode_{key}": mode == tiny.pooling for mode, key in modes.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": tiny.hidden, **pooling})
    write_json(directory / "sentence_bert_config.json", {"max_seq_length": tiny.max_seq_length, "do_lower_case": False})
    write_json(directory / "config_sentence_transformers.json", {"prompts": dict(tiny.prompts)})
    if tiny.dense is not None:
        width, activation = tiny.dense
        config = {"in_features": tiny.hidden, "out_features": width, "bias": True, "activation_function": activation}
        write_json(directory / "2_Dense" / "config.json", config)
        save_file(dense_weights(tiny), directory / "2_Dense" / "model.safetensors")


def dense_weights(tiny: Tiny) -> Weights:
    rng = np.random.default_rng(tiny.seed + 1)
    width = tiny.dense[0] if tiny.dense else 0
    return {
        "linear.weight": rng.normal(0, 0.3, (width, tiny.hidden)).astype(np.float32),
        "linear.bias": rng.normal(0, 0.3, width).astype(np.float32),
    }


def write_model(directory: Path, tiny: Tiny) -> Path:
    """A sentence-transformers directory with safetensors."""
    write_transformer(directory, tiny)
    write_modules(directory, tiny)
    save_file(make_weights(tiny), directory / "model.safetensors")
    return directory
