"""Token vectors out of graphs that pool inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from plain_onnx import sentence_model, token_model, write_export
from tiny_models import TEXTS, Tiny, write_model

from crossfade.errors import BundleError, InvalidInput
from crossfade.models import Bundle, Encoder, InputType, Precision
from crossfade.models.importing import ImportOptions, import_model
from crossfade.models.quantising import quantise
from crossfade.models.token_cache import CachedTokenEncoder
from crossfade.models.token_encoder import TokenEncoder
from crossfade.models.token_graph import TokenGraph
from crossfade.models.token_spill import SpilledTokenEncoder
from crossfade.models.types import Pooling

TINY = Tiny()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("made")
    source = write_model(directory / "source", TINY.but(prompts=(("query", "how do "),)))
    return import_model(str(source), directory / "bundle", name="tiny")


def test_against_the_exported_graph(tmp_path: Path) -> None:
    """The last hidden states of an unfused export, one text at a time, brought to unit length."""
    source = write_export(tmp_path / "source", TINY, token_model(TINY))
    encoder = TokenEncoder(import_model(str(source), tmp_path / "bundle"), threads=1, batch_tokens=32)
    session = onnxruntime.InferenceSession(source / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    found = encoder.encode([*TEXTS, "fox " * 90], InputType.DOCUMENT)
    ids = encoder._tokenizer.tokenise([*TEXTS, "fox " * 90]).ids
    assert found.truncated.tolist() == [False] * len(TEXTS) + [True]
    assert found.offsets.tolist() == [0, *np.cumsum([len(row) for row in ids])]
    for text, row in enumerate(ids):
        inputs = {"input_ids": row[None], "attention_mask": row[None] * 0 + 1, "token_type_ids": row[None] * 0}
        hidden = session.run(None, inputs)[0][0].astype(np.float64)
        expected = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        np.testing.assert_allclose(found.of(text), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", list(Pooling))
@pytest.mark.parametrize("exported", [False, True])
def test_every_pooling_is_cut_off(tmp_path: Path, pooling: Pooling, exported: bool) -> None:
    """Token vectors are the same whatever would have pooled them."""
    if exported:
        source = write_export(tmp_path / "source", TINY, token_model(TINY), modules=False)
    else:
        source = write_model(tmp_path / "source", TINY)
    made = [
        TokenEncoder(import_model(str(source), tmp_path / name, options=ImportOptions(pooling, 24)), threads=1)
        for name, pooling in (("mean", Pooling.MEAN), ("other", pooling))
    ]
    found = [each.encode(TEXTS, InputType.DOCUMENT).vectors for each in made]
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-6)


def test_the_bundle_stays_as_it_is(bundle: Bundle) -> None:
    before = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    TokenEncoder(bundle, threads=1).encode(TEXTS, InputType.QUERY)
    assert {path.name: path.read_bytes() for path in bundle.path.iterdir()} == before
    assert Bundle.load(bundle.path) == bundle


def test_pooled_token_vectors_are_the_bundles_vectors(tmp_path: Path) -> None:
    """With the first token as pooling, its vector is the text's."""
    made = import_model(str(write_model(tmp_path / "source", TINY.but(pooling="cls"))), tmp_path / "bundle")
    tokens = TokenEncoder(made, threads=1).encode(TEXTS, InputType.DOCUMENT)
    expected = Encoder(made, threads=1).encode(TEXTS, InputType.DOCUMENT).vectors
    np.testing.assert_allclose(tokens.vectors[tokens.offsets[:-1]], expected, atol=2e-6)


def test_the_prompt_is_read_too(bundle: Bundle) -> None:
    encoder = TokenEncoder(bundle, threads=1)
    asked, read = (encoder.encode(["fox"], kind) for kind in (InputType.QUERY, InputType.DOCUMENT))
    assert (len(asked.vectors), len(read.vectors)) == (5, 3)
    assert encoder.dimension == TINY.hidden


def test_a_dense_layer_is_not_applied(tmp_path: Path) -> None:
    made = import_model(str(write_model(tmp_path / "source", TINY.but(dense=(8, "Tanh")))), tmp_path / "bundle")
    assert (made.dimension, TokenEncoder(made).dimension) == (8, TINY.hidden)


@pytest.mark.parametrize(("precision", "least"), [(Precision.INT8, 0.9), (Precision.FP16, 0.999)])
def test_quantised_bundles_give_token_vectors(
    bundle: Bundle, tmp_path: Path, precision: Precision, least: float
) -> None:
    made = quantise(bundle, tmp_path / "quantised", precision)
    found, expected = (TokenEncoder(each, threads=1).encode(TEXTS, InputType.DOCUMENT) for each in (made, bundle))
    assert np.sum(found.vectors * expected.vectors, axis=1).min() > least


def test_weights_beside_the_graph_are_found(bundle: Bundle, tmp_path: Path) -> None:
    model = onnx.load(bundle.graph_path)
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="data", size_threshold=64)
    ids = np.array([[2, 5, 3]], dtype=np.int64)
    found, expected = (TokenGraph(path, threads=1) for path in (tmp_path / "model.onnx", bundle.graph_path))
    np.testing.assert_array_equal(found.run(ids, ids * 0 + 1), expected.run(ids, ids * 0 + 1))


def test_no_texts(bundle: Bundle) -> None:
    found = TokenEncoder(bundle, threads=1).encode([], InputType.QUERY)
    assert found.vectors.shape == (0, TINY.hidden)
    assert found.offsets.tolist() == [0]


