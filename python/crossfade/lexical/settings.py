"""Which analyser makes tokens of texts, in a form that is stored with every index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crossfade import _native
from crossfade.errors import InvalidInput

AnalyserName = Literal["plain", "english"]

VERSION = 1
"""Version of the analysers. From the first release on it rises with every change that moves a token of any text."""


@dataclass(frozen=True)
class AnalyserSettings:
    """What moves a token: two indexes with equal settings hold the same tokens for the same text.

    `analyser`: "plain" (words in lower case) or "english" (Snowball's English stemmer on top). `stop_words`: words that
    are left out: "none", "english" (Lucene's 33), or your own, which are brought into lower case and order.
    docs/lexical.md says what a token is.

    Raises InvalidInput for anything else.
    """

    analyser: AnalyserName = "english"
    stop_words: Literal["none", "english"] | tuple[str, ...] = "english"

    def __post_init__(self) -> None:
        canonical = json.loads(_native.canonical_settings(self._written()))["stop_words"]
        if not isinstance(canonical, str):
            object.__setattr__(self, "stop_words", tuple(canonical))

    def to_json(self) -> str:
        """The stable form: one line, equal for equal settings."""
        return _native.canonical_settings(self._written())

    @classmethod
    def from_json(cls, text: str) -> AnalyserSettings:
        """Read what `to_json` wrote. Raises InvalidInput for anything else, another version among it."""
        if not isinstance(text, str):
            raise InvalidInput(f"settings must be JSON in a str, not {type(text).__name__}")
        values = json.loads(_native.canonical_settings(text))
        analyser: AnalyserName = values["analyser"]
        words: Literal["none", "english"] | list[str] = values["stop_words"]
        return cls(analyser, tuple(words) if isinstance(words, list) else words)

    def _written(self) -> str:
        words = self.stop_words if isinstance(self.stop_words, str) else list(self.stop_words)
        try:
            return json.dumps({"analyser": self.analyser, "stop_words": words, "version": VERSION})
        except TypeError as error:
            raise InvalidInput(f"analyser settings are made of str: {error}") from None


def tokens(texts: Sequence[str], settings: AnalyserSettings) -> list[list[str]]:
    """The tokens of each text, in order, as segments, tails and queries have them. Raises InvalidInput."""
    return _native.text_tokens(text_list(texts, "texts"), settings.to_json())


def text_list(texts: Sequence[str], name: str) -> list[str]:
    """Texts as the extension takes them; it checks each. Raises InvalidInput for a str in place of a list."""
    if isinstance(texts, str | bytes):
        raise InvalidInput(f"{name} must be a list of str, not one {type(texts).__name__}: put it in a list")
    try:
        return texts if isinstance(texts, list) else list(texts)
    except TypeError:
        raise InvalidInput(f"{name} must be a list of str, not {type(texts).__name__}") from None
