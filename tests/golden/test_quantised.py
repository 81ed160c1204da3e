"""The default model in int8 and fp16 against the vectors that sentence-transformers gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from crossfade.models import Bundle, Encoder, InputType, Precision
from crossfade.models.importing import import_model
from crossfade.models.quantising import quantise

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
# Least and mean cosine. The least in int8 is the empty text's, 0.983; next come texts of one word.
EXPECTED = {Precision.INT8: (0.98, 0.995), Precision.FP16: (0.99995, 0.99999)}
MEGABYTES = {Precision.INT8: 24, Precision.FP16: 46}

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference vectors of the shared folder are not there")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return import_model("minilm", tmp_path_factory.mktemp("minilm") / "bundle")


@pytest.fixture(scope="module", params=EXPECTED, ids=str)
def bundle(request: pytest.FixtureRequest, base: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return quantise(base, tmp_path_factory.mktemp("quantised") / "bundle", request.param)


def cosines(found: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = found.astype(np.float64), reference.astype(np.float64)
    result: NDArray[np.float64] = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return result


def test_near_the_reference(bundle: Bundle) -> None:
    texts = [entry["text"] for entry in json.loads((GOLDEN / "minilm-texts.json").read_bytes())]
    encoder = Encoder(bundle)
    found = encoder.encode(texts, InputType.DOCUMENT).vectors
    near = cosines(found, np.load(GOLDEN / "minilm-embeddings.npy"))
    least, mean = EXPECTED[bundle.precision]
    assert near.min() > least
    assert near.mean() > mean
    alone = np.concatenate([encoder.encode([text], InputType.DOCUMENT).vectors for text in texts])
    assert cosines(found, alone).min() > 1 - 1e-5


def test_size_and_operators(bundle: Bundle) -> None:
    size = sum((bundle.path / name).stat().st_size for name in bundle.manifest.files)
    assert size < MEGABYTES[bundle.precision] * 1e6 + 1e6
    operators = [node.op_type for node in onnx.load(bundle.graph_path).graph.node]
    assert operators.count("MatMulIntegerToFloat") == (9 * 6 if bundle.precision is Precision.INT8 else 0)
    assert operators.count("MultiHeadAttention") == 6
