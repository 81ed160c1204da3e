"""Documents of an Upsert as the passages that a model reads: cut as their collection says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import Chunk, ChunkingSettings, Method, TokenBudget, chunk
from crossfade.models import Bundle, Embeddings
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Document


@dataclass(frozen=True, slots=True)
class Passages:
    """`texts`: what the model reads, a passage each. `spans`: by document, where the passages lie in its text; None
    when every document is one. `unread`: characters of each document that the model never reads; None when that is
    only known once it is embedded.
    """

    texts: list[str]
    spans: list[list[tuple[int, int]]] | None
    unread: NDArray[np.int64] | None

    @property
    def counts(self) -> NDArray[np.int64]:
        """Passages of each document."""
        if self.spans is None:
            return np.ones(len(self.texts), dtype=np.int64)
        return np.array([len(some) for some in self.spans], dtype=np.int64)

    def folded(self, embeddings: Embeddings) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Tokens of each document's passages, and whether the end of any was not read."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)
        tokens = np.add.reduceat(embeddings.token_counts.astype(np.int64), starts)
        return tokens, np.logical_or.reduceat(embeddings.truncated, starts)


class Cutter:
    """Cuts for one model, whose tokenizer is opened when there is something to cut."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self._bundle.tokenizer_path, self._bundle.max_tokens)

    def cut(self, documents: Sequence[Document], settings: ChunkingSettings) -> Passages:
        """Raises InvalidInput as `crossfade.chunking.chunk`."""
        if settings.method is Method.WHOLE:
            return Passages([document.content for document in documents], None, None)
        tokenizer, bundle = self._tokenizer, self._bundle
        budget = TokenBudget(bundle.max_tokens, tokenizer.special_tokens, bundle.prompts.document)
        done = chunk(documents, tokenizer, settings, budget)
        texts = [
            piece.content_of(document.text)
            for document, pieces in zip(documents, done.chunks, strict=True)
            for piece in pieces
        ]
        return Passages(texts, [[_span(piece) for piece in pieces] for pieces in done.chunks], done.report.unread)


def _span(piece: Chunk) -> tuple[int, int]:
    return piece.start, piece.end
