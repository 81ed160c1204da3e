"""Exported graphs: the same vectors as the graph built from the weights, whatever the export looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from plain_onnx import Plain, sentence_model, token_model, write_export
from tiny_models import TEXTS, Tiny, write_json, write_model
from transformer_oracle import embed

from crossfade.errors import BundleError, InvalidInput
from crossfade.models import Bundle, Encoder, InputType, Pooling, Precision
from crossfade.models.importing import ImportOptions, import_model

ABSOLUTE = 2e-5


def assert_agrees(bundle: Bundle, tiny: Tiny) -> None:
    found = Encoder(bundle, threads=1).encode(TEXTS, InputType.DOCUMENT).vectors
    expected = np.array([embed(tiny, text, max_tokens=bundle.max_tokens) for text in TEXTS])
    scale = 1 if tiny.normalise else np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=ABSOLUTE)


def run(tmp_path: Path, tiny: Tiny, model: onnx.ModelProto, **layout: Any) -> Bundle:
    source = write_export(tmp_path / "source", tiny, model, **layout)
    return import_model(str(source), tmp_path / "bundle")


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("opset", [11, 12, 14, 17])
def test_pooling_is_appended_at_every_opset(tmp_path: Path, opset: int, pooling: str) -> None:
    tiny = Tiny(pooling=pooling)
    bundle = run(tmp_path, tiny, token_model(tiny, opset=opset))
    assert sorted(bundle.manifest.files) == ["model.onnx", "tokenizer.json"]
    assert_agrees(bundle, tiny)


@pytest.mark.parametrize("model_type", ["distilbert", "roberta"])
def test_other_architectures(tmp_path: Path, model_type: str) -> None:
    tiny = Tiny(model_type)
    assert_agrees(run(tmp_path, tiny, token_model(tiny)), tiny)


@pytest.mark.parametrize(
    ("options", "layout"),
    [
        ({}, {"file": "model.onnx"}),
        ({}, {"file": "onnx/model_fp32.onnx"}),
        ({}, {"external": True}),
        ({"output": "token_embeddings"}, {}),
        ({"output": "output_0"}, {}),
        ({"output": "embedding"}, {}),
        ({"kind": TensorProto.INT32}, {}),
        ({"position_ids": True}, {}),
    ],
    ids=str,
)
def test_layouts_and_signatures(tmp_path: Path, options: dict[str, Any], layout: dict[str, Any]) -> None:
    tiny = Tiny(normalise=False)
    assert_agrees(run(tmp_path, tiny, token_model(tiny, **options), **layout), tiny)


@pytest.mark.parametrize("with_tokens", [True, False])
def test_sentence_embedding(tmp_path: Path, with_tokens: bool) -> None:
    tiny = Tiny()
    assert_agrees(run(tmp_path, tiny, sentence_model(tiny, with_tokens=with_tokens)), tiny)


def test_dense_after_exported_tokens(tmp_path: Path) -> None:
    tiny = Tiny(dense=(16, "torch.nn.modules.activation.GELU"))
    bundle = run(tmp_path, tiny, token_model(tiny))
    assert bundle.dimension == 16
    assert_agrees(bundle, tiny)


def test_sentence_embedding_alone_cannot_be_pooled_otherwise(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_export(tmp_path / "source", tiny, sentence_model(tiny, with_tokens=False))
    with pytest.raises(InvalidInput, match="pools by itself"):
        import_model(str(source), tmp_path / "bundle", options=ImportOptions(pooling=Pooling.CLS))


def test_plain_directory_with_a_graph(tmp_path: Path) -> None:
    tiny = Tiny(pooling="lasttoken")
    source = write_export(tmp_path / "source", tiny, token_model(tiny), modules=False)
    with pytest.raises(InvalidInput, match="--pooling"):
        import_model(str(source), tmp_path / "bundle")
    options = ImportOptions(pooling=Pooling.LAST_TOKEN, max_tokens=24)
    assert_agrees(import_model(str(source), tmp_path / "bundle", options=options), tiny)


def test_weights_go_before_an_export_when_they_can_be_built(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_model(tmp_path / "source", tiny)
    from_weights = import_model(str(source), tmp_path / "weights")
    onnx.save(token_model(tiny), source / "model.onnx")
    assert import_model(str(source), tmp_path / "both").document_fingerprint == from_weights.document_fingerprint
    config = {"model_type": "nomic_bert", "hidden_size": tiny.hidden, "max_position_embeddings": tiny.positions}
    write_json(source / "config.json", config)
    other = import_model(str(source), tmp_path / "export")
    assert other.document_fingerprint != from_weights.document_fingerprint
    assert_agrees(other, tiny)


def test_half_precision_is_recorded_and_leaves_as_float32(tmp_path: Path) -> None:
    tiny = Tiny()
    model = token_model(tiny)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.size > 1:
            tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{tensor.name}_half"))
            cast = helper.make_node("Cast", [tensor.name], [tensor.name.removesuffix("_half")], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    # The graph ends in half precision, as a converted one does.
    model.graph.node[-1].output[0] = "full"
    model.graph.node.append(helper.make_node("Cast", ["full"], ["last_hidden_state"], to=TensorProto.FLOAT16))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    bundle = run(tmp_path, tiny, model)
    assert bundle.precision is Precision.FP16
    found = Encoder(bundle).encode(TEXTS, InputType.QUERY).vectors
    assert found.dtype == np.float32
    expected = np.array([embed(tiny, text, max_tokens=bundle.max_tokens) for text in TEXTS])
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_dynamic_quantisation_is_recorded(tmp_path: Path) -> None:
    tiny = Tiny()
    plain = Plain(tiny)
    hidden = plain.transformer(position_ids=False)
    # One quantised product whose result is multiplied by nothing: what counts is that the operator is there.
    scale, zero = plain.constant(1.0), plain.constant(0, np.uint8)
    left = plain.add("QuantizeLinear", hidden, scale, zero)
    product = plain.add("MatMulInteger", left, plain.constant(np.zeros((tiny.hidden, tiny.hidden)), np.uint8))
    plain.add("Add", hidden, plain.add("Cast", product, to=TensorProto.FLOAT), output="last_hidden_state")
    bundle = run(tmp_path, tiny, plain.model({"last_hidden_state": ["b", "s", tiny.hidden]}))
    assert bundle.precision is Precision.INT8
    assert_agrees(bundle, tiny)


def drop_input(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The input becomes a constant: the graph of an export without it."""
    kept = [value for value in model.graph.input if value.name != name]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return model


