"""What cutting did to a corpus, so that nobody has to guess what the model never read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ChunkingReport:
    """Totals of one call.

    `tokens`: of the chunks' own texts, what chunks repeat counted each time; `overlap_tokens`: how many of them repeat
    the chunk before; `input_tokens`: all that the model is given, special tokens, prompts and prefixes included, before
    it cuts. `truncated_chunks`: chunks whose end the model does not read. `titles_left_out`: documents whose title is
    so long that some chunk goes without it. `unread`: int64, shape (documents,): characters of each text, white space
    not counted, that the model never reads in any chunk. `chunk_tokens`: int64, shape (chunks,): `tokens` of each.
    """

    documents: int
    chunks: int
    tokens: int
    overlap_tokens: int
    input_tokens: int
    truncated_chunks: int
    titles_left_out: int
    unread: NDArray[np.int64]
    chunk_tokens: NDArray[np.int64]

    @property
    def unread_characters(self) -> int:
        """Characters of all texts that the model never reads."""
        return int(self.unread.sum())

    @property
    def unread_documents(self) -> int:
        """Documents of which the model never reads something."""
        return int(np.count_nonzero(self.unread))

    def distribution(self) -> dict[str, float]:
        """Tokens a chunk: least, percentiles (linear between neighbours), most, mean. Empty when there is no chunk."""
        if not len(self.chunk_tokens):
            return {}
        marks = {"least": 0, "p5": 5, "p50": 50, "p95": 95, "most": 100}
        values = np.percentile(self.chunk_tokens, list(marks.values()))
        found = dict(zip(marks, map(float, values), strict=True))
        return {**found, "mean": float(self.chunk_tokens.mean())}

    def to_json(self) -> dict[str, Any]:
        """The public form; `unread` is given in sum."""
        return {
            "documents": self.documents,
            "chunks": self.chunks,
            "tokens": self.tokens,
            "overlap_tokens": self.overlap_tokens,
            "input_tokens": self.input_tokens,
            "truncated_chunks": self.truncated_chunks,
            "titles_left_out": self.titles_left_out,
            "unread_characters": self.unread_characters,
            "unread_documents": self.unread_documents,
            "tokens_per_chunk": self.distribution(),
        }
