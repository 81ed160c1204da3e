"""Documents as the passages that a model reads, cut as their collection says, and how far it reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import ChunkingSettings, Method, TokenBudget, chunk, visible, whole_read_ends
from crossfade.models import Bundle, Embeddings
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Document


@dataclass(frozen=True, slots=True)
class Passages:
    """`texts`: what the model reads, a passage each. `spans`: by document, where the passages lie in its text; None
    when every document is one. `read_ends`: where in its text the model stops reading each of them, and `unread`:
    characters of each document that it never reads; both None when that is only known once it is embedded.
    """

    texts: list[str]
    spans: list[list[tuple[int, int]]] | None
    read_ends: list[list[int]] | None = None
    unread: NDArray[np.int64] | None = None

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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model has read of documents, an entry each, in their order. `tokens`: of all its passages; `truncated`:
    whether the end of any was not read; `unread`: characters of its text, white space not counted, that are in none as
    far as they were read. `spans`: where each passage begins and ends in the document's text; `read_ends`: the
    character before which the model stopped.
    """

    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    unread: NDArray[np.int64]
    spans: list[list[tuple[int, int]]]
    read_ends: list[list[int]]

    def chunks(self) -> Iterator[list[tuple[int, int, int]]]:
        """Of each document its passages: where they begin and end, and where the model stopped. Made as it is read."""
        for spans, ends in zip(self.spans, self.read_ends, strict=True):
            yield [(start, stop, end) for (start, stop), end in zip(spans, ends, strict=True)]


class Cutter:
    """Cuts for one model, whose tokenizer is opened when there is something to cut, or something was not read."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self._bundle.tokenizer_path, self._bundle.max_tokens)

    @property
    def _budget(self) -> TokenBudget:
        bundle = self._bundle
        return TokenBudget(bundle.max_tokens, self._tokenizer.special_tokens, bundle.prompts.document)

    def cut(self, documents: Sequence[Document], settings: ChunkingSettings) -> Passages:
        """Raises InvalidInput as `crossfade.chunking.chunk`."""
        if settings.method is Method.WHOLE:
            return Passages([document.content for document in documents], None)
        done = chunk(documents, self._tokenizer, settings, self._budget)
        texts = [
            piece.content_of(document.text)
            for document, pieces in zip(documents, done.chunks, strict=True)
            for piece in pieces
        ]
        spans = [[(piece.start, piece.end) for piece in pieces] for pieces in done.chunks]
        read_ends = [[piece.read_end for piece in pieces] for pieces in done.chunks]
        return Passages(texts, spans, read_ends, done.report.unread)

    def reading(self, documents: Sequence[Document], passages: Passages, embeddings: Embeddings) -> Reading:
        """`passages`: of the documents, at least one; `embeddings`: one a passage. Only the beginnings of what the
        model has not read to the end are tokenised for it."""
        tokens, truncated = passages.folded(embeddings)
        if passages.spans is not None and passages.read_ends is not None and passages.unread is not None:
            return Reading(tokens, truncated, passages.unread, passages.spans, passages.read_ends)
        ends = [len(document.text) for document in documents]
        if cut := np.flatnonzero(truncated).tolist():
            found = whole_read_ends([documents[at] for at in cut], self._tokenizer, self._budget)
            for at, end in zip(cut, found, strict=True):
                ends[at] = end
        unread = [visible(each.text, end, len(each.text)) for each, end in zip(documents, ends, strict=True)]
        spans = [[(0, len(each.text))] for each in documents]
        return Reading(tokens, truncated, np.array(unread, dtype=np.int64), spans, [[end] for end in ends])

    def read_ends(self, documents: Sequence[Document], settings: ChunkingSettings) -> list[dict[tuple[int, int], int]]:
        """Of each document, by where its passages begin and end in its text, the character before which the model stops
        reading them."""
        if settings.method is Method.WHOLE:
            ends = whole_read_ends(documents, self._tokenizer, self._budget)
            return [{(0, len(document.text)): end} for document, end in zip(documents, ends, strict=True)]
        done = chunk(documents, self._tokenizer, settings, self._budget)
        return [{(piece.start, piece.end): piece.read_end for piece in pieces} for pieces in done.chunks]
