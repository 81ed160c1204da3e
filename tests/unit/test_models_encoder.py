"""The encoder: order, batches, threads, sharing, adapters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TEXTS, Tiny, write_model

from crossfade.errors import AlreadyExists, BundleError, InvalidInput
from crossfade.models import Bundle, Device, Encoder, InputType, load_encoders
from crossfade.models.adapter import write_adapter_bundle
from crossfade.models.encoder import batches_by_length, pad
from crossfade.models.importing import ImportOptions, import_model

RNG = np.random.default_rng(11)
WEIGHT = RNG.normal(0, 1, (32, 32)).astype(np.float32)
BIAS = RNG.normal(0, 1, 32).astype(np.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("base")
    return import_model(str(write_model(directory / "source", Tiny())), directory / "bundle", name="base")


@pytest.fixture(scope="module")
def encoder(base: Bundle) -> Encoder:
    return Encoder(base, threads=1)


def test_rows_come_back_in_order_whatever_the_batches(base: Bundle, encoder: Encoder) -> None:
    texts = [f"fox {'quick ' * (row * 7 % 20)}{row}" for row in range(60)]
    alone = np.concatenate([encoder.encode([text], InputType.DOCUMENT).vectors for text in texts])
    for budget in (1, 30, 97, 1 << 20):
        found = Encoder(base, threads=1, batch_tokens=budget).encode(texts, InputType.DOCUMENT)
        np.testing.assert_allclose(found.vectors, alone, atol=2e-6)
        assert found.vectors.dtype == np.float32
        assert found.vectors.flags.c_contiguous
        assert found.token_counts.dtype == np.int32
        assert found.truncated.dtype == np.bool_
        assert found.tokenise_ns > 0
        assert found.infer_ns > 0


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    found = encoder.encode([], InputType.QUERY)
    assert found.vectors.shape == (0, 32)
    assert found.vectors.dtype == np.float32
    assert found.token_counts.shape == found.truncated.shape == (0,)


def test_an_empty_text_has_a_vector(encoder: Encoder) -> None:
    found = encoder.encode(["", " ", "\n"], InputType.DOCUMENT)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert found.token_counts.tolist() == [2, 2, 2]


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_batches_hold_every_row_once_and_keep_to_the_budget(counts: list[int], budget: int) -> None:
    batches = list(batches_by_length(np.array(counts, dtype=np.int32), budget))
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(counts)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(counts[row] for row in batch) <= budget
    longest = [max(counts[row] for row in batch) for batch in batches]
    assert longest == sorted(longest)


def test_padding() -> None:
    ids, mask = pad([np.array([5, 6, 7]), np.array([8])], 9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert ids.dtype == mask.dtype == np.int64


def test_many_threads_at_once(encoder: Encoder) -> None:
    texts = [TEXTS[row % 4] + " fox" * (row % 9) for row in range(40)]
    expected = encoder.encode(texts, InputType.DOCUMENT)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: encoder.encode(texts, InputType.DOCUMENT), range(24)))
    for each in found:
        np.testing.assert_array_equal(each.vectors, expected.vectors)
        np.testing.assert_array_equal(each.token_counts, expected.token_counts)


def test_arguments_out_of_range(base: Bundle) -> None:
    with pytest.raises(InvalidInput, match="threads must be 0"):
        Encoder(base, threads=-1)
    with pytest.raises(InvalidInput, match="threads must be 0"):
        load_encoders({"a": base}, threads=-1)
    with pytest.raises(InvalidInput, match="batch_tokens must be 0"):
        Encoder(base, batch_tokens=-1)


def test_a_device_that_is_not_there_is_refused(base: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InvalidInput, match=r"the device cuda was asked for .* no CUDAExecutionProvider"):
        Encoder(base, device=Device.CUDA)


def test_a_device_that_falls_back_is_refused(base: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime goes on with the CPU when CUDA cannot be initialised; crossfade does not."""
    import onnxruntime

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, sess_options, providers: real(path, sess_options, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(InvalidInput, match="cuda was asked for and CPUExecutionProvider is in use"):
        Encoder(base, device=Device.CUDA)


def test_adapter_moves_queries_and_nothing_else(base: Bundle, tmp_path: Path) -> None:
    tuned = write_adapter_bundle(base, WEIGHT, BIAS, tmp_path / "tuned", name="tuned")
    assert Bundle.load(tuned.path) == tuned
    assert tuned.document_fingerprint == base.document_fingerprint
    assert tuned.query_fingerprint != base.query_fingerprint
    assert tuned.parent is not None
    assert (tuned.parent.name, tuned.parent.relation) == ("base", "query_adapter")
    assert tuned.parent.query_fingerprint == base.query_fingerprint
    assert tuned.parent.document_fingerprint == base.document_fingerprint

    encoders = load_encoders({"base": base, "tuned": tuned.path}, threads=1)
    plain = encoders["base"].encode(TEXTS, InputType.QUERY).vectors
    expected = plain.astype(np.float64) @ WEIGHT.T.astype(np.float64) + BIAS
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    adapted = encoders["tuned"].encode(TEXTS, InputType.QUERY)
    np.testing.assert_allclose(adapted.vectors, expected, atol=1e-6)
    assert adapted.vectors.flags.c_contiguous
    np.testing.assert_array_equal(encoders["tuned"].encode(TEXTS, InputType.DOCUMENT).vectors, plain)
    assert encoders["tuned"].fingerprint(InputType.QUERY) == tuned.query_fingerprint
    assert encoders["tuned"].dimension == encoders["base"].dimension == 32


def test_normalisation_of_short_vectors_and_of_none(base: Bundle, tmp_path: Path) -> None:
    """A vector of any length becomes one of length 1; the zero vector stays what it is, and never NaN."""
    short = write_adapter_bundle(base, WEIGHT * np.float32(1e-6), None, tmp_path / "short", name="short")
    vectors = Encoder(short, threads=1).encode(TEXTS, InputType.QUERY).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    zero = write_adapter_bundle(base, np.zeros((32, 32), np.float32), None, tmp_path / "zero", name="zero")
    np.testing.assert_array_equal(Encoder(zero, threads=1).encode(TEXTS, InputType.QUERY).vectors, 0)


def test_adapter_of_a_model_that_does_not_normalise(tmp_path: Path) -> None:
    raw = import_model(str(write_model(tmp_path / "source", Tiny(normalise=False))), tmp_path / "raw")
    tuned = write_adapter_bundle(raw, WEIGHT, None, tmp_path / "tuned", name="tuned")
    before = Encoder(raw, threads=1).encode(TEXTS, InputType.QUERY).vectors
    after = Encoder(tuned, threads=1).encode(TEXTS, InputType.QUERY).vectors
    np.testing.assert_allclose(after, before @ WEIGHT.T, rtol=1e-4, atol=1e-4)


def test_siblings_share_a_session_and_their_files(
    base: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = write_adapter_bundle(base, WEIGHT, None, tmp_path / "tuned", name="tuned")
    assert (tuned.path / "model.onnx").samefile(base.path / "model.onnx")
    other = import_model(str(write_model(tmp_path / "source", Tiny(seed=8))), tmp_path / "other")
    opened: list[Path] = []
    real = Encoder.__init__.__globals__["TextGraph"]

    def counted(path: Path, **options: Any) -> Any:
        opened.append(path)
        return real(path, **options)

    monkeypatch.setattr("crossfade.models.encoder.TextGraph", counted)
    encoders = load_encoders({"base": base, "tuned": tuned, "other": other, "again": base})
    assert list(encoders) == ["base", "tuned", "other", "again"]
    assert opened == [base.graph_path, other.graph_path]


def test_files_are_copied_where_they_cannot_be_linked(
    base: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    tuned = write_adapter_bundle(base, WEIGHT, None, tmp_path / "tuned", name="tuned")
    assert not (tuned.path / "model.onnx").samefile(base.path / "model.onnx")
    assert Bundle.load(tuned.path).document_fingerprint == base.document_fingerprint


def test_the_same_adapter_is_the_same_fingerprint_and_another_is_not(base: Bundle, tmp_path: Path) -> None:
    first, second, third = (
        write_adapter_bundle(base, weight, None, tmp_path / name, name=name)
        for name, weight in (("a", WEIGHT), ("b", WEIGHT.copy()), ("c", WEIGHT + np.float32(1e-3)))
    )
    assert first.query_fingerprint == second.query_fingerprint != third.query_fingerprint


def test_damaged_adapter(base: Bundle, tmp_path: Path) -> None:
    tuned = write_adapter_bundle(base, WEIGHT, None, tmp_path / "tuned", name="tuned")
    file = tuned.path / "query_adapter.onnx"
    content = file.read_bytes()
    file.write_bytes(content[:-9])
    with pytest.raises(BundleError, match=r"query_adapter\.onnx is not the file"):
        Bundle.load(tuned.path)
    with pytest.raises(BundleError, match=r"query_adapter\.onnx cannot be loaded"):
        Encoder(Bundle.load(tuned.path, verify=False))
    file.write_bytes((tuned.path / "model.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"query_adapter\.onnx has the inputs"):
        Encoder(Bundle.load(tuned.path, verify=False))
    file.unlink()
    with pytest.raises(BundleError, match=r"lacks its file query_adapter\.onnx"):
        Bundle.load(tuned.path)


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        (WEIGHT[:31], None, r"weight has shape \(31, 32\), the model asks for \(32, 32\)"),
        (WEIGHT, BIAS[:, None], r"bias has shape \(32, 1\)"),
        (WEIGHT * np.nan, None, "weight holds NaN or infinity"),
        (WEIGHT, BIAS.astype(np.float64) * 1e300, "bias holds NaN or infinity"),
    ],
)
def test_adapters_that_do_not_fit(base: Bundle, tmp_path: Path, weight: Any, bias: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        write_adapter_bundle(base, weight, bias, tmp_path / "tuned", name="tuned")
    assert list(tmp_path.iterdir()) == []


def test_adapter_targets_and_bases_that_are_refused(base: Bundle, tmp_path: Path) -> None:
    tuned = write_adapter_bundle(base, WEIGHT, None, tmp_path / "tuned", name="tuned")
    with pytest.raises(AlreadyExists):
        write_adapter_bundle(base, WEIGHT, None, tuned.path, name="tuned")
    write_adapter_bundle(base, WEIGHT, BIAS, tuned.path, name="tuned", overwrite=True)
    with pytest.raises(InvalidInput, match="has a query adapter already"):
        write_adapter_bundle(tuned, WEIGHT, None, tmp_path / "third", name="third")


def test_prompts_are_put_before_texts_by_input_type(base: Bundle, tmp_path: Path, encoder: Encoder) -> None:
    source = str(write_model(tmp_path / "source", Tiny()))
    options = ImportOptions(query_prompt="how ", document_prompt="the ")
    prompted = Encoder(import_model(source, tmp_path / "prompted", options=options), threads=1)
    expected = encoder.encode(["how fox", "the fox"], InputType.QUERY).vectors
    np.testing.assert_allclose(prompted.encode(["fox"], InputType.QUERY).vectors[0], expected[0], atol=2e-6)
    np.testing.assert_allclose(prompted.encode(["fox"], InputType.DOCUMENT).vectors[0], expected[1], atol=2e-6)


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (ModuleNotFoundError("No module named 'onnxruntime'"), InvalidInput, r"install crossfade\[cpu\]"),
        (ImportError("libcudart.so: cannot open"), InvalidInput, r"cannot be loaded \(libcudart.*install it again"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)
def test_a_runtime_that_cannot_be_loaded(
    base: Bundle, monkeypatch: pytest.MonkeyPatch, cause: BaseException, kind: type[BaseException], message: str
) -> None:
    def fail(name: str) -> None:
        if isinstance(cause, KeyboardInterrupt):  # as native modules put it
            raise ImportError("initialization failed") from cause
        raise cause

    monkeypatch.setattr("crossfade.models.devices.importlib.import_module", fail)
    with pytest.raises(kind, match=message):
        Encoder(base)


def test_an_inference_that_fails_names_the_graph(encoder: Encoder) -> None:
    ids = np.full((1, 3), 10**6, dtype=np.int64)
    with pytest.raises(BundleError, match=r"model\.onnx failed on input_ids \(1, 3\), attention_mask \(1, 3\)"):
        encoder._graph.run(ids, np.ones_like(ids))
