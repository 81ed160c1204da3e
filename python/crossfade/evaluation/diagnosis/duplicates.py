"""Near-identical documents: the same text again, or another edition of it."""

from __future__ import annotations

from functools import lru_cache

from crossfade.lexical import AnalyserSettings, tokens

NEAR = 0.6
"""Jaccard similarity of the sets of three consecutive words (Broder 1997, "On the resemblance and containment of
documents") from which two documents are near-identical: of ten words in a row, one changed leaves 0.45 to 0.8."""

_WORDS = AnalyserSettings("plain", "none")
_ROW = 3


@lru_cache(maxsize=4096)
def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Every three words in a row, in lower case; of a shorter text all of it."""
    words = tokens([text], _WORDS)[0]
    if len(words) < _ROW:
        return frozenset([tuple(words)]) if words else frozenset()
    return frozenset(tuple(words[at : at + _ROW]) for at in range(len(words) - _ROW + 1))


def resemblance(first: str, second: str) -> float:
    """Jaccard similarity of the shingles, from 0 to 1; 0 where either text has no word."""
    ours, theirs = shingles(first), shingles(second)
    if not ours or not theirs:
        return 0.0
    return len(ours & theirs) / len(ours | theirs)
