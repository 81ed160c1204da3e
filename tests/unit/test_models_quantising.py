"""Quantised bundles: the same model, nearly, under another fingerprint."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from plain_onnx import sentence_model, token_model, write_export
from tiny_models import TEXTS, Tiny, vocabulary, write_model

from crossfade.errors import AlreadyExists, BundleError, InvalidInput
from crossfade.models import Bundle, Device, Encoder, InputType, Precision
from crossfade.models.adapter import write_adapter_bundle
from crossfade.models.graph import write_graph
from crossfade.models.importing import import_model
from crossfade.models.quantising import QUANTISED, quantise
from crossfade.models.quantising.fp16 import narrowed, to_fp16
from crossfade.models.quantising.int8 import quantise_factor, quantise_table

# Random weights: 32 values a token round worse than the hundreds of a real model, whose figures tests/golden holds.
LEAST = {Precision.INT8: 0.98, Precision.FP16: 0.9999}
BOTH = pytest.mark.parametrize("precision", LEAST)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("base")
    return import_model(str(write_model(directory / "source", Tiny())), directory / "bundle", name="base")


def vectors(bundle: Bundle, texts: list[str] = TEXTS) -> NDArray[np.float32]:
    return Encoder(bundle, threads=1).encode(texts, InputType.DOCUMENT).vectors


def assert_near(quantised: Bundle, source: Bundle) -> None:
    one, other = vectors(quantised), vectors(source)
    assert one.dtype == np.float32
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    assert ((one * other).sum(axis=1) / lengths).min() > LEAST[quantised.precision]


def operators(bundle: Bundle) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(bundle.graph_path).graph.node)


def sizes(bundle: Bundle) -> Counter[int]:
    """Bytes of the weights by their type."""
    found: Counter[int] = Counter()
    for tensor in onnx.load(bundle.graph_path).graph.initializer:
        found[tensor.data_type] += len(tensor.raw_data)
    return found


@BOTH
def test_a_bundle_of_its_own(base: Bundle, tmp_path: Path, precision: Precision) -> None:
    made = quantise(base, tmp_path / "made", precision)
    assert Bundle.load(made.path) == made
    assert (made.name, made.precision) == (f"base-{precision}", precision)
    assert made.parent is not None
    assert (made.parent.name, made.parent.relation) == ("base", QUANTISED)
    assert made.parent.document_fingerprint == base.document_fingerprint
    assert made.document_fingerprint not in {base.document_fingerprint, base.query_fingerprint}
    assert made.tokenizer_path.samefile(base.tokenizer_path)
    assert made.graph_path.stat().st_size < base.graph_path.stat().st_size
    assert (made.prompts, made.max_tokens, made.pooling) == (base.prompts, base.max_tokens, base.pooling)
    assert_near(made, base)


@BOTH
def test_the_same_bytes_each_time(base: Bundle, tmp_path: Path, precision: Precision) -> None:
    first, second = (quantise(base, tmp_path / name, precision) for name in ("a", "b"))
    assert first.document_fingerprint == second.document_fingerprint


def test_int8_multiplies_in_integers(base: Bundle, tmp_path: Path) -> None:
    """Six factors a layer, the first three of them twice, and the table of words; the rest is float32."""
    made = quantise(base, tmp_path / "made", Precision.INT8)
    found = operators(made)
    assert found["MatMulIntegerToFloat"] == 9 * 2
    assert found["MatMul"] == 1  # the pooling, which has no weights
    assert found["EmbedLayerNormalization"] == 0
    tiny = Tiny()
    layer = tiny.hidden * (4 * tiny.hidden + 2 * tiny.intermediate)
    assert sizes(made)[TensorProto.INT8] == len(vocabulary(tiny)) * tiny.hidden + tiny.layers * layer


def test_int8_vectors_do_not_depend_on_the_texts_beside_them(base: Bundle, tmp_path: Path) -> None:
    made = quantise(base, tmp_path / "made", Precision.INT8)
    texts = [*TEXTS, *(f"fox {'quick ' * row}" for row in range(12))]
    alone = np.concatenate([vectors(made, [text]) for text in texts])
    np.testing.assert_allclose(vectors(made, texts), alone, atol=2e-6)


@BOTH
@pytest.mark.parametrize(
    "tiny",
    [Tiny("roberta"), Tiny("distilbert"), Tiny(pooling="cls"), Tiny(pooling="lasttoken", activation="relu"),
     Tiny(dense=(20, "torch.nn.modules.activation.Tanh")), Tiny(normalise=False, activation="gelu_new")],
    ids=lambda tiny: f"{tiny.model_type}-{tiny.pooling}-{tiny.activation}",
)  # fmt: skip
def test_every_kind_of_model(tmp_path: Path, precision: Precision, tiny: Tiny) -> None:
    source = import_model(str(write_model(tmp_path / "source", tiny)), tmp_path / "bundle")
    made = quantise(source, tmp_path / "made", precision)
    assert_near(made, source)
    # The dense layers behind the pooling stay in float32, as the normalisation does.
    if tiny.dense is not None:
        shapes = {tuple(t.dims) for t in onnx.load(made.graph_path).graph.initializer if t.data_type == 1}
        assert (tiny.hidden, tiny.dense[0]) in shapes


@BOTH
@pytest.mark.parametrize(
    "graph",
    [*(token_model(Tiny(layers=1), opset=opset) for opset in (11, 12, 14, 17)), sentence_model(Tiny(layers=1))],
    ids=["11", "12", "14", "17", "sentence"],
)
def test_exported_graphs(tmp_path: Path, precision: Precision, graph: onnx.ModelProto) -> None:
    tiny = Tiny(layers=1)
    exported = write_export(tmp_path / "source", tiny, graph)
    source = import_model(str(exported), tmp_path / "bundle")
    made = quantise(source, tmp_path / "made", precision)
    assert_near(made, source)
    if precision is Precision.INT8:
        found = operators(made)
        assert found["MatMulIntegerToFloat"] == 6 + 3  # query, key and value twice
        assert found["QuantizeLinear"] == 4 + 1  # they are products of the same rows
        assert sizes(made)[TensorProto.INT8] > sizes(source)[TensorProto.FLOAT] / 6


def test_a_query_adapter_comes_along(base: Bundle, tmp_path: Path) -> None:
    weight = np.random.default_rng(3).normal(0, 1, (32, 32)).astype(np.float32)
    tuned = write_adapter_bundle(base, weight, None, tmp_path / "tuned", name="tuned")
    made = quantise(tuned, tmp_path / "made", Precision.INT8)
    assert made.adapter_path is not None
    assert made.adapter_path.samefile(tuned.adapter_path or "")
    assert made.document_fingerprint != made.query_fingerprint
    found = Encoder(made).encode(TEXTS, InputType.QUERY).vectors
    expected = Encoder(tuned).encode(TEXTS, InputType.QUERY).vectors
    assert (found * expected).sum(axis=1).min() > 0.98


def test_large_weights_go_into_a_file_of_their_own(
    base: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossfade.models.graph.INLINE_LIMIT", 1000)
    made = quantise(base, tmp_path / "made", Precision.FP16)
    assert "model.onnx.data" in made.manifest.files
    assert_near(made, base)
    # And are read from there.
    large = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "large")
    assert "model.onnx.data" in large.manifest.files
    monkeypatch.undo()
    assert "model.onnx.data" not in quantise(large, tmp_path / "small", Precision.INT8).manifest.files


@BOTH
def test_what_is_quantised_already(base: Bundle, tmp_path: Path, precision: Precision) -> None:
    made = quantise(base, tmp_path / "made", precision)
    for again in LEAST:
        with pytest.raises(InvalidInput, match=rf"is in {precision} already: quantise base, which it was made from"):
            quantise(made, tmp_path / "again", again)
    assert not (tmp_path / "again").exists()


def test_places_and_precisions_that_are_refused(base: Bundle, tmp_path: Path) -> None:
    made = quantise(base, tmp_path / "made", Precision.INT8)
    with pytest.raises(AlreadyExists, match="is already a model bundle"):
        quantise(base, made.path, Precision.FP16)
    assert quantise(base, made.path, Precision.FP16, overwrite=True).precision is Precision.FP16
    with pytest.raises(InvalidInput, match="is the bundle to be quantised"):
        quantise(made, made.path / ".." / "made", Precision.INT8, overwrite=True)
    with pytest.raises(InvalidInput, match="cannot be quantised to bf16: choose one of int8, fp16"):
        quantise(base, tmp_path / "other", Precision.BF16)
    with pytest.raises(InvalidInput, match="cannot name a bundle"):
        quantise(base, tmp_path / "other", Precision.INT8, name="a b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


@BOTH
def test_a_graph_without_products(tmp_path: Path, precision: Precision) -> None:
    """A model that only looks words up and averages them: there is nothing to gain, and it says so."""
    source = import_model(str(write_model(tmp_path / "source", Tiny(layers=0))), tmp_path / "bundle")
    with pytest.raises(InvalidInput, match="no matrix product with weights was found"):
        quantise(source, tmp_path / "made", precision)
    assert not (tmp_path / "made").exists()


@BOTH
def test_a_model_that_does_not_survive_is_refused(
    base: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    def fail(_: Bundle) -> None:
        raise BundleError("the model gives NaN or infinity")

    monkeypatch.setattr("crossfade.models.quantising.quantiser.check_bundle", fail)
    with pytest.raises(BundleError, match=rf"base does not work in {precision}: the model gives NaN"):
        quantise(base, tmp_path / "made", precision)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["write_graph", "seal", "check_bundle"])
def test_an_interrupt_leaves_nothing(base: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"crossfade.models.quantising.quantiser.{step}", stop)
    with pytest.raises(KeyboardInterrupt):
        quantise(base, tmp_path / "made", Precision.INT8)
    assert list(tmp_path.iterdir()) == []


def test_int8_is_refused_on_a_gpu(base: Bundle, tmp_path: Path) -> None:
    made = quantise(base, tmp_path / "made", Precision.INT8)
    with pytest.raises(InvalidInput, match=r"base-int8 is in int8, which runs on a CPU only: .* --precision fp16"):
        Encoder(made, device=Device.CUDA)


@given(
    st_numpy.arrays(
        np.float32,
        st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(-1000, 1000, width=32),
    )
)
@example(np.array([[2.12e-43]], dtype=np.float32))  # smaller than any normal number
@settings(max_examples=300, deadline=None)
def test_factors(weight: NDArray[np.float32]) -> None:
    """Near the weights, and no pair of rows leaves 16 bits on processors that sum two products there."""
    quantised, scale = quantise_factor(weight)
    assert (quantised.dtype, quantised.shape, scale.shape) == (np.int8, weight.shape, weight.shape[1:])
    assert (np.abs(quantised * scale.astype(np.float64) - weight) <= scale * 0.5001).all()
    whole = quantised.astype(int)
    assert np.abs(whole).max() <= 127
    for side in (np.maximum(whole, 0), np.maximum(-whole, 0)):
        pairs = side[0 : len(side) // 2 * 2].reshape(-1, 2, side.shape[1]).sum(axis=1)
        assert (255 * pairs <= 2**15 - 1).all()


def test_tables() -> None:
    table = np.array([[1, -2, 0.5], [0, 0, 0], [1e-3, 0, -1e-4]], dtype=np.float32)
    quantised, scale = quantise_table(table)
    assert quantised.tolist() == [[64, -127, 32], [0, 0, 0], [127, 0, -13]]
    np.testing.assert_allclose(quantised * scale, table, atol=0.01)


def test_narrowing_keeps_what_matters() -> None:
    """A mask stays finite, an epsilon stays above 0, NaN and infinity stay what they are."""
    given_values = np.array([3.4e38, -3.4e38, 1e-12, -1e-12, 0, 1, np.inf, np.nan], dtype=np.float32)
    found = narrowed(given_values)
    assert found.dtype == np.float16
    expected = [65504, -65504, 2.0**-24, -(2.0**-24), 0, 1, np.inf, np.nan]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float16))


def test_fp16_reaches_into_inner_graphs_and_constants(base: Bundle) -> None:
    """An If whose branches hold floats, and a Constant that keeps its value outside a tensor."""
    model = onnx.load(base.graph_path)
    graph = model.graph
    last = next(node for node in reversed(graph.node) if node.op_type == "SkipLayerNormalization")

    def branch(name: str, factor: float) -> onnx.GraphProto:
        constant = helper.make_node("Constant", [], [f"{name}/c"], value_float=factor)
        product = helper.make_node("Mul", [last.input[0], f"{name}/c"], [f"{name}/o"])
        output = helper.make_tensor_value_info(f"{name}/o", TensorProto.FLOAT, None)
        return helper.make_graph([constant, product], name, [], [output])

    yes = numpy_helper.from_array(np.array(True), "yes")
    graph.initializer.append(yes)
    node = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch("then", 1.0), else_branch=branch("else", 2.0))
    position = list(graph.node).index(last)
    last.input[0] = "chosen"
    graph.node.insert(position, node)
    assert to_fp16(model) == 7 * 2
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([[2, 5, 6, 3]], dtype=np.int64)
    found = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
    expected = Encoder(base)._graph.run(ids, np.ones_like(ids))
    assert found.dtype == np.float32
    assert float((found * expected).sum()) > 0.9999


def test_a_weight_that_head_and_body_share(base: Bundle, tmp_path: Path) -> None:
    model = onnx.load(base.graph_path)
    norm = next(node for node in model.graph.node if node.op_type == "SkipLayerNormalization")
    last = model.graph.node[-1]
    inner = "before"
    last.output[0] = inner
    model.graph.node.append(helper.make_node("Mul", [inner, norm.input[2]], ["embedding"], name="shared"))
    to_fp16(model)
    write_graph(model, tmp_path, {})
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds[norm.input[2]] == TensorProto.FLOAT16
    assert kinds[model.graph.node[-1].input[1]] == TensorProto.FLOAT
