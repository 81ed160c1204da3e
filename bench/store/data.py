"""Documents as a store takes them: about 300 characters each, 384 dimensions, with fields or without.

Vectors are those of `bench.graph.data`. Words are drawn by Zipf's law from 50,000 made-up ones, so that an analyser and
a vocabulary have as much to do as with prose. There are as many documents as rows there: see `bench.size`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graph import data as graph_data
from crossfade.store.types import Document

DIMENSION = graph_data.DIMENSION
FINGERPRINT = "made-for-benches"
BATCH = 1_000
CHARACTERS = 300

_WORDS = 50_000
_ZIPF = 1.1
_LETTERS = (3, 9)  # of a word: from, and below; with the blank, seven characters
_WORDS_A_TEXT = CHARACTERS // 7 + 2
_SOURCES = 20

rows, topics = graph_data.rows, graph_data.topics


@dataclass(frozen=True)
class Corpus:
    """`vectors` and `queries`: float32 unit vectors, shape (count, DIMENSION). `words`: texts to search by."""

    documents: list[Document]
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    words: list[str]

    def batches(self) -> Iterator[tuple[list[Document], NDArray[np.float32]]]:
        """Documents and vectors, `BATCH` at a time."""
        for start in range(0, len(self.documents), BATCH):
            yield self.documents[start : start + BATCH], self.vectors[start : start + BATCH]

    @property
    def bytes(self) -> int:
        """Of vectors, ids and texts: what any store has to write at least, metadata left out."""
        return self.vectors.nbytes + sum(len(document.id) + len(document.text) for document in self.documents)


def make(*, metadata: bool, seed: int = 0) -> Corpus:
    """The same for the same seed, but for the metadata."""
    made = graph_data.make(seed)
    texts = _texts(len(made.rows) + len(made.queries), seed)
    fields = _fields(len(made.rows), seed) if metadata else [{}] * len(made.rows)
    documents = [
        Document(f"document-{row:08d}", "", text, some)
        for row, (text, some) in enumerate(zip(texts, fields, strict=False))
    ]
    words = [" ".join(text.split()[:4]) for text in texts[len(documents) :]]
    return Corpus(documents, made.rows, made.queries, words)


def _texts(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = random.integers(*_LETTERS, _WORDS)
    vocabulary = ["".join(random.choice(alphabet, length)) for length in lengths.tolist()]
    weights = np.arange(1, _WORDS + 1) ** -_ZIPF
    ends = np.cumsum(weights / weights.sum())
    texts: list[str] = []
    for _ in range(0, count, BATCH):
        drawn = np.minimum(np.searchsorted(ends, random.random((BATCH, _WORDS_A_TEXT))), _WORDS - 1)
        texts += [" ".join([vocabulary[word] for word in some]) for some in drawn.tolist()]
    return texts[:count]


def _fields(count: int, seed: int) -> list[dict[str, Any]]:
    """A keyword, a whole number, a fraction and a truth value each."""
    random = np.random.default_rng(seed)
    sources = random.integers(0, _SOURCES, count).tolist()
    years = random.integers(1990, 2027, count).tolist()
    prices = random.random(count).round(4).tolist()
    return [
        {"source": f"source-{source}", "year": year, "price": price, "public": year % 2 == 0}
        for source, year, price in zip(sources, years, prices, strict=True)
    ]
