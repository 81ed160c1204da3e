"""Graphs built from weights, against a plain NumPy transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_models import TEXTS, Tiny, make_weights, write_json, write_model, write_transformer
from transformer_oracle import embed

from crossfade.errors import BundleError, InvalidInput
from crossfade.models import Bundle, Encoder, InputType, Pooling, Precision, Prompts
from crossfade.models.importing import ImportOptions, import_model

# Vectors of unit length from float32 sums of at most a few hundred terms, against float64.
ABSOLUTE = 2e-5


def imported(directory: Path, tiny: Tiny, **options: Any) -> Bundle:
    source = write_model(directory / "source", tiny)
    return import_model(str(source), directory / "bundle", options=ImportOptions(**options))


def assert_agrees(bundle: Bundle, tiny: Tiny, texts: list[str] = TEXTS, weights: Any = None) -> None:
    found = Encoder(bundle, threads=1).encode(texts, InputType.DOCUMENT)
    expected = np.array([embed(tiny, text, max_tokens=bundle.max_tokens, weights=weights) for text in texts])
    scale = 1 if tiny.normalise else np.abs(expected).max()
    np.testing.assert_allclose(found.vectors / scale, expected / scale, rtol=0, atol=ABSOLUTE)
    assert found.vectors.flags.c_contiguous


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta", "xlm-roberta", "camembert"])
def test_every_architecture_and_pooling(tmp_path: Path, model_type: str, pooling: str) -> None:
    tiny = Tiny(model_type, pooling=pooling)
    bundle = imported(tmp_path, tiny)
    assert bundle.pooling.value.replace("_", "") == pooling
    assert bundle.dimension == tiny.hidden
    assert bundle.precision is Precision.FP32
    assert_agrees(bundle, tiny)


@pytest.mark.parametrize(
    "tiny",
    [
        Tiny(activation="gelu_new"),
        Tiny(activation="relu"),
        Tiny("distilbert", activation="relu"),
        Tiny(normalise=False),
        Tiny(normalise=False, pooling="lasttoken"),
        Tiny(prefix="bert."),
        Tiny("roberta", prefix="roberta."),
        Tiny("distilbert", prefix="distilbert."),
        Tiny(heads=1, layers=1),
        Tiny(layers=0),
        Tiny(dense=(16, "torch.nn.modules.activation.Tanh")),
        Tiny(dense=(40, "torch.nn.modules.linear.Identity"), normalise=False),
        Tiny(dense=(16, "torch.nn.modules.activation.ReLU"), normalise=False),
        Tiny(dense=(16, "torch.nn.modules.activation.Sigmoid")),
        Tiny(dense=(16, "torch.nn.modules.activation.GELU")),
    ],
    ids=lambda tiny: ",".join(f"{key}={value}" for key, value in vars(tiny).items() if value != getattr(Tiny(), key)),
)
def test_variants(tmp_path: Path, tiny: Tiny) -> None:
    bundle = imported(tmp_path, tiny)
    assert bundle.dimension == (tiny.dense[0] if tiny.dense else tiny.hidden)
    assert bundle.normalise == tiny.normalise
    assert_agrees(bundle, tiny)


def test_padding_token_written_in_a_text_shifts_no_position(tmp_path: Path) -> None:
    """RoBERTa gives a <pad> inside a text the padding's position, and the tokens after it do not count it."""
    tiny = Tiny("roberta")
    assert_agrees(imported(tmp_path, tiny), tiny, ["the fox <pad> jumps over <pad> the dog", "dog <pad>"])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_weights_of_half_precision_are_computed_with_in_full(tmp_path: Path, dtype: Any) -> None:
    tiny = Tiny()
    source = write_model(tmp_path / "source", tiny)
    halves = {name: value.astype(dtype) for name, value in make_weights(tiny).items()}
    save_file(halves, source / "model.safetensors")
    bundle = import_model(str(source), tmp_path / "bundle")
    assert_agrees(bundle, tiny, weights=halves)


def test_sharded_weights_are_the_same_model(tmp_path: Path) -> None:
    tiny = Tiny()
    whole = imported(tmp_path / "whole", tiny)
    source = write_model(tmp_path / "source", tiny)
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, members in shards.items():
        save_file({name: weights[name] for name in members}, source / file)
    index = {"metadata": {}, "weight_map": {name: file for file, members in shards.items() for name in members}}
    write_json(source / "model.safetensors.index.json", index)
    assert import_model(str(source), tmp_path / "bundle").document_fingerprint == whole.document_fingerprint
    (source / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BundleError, match=r"00002-of-00002.* is missing"):
        import_model(str(source), tmp_path / "second")


def test_weights_too_many_for_one_message_go_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Tiny()
    monkeypatch.setattr("crossfade.models.graph.INLINE_LIMIT", 1000)
    bundle = imported(tmp_path, tiny)
    assert sorted(bundle.manifest.files) == ["model.onnx", "model.onnx.data", "tokenizer.json"]
    assert_agrees(bundle, tiny)
    again = imported(tmp_path / "again", tiny)
    assert again.document_fingerprint == bundle.document_fingerprint
    data = bundle.path / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"model\.onnx\.data is not the file"):
        Bundle.load(bundle.path)


def test_old_names_of_layer_norm_are_understood(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_model(tmp_path / "source", tiny)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in make_weights(tiny).items()
    }
    save_file(old, source / "model.safetensors")
    assert_agrees(import_model(str(source), tmp_path / "bundle"), tiny)


