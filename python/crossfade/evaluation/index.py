"""From data set and encoder to a searchable collection: each corpus is embedded once for each document encoder."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from crossfade.chunking import ChunkingSettings
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.vector_cache import CorpusVectors, VectorCache
from crossfade.models.types import InputType
from crossfade.retrieval.types import EncoderBundle, TextEncoder
from crossfade.store.memory import MemoryStore
from crossfade.store.types import Collection, CollectionSpec

_CHUNK = 128  # documents between two reports of progress: two seconds on two cores
_CHUNK_ORDER_SEED = 0


class ModelBundle(EncoderBundle, Protocol):
    """The part of a bundle that an evaluation names its figures by."""

    @property
    def name(self) -> str: ...


class ModelEncoder(TextEncoder, Protocol):
    """Texts in, vectors out, under a name; `crossfade.models.Encoder` is one."""

    @property
    def bundle(self) -> ModelBundle: ...


class CorpusIndexes:
    """The collections of one data set, one a document fingerprint, made when first asked for.

    Encoders with equal document fingerprints share one: a base model and its query adapter embed the corpus once.
    With `cache`, a directory, vectors are kept there between runs. Vectors are compared by cosine.
    """

    def __init__(self, dataset: Dataset, *, cache: Path | None = None, progress: Progress | None = None) -> None:
        self.dataset = dataset
        self._cache = None if cache is None else VectorCache(cache)
        self._progress = progress
        self._store = MemoryStore()
        self._indexes: dict[str, tuple[Collection, CorpusVectors]] = {}

    def collection(self, encoder: ModelEncoder) -> Collection:
        """The corpus in the encoder's space, complete."""
        return self._index(encoder)[0]

    def vectors(self, encoder: ModelEncoder) -> CorpusVectors:
        """The corpus as the encoder embeds it."""
        return self._index(encoder)[1]

    def chunks(self, encoder: ModelEncoder, texts: Sequence[str], settings: ChunkingSettings) -> CorpusVectors:
        """The corpus cut by these settings into these texts, as the encoder embeds it; kept in the cache too."""
        name = f"{self.dataset.corpus_hash} in chunks {settings.dumps()}"
        return self._kept(
            encoder, name, len(texts), lambda: _embed([*map(len, texts)], texts.__getitem__, encoder, self._progress)
        )

    def _index(self, encoder: ModelEncoder) -> tuple[Collection, CorpusVectors]:
        fingerprint = encoder.bundle.document_fingerprint
        if fingerprint not in self._indexes:
            corpus = self._kept(
                encoder,
                self.dataset.corpus_hash,
                len(self.dataset.documents),
                lambda: embed_corpus(self.dataset, encoder, progress=self._progress),
            )
            spec = CollectionSpec(f"corpus-{len(self._indexes)}", encoder.bundle.dimension, "cosine", fingerprint)
            collection = self._store.create(spec)
            collection.upsert(self.dataset.documents, corpus.vectors)
            self._indexes[fingerprint] = (collection, corpus)
        return self._indexes[fingerprint]

    def _kept(self, encoder: ModelEncoder, name: str, rows: int, embed: Callable[[], CorpusVectors]) -> CorpusVectors:
        """From the cache where it is there. `name`: what tells this corpus from every other."""
        fingerprint, dimension = encoder.bundle.document_fingerprint, encoder.bundle.dimension
        if self._cache is None:
            return embed()
        corpus = self._cache.load(fingerprint, name, rows=rows, dimension=dimension)
        if corpus is None:
            corpus = embed()
            self._cache.save(fingerprint, name, corpus)
        return corpus


def embed_corpus(dataset: Dataset, encoder: TextEncoder, *, progress: Progress | None = None) -> CorpusVectors:
    """Embed every document (title, a space, then text). Memory: the vectors and one chunk of texts."""
    documents = dataset.documents
    lengths = [len(document.title) + len(document.text) for document in documents]
    return _embed(lengths, lambda row: documents[row].content, encoder, progress)


def _embed(
    lengths: list[int], text: Callable[[int], str], encoder: TextEncoder, progress: Progress | None
) -> CorpusVectors:
    """`text`: of a row."""
    total = len(lengths)
    vectors = np.empty((total, encoder.bundle.dimension), dtype=np.float32)
    tokens = truncated = done = 0
    for rows in _chunks(lengths):
        encoded = encoder.encode([text(row) for row in rows], InputType.DOCUMENT)
        vectors[rows] = encoded.vectors
        tokens += int(encoded.token_counts.sum())
        truncated += int(encoded.truncated.sum())
        done += len(rows)
        if progress:
            progress("embedding corpus", done, total)
    return CorpusVectors(vectors, tokens, truncated)


def _chunks(lengths: list[int]) -> list[list[int]]:
    """Rows in chunks of like length, so that little is padded; the chunks in a fixed shuffled order.

    Shuffled, because in order of length the remaining time shown would be wrong all the way.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    chunks = [order[start : start + _CHUNK] for start in range(0, len(order), _CHUNK)]
    # Not NumPy's generators: it imports them when they are first named, and a Ctrl-C just then is lost in their C code.
    random.Random(_CHUNK_ORDER_SEED).shuffle(chunks)  # noqa: S311  # no secret: the order of a progress bar
    return chunks
