"""An encoder that needs no model: a text's vector is drawn from a hash of it, so equal texts lie together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crossfade.evaluation.dataset import Dataset
from crossfade.models.types import Embeddings, InputType
from crossfade.store.types import Document

DIMENSION = 16


@dataclass(frozen=True)
class FakeBundle:
    name: str = "fake"
    document_fingerprint: str = "cf1-doc"
    query_fingerprint: str = "cf1-doc"
    dimension: int = DIMENSION


@dataclass
class FakeEncoder:
    """`noise` moves the vectors of queries: 0 finds what is asked, a large one finds anything."""

    bundle: FakeBundle = field(default_factory=FakeBundle)
    noise: float = 0.0
    calls: list[tuple[InputType, int]] = field(default_factory=list)

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        self.calls.append((input_type, len(texts)))
        rows = [self._vector(text, input_type) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), DIMENSION)
        counts = np.array([len(text.split()) + 2 for text in texts], dtype=np.int32)
        return Embeddings(vectors, counts, counts > 8, 1, 1)

    @property
    def documents_embedded(self) -> int:
        return sum(count for input_type, count in self.calls if input_type is InputType.DOCUMENT)

    def _vector(self, text: str, input_type: InputType) -> np.ndarray:
        vector = draw(text)
        if input_type is InputType.QUERY and self.noise:
            vector = vector + self.noise * draw(f"{self.bundle.name}/{text}")
        return vector / np.linalg.norm(vector)


def draw(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSION)


def toy_dataset(documents: int = 40, queries: int = 30) -> Dataset:
    """Query i asks for document i in its own words: a perfect encoder finds it first."""
    corpus = [Document(f"d{i}", f"title {i}", f"text {i}") for i in range(documents)]
    return Dataset(
        name="toy",
        split="test",
        documents=corpus,
        queries={f"q{i}": corpus[i].content for i in range(queries)},
        qrels={f"q{i}": {f"d{i}": 2, f"d{(i + 1) % documents}": 0} for i in range(queries)},
    )
