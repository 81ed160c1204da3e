"""An encoder whose vectors can be worked out by hand, and bundles that look like real ones."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from crossfade.models import Embeddings, InputType
from crossfade.models.manifest import Prompts


class FakeEncoder:
    """A text becomes (length, its e's, 1), doubled for queries of a model with a query fingerprint of its own."""

    def __init__(self, document: str = "cf1-base", query: str | None = None) -> None:
        self.calls: list[tuple[list[str], InputType]] = []
        query = query or document
        self.bundle = SimpleNamespace(
            name="fake",
            dimension=3,
            max_tokens=256,
            pooling="mean",
            normalise=False,
            precision="fp32",
            document_fingerprint=document,
            query_fingerprint=query,
            parent=None,
            fingerprint=lambda kind: query if kind is InputType.QUERY else document,
            prompts=Prompts(named={"b": "B: ", "a": "A: "}),
        )

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        self.calls.append((list(texts), input_type))
        factor = 1 + (
            input_type is InputType.QUERY and self.bundle.query_fingerprint != self.bundle.document_fingerprint
        )
        vectors = np.array([[len(text), text.count("e"), 1] for text in texts], np.float32).reshape(-1, 3) * factor
        counts = np.array([len(text.split()) + 2 for text in texts], np.int32)
        return Embeddings(vectors, counts, counts > 256, 10, 20)
