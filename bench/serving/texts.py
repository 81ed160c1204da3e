"""Texts of given lengths in tokens, no two alike."""

from __future__ import annotations

import random
from pathlib import Path

from crossfade.models import Bundle
from crossfade.models.tokenizer import TextTokenizer

# Each is one token of MiniLM's vocabulary.
WORDS = (  # noqa: SIM905
    "search system document query model index market river mountain garden music history science language number "
    "picture machine energy water light sound paper doctor teacher student village station bridge letter market"
).split()
SPECIAL_TOKENS = 2
MOST_TOKENS = 200


def of_length(tokens: int, count: int, seed: int = 0) -> list[str]:
    """So many texts of so many tokens each, special tokens included."""
    draw = random.Random(seed)
    return [_text(draw, tokens) for _ in range(count)]


def mixed(count: int, seed: int = 0) -> list[str]:
    """Lengths as passages have them: log-normal, a median of 25 tokens, a tail to 200."""
    draw = random.Random(seed)
    return [_text(draw, max(4, min(MOST_TOKENS, round(draw.lognormvariate(3.2, 0.8))))) for _ in range(count)]


def _text(draw: random.Random, tokens: int) -> str:
    return " ".join(draw.choices(WORDS, k=tokens - SPECIAL_TOKENS))


def tokens(bundle: Bundle, texts: list[str]) -> int:
    """Tokens in all of them."""
    return int(TextTokenizer(Path(bundle.tokenizer_path), bundle.max_tokens).tokenise(texts).token_counts.sum())
