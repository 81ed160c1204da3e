"""Makes a cross-encoder's bundle of an exported ONNX graph and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.cross_bundle import CrossEncoderBundle, CrossManifest, dump_cross_manifest
from crossfade.models.cross_encoder import SCORE_OUTPUTS, TOKEN_TYPE_IDS, CrossEncoder, PairGraph
from crossfade.models.graph import PREFIX, write_graph
from crossfade.models.importing.bert import position_limit
from crossfade.models.importing.exported import find_export, load_export, precision_of, rename_value, width
from crossfade.models.importing.files import read_object
from crossfade.models.importing.source import read_limit
from crossfade.models.importing.tokenizer_file import bundle_tokenizer
from crossfade.models.manifest import TOKENIZER_FILE, check_name
from crossfade.models.pair_tokenizer import PairTokenizer
from crossfade.models.session import ATTENTION_MASK, INPUT_IDS
from crossfade.models.staging import check_target, staged, write_seal
from crossfade.models.types import Precision

_INPUTS = (INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS)
_TEXTS = ("", "crossfade", "Open the file and read it line by line.", "naïve café, 日本語, ERR_0x80070005")
# A pair beside others of another length adds up in another order; scores are of the order of ten. Reduced precisions
# round to about a thousandth of that, and dynamic quantisation scales by the largest value of the whole batch.
_MOST_DIFFERENCE = {Precision.FP32: 1e-3, Precision.FP16: 0.1, Precision.BF16: 0.5}
_MOST_DIFFERENCE_QUANTISED = 1.0


def import_cross_encoder(
    source: Path, output: Path, *, name: str | None = None, max_tokens: int | None = None, overwrite: bool = False
) -> CrossEncoderBundle:
    """Make a bundle at `output`, check it by running it, and return it. Nothing is left there unless all of it worked.

    `source`: a directory with model.onnx or onnx/model.onnx (exported for text classification with one label: output
    `logits` or `score`, of shape [batch, 1]), tokenizer.json and config.json, as optimum and sentence-transformers
    write it. `name`: by default the directory's. `max_tokens`: of a pair; by default what tokenizer_config.json and the
    number of positions allow.

    Raises InvalidInput for what is not supported, BundleError for files that are broken or do not fit, AlreadyExists
    when `output` is a bundle and `overwrite` is false.
    """
    source, output = Path(source), Path(output)
    check_target(output, overwrite=overwrite)
    if not source.is_dir():
        raise InvalidInput(f"{source} is not a directory: give the one that the cross-encoder was exported to")
    name = check_name(name or source.resolve().name)
    path = find_export(source)
    if path is None:
        raise InvalidInput(f"{source} holds no exported graph (model.onnx or onnx/model.onnx): export it to ONNX")
    model = load_export(path)
    _fit(model, path)
    config = read_object(source / "config.json")
    manifest = CrossManifest(name, _limit(source, config, max_tokens), precision_of(model))
    with staged(output, overwrite=overwrite) as staging:
        write_graph(model, staging, {"crossfade.kind": "cross-encoder"})
        (staging / TOKENIZER_FILE).write_bytes(bundle_tokenizer(source, config, lower_case=False))
        write_seal(staging, lambda files: dump_cross_manifest(replace(manifest, files=files)))
        bundle = CrossEncoderBundle.load(staging, verify=False)
        _check(bundle)
    return replace(bundle, path=output)


def _fit(model: onnx.ModelProto, path: Path) -> None:
    """Make the graph's inputs int64 and its score float32, or refuse it."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    names = [value.name for value in inputs]
    if not {INPUT_IDS, ATTENTION_MASK} <= set(names) <= set(_INPUTS):
        raise InvalidInput(f"{path} has the inputs {', '.join(names)}; a cross-encoder's are {', '.join(_INPUTS)}")
    score = next((value for value in graph.output if value.name in SCORE_OUTPUTS), None)
    if score is None:
        found = ", ".join(value.name for value in graph.output) or "nothing"
        raise InvalidInput(
            f"{path} gives {found}; expected {' or '.join(SCORE_OUTPUTS)}: export it for text classification"
        )
    labels = width(score)
    if labels not in {1, None}:
        raise InvalidInput(f"{path} gives {labels} scores a pair: a reranker has one label")
    del graph.input[:]
    for value in inputs:
        if (kind := value.type.tensor_type.elem_type) != TensorProto.INT64:
            rename_value(graph, value.name, f"{PREFIX}{value.name}")
            cast = onnx.helper.make_node("Cast", [value.name], [f"{PREFIX}{value.name}"], to=kind)
            graph.node.insert(0, cast)
        graph.input.append(onnx.helper.make_tensor_value_info(value.name, TensorProto.INT64, ["batch", "sequence"]))
    if score.type.tensor_type.elem_type != TensorProto.FLOAT:
        inner = f"{PREFIX}{score.name}"
        rename_value(graph, score.name, inner)
        graph.node.append(onnx.helper.make_node("Cast", [inner], [score.name], to=TensorProto.FLOAT))
    output = onnx.helper.make_tensor_value_info(score.name, TensorProto.FLOAT, ["batch", 1])
    del graph.output[:]
    graph.output.append(output)
    model.ir_version = max(model.ir_version, 4)  # before, weights had to be among the inputs


def _limit(source: Path, config: Mapping[str, Any], asked: int | None) -> int:
    most = position_limit(config)
    if asked is not None:
        if asked < 1 or (most is not None and asked > most):
            top = f"to {most}, the number of positions that the model has" if most is not None else "up"
            raise InvalidInput(f"the token limit must be from 1 {top}, not {asked}")
        return asked
    limits = [limit for limit in (read_limit(source, {}), most) if limit is not None]
    if not limits:
        raise InvalidInput(f"{source} does not say how many tokens the model reads: give max_tokens")
    return min(limits)


def _check(bundle: CrossEncoderBundle) -> None:
    """Raises BundleError when graph and tokenizer do not fit, or a pair's score depends on the pairs beside it."""
    tokenizer = PairTokenizer(bundle.tokenizer_path, bundle.max_tokens)
    one = np.ones((1, 1), dtype=np.int64)
    largest = max(tokenizer.largest_id, tokenizer.pad_id)
    try:
        PairGraph(bundle.graph_path).run(one * largest, one, one * 0)
    except BundleError as error:
        raise BundleError(
            f"{bundle.name}: the graph cannot be run on the tokenizer's largest id, {largest} ({error}): use the "
            "tokenizer.json that the model came with"
        ) from None
    encoder = CrossEncoder(bundle, batch_tokens=1 << 20)
    texts = [*_TEXTS, "dog " * bundle.max_tokens]
    together = encoder.score("How do I open a file?", texts).scores
    alone = np.concatenate([encoder.score("How do I open a file?", [text]).scores for text in texts])
    most = _MOST_DIFFERENCE.get(bundle.precision, _MOST_DIFFERENCE_QUANTISED)
    difference = float(np.abs(together - alone).max())
    if difference > most:
        raise BundleError(
            f"{bundle.name}: a pair's score in a batch differs from its score alone (by {difference:.3g}): the graph "
            "does not respect attention_mask; export it again with the mask as an input"
        )
