"""What is put before a chunk's text, and how many tokens that leaves for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from crossfade.chunking.outline import Section
from crossfade.chunking.settings import ChunkingSettings, Method
from crossfade.chunking.types import TokenBudget, TokenCounter
from crossfade.errors import InvalidInput

HEADING_SEPARATOR = " > "
# A prefix that takes more of the budget than three quarters is left out: chunks would differ in little but order.
_LEAST_SHARE = 4


class Prefix(NamedTuple):
    """`text`: what is put before; `room`: tokens left for the chunk's text; `left_out`: a title that did not fit."""

    text: str
    room: int
    left_out: bool


class Prefixes:
    """Chooses prefixes, and remembers how long each is. One for a call: it keeps every prefix it has seen."""

    def __init__(self, tokenizer: TokenCounter, budget: TokenBudget, settings: ChunkingSettings) -> None:
        """Raises InvalidInput when the prompt leaves no room for a text."""
        self._tokenizer = tokenizer
        self._budget = budget
        self._settings = settings
        self._counts: dict[str, int] = {}
        self.plain = budget.max_tokens - budget.special_tokens - self._count("")
        if self.plain < 1:
            raise InvalidInput(
                f"the prompt and {budget.special_tokens} special tokens fill the {budget.max_tokens} tokens that the "
                "model reads: use a shorter prompt or a higher max_tokens"
            )
        self._least = -(-self.plain // _LEAST_SHARE)

    def learn(self, titles: Iterable[str]) -> None:
        """Count the titles' tokens in one call."""
        prefixes = list(dict.fromkeys(f"{title} " for title in titles if title))
        counts = self._tokenizer.counts([self._budget.prompt + prefix for prefix in prefixes])
        self._counts.update(zip(prefixes, counts.tolist(), strict=True))

    def choose(self, title: str, section: Section, start: int) -> Prefix:
        """The prefix of a chunk that begins at `start`: title and headings, else the title, else nothing.

        Method "whole" keeps the title whatever it leaves: its chunk is `Document.content`.
        """
        prefix = f"{title} " if title else ""
        if self._settings.method is Method.WHOLE:
            return Prefix(prefix, self._room(prefix), left_out=False)
        if self._settings.heading_prefix:
            above = [heading.title for heading in section.path if heading.start < start and heading.title]
            if above:
                longer = f"{prefix}{HEADING_SEPARATOR.join(above)} "
                if (room := self._room(longer)) >= self._least:
                    return Prefix(longer, room, left_out=False)
        room = self._room(prefix)
        if room >= self._least:
            return Prefix(prefix, room, left_out=False)
        return Prefix("", self.plain, left_out=bool(title))

    def _room(self, prefix: str) -> int:
        return self._budget.max_tokens - self._budget.special_tokens - self._count(prefix)

    def _count(self, prefix: str) -> int:
        found = self._counts.get(prefix)
        if found is None:
            found = self._counts[prefix] = int(self._tokenizer.counts([self._budget.prompt + prefix])[0])
        return found
