"""Where a model stops reading a document, and pieces of it that are looked at by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from crossfade.chunking import ChunkingSettings, Method, chunk
from crossfade.evaluation.diagnosis.inputs import Cutter
from crossfade.store.types import Document

_PASSAGE_TOKENS = (64, 24)
"""A few sentences, and one or two: small enough that one matter fills it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters [start, end) of a document's text; `content`: what the model is given, title included."""

    start: int
    end: int
    content: str


class Reading:
    """How the baseline reads documents; nothing is cut short, and there are no passages, without a cutter."""

    def __init__(self, cutter: Cutter | None, chunking: ChunkingSettings) -> None:
        self._cutter = cutter
        self._chunking = chunking

    def read_end(self, document: Document) -> int:
        """The character of the text before which the model stops, where documents are read whole; the text's end where
        it reads all, or where they are cut."""
        if self._cutter is None or self._chunking.method is not Method.WHOLE:
            return len(document.text)
        whole = chunk([document], self._cutter.tokenizer, ChunkingSettings(), self._cutter.budget).chunks[0][0]
        return whole.read_end if whole.truncated else len(document.text)

    def passages(self, document: Document) -> list[Passage]:
        """The whole text in passages of whole sentences, larger ones and smaller ones."""
        if self._cutter is None:
            return []
        most = max(self._cutter.budget.max_tokens // 2, 1)
        sizes = dict.fromkeys(min(size, most) for size in _PASSAGE_TOKENS)
        cuts = [self._cut(document, ChunkingSettings(Method.SENTENCES, size=size)) for size in sizes]
        return [passage for cut in cuts for passage in cut]

    def straddling(self, document: Document) -> list[Passage]:
        """Around each border between two of the baseline's chunks: the latter half of the one before it with the first
        half of the one after it."""
        if self._cutter is None or self._chunking.method is Method.WHOLE:
            return []
        pieces = self._cut(document, self._chunking)
        found = []
        for before, after in pairwise(pieces):
            start = before.start + _between_words(document.text[before.start : before.end])
            end = after.start + _between_words(document.text[after.start : after.end])
            if start < end:
                content = f"{document.title} {document.text[start:end]}" if document.title else document.text[start:end]
                found.append(Passage(start, end, content))
        return found

    def chunks(self, document: Document) -> list[Passage]:
        """As the baseline cuts it."""
        return self._cut(document, self._chunking)

    def _cut(self, document: Document, settings: ChunkingSettings) -> list[Passage]:
        if self._cutter is None:
            return []
        pieces = chunk([document], self._cutter.tokenizer, settings, self._cutter.budget).chunks[0]
        return [Passage(each.start, each.end, each.content_of(document.text)) for each in pieces]


def _between_words(text: str) -> int:
    """A place near the middle before which a word ends."""
    middle = len(text) // 2
    space = text.find(" ", middle)
    return middle if space < 0 else space + 1
