"""What chunking takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.arguments import whole
from crossfade.errors import InvalidInput

_MOST_TOKENS = 1 << 24


class TokenCounter(Protocol):
    """The model's tokenizer, as chunking needs it; `crossfade.models.tokenizer.TextTokenizer` is one.

    Neither method cuts a text or adds special tokens. Both raise InvalidInput for what is not Unicode text.
    """

    def offsets(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Of each text int64, shape (tokens, 2): where each token begins and ends, in characters."""
        ...

    def counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens of each text, int64, shape (n,)."""
        ...


class TitledText(Protocol):
    """What is cut into chunks; `crossfade.store.Document` is one."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """What the model reads of one text. `max_tokens`: its limit; `special_tokens`: how many of these the tokenizer adds
    ([CLS], [SEP]); `prompt`: what is put before a document.

    Raises InvalidInput when nothing is left for the text. (Whether the prompt fills the rest, `chunk` says.)
    """

    max_tokens: int
    special_tokens: int = 0
    prompt: str = ""

    def __post_init__(self) -> None:
        whole(self.max_tokens, "max_tokens", 1, _MOST_TOKENS)
        whole(self.special_tokens, "special_tokens", 0, _MOST_TOKENS)
        if self.special_tokens >= self.max_tokens:
            raise InvalidInput(
                f"{self.special_tokens} special tokens leave none of the {self.max_tokens} tokens that the model reads "
                "for the text: raise max_tokens"
            )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Characters [start, end) of a document's text (code points), embedded as one vector.

    `tokens`: of the chunk's own text, as the tokenizer counts them. `input_tokens`: of all that the model is given:
    special tokens, prompt, `prefix`, text. `truncated`: these are more than it reads, and `read_end` is the character
    of the document before which it stops (`end` where it reads all). `prefix`: what is put before the text, the space
    at its end included; empty where there is no title, or none fits. `headings`: the headings that the chunk is below,
    the outermost first.
    """

    start: int
    end: int
    tokens: int
    input_tokens: int
    truncated: bool
    read_end: int
    prefix: str = ""
    headings: tuple[str, ...] = ()

    def text_of(self, text: str) -> str:
        """The chunk's part of its document's text."""
        return text[self.start : self.end]

    def content_of(self, text: str) -> str:
        """What the model is given, without the prompt: title, a space, then the chunk's text."""
        return self.prefix + text[self.start : self.end]
