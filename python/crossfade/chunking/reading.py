"""How far a model reads: as much of a text is tokenised as it takes to know, since a long one may be all but unread."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crossfade.chunking.types import TitledText, TokenBudget, TokenCounter

# Characters that are looked at first for each token that the model reads, about twice what running text has.
_CHARACTERS = 8
# Tokens between where the model stops and where the looking stops: a tokenizer that joins words, or normalises what is
# beside white space, sees what follows as it would in the whole text.
_MARGIN = 64
_SPACE = re.compile(r"\s")


def read_ends(before: Sequence[str], texts: Sequence[str], tokenizer: TokenCounter, budget: TokenBudget) -> list[int]:
    """Of each text the character before which the model stops, when it is given `before[i] + texts[i]`: the length of
    the text where it reads all, 0 where it stops within `before[i]`. The prompt is part of that.

    Raises InvalidInput for text that is not Unicode.
    """
    kept = budget.max_tokens - budget.special_tokens
    found = [len(text) for text in texts]
    given = [first + text for first, text in zip(before, texts, strict=True)]
    looking, reach = list(range(len(given))), (kept + _MARGIN) * _CHARACTERS
    while looking:
        parts = [_part(given[at], reach) for at in looking]
        longer: list[int] = []
        for at, part, places in zip(looking, parts, tokenizer.offsets(parts), strict=True):
            if len(part) < len(given[at]) and len(places) < kept + _MARGIN:
                longer.append(at)
            elif len(places) > kept:
                stop = int(places[kept - 1, 1]) - len(before[at])
                found[at] = min(max(stop, 0), len(texts[at]))
        looking, reach = longer, reach * 4
    return found


def whole_read_ends(documents: Sequence[TitledText], tokenizer: TokenCounter, budget: TokenBudget) -> list[int]:
    """`read_ends` of documents that are not cut: what `chunk` says of them with the method "whole"."""
    before = [budget.prompt + (f"{document.title} " if document.title else "") for document in documents]
    return read_ends(before, [document.text for document in documents], tokenizer, budget)


def visible(text: str, start: int, end: int) -> int:
    """Characters [start, end) of a text, white space not counted."""
    return sum(map(len, text[start:end].split())) if end > start else 0


def _part(text: str, reach: int) -> str:
    """A beginning of about `reach` characters, or of twice as many, that ends before white space; else all."""
    if len(text) <= reach:
        return text
    space = _SPACE.search(text, reach, 2 * reach)
    return text if space is None else text[: space.start()]