def test_a_cache_gives_what_the_encoder_gives(bundle: Bundle) -> None:
    encoder = TokenEncoder(bundle, threads=1)
    cached = CachedTokenEncoder(encoder)
    for texts in (TEXTS, [*TEXTS[::-1], TEXTS[1], "fox " * 90], [], ["fox " * 90]):
        for kind in InputType:
            found, expected = cached.encode(texts, kind), encoder.encode(texts, kind)
            np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
            assert found.offsets.tolist() == expected.offsets.tolist()
            assert found.truncated.tolist() == expected.truncated.tolist()
    assert (cached.dimension, cached.bundle) == (encoder.dimension, bundle)


def test_a_cache_keeps_to_its_size_and_to_what_was_asked_last(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TokenEncoder(bundle, threads=1)
    made: list[str] = []
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts, kind: [made.extend(texts), encode(texts, kind)][1])
    room = 2 * (3 * TINY.hidden * 4 + 4 * len("fox"))  # two texts of three tokens
    cached = CachedTokenEncoder(encoder, room)
    for text in ("fox", "dog", "fox", "the", "fox", "dog"):
        cached.encode([text], InputType.DOCUMENT)
        assert cached.bytes_kept <= room
    assert made == ["fox", "dog", "the", "dog"]
    nothing = CachedTokenEncoder(encoder, 0)
    assert len(nothing.encode(["fox", "fox"], InputType.DOCUMENT).vectors) == 6
    assert nothing.bytes_kept == 0
    with pytest.raises(InvalidInput, match="max_bytes must be 0 or more"):
        CachedTokenEncoder(encoder, -1)


def test_a_cache_refuses_what_the_encoder_refuses(bundle: Bundle) -> None:
    cached = CachedTokenEncoder(TokenEncoder(bundle, threads=1))
    cached.encode(["fox"], InputType.DOCUMENT)
    with pytest.raises(InvalidInput, match="text 1 is of type int"):
        cached.encode(["fox", 3], InputType.DOCUMENT)  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="not one string"):
        cached.encode("fox", InputType.DOCUMENT)
    with pytest.raises(InvalidInput, match="text 2 holds the lone surrogate"):
        cached.encode(["fox", "fox", "\ud800"], InputType.DOCUMENT)


def test_a_file_gives_what_the_encoder_gives_and_makes_it_once(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = TokenEncoder(bundle, threads=1)
    made: list[str] = []
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts, kind: [made.extend(texts), encode(texts, kind)][1])
    spilled = SpilledTokenEncoder(encoder, tmp_path / "new")
    for texts in (TEXTS, [*TEXTS[::-1], TEXTS[1], "fox " * 90], [], ["fox " * 90]):
        for kind in InputType:
            found, expected = spilled.encode(texts, kind), encode(texts, kind)
            np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
            assert found.offsets.tolist() == expected.offsets.tolist()
            assert found.truncated.tolist() == expected.truncated.tolist()
    before, kept = len(made), spilled.bytes_kept
    assert CachedTokenEncoder(spilled, 0).encode(TEXTS, InputType.DOCUMENT).vectors.shape[1] == spilled.dimension
    assert (len(made), spilled.bytes_kept, spilled.bundle) == (before, kept, bundle)
    assert list((tmp_path / "new").iterdir()) == []  # nobody else sees it, and nothing stays
    with pytest.raises(InvalidInput, match="text 2 holds the lone surrogate"):
        spilled.encode(["fox", "fox", "\ud800"], InputType.DOCUMENT)
    with pytest.raises(InvalidInput, match="text 1 is of type int"):
        spilled.encode(["fox", 3], InputType.DOCUMENT)  # type: ignore[list-item]


def test_a_full_file_or_disk_is_no_fault(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TokenEncoder(bundle, threads=1)
    expected = encoder.encode(TEXTS, InputType.DOCUMENT)
    room = 3 * TINY.hidden * 4
    small = SpilledTokenEncoder(encoder, tmp_path, room)
    full = SpilledTokenEncoder(encoder, tmp_path)

    def no_room(*given: object) -> int:
        raise OSError(28, "No space left on device")

    assert small.encode(["fox"], InputType.DOCUMENT).vectors.shape == (3, TINY.hidden)
    monkeypatch.setattr("os.pwrite", no_room)
    for spilled in (small, full):
        for _ in range(2):
            np.testing.assert_allclose(spilled.encode(TEXTS, InputType.DOCUMENT).vectors, expected.vectors, atol=1e-6)
    assert (small.bytes_kept, full.bytes_kept) == (room, 0)
    with pytest.raises(InvalidInput, match="max_bytes must be 0 or more"):
        SpilledTokenEncoder(encoder, tmp_path, -1)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot make a file in"):
        SpilledTokenEncoder(encoder, tmp_path / "file")


def test_a_graph_that_pools_by_itself_is_refused(tmp_path: Path) -> None:
    source = write_export(tmp_path / "source", TINY, sentence_model(TINY, with_tokens=False))
    made = import_model(str(source), tmp_path / "bundle")
    with pytest.raises(InvalidInput, match="pools by itself and gives no token vectors"):
        TokenEncoder(made)


def test_bad_arguments_and_files_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="threads must be 0 or more"):
        TokenEncoder(bundle, threads=-1)
    with pytest.raises(BundleError, match="is missing"):
        TokenGraph(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 9)
    with pytest.raises(BundleError, match="cannot be read"):
        TokenGraph(tmp_path / "model.onnx")
