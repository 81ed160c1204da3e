"""Named prompts: from sentence-transformers' configuration to bundle.toml, vectors, fingerprints and the front end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from serving_fakes import FakeEncoder
from tiny_models import Tiny, write_json, write_model

from crossfade.cli.model import _rows, bundle_json
from crossfade.errors import InvalidInput, NotFound
from crossfade.models import Bundle, Encoder, InputType
from crossfade.models.adapter import write_adapter_bundle
from crossfade.models.importing import ImportOptions, import_model
from crossfade.models.manifest import Prompts, read_manifest
from crossfade.serving.batches import ServedModel
from crossfade.serving.models import served_models
from crossfade.serving.wire import model_message

QUERY, DOCUMENT = InputType.QUERY, InputType.DOCUMENT
GIVEN = (("query", "how "), ("document", "the "), ("line", "read line "), ("fox", "quick "), ("plain", ""))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("prompts")
    source = write_model(directory / "source", Tiny(prompts=GIVEN))
    return import_model(str(source), directory / "bundle", name="tiny")


@pytest.fixture(scope="module")
def unprompted(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    directory = tmp_path_factory.mktemp("unprompted")
    return Encoder(import_model(str(write_model(directory / "source", Tiny())), directory / "bundle"), threads=1)


def test_the_importer_keeps_every_prompt(made: Bundle) -> None:
    assert made.prompts == Prompts("how ", "the ", {"fox": "quick ", "line": "read line ", "plain": ""})
    assert read_manifest(made.path / "bundle.toml") == made.manifest
    assert Bundle.load(made.path).prompts == made.prompts


def test_names_may_be_anything_that_a_call_can_ask_for(tmp_path: Path) -> None:
    prompts = (("a b.c", "x"), ('q"\n', "y"), ("検索", "z"), ("", "nobody can ask for this one"))
    bundle = import_model(str(write_model(tmp_path / "source", Tiny(prompts=prompts))), tmp_path / "bundle")
    assert dict(Bundle.load(bundle.path).prompts.named) == {"a b.c": "x", 'q"\n': "y", "検索": "z"}


@pytest.mark.parametrize("prompts", [{"a\ud800": "x"}, {"a": "x\ud800"}])
def test_a_prompt_that_is_not_text_is_refused(tmp_path: Path, prompts: dict[str, str]) -> None:
    source = write_model(tmp_path / "source", Tiny())
    path = source / "config_sentence_transformers.json"
    path.write_text(json.dumps({"prompts": prompts}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="is not Unicode text"):
        import_model(str(source), tmp_path / "bundle")


def test_pooling_that_leaves_a_named_prompt_out_is_refused(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", Tiny(prompts=(("line", "read line "),)))
    write_json(source / "1_Pooling" / "config.json", {"pooling_mode": "mean", "include_prompt": False})
    with pytest.raises(InvalidInput, match="include_prompt = false"):
        import_model(str(source), tmp_path / "bundle")


def test_a_bundle_without_named_prompts_is_written_as_it_always_was(unprompted: Encoder) -> None:
    assert "named" not in (unprompted.bundle.path / "bundle.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(InputType))
def test_a_named_prompt_takes_the_place_of_the_input_types_own(
    made: Bundle, unprompted: Encoder, kind: InputType
) -> None:
    found = Encoder(made, threads=1).encode(["file"], kind, prompt_name="line")
    by_hand = unprompted.encode(["read line file"], kind)
    np.testing.assert_array_equal(found.vectors, by_hand.vectors)
    assert found.token_counts.tolist() == by_hand.token_counts.tolist()


def test_a_prompt_that_is_not_there(made: Bundle, unprompted: Encoder) -> None:
    with pytest.raises(NotFound, match="there is no prompt 'lines': use one of fox, line, plain, or none"):
        Encoder(made, threads=1).encode(["file"], QUERY, prompt_name="lines")
    with pytest.raises(NotFound, match="there is no prompt 'line': this model has none"):
        unprompted.fingerprint(QUERY, "line")
    with pytest.raises(NotFound, match="there is no prompt ''"):
        made.prompt_fingerprint("", QUERY)


class TestFingerprints:
    def test_a_named_prompt_moves_its_own_vectors_only(self, made: Bundle, tmp_path: Path) -> None:
        plain = import_model(str(write_model(tmp_path / "source", Tiny(prompts=GIVEN[:2]))), tmp_path / "bundle")
        assert (plain.query_fingerprint, plain.document_fingerprint) == (
            made.query_fingerprint,
            made.document_fingerprint,
        )
        prints = {made.prompt_fingerprint(name, kind) for name in made.prompts.named for kind in InputType}
        assert len(prints) == 3
        assert not prints & {made.query_fingerprint, made.document_fingerprint}

    def test_it_is_that_of_the_prompts_text(self, made: Bundle, unprompted: Encoder, tmp_path: Path) -> None:
        source = str(write_model(tmp_path / "source", Tiny()))
        other = import_model(source, tmp_path / "bundle", options=ImportOptions(document_prompt="read line "))
        assert made.prompt_fingerprint("line", DOCUMENT) == other.document_fingerprint
        assert made.prompt_fingerprint("plain", DOCUMENT) == unprompted.bundle.document_fingerprint

    def test_queries_of_an_adapted_bundle_have_one_of_their_own(self, made: Bundle, tmp_path: Path) -> None:
        weight = np.eye(made.dimension, dtype=np.float32) * 2
        tuned = write_adapter_bundle(made, weight, None, tmp_path / "tuned", name="tuned")
        assert tuned.prompts == made.prompts
        assert tuned.prompt_fingerprint("line", DOCUMENT) == made.prompt_fingerprint("line", DOCUMENT)
        assert tuned.prompt_fingerprint("line", QUERY) != made.prompt_fingerprint("line", QUERY)

    def test_the_encoder_tells_it(self, made: Bundle) -> None:
        encoder = Encoder(made, threads=1)
        assert encoder.fingerprint(QUERY) == made.query_fingerprint
        assert encoder.fingerprint(QUERY, "line") == made.prompt_fingerprint("line", QUERY)


def test_the_front_end_is_told_how_each_prompt_is_read(made: Bundle, tmp_path: Path) -> None:
    weight = np.eye(made.dimension, dtype=np.float32) * 2
    tuned = write_adapter_bundle(made, weight, None, tmp_path / "tuned", name="tuned")
    (model,) = served_models({"tuned": Encoder(tuned, threads=1)}).configuration
    assert model["query"] == (0, "how ", tuned.query_fingerprint)
    assert model["document"] == (1, "the ", tuned.document_fingerprint)
    assert set(model["prompts"]) == {"fox", "line", "plain"}
    assert model["prompts"]["line"] == (
        (0, "read line ", tuned.prompt_fingerprint("line", QUERY)),
        (1, "read line ", tuned.prompt_fingerprint("line", DOCUMENT)),
    )


def test_callers_are_told_the_names() -> None:
    encoder = FakeEncoder()
    assert list(model_message(ServedModel("m", encoder.bundle)).prompt_names) == ["a", "b"]


def test_model_info_lists_them(made: Bundle) -> None:
    facts = bundle_json(made)
    assert facts["prompts"] == {
        "query": "how ",
        "document": "the ",
        "named": {"fox": "quick ", "line": "read line ", "plain": ""},
    }
    rows = dict(_rows(facts))
    assert (rows["document prompt"], rows["prompt fox"], rows["prompt plain"]) == ('"the "', '"quick "', '""')
