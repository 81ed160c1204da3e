"""Documents in, chunks out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking.cutter import Cutter
from crossfade.chunking.outline import Outline
from crossfade.chunking.prefixes import Prefixes
from crossfade.chunking.reading import read_ends, visible
from crossfade.chunking.report import ChunkingReport
from crossfade.chunking.settings import ChunkingSettings, Method
from crossfade.chunking.types import Chunk, TitledText, TokenBudget, TokenCounter
from crossfade.errors import InvalidInput

# Documents in hand at once: bounds the memory that their tokens' places take.
_SLICE = 1024

_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chunked:
    """`chunks[i]`: those of document i, at least one, in the order of the text."""

    chunks: list[list[Chunk]]
    report: ChunkingReport


def chunk(
    documents: Sequence[TitledText], tokenizer: TokenCounter, settings: ChunkingSettings, budget: TokenBudget
) -> Chunked:
    """Cut documents into chunks that the model reads to their end.

    Chunks are in order, hold every character that is not white space, begin and end with such a one, and never part
    what a reader sees as one character. Each has at most `settings.size` tokens, and with prompt, prefix and special
    tokens at most `budget.max_tokens`, counted by `tokenizer` on just that text. Exceptions, all reported: method
    "whole" (one chunk of all characters, whatever the model reads of it), and a single character that has more tokens
    than allowed. A text without visible characters gives one empty chunk. The same input gives the same chunks.

    Raises InvalidInput, naming the document's position, for text that is not Unicode, or when the prompt fills the
    budget.
    """
    work = _Work(tokenizer, settings, budget)
    for start in range(0, len(documents), _SLICE):
        work.add(documents[start : start + _SLICE], start)
    return work.result()


class _Work:
    def __init__(self, tokenizer: TokenCounter, settings: ChunkingSettings, budget: TokenBudget) -> None:
        self._tokenizer = tokenizer
        self._settings = settings
        self._budget = budget
        self._chunks: list[list[Chunk]] = []
        self._unread: list[int] = []
        self._overlap_tokens = 0
        self._left_out = 0

    def add(self, documents: Sequence[TitledText], offset: int) -> None:
        for position, document in enumerate(documents, start=offset):
            _check(document, position)
        prefixes = Prefixes(self._tokenizer, self._budget, self._settings)
        prefixes.learn(document.title for document in documents)
        texts = [document.text for document in documents]
        outlines = self._outlines(texts)
        cutters = [
            Cutter(document.title, outline, prefixes, self._settings)
            for document, outline in zip(documents, outlines, strict=True)
        ]
        spans, counts = self._cut(texts, cutters)
        self._finish(texts, cutters, spans, counts)

    def _outlines(self, texts: list[str]) -> list[Outline]:
        method = self._settings.method
        if method is Method.WHOLE:  # nothing is cut, so it does not matter where
            nowhere: NDArray[np.int64] = np.empty((0, 2), dtype=np.int64)
            return [Outline("", nowhere, method)] * len(texts)
        offsets = self._tokenizer.offsets(texts)
        return [Outline(text, places, method) for text, places in zip(texts, offsets, strict=True)]

    def _cut(self, texts: list[str], cutters: list[Cutter]) -> tuple[list[list[_Key]], list[dict[_Key, _Key]]]:
        """Spans of each document, and of each span its tokens: its own, and those of all that the model is given."""
        if self._settings.method is Method.WHOLE:
            spans = [[(0, len(text))] for text in texts]
        else:
            spans = [cutter.spans() for cutter in cutters]
        counts: list[dict[_Key, _Key]] = [{} for _ in texts]
        open_documents = list(range(len(texts)))
        while open_documents:
            self._count(texts, cutters, spans, counts, open_documents)
            open_documents = [at for at in open_documents if self._shrink(cutters[at], spans[at], counts[at])]
            for at in open_documents:
                spans[at] = cutters[at].spans()
        return spans, counts

    def _count(
        self,
        texts: list[str],
        cutters: list[Cutter],
        spans: list[list[_Key]],
        counts: list[dict[_Key, _Key]],
        open_documents: list[int],
    ) -> None:
        """Fill in what is not counted yet, in one call of the tokenizer."""
        new = [(at, span) for at in open_documents for span in spans[at] if span not in counts[at]]
        own = [texts[at][start:end] for at, (start, end) in new]
        before = [self._budget.prompt + cutters[at].prefix(start).text for at, (start, _) in new]
        longer = [row for row, prefix in enumerate(before) if prefix]
        own_tokens = self._tokenizer.counts(own)
        whole_tokens = own_tokens.copy()
        whole_tokens[longer] = self._tokenizer.counts([before[row] + own[row] for row in longer])
        whole_tokens += self._budget.special_tokens
        for (at, span), mine, whole in zip(new, own_tokens.tolist(), whole_tokens.tolist(), strict=True):
            counts[at][span] = (mine, whole)

    def _shrink(self, cutter: Cutter, spans: list[_Key], counts: dict[_Key, _Key]) -> bool:
        """Whether some chunk is too long, and has been told so."""
        if self._settings.method is Method.WHOLE:
            return False
        cutter.next_round()
        size = self._settings.size or self._budget.max_tokens
        found = False
        for start, end in spans:
            own, whole = counts[start, end]
            excess = max(own - size, whole - self._budget.max_tokens)
            if excess > 0 and not cutter.is_single(start, end):
                cutter.shrink(start, end, excess)
                found = True
        return found

    def _finish(
        self, texts: list[str], cutters: list[Cutter], spans: list[list[_Key]], counts: list[dict[_Key, _Key]]
    ) -> None:
        read = self._read_ends(texts, cutters, spans, counts)
        for at, (text, cutter) in enumerate(zip(texts, cutters, strict=True)):
            made: list[Chunk] = []
            left_out = False
            last_end = 0
            for start, end in spans[at]:
                own, whole = counts[at][start, end]
                prefix = cutter.prefix(start)
                headings = tuple(heading.title for heading in cutter.outline.section_of(start).path)
                truncated = whole > self._budget.max_tokens
                read_end = read.get((at, start, end), end)
                made.append(Chunk(start, end, own, whole, truncated, read_end, prefix.text, headings))
                left_out |= prefix.left_out
                if start < last_end:
                    outline = cutter.outline
                    self._overlap_tokens += outline.tokens_before(last_end) - outline.tokens_before(start)
                last_end = end
            self._chunks.append(made)
            self._unread.append(_unread(text, made))
            self._left_out += left_out

    def _read_ends(
        self, texts: list[str], cutters: list[Cutter], spans: list[list[_Key]], counts: list[dict[_Key, _Key]]
    ) -> dict[tuple[int, int, int], int]:
        """Of chunks that the model does not read to their end: the character of the document before which it stops."""
        cut = [
            (at, start, end)
            for at, document in enumerate(spans)
            for start, end in document
            if counts[at][start, end][1] > self._budget.max_tokens
        ]
        before = [self._budget.prompt + cutters[at].prefix(start).text for at, start, _ in cut]
        parts = [texts[at][start:end] for at, start, end in cut]
        ends = read_ends(before, parts, self._tokenizer, self._budget)
        return {key: key[1] + end for key, end in zip(cut, ends, strict=True)}

    def result(self) -> Chunked:
        everything = [each for document in self._chunks for each in document]
        report = ChunkingReport(
            documents=len(self._chunks),
            chunks=len(everything),
            tokens=sum(each.tokens for each in everything),
            overlap_tokens=self._overlap_tokens,
            input_tokens=sum(each.input_tokens for each in everything),
            truncated_chunks=sum(each.truncated for each in everything),
            titles_left_out=self._left_out,
            unread=np.array(self._unread, dtype=np.int64),
            chunk_tokens=np.array([each.tokens for each in everything], dtype=np.int64),
        )
        return Chunked(self._chunks, report)


def _check(document: TitledText, position: int) -> None:
    for name, value in (("title", document.title), ("text", document.text)):
        if not isinstance(value, str):
            raise InvalidInput(f"document {position}: its {name} is of type {type(value).__name__}: give a string")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"document {position}: its {name} holds the lone surrogate {value[error.start]!a} at character "
                f'{error.start}, which is not Unicode text: decode its source as UTF-8 with errors="replace", or drop '
                "the character"
            ) from None


def _unread(text: str, chunks: Sequence[Chunk]) -> int:
    """Characters that are in no chunk before the place where the model stops, white space not counted."""
    if not any(each.truncated for each in chunks):
        return 0  # chunks leave nothing out but white space
    reached, missed = 0, 0
    for each in chunks:
        missed += visible(text, reached, each.start)
        reached = max(reached, each.read_end)
    return missed + visible(text, reached, len(text))
