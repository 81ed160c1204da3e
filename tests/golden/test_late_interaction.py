"""Token vectors of the default model: what torch pooled is what we give before pooling.

The reference lies in the shared folder beside the checkout; without it the test that needs it skips and says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from crossfade.models import Bundle, InputType
from crossfade.models.encoder import pad
from crossfade.models.importing import import_model
from crossfade.models.token_encoder import TokenEncoder
from crossfade.models.token_graph import TOKEN_VECTORS, token_model
from crossfade.models.tokenizer import TextTokenizer
from crossfade.retrieval import Candidate, MaxSimReranker

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return import_model("minilm", tmp_path_factory.mktemp("minilm") / "bundle")


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference vectors of the shared folder are not there")
def test_their_mean_is_what_sentence_transformers_gives(bundle: Bundle) -> None:
    """The vectors before they are brought to unit length, averaged here, against the pooled vectors of torch."""
    model = token_model(bundle.graph_path)
    hidden = next(node.input[0] for node in model.graph.node if TOKEN_VECTORS in node.output)
    model.graph.output.append(helper.make_tensor_value_info(hidden, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
    texts = [entry["text"] for entry in json.loads((GOLDEN / "minilm-texts.json").read_bytes())]
    ids, mask = pad(tokenizer.tokenise(texts).ids, tokenizer.pad_id)
    states, unit = session.run([hidden, TOKEN_VECTORS], {"input_ids": ids, "attention_mask": mask})
    seen = mask[:, :, np.newaxis].astype(np.float64)
    means = (states * seen).sum(axis=1) / seen.sum(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    reference = np.load(GOLDEN / "minilm-embeddings.npy")
    assert np.sum(means * reference, axis=1).min() > 1 - 1e-6  # what the parity test holds of pooled vectors
    lengths = np.linalg.norm(states.astype(np.float64), axis=2, keepdims=True)
    np.testing.assert_allclose(unit * seen, states / lengths * seen, atol=1e-6)


def test_a_batch_changes_nothing(bundle: Bundle) -> None:
    encoder = TokenEncoder(bundle, threads=1, batch_tokens=64)
    texts = ["", "How do I open a file?", "naïve café, 日本語", "dog " * 300, "a"]
    found = encoder.encode(texts, InputType.DOCUMENT)
    assert (encoder.dimension, found.truncated.tolist()) == (384, [False, False, False, True, False])
    for row, text in enumerate(texts):
        alone = encoder.encode([text], InputType.DOCUMENT).vectors
        assert np.sum(found.of(row) * alone, axis=1).min() > 1 - 1e-6


def test_the_answer_comes_first(bundle: Bundle) -> None:
    texts = {
        "open": "open(file) opens a file and returns a file object to read from.",
        "close": "The shop closes at six, and opens again on Monday.",
        "json": "json.dumps turns an object into a string.",
    }
    candidates = [Candidate(name, text, 0.5) for name, text in texts.items()]
    found = MaxSimReranker(TokenEncoder(bundle, threads=1)).rerank("how do I open a file for reading?", candidates)
    assert found.hits[0].id == "open"
    assert found.reranked == 3