def rename_output(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in model.graph.output:
        value.name = names.get(value.name, value.name)
    return model


def logits(tiny: Tiny) -> onnx.ModelProto:
    model = rename_output(token_model(tiny), {"last_hidden_state": "logits"})
    del model.graph.output[0].type.tensor_type.shape.dim[1]
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: drop_input(token_model(Tiny()), "attention_mask"), "has no input attention_mask"),
        (
            lambda: token_model(Tiny(), extra=("past_key_values.0.key",)),
            r"the input past_key_values\.0\.key, which is not",
        ),
        (lambda: token_model(Tiny(), extra=("pixel_values",)), "the input pixel_values, which is not supported"),
        (lambda: logits(Tiny()), "gives logits; expected last_hidden_state or sentence_embedding"),
        (lambda: token_model(Tiny(), opset=10), "is of opset 10; export it again"),
    ],
)
def test_graphs_that_are_not_text_encoders_are_refused(tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run(tmp_path, Tiny(), model())
    assert not (tmp_path / "bundle").exists()


def test_position_ids_of_roberta_are_refused(tmp_path: Path) -> None:
    tiny = Tiny("roberta")
    with pytest.raises(InvalidInput, match="the input position_ids, which is not supported"):
        run(tmp_path, tiny, token_model(tiny, position_ids=True))


def test_a_graph_that_ignores_the_mask_is_found_out(tmp_path: Path) -> None:
    tiny = Tiny()
    model = token_model(tiny)
    for node in model.graph.node:
        node.input[:] = ["all_ones" if name == "attention_mask" else name for name in node.input]
    ones = numpy_helper.from_array(np.array([1], dtype=np.int64), "one")
    model.graph.initializer.append(ones)
    zeros = helper.make_node("Sub", ["attention_mask", "attention_mask"], ["zeros"])
    model.graph.node.insert(0, helper.make_node("Add", ["zeros", "one"], ["all_ones"]))
    model.graph.node.insert(0, zeros)
    with pytest.raises(BundleError, match="does not respect attention_mask"):
        run(tmp_path, tiny, model)
    assert list(tmp_path.iterdir()) == [tmp_path / "source"]


def test_files_that_are_broken(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_export(tmp_path / "source", tiny, token_model(tiny), external=True)
    data = source / "onnx" / "model.onnx_data"
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"model\.onnx.*truncated, corrupt or lacks its weights"):
        import_model(str(source), tmp_path / "bundle")
    data.unlink()
    with pytest.raises(BundleError, match=r"model\.onnx.*weights"):
        import_model(str(source), tmp_path / "bundle")
    graph = source / "onnx" / "model.onnx"
    for broken in (b"", b"not a graph at all", graph.read_bytes()[:-40]):
        graph.write_bytes(broken)
        with pytest.raises(BundleError, match=r"model\.onnx"):
            import_model(str(source), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == [source]


def test_several_graphs_need_one_called_model(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_export(tmp_path / "source", tiny, token_model(tiny), file="onnx/model_a.onnx")
    write_export(source, tiny, token_model(tiny), file="onnx/model_b.onnx")
    with pytest.raises(InvalidInput, match=r"several graphs \(onnx/model_a\.onnx, onnx/model_b\.onnx\)"):
        import_model(str(source), tmp_path / "bundle")


def test_a_directory_with_neither(tmp_path: Path) -> None:
    tiny = Tiny()
    source = write_export(tmp_path / "source", tiny, token_model(tiny))
    (source / "onnx" / "model.onnx").unlink()
    with pytest.raises(InvalidInput, match=r"neither weights .* nor an exported graph"):
        import_model(str(source), tmp_path / "bundle")
