"""Cross-encoders: pairs as they were trained to be read, batches that change nothing, bundles that are verified."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from tiny_cross_encoder import classifier, write_cross_encoder
from tiny_models import WORDS, Tiny, vocabulary, write_model
from tokenizers import Tokenizer

from crossfade.errors import AlreadyExists, BundleError, InvalidInput
from crossfade.models import Bundle
from crossfade.models.cross_bundle import CrossEncoderBundle
from crossfade.models.cross_encoder import CrossEncoder
from crossfade.models.importing import import_model
from crossfade.models.importing.cross_encoder import import_cross_encoder
from crossfade.models.pair_tokenizer import PairTokenizer

TINY = Tiny()
TOKENS = vocabulary(TINY)
CLS, SEP = TOKENS["[CLS]"], TOKENS["[SEP]"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("cross") / "source", TINY)


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossEncoderBundle:
    return import_cross_encoder(source, tmp_path_factory.mktemp("made") / "bundle", name="tiny-cross")


@pytest.fixture(scope="module")
def encoder(made: CrossEncoderBundle) -> CrossEncoder:
    return CrossEncoder(made, threads=1, batch_tokens=64)


def naive(source: Path, query: str, text: str, limit: int) -> float:
    """One pair, put together by hand and run through the exported graph."""
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    first = tokenizer.encode(query, add_special_tokens=False).ids
    second = tokenizer.encode(text, add_special_tokens=False).ids[: limit - 3 - len(first)]
    ids = [CLS, *first, SEP, *second, SEP]
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    session = onnxruntime.InferenceSession(source / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": types}
    found: NDArray[np.float32] = session.run(None, {key: np.array([row]) for key, row in inputs.items()})[0]
    return float(found[0, 0])


def test_pairs_are_encoded_as_trained(made: CrossEncoderBundle) -> None:
    pairs = PairTokenizer(made.tokenizer_path, 8).tokenise("the fox", ["dog", "", "a lazy dog", "a lazy brown dog"])
    the, fox, dog, a, lazy, brown = (TOKENS[word] for word in ("the", "fox", "dog", "a", "lazy", "brown"))
    assert [row.tolist() for row in pairs.ids] == [
        [CLS, the, fox, SEP, dog, SEP],
        [CLS, the, fox, SEP, SEP],
        [CLS, the, fox, SEP, a, lazy, dog, SEP],
        [CLS, the, fox, SEP, a, lazy, brown, SEP],
    ]
    assert [row.tolist() for row in pairs.types] == [[0] * 4 + [1] * (len(row) - 4) for row in pairs.ids]
    assert pairs.truncated.tolist() == [False, False, False, True]
    assert pairs.token_counts.tolist() == [6, 5, 8, 8]


@settings(max_examples=25, deadline=None)
@given(
    query=st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), max_size=12),
)
def test_against_one_pair_at_a_time(encoder: CrossEncoder, source: Path, query: str, texts: list[str]) -> None:
    found = encoder.score(query, texts)
    assert found.scores.dtype == np.float32
    expected = [naive(source, query, text, encoder.bundle.max_tokens) for text in texts]
    # Sums of 32 products of size 1 through two layers, in another order: some hundred roundings of 2^-24 of about 10.
    np.testing.assert_allclose(found.scores, np.array(expected), atol=1e-4)
    words = len(query.split())
    assert found.truncated.tolist() == [words + len(text.split()) + 3 > 40 for text in texts]


def test_a_query_that_fills_the_limit_is_refused(encoder: CrossEncoder) -> None:
    room = encoder.bundle.max_tokens - 3
    assert encoder.score("fox " * (room - 1), ["dog dog"]).truncated.tolist() == [True]
    for words in (room, room + 1, 10 * room):
        with pytest.raises(InvalidInput, match=f"the query is {words} tokens long and the model reads {room}"):
            encoder.score("fox " * words, ["dog"])


def test_bad_texts_are_refused(encoder: CrossEncoder) -> None:
    with pytest.raises(InvalidInput, match="text 1 is of type int"):
        encoder.score("fox", ["dog", 3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="text 0 holds the lone surrogate"):
        encoder.score("fox", ["\ud800"])
    with pytest.raises(InvalidInput, match="the query holds the lone surrogate"):
        encoder.score("\ud800", ["dog"])
    with pytest.raises(InvalidInput, match="the query is of type int"):
        encoder.score(3, ["dog"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="not one string"):
        encoder.score("fox", "dog")
    with pytest.raises(InvalidInput, match="batch_tokens must be 0 or more"):
        CrossEncoder(encoder.bundle, batch_tokens=-1)


def test_what_a_bundle_says(made: CrossEncoderBundle, source: Path, tmp_path: Path) -> None:
    assert (made.name, made.max_tokens, made.precision.value) == ("tiny-cross", 40, "fp32")
    assert CrossEncoderBundle.load(made.path) == made
    again = import_cross_encoder(source, tmp_path / "other", name="another")
    assert again.fingerprint == made.fingerprint  # its name moves no score
    shorter = import_cross_encoder(source, tmp_path / "shorter", max_tokens=20)
    assert shorter.fingerprint != made.fingerprint
    assert shorter.name == "source"
    with pytest.raises(AlreadyExists):
        import_cross_encoder(source, tmp_path / "other")


def test_int32_inputs_and_the_output_score(tmp_path: Path) -> None:
    model = classifier(TINY, output="score", kind=TensorProto.INT32)
    # The same weights as those of int64, but for the types of what comes in.
    made = import_cross_encoder(write_cross_encoder(tmp_path / "int32", TINY, model), tmp_path / "a")
    plain = import_cross_encoder(write_cross_encoder(tmp_path / "int64", TINY), tmp_path / "b")
    texts = ["the lazy dog", "", "open a file"]
    found, expected = (CrossEncoder(each, threads=1).score("fox", texts).scores for each in (made, plain))
    np.testing.assert_array_equal(found, expected)


def test_the_two_kinds_of_bundle_are_told_apart(made: CrossEncoderBundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is a cross-encoder, which scores pairs"):
        Bundle.load(made.path)
    embedding = import_model(str(write_model(tmp_path / "source", TINY)), tmp_path / "embedding")
    with pytest.raises(BundleError, match=r"is of the kind 'embedding', not 'cross-encoder'"):
        CrossEncoderBundle.load(embedding.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(kind="reranker"), "is of the kind 'reranker'"),
        (lambda content: content.update(format=2), "written by a newer crossfade"),
        (lambda content: content.update(dimension=8), "unknown key dimension"),
        (lambda content: content["files"].pop("model.onnx"), "does not record model.onnx"),
        (lambda content: content.pop("files"), r"the table \[files\] is missing"),
        (lambda content: content.update(max_tokens=0), "max_tokens must be at least 1"),
    ],
)
def test_a_manifest_is_read_strictly(
    made: CrossEncoderBundle, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    directory = Path(shutil.copytree(made.path, tmp_path / "copy"))
    content = tomllib.loads((directory / "bundle.toml").read_text(encoding="utf-8"))
    change(content)
    (directory / "bundle.toml").write_text(tomli_w.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        CrossEncoderBundle.load(directory)


def test_a_damaged_graph_is_named(made: CrossEncoderBundle, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(made.path, tmp_path / "copy"))
    (directory / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.onnx is not the file that the bundle was made with"):
        CrossEncoderBundle.load(directory)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": 2}, InvalidInput, "gives 2 scores a pair"),
        ({"output": "last_hidden_state"}, InvalidInput, "expected score or logits"),
        ({"scale": 1e38}, BundleError, "gives NaN or infinity"),
    ],
)
def test_what_is_no_reranker_is_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    source = write_cross_encoder(tmp_path / "source", TINY, **options)
    with pytest.raises(error, match=message):
        import_cross_encoder(source, tmp_path / "bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_bad_sources_are_refused(source: Path, made: CrossEncoderBundle, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a directory"):
        import_cross_encoder(tmp_path / "nowhere", tmp_path / "bundle")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds no exported graph"):
        import_cross_encoder(tmp_path / "empty", tmp_path / "bundle")
    with pytest.raises(InvalidInput, match="must be from 1 to 40"):
        import_cross_encoder(source, tmp_path / "bundle", max_tokens=41)
    with pytest.raises(BundleError, match="leaves too few of the 4 tokens"):
        import_cross_encoder(source, tmp_path / "bundle", max_tokens=4)


def test_a_tokenizer_that_marks_no_pairs_is_refused(tmp_path: Path) -> None:
    source = write_cross_encoder(tmp_path / "source", TINY)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    bare = Tokenizer(tokenizer.model)
    bare.save(str(source / "tokenizer.json"))
    with pytest.raises(BundleError, match="puts nothing between the two texts"):
        import_cross_encoder(source, tmp_path / "bundle")
