"""What an import refuses by name, and what it says about broken configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file
from tiny_models import Tiny, write_json, write_model
from tokenizers import Tokenizer

from crossfade.errors import BundleError, CrossfadeError, InvalidInput
from crossfade.models.importing import import_model


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_bytes())
    content.update(changes)
    write_json(path, content)


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda source: edit(source / "config.json", **changes)


def pooling(**content: Any) -> Callable[[Path], None]:
    return lambda source: write_json(source / "1_Pooling" / "config.json", content)


def modules(*kinds: str) -> Callable[[Path], None]:
    content = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"a.b.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    return lambda source: write_json(source / "modules.json", content)


def dense(**changes: Any) -> Callable[[Path], None]:
    return lambda source: edit(source / "2_Dense" / "config.json", **changes)


DENSE = Tiny(dense=(16, "torch.nn.modules.activation.Tanh"))


@pytest.mark.parametrize(
    ("tiny", "change", "message"),
    [
        (
            Tiny(),
            config(model_type="deberta-v2"),
            r"architecture deberta-v2 cannot be built .*supported: bert, distil.*export",
        ),
        (Tiny(), config(model_type=None), "architecture None"),
        (
            Tiny(),
            config(position_embedding_type="relative_key"),
            "position_embedding_type relative_key is not supported",
        ),
        (Tiny(), config(is_decoder=True), "a decoder .* is not supported"),
        (Tiny(), config(hidden_act="silu"), "activation silu is not supported .*gelu, relu"),
        (Tiny("distilbert"), config(activation="silu"), "activation silu is not supported"),
        (Tiny(), pooling(pooling_mode="max"), "pooling max is not supported .*mean, cls, lasttoken"),
        (Tiny(), pooling(pooling_mode=["mean", "cls"]), r"pooling mean \+ cls is not supported"),
        (Tiny(), pooling(pooling_mode_mean_sqrt_len_tokens=True), "pooling mean_sqrt_len_tokens is not supported"),
        (Tiny(prompts=(("query", "q"),)), pooling(pooling_mode="mean", include_prompt=False), "include_prompt = false"),
        (Tiny(), modules("Transformer", "Pooling", "LayerNorm"), "module LayerNorm at this place is not supported"),
        (Tiny(), modules("Transformer", "Pooling", "Normalize", "Dense"), "module Dense at this place"),
        (Tiny(), modules("Transformer", "Dense", "Pooling"), "module Dense at this place"),
        (Tiny(), modules("Transformer"), "has no Pooling module"),
        (Tiny(), modules("StaticEmbedding", "Normalize"), "begins with StaticEmbedding"),
        (Tiny(), modules(), "begins with no module"),
        (
            DENSE,
            dense(activation_function="torch.nn.modules.activation.Mish"),
            r"activation torch\.nn.*Mish is not supported",
        ),
        (DENSE, dense(module_input_name="token_embeddings"), "a dense layer on token_embeddings"),
        (DENSE, dense(use_residual=True), "residual"),
    ],
)
def test_what_is_not_supported(tmp_path: Path, tiny: Tiny, change: Callable[[Path], None], message: str) -> None:
    assert_refused(tmp_path, tiny, change, InvalidInput, message)


def wrong_tokenizer(source: Path) -> None:
    """One word more than the model has rows for."""
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.add_tokens(["crossfade"])
    tokenizer.save(str(source / "tokenizer.json"))


def no_special_tokens(source: Path) -> None:
    edit(source / "tokenizer.json", post_processor=None)


def broken_dense(source: Path) -> None:
    save_file({}, source / "2_Dense" / "model.safetensors")


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda source: (source / name).write_text(content, encoding="utf-8")


def remove(name: str) -> Callable[[Path], object]:
    return lambda source: (source / name).unlink()


@pytest.mark.parametrize(
    ("tiny", "change", "message"),
    [
        (Tiny(), wrong_tokenizer, r"tokenizer does not match the model: it gives ids up to (\d+)"),
        (Tiny(), no_special_tokens, "gives an empty text no token at all"),
        (Tiny(), remove("tokenizer.json"), r"has no tokenizer\.json: save the tokenizer in its fast form"),
        (Tiny(), write("tokenizer.json", '{"a": 1}'), r"tokenizer\.json is not a tokenizer"),
        (Tiny(), write("tokenizer.json", "[]"), r"tokenizer\.json is not a tokenizer"),
        (Tiny(), write("tokenizer.json", '{"model": {}}'), r"tokenizer\.json cannot be read as a tokenizer"),
        (Tiny(), write("tokenizer.json", '{"model'), r"tokenizer\.json cannot be read as JSON"),
        (Tiny(), write("config.json", "{"), r"config\.json cannot be read as JSON"),
        (Tiny(), write("config.json", "[]"), r"config\.json must hold a JSON object"),
        (Tiny(), write("modules.json", '{"a": 1}'), r"modules\.json must be a list of modules"),
        (Tiny(), write("modules.json", "[3]"), r"modules\.json must be a list of modules"),
        (Tiny(), write("config_sentence_transformers.json", '{"prompts": [1]}'), "prompts must map names to texts"),
        (Tiny(), write("config_sentence_transformers.json", '{"prompts": {"query": 1}}'), "prompts must map"),
        (Tiny(), remove("1_Pooling/config.json"), r"1_Pooling/config\.json is missing"),
        (Tiny(), config(hidden_size="32"), "hidden_size must be a whole number"),
        (Tiny(), config(num_attention_heads=5), "32 hidden units cannot be shared by 5 attention heads"),
        (Tiny(), config(num_attention_heads=0), "32 hidden units cannot be shared by 0 attention heads"),
        (
            Tiny(),
            config(hidden_size=48, num_attention_heads=4),
            r"has shape \(\d+, 32\), config.json asks for \(\d+, 48\)",
        ),
        (Tiny(), config(num_hidden_layers=3), r"lacks the weight encoder\.layer\.2\."),
        (DENSE, broken_dense, "lacks the weight linear.weight"),
        (DENSE, dense(in_features=31), "takes 31 values and would get 32"),
        (DENSE, dense(in_features=None), "lacks in_features or out_features"),
    ],
)
def test_what_is_broken(tmp_path: Path, tiny: Tiny, change: Callable[[Path], object], message: str) -> None:
    assert_refused(tmp_path, tiny, change, BundleError, message)


def test_a_module_outside_of_the_directory(tmp_path: Path) -> None:
    content = [{"path": "", "type": "Transformer"}, {"path": "../secret", "type": "Pooling"}]
    assert_refused(
        tmp_path,
        Tiny(),
        lambda source: write_json(source / "modules.json", content),
        BundleError,
        "is outside the model",
    )


def test_a_shard_outside_of_the_directory(tmp_path: Path) -> None:
    def change(source: Path) -> None:
        (source / "model.safetensors").rename(tmp_path / "stolen.safetensors")
        write_json(source / "model.safetensors.index.json", {"weight_map": {"a": "../stolen.safetensors"}})

    assert_refused(tmp_path, Tiny(), change, BundleError, "which is not a file beside it")
    write_json(tmp_path / "source" / "model.safetensors.index.json", {"weights": {}})
    with pytest.raises(BundleError, match="is not an index of safetensors files"):
        import_model(str(tmp_path / "source"), tmp_path / "bundle")


def assert_refused(
    tmp_path: Path, tiny: Tiny, change: Callable[[Path], object], kind: type[CrossfadeError], message: str
) -> None:
    source = write_model(tmp_path / "source", tiny)
    change(source)
    with pytest.raises(kind, match=message) as caught:
        import_model(str(source), tmp_path / "bundle")
    assert type(caught.value) is kind
    assert not [path for path in tmp_path.iterdir() if "bundle" in path.name]