def test_prompts_are_chosen_as_sentence_transformers_does(tmp_path: Path) -> None:
    bundle = imported(tmp_path, Tiny(prompts=(("query", "how "), ("passage", "the "))))
    assert bundle.prompts == Prompts("how ", "the ", {"passage": "the "})
    assert bundle.query_fingerprint != bundle.document_fingerprint
    encoder = Encoder(bundle, threads=1)
    prompted = encoder.encode(["quick fox"], InputType.DOCUMENT)
    plain = import_model(str(tmp_path / "source"), tmp_path / "plain", options=ImportOptions(document_prompt=""))
    by_hand = Encoder(plain, threads=1).encode(["the quick fox"], InputType.DOCUMENT)
    np.testing.assert_array_equal(prompted.vectors, by_hand.vectors)
    assert prompted.token_counts.tolist() == [5]


def test_options_override_the_source(tmp_path: Path) -> None:
    bundle = imported(tmp_path, Tiny(), pooling=Pooling.CLS, max_tokens=10, query_prompt="how ", document_prompt="a ")
    assert (bundle.pooling, bundle.max_tokens, bundle.prompts) == (Pooling.CLS, 10, Prompts("how ", "a "))
    assert_agrees(
        import_model(str(tmp_path / "source"), tmp_path / "b", options=ImportOptions(pooling=Pooling.CLS)),
        Tiny(pooling="cls"),
    )


def test_the_limit_is_what_the_positions_allow(tmp_path: Path) -> None:
    assert imported(tmp_path / "bert", Tiny(max_seq_length=512)).max_tokens == 40
    assert imported(tmp_path / "unsaid", Tiny(max_seq_length=None)).max_tokens == 40
    roberta = imported(tmp_path / "roberta", Tiny("roberta", max_seq_length=None))
    assert roberta.max_tokens == 38
    assert_agrees(roberta, Tiny("roberta"), ["fox " * 60])
    for wrong in (0, -1, 39):
        with pytest.raises(InvalidInput, match="from 1 to 38, the number of positions"):
            imported(tmp_path / f"{wrong}", Tiny("roberta"), max_tokens=wrong)


def test_lower_case_of_sentence_transformers(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", Tiny())
    tokenizer = json.loads((source / "tokenizer.json").read_bytes())
    tokenizer["normalizer"]["lowercase"] = False
    write_json(source / "tokenizer.json", tokenizer)
    cased = Encoder(import_model(str(source), tmp_path / "cased"))
    settings = {"max_seq_length": 24, "do_lower_case": True}
    write_json(source / "sentence_bert_config.json", settings)
    lowered = Encoder(import_model(str(source), tmp_path / "lowered"))
    texts = ["THE Quick FOX", "the quick fox"]
    a, b = cased.encode(texts, InputType.QUERY).vectors
    assert not np.allclose(a, b, atol=1e-3)
    a, b = lowered.encode(texts, InputType.QUERY).vectors
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_tokenizer_config_goes_before_the_normalizer(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", Tiny())
    write_json(source / "tokenizer_config.json", {"do_lower_case": False, "strip_accents": False, "pad_token": "[SEP]"})
    bundle = import_model(str(source), tmp_path / "bundle")
    tokenizer = json.loads(bundle.tokenizer_path.read_bytes())
    assert (tokenizer["normalizer"]["lowercase"], tokenizer["normalizer"]["strip_accents"]) == (False, False)
    assert tokenizer["normalizer"]["handle_chinese_chars"] is True
    assert (tokenizer["padding"]["pad_id"], tokenizer["padding"]["pad_token"]) == (3, "[SEP]")
    upper, lower = Encoder(bundle).encode(["FOX", "fox"], InputType.QUERY).vectors
    assert not np.allclose(upper, lower, atol=1e-3)


def test_a_plain_directory_needs_to_be_told_the_pooling(tmp_path: Path) -> None:
    tiny = Tiny(pooling="cls")
    write_transformer(tmp_path / "source", tiny)
    save_file(make_weights(tiny), tmp_path / "source" / "model.safetensors")
    with pytest.raises(InvalidInput, match=r"no modules\.json.*--pooling \(mean, cls, last_token\)"):
        import_model(str(tmp_path / "source"), tmp_path / "bundle")
    options = ImportOptions(pooling=Pooling.CLS, max_tokens=24)
    assert_agrees(import_model(str(tmp_path / "source"), tmp_path / "bundle", options=options), tiny)


def test_a_prompt_must_be_text(tmp_path: Path) -> None:
    """A byte that is not UTF-8 reaches Python from a shell as a lone surrogate."""
    with pytest.raises(InvalidInput, match=r"the prompt 'q\\udcff' is not Unicode text"):
        imported(tmp_path, Tiny(), query_prompt="q\udcff")


@pytest.mark.parametrize("prompt", ["query_prompt", "document_prompt"])
def test_a_prompt_that_leaves_no_room_is_refused(tmp_path: Path, prompt: str) -> None:
    with pytest.raises(BundleError, match=rf"the {prompt.removesuffix('_prompt')} prompt fills the limit of 10 tokens"):
        imported(tmp_path, Tiny(), max_tokens=10, **{prompt: "fox " * 8})
    assert imported(tmp_path / "fits", Tiny(), max_tokens=11, **{prompt: "fox " * 8}).max_tokens == 11
