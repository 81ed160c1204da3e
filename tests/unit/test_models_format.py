"""A bundle of format 1, as committed: today's code reads it, and still makes the same bytes of the same source.

When one of these fails, vectors that users have stored under a fingerprint would be orphaned: that needs a new format
or fingerprint version, not a new sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossfade.models import Bundle, Encoder, InputType
from crossfade.models.importing import import_model

SAMPLE = Path(__file__).parent / "data" / "bundle-format-1"
FINGERPRINTS = {
    InputType.QUERY: "cf1-fab4eba58065c320a807e4fa080f82fd89bfa471",
    InputType.DOCUMENT: "cf1-a3a86248106d6c53869a676fd5074064c614a72f",
}
PACKED_FINGERPRINT = "cf1-a151af122924c4042f799b8eaed485aa44b3c6e3"
VECTORS = {
    InputType.QUERY: [-0.008144, -0.733459, 0.201589, 0.062759, -0.611854, -0.093394, -0.079949, 0.167078],
    InputType.DOCUMENT: [0.255897, -0.82163, -0.123889, 0.038009, 0.308479, 0.185857, 0.162165, 0.294361],
}


@pytest.mark.parametrize("kind", list(InputType))
def test_the_committed_bundle_is_read_as_ever(kind: InputType) -> None:
    bundle = Bundle.load(SAMPLE / "bundle")
    assert bundle.fingerprint(kind) == FINGERPRINTS[kind]
    found = Encoder(bundle, threads=1).encode(["quick brown fox"], kind).vectors[0]
    np.testing.assert_allclose(found, VECTORS[kind], atol=2e-6)


def test_the_committed_source_gives_the_committed_bytes(tmp_path: Path) -> None:
    """`bundle` holds the graph of the first weeks, with padding in every operator; `packed` is what is made now."""
    made = import_model(str(SAMPLE / "source"), tmp_path / "bundle", name="sample")
    assert (made.path / "model.onnx").read_bytes() == (SAMPLE / "packed" / "model.onnx").read_bytes()
    assert (made.path / "tokenizer.json").read_bytes() == (SAMPLE / "bundle" / "tokenizer.json").read_bytes()
    assert made.document_fingerprint == PACKED_FINGERPRINT


def test_packing_moves_no_vector(tmp_path: Path) -> None:
    made = Encoder(import_model(str(SAMPLE / "source"), tmp_path / "bundle", name="sample"), threads=1)
    texts = ["quick brown fox", "", "the lazy dog jumps over the quick brown fox", "dog"]
    before = Encoder(Bundle.load(SAMPLE / "bundle"), threads=1).encode(texts, InputType.DOCUMENT).vectors
    np.testing.assert_allclose(made.encode(texts, InputType.DOCUMENT).vectors, before, atol=2e-6)
