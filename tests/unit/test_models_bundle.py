"""Bundles on disk: what is verified, what is refused, and what a fingerprint covers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from safetensors.numpy import save_file
from tiny_models import Tiny, make_weights, write_json, write_model

from crossfade.errors import BundleError, InvalidInput
from crossfade.models import Bundle, Encoder, InputType, Pooling
from crossfade.models.importing import ImportOptions, import_model
from crossfade.models.manifest import read_manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("made")
    return import_model(str(write_model(directory / "source", Tiny())), directory / "bundle", name="tiny")


@pytest.fixture
def bundle(made: Bundle, tmp_path: Path) -> Bundle:
    """A copy that a test may break."""
    return Bundle.load(shutil.copytree(made.path, tmp_path / "bundle"))


def rewrite(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> None:
    import tomllib

    path = bundle.path / "bundle.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(tomli_w.dumps(content), encoding="utf-8")


def test_what_a_bundle_says(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.path == tmp_path / "bundle"
    assert (bundle.name, bundle.dimension, bundle.max_tokens) == ("tiny", 32, 24)
    assert (bundle.pooling.value, bundle.normalise, bundle.precision.value) == ("mean", True, "fp32")
    assert (bundle.prompts.query, bundle.prompts.document, bundle.parent, bundle.adapter_path) == ("", "", None, None)
    assert re.fullmatch(r"cf1-[0-9a-f]{40}", bundle.document_fingerprint)
    assert bundle.fingerprint(InputType.QUERY) == bundle.query_fingerprint == bundle.document_fingerprint
    assert sorted(file.name for file in bundle.path.iterdir()) == ["bundle.toml", "model.onnx", "tokenizer.json"]


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    ],
    ids=["truncated", "emptied", "altered", "lengthened"],
)
def test_a_damaged_file_is_named(bundle: Bundle, file: str, damage: Callable[[Path], object]) -> None:
    damage(bundle.path / file)
    with pytest.raises(BundleError, match=rf"{re.escape(file)} is not the file that the bundle was made with.*import"):
        Bundle.load(bundle.path)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_missing_file_is_named(bundle: Bundle, file: str, verify: bool) -> None:
    (bundle.path / file).unlink()
    with pytest.raises(BundleError, match=rf"lacks its file {re.escape(file)}"):
        Bundle.load(bundle.path, verify=verify)


def test_broken_files_are_found_when_loaded_without_verifying(bundle: Bundle) -> None:
    graph = bundle.path / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded by ONNX Runtime"):
        Encoder(Bundle.load(bundle.path, verify=False))


def test_a_tokenizer_that_is_none_is_found_when_loaded_without_verifying(bundle: Bundle) -> None:
    (bundle.path / "tokenizer.json").write_text('{"version": "1.0"}', encoding="utf-8")
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        Encoder(Bundle.load(bundle.path, verify=False))


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"is not a model bundle: it has no bundle\.toml"):
        Bundle.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="is not a directory"):
        Bundle.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=2), "is format 2 and this crossfade reads format 1: it was written by a newer"),
        (lambda c: c.update(format=0), "format must be 1, not 0"),
        (lambda c: c.pop("format"), "format is missing"),
        (lambda c: c.update(dimensions=3), "unknown key dimensions"),
        (lambda c: c["prompts"].update(passage="x"), r"unknown key prompts\.passage"),
        (lambda c: c["prompts"].update(named="x"), r"named must be a table"),
        (lambda c: c["prompts"].update(named={"a": 1}), r"prompts\.named\.a must be of type str, not 1"),
        (lambda c: c["prompts"].update(named={"query": "x"}), r"prompts\.named holds a prompt of the name 'query'"),
        (lambda c: c["prompts"].update(named={"": "x"}), "of the name '': .* every other one needs a name"),
        (lambda c: c["files"].update({"model.bin": "0" * 64}), r"unknown key files\.model\.bin"),
        (lambda c: c["files"].update({"model.onnx": "12"}), "'12' is not the SHA-256"),
        (lambda c: c["files"].pop("tokenizer.json"), r"\[files\] does not record tokenizer\.json"),
        (lambda c: c.pop("files"), r"\[files\] is missing"),
        (lambda c: c.update(files="x"), "files must be a table"),
        (lambda c: c.update(pooling="max"), "pooling must be one of mean, cls, last_token, not 'max'"),
        (lambda c: c.update(precision="fp64"), "precision must be one of fp32"),
        (lambda c: c.update(dimension=0), "dimension must be at least 1"),
        (lambda c: c.update(dimension="384"), "dimension must be of type int, not '384'"),
        (lambda c: c.update(max_tokens=True), "max_tokens must be of type int, not True"),
        (lambda c: c.update(normalise=1), "normalise must be of type bool, not 1"),
        (lambda c: c.update(name="a b"), "'a b' is not a name"),
        (lambda c: c.update(query={"adapter": "other.onnx"}), r"query\.adapter must be 'query_adapter\.onnx'"),
        (lambda c: c.update(query={"adapter": "query_adapter.onnx"}), r"does not record query_adapter\.onnx"),
        (lambda c: c["files"].update({"query_adapter.onnx": "0" * 64}), r"\[query\] does not name it"),
        (lambda c: c.update(parent={"name": "x"}), r"parent\.document_fingerprint is missing"),
        (
            lambda c: c.update(
                parent={"name": "x", "document_fingerprint": "y", "query_fingerprint": "z", "relation": "r"}
            ),
            r"'y' is not a fingerprint in parent\.document_fingerprint",
        ),
    ],
)
def test_bundle_toml_is_read_strictly(bundle: Bundle, change: Callable[[dict[str, Any]], None], message: str) -> None:
    rewrite(bundle, change)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(bundle.path)
    assert str(bundle.path / "bundle.toml") in str(caught.value)


@pytest.mark.parametrize("content", [b"format = ", b"\xff\xfe", b"[a]\n[a]\n"])
def test_bundle_toml_that_is_not_toml(bundle: Bundle, content: bytes) -> None:
    (bundle.path / "bundle.toml").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.toml cannot be read as TOML"):
        Bundle.load(bundle.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "cls"}, "says pooling = cls and model.onnx was built with mean"),
        ({"normalise": False}, "says normalise = false and model.onnx was built with true"),
        ({"dimension": 16}, "says dimension = 16 and model.onnx was built with 32"),
    ],
)
def test_bundle_toml_cannot_contradict_the_graph(bundle: Bundle, change: dict[str, Any], message: str) -> None:
    rewrite(bundle, lambda content: content.update(change))
    with pytest.raises(BundleError, match=message):
        Encoder(Bundle.load(bundle.path))


def test_a_manifest_survives_writing(bundle: Bundle) -> None:
    rewrite(bundle, lambda content: content["prompts"].update(query='say "x":\n\t', document="日本 "))
    again = Bundle.load(bundle.path)
    assert again.prompts.query == 'say "x":\n\t'
    assert again.prompts.document == "日本 "
    assert read_manifest(bundle.path / "bundle.toml") == again.manifest


def test_the_same_source_gives_the_same_bytes(made: Bundle, tmp_path: Path) -> None:
    again = import_model(str(write_model(tmp_path / "elsewhere", Tiny())), tmp_path / "copy", name="other")
    assert again.name == "other"
    assert again.document_fingerprint == made.document_fingerprint
    for file in ("model.onnx", "tokenizer.json"):
        assert (again.path / file).read_bytes() == (made.path / file).read_bytes()


def test_name_and_place_are_not_in_the_fingerprint(bundle: Bundle, tmp_path: Path) -> None:
    rewrite(bundle, lambda content: content.update(name="renamed"))
    moved = Bundle.load(bundle.path.rename(tmp_path / "moved"))
    assert moved.name == "renamed"
    assert moved.document_fingerprint == bundle.document_fingerprint


def one_weight(source: Path) -> None:
    weights = make_weights(Tiny())
    weights["encoder.layer.1.output.dense.bias"][3] += np.float32(1e-3)
    save_file(weights, source / "model.safetensors")


def one_word(source: Path) -> None:
    content = json.loads((source / "tokenizer.json").read_bytes())
    vocabulary = content["model"]["vocab"]
    vocabulary["fox"], vocabulary["dog"] = vocabulary["dog"], vocabulary["fox"]
    write_json(source / "tokenizer.json", content)


@pytest.mark.parametrize(
    ("edit", "options", "moved"),
    [
        (one_weight, ImportOptions(), {"query", "document"}),
        (one_word, ImportOptions(), {"query", "document"}),
        (None, ImportOptions(pooling=Pooling.CLS), {"query", "document"}),
        (None, ImportOptions(max_tokens=23), {"query", "document"}),
        (None, ImportOptions(query_prompt="query: "), {"query"}),
        (None, ImportOptions(document_prompt="passage: "), {"document"}),
        (lambda source: (source / "modules.json").unlink(), ImportOptions(pooling=Pooling.MEAN), set()),
    ],
    ids=["weight", "tokenizer", "pooling", "max_tokens", "query_prompt", "document_prompt", "nothing"],
)
def test_whatever_moves_a_vector_moves_the_fingerprint(
    made: Bundle, tmp_path: Path, edit: Callable[[Path], object] | None, options: ImportOptions, moved: set[str]
) -> None:
    source = write_model(tmp_path / "source", Tiny())
    if edit is not None:
        edit(source)
    other = import_model(str(source), tmp_path / "bundle", options=options)
    assert {kind.value for kind in InputType if other.fingerprint(kind) != made.fingerprint(kind)} == moved


@pytest.mark.parametrize(
    "change",
    [{"pooling": "cls"}, {"normalise": False}, {"dimension": 31}, {"max_tokens": 23}, {"precision": "fp16"}],
    ids=str,
)
def test_every_setting_is_in_the_fingerprint_by_itself(bundle: Bundle, change: dict[str, Any]) -> None:
    rewrite(bundle, lambda content: content.update(change))
    other = Bundle.load(bundle.path)
    assert other.document_fingerprint != bundle.document_fingerprint
    assert other.query_fingerprint != bundle.query_fingerprint


def test_normalisation_is_in_the_fingerprint(made: Bundle, tmp_path: Path) -> None:
    other = import_model(str(write_model(tmp_path / "source", Tiny(normalise=False))), tmp_path / "bundle")
    assert other.document_fingerprint != made.document_fingerprint


def test_the_same_prompt_for_both_is_one_fingerprint(tmp_path: Path) -> None:
    options = ImportOptions(query_prompt="text: ", document_prompt="text: ")
    bundle = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "bundle", options=options)
    assert bundle.query_fingerprint == bundle.document_fingerprint


def test_how_a_tokenizer_was_saved_is_not_in_the_fingerprint(made: Bundle, tmp_path: Path) -> None:
    """The cut and padding of somebody's last call move no vector here: bundle.toml holds the limit."""
    source = write_model(tmp_path / "source", Tiny())
    content = json.loads((source / "tokenizer.json").read_bytes())
    content["truncation"] = None
    content["padding"] = None
    write_json(source / "tokenizer.json", content)
    assert import_model(str(source), tmp_path / "bundle").document_fingerprint == made.document_fingerprint


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "ä", "x" * 129])
def test_names_that_no_bundle_can_bear(tmp_path: Path, name: str) -> None:
    source = write_model(tmp_path / "source", Tiny())
    with pytest.raises(InvalidInput, match="cannot name a bundle"):
        import_model(str(source), tmp_path / "bundle", name=name)


def test_the_default_name_is_the_nearest_legal_one(tmp_path: Path) -> None:
    source = write_model(tmp_path / "-my model (v2)", Tiny())
    assert import_model(str(source), tmp_path / "bundle").name == "my-model-v2-"
