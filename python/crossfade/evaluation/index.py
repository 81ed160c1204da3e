"""From data set and encoder to a searchable collection: each corpus is embedded once for each document encoder."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import ChunkingSettings
from crossfade.evaluation import vector_file
from crossfade.evaluation.corpus_collection import CorpusCollection
from crossfade.evaluation.corpus_file import CorpusFile
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.vector_cache import CorpusVectors, VectorCache
from crossfade.evaluation.vector_file import SHARD_ROWS, VectorFile
from crossfade.models.types import InputType
from crossfade.retrieval.types import EncoderBundle, TextEncoder
from crossfade.store.checks import finite_matrix
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
    With `cache`, a directory, vectors are kept there between runs; what a run embedded that was stopped is there too.
    Vectors of over 256 MiB are a mapped file, with or without. Vectors are compared by cosine.
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
        lengths = np.fromiter(map(len, texts), dtype=np.int32, count=len(texts))
        return self._kept(encoder, name, _Texts(lengths, lambda rows: [texts[row] for row in rows]))

    def _index(self, encoder: ModelEncoder) -> tuple[Collection, CorpusVectors]:
        fingerprint = encoder.bundle.document_fingerprint
        if fingerprint not in self._indexes:
            corpus = self._kept(encoder, self.dataset.corpus_hash, _texts(self.dataset))
            spec = CollectionSpec(f"corpus-{len(self._indexes)}", encoder.bundle.dimension, "cosine", fingerprint)
            self._indexes[fingerprint] = self._collection(spec, corpus.vectors), corpus
        return self._indexes[fingerprint]

    def _collection(self, spec: CollectionSpec, vectors: NDArray[np.float32]) -> Collection:
        """As the vectors lie; a copy where documents have metadata, which filters ask for."""
        documents = self.dataset.documents
        if isinstance(documents, CorpusFile) or not any(document.metadata for document in documents):
            return CorpusCollection(self.dataset, spec, vectors)
        collection = self._store.create(spec)
        collection.upsert(documents, vectors)
        return collection

    def _kept(self, encoder: ModelEncoder, name: str, texts: _Texts) -> CorpusVectors:
        """From the cache where it is there. `name`: what tells this corpus from every other."""
        fingerprint, dimension, rows = encoder.bundle.document_fingerprint, encoder.bundle.dimension, len(texts.lengths)
        if self._cache is None:
            return _embed(texts, encoder, self._progress)
        corpus = self._cache.load(fingerprint, name, rows=rows, dimension=dimension)
        if corpus is None:
            with self._cache.file(fingerprint, name, rows=rows, dimension=dimension) as file:
                corpus = _embed_into(file, texts, encoder, self._progress)
        return corpus


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is to be embedded. `lengths`: characters of each, int32, shape (texts,); `read`: the texts of some rows."""

    lengths: NDArray[np.int32]
    read: Callable[[Sequence[int]], list[str]]


def _texts(dataset: Dataset) -> _Texts:
    return _Texts(dataset.document_lengths, dataset.contents)


def embed_corpus(dataset: Dataset, encoder: TextEncoder, *, progress: Progress | None = None) -> CorpusVectors:
    """Embed every document (title, a space, then text). Memory: up to 256 MiB of vectors, a mapped file of more, and
    one shard of texts.

    Raises InvalidInput for a vector that is not finite, and where the disk has no room for the file.
    """
    return _embed(_texts(dataset), encoder, progress)


def embed_rows(dataset: Dataset, rows: Sequence[int], encoder: TextEncoder) -> CorpusVectors:
    """Embed the documents at these places, in memory: to see how long it takes."""
    lengths = dataset.document_lengths[np.asarray(rows, dtype=np.int64)]
    return _embed(_Texts(lengths, lambda some: dataset.contents([rows[row] for row in some])), encoder, None)


def _embed(texts: _Texts, encoder: TextEncoder, progress: Progress | None) -> CorpusVectors:
    rows, dimension = len(texts.lengths), encoder.bundle.dimension
    if rows * dimension * 4 > vector_file.HELD_BYTES:
        with VectorFile({}, rows, dimension, place=None) as file:
            return _embed_into(file, texts, encoder, progress)
    held = _Held(rows, dimension)
    return _embed_into(held, texts, encoder, progress)


class _Held:
    """What `VectorFile` is, in memory."""

    def __init__(self, rows: int, dimension: int) -> None:
        self._vectors = np.empty((rows, dimension), dtype=np.float32)
        self._tokens = self._truncated = 0
        self.rows = rows
        self.missing = list(range(-(-rows // SHARD_ROWS)))

    def span(self, shard: int) -> range:
        return range(shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.rows))

    def write(self, shard: int, vectors: NDArray[np.float32], tokens: int, truncated: int) -> None:
        span = self.span(shard)
        self._vectors[span.start : span.stop] = vectors
        self._tokens += tokens
        self._truncated += truncated

    def finish(self) -> CorpusVectors:
        return CorpusVectors(self._vectors, self._tokens, self._truncated)


def _embed_into(
    file: VectorFile | _Held, texts: _Texts, encoder: TextEncoder, progress: Progress | None
) -> CorpusVectors:
    missing = file.missing
    done = file.rows - sum(len(file.span(shard)) for shard in missing)
    for shard in missing:
        span = file.span(shard)
        content = texts.read(span)
        vectors = np.empty((len(span), encoder.bundle.dimension), dtype=np.float32)
        tokens = truncated = 0
        for rows in _chunks(texts.lengths[span.start : span.stop].tolist()):
            encoded = encoder.encode([content[row] for row in rows], InputType.DOCUMENT)
            vectors[rows] = finite_matrix(
                encoded.vectors, rows=len(rows), dimension=encoder.bundle.dimension, what="vector", why="of the model"
            )
            tokens += int(encoded.token_counts.sum())
            truncated += int(encoded.truncated.sum())
            done += len(rows)
            if progress:
                progress("embedding corpus", done, file.rows)
        file.write(shard, vectors, tokens, truncated)
    return file.finish()


def _chunks(lengths: list[int]) -> list[list[int]]:
    """Rows of a shard in chunks of like length, so that little is padded; the chunks in a fixed shuffled order.

    Shuffled, because in order of length the remaining time shown would be wrong all the way.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    chunks = [order[start : start + _CHUNK] for start in range(0, len(order), _CHUNK)]
    # Not NumPy's generators: it imports them when they are first named, and a Ctrl-C just then is lost in their C code.
    random.Random(_CHUNK_ORDER_SEED).shuffle(chunks)  # noqa: S311  # no secret: the order of a progress bar
    return chunks
