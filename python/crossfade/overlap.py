"""Which texts are copies or near-copies of texts that are known: exact set-similarity search in Rust.

The known texts are few and held in memory; any number of others is held against them, batch by batch. Every pair that
reaches a threshold is found, and none that does not: nothing is sampled or approximated (`rust/overlap` says how).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from crossfade import _native
from crossfade.arguments import real, whole
from crossfade.errors import InvalidInput

_MOST = 2**63 - 1
_AGREEMENT = 0.9


class Kind(IntEnum):
    """How a text was found to be a copy: the first that fits."""

    EXACT = 0
    """Byte for byte."""
    NORMALISED = 1
    """The same after `normalise`."""
    CHARACTERS = 2
    """Like words, in any order."""
    PHRASES = 3
    """Like sequences of words."""
    CONTAINMENT = 4
    """The smaller text lies, nearly whole, within the larger one."""


@dataclass(frozen=True, slots=True)
class OverlapSettings:
    """From when on two texts are near-copies. Similarities are shares, above 0 and at most 1.

    `characters`: least Jaccard similarity |A ∩ B| / |A ∪ B| of the sets of 4-character pieces of the words of two
    texts, whatever the order of their words; of texts of at most `short_words` words, since all long texts share most.

    `phrases`: least Jaccard similarity of the sets of 3-word sequences of two texts of at least `least_words` words.
    `containment`: least |A ∩ B| / min(|A|, |B|) of the same sets, where containment is asked for.

    With `numbers`, of the words with a digit in them nine tenths of the text that has fewer must be in the other: what
    is asked about 2010 is not what is asked about 2011, and one model of a product is not the other.
    """

    characters: float = 0.85
    phrases: float = 0.7
    containment: float = 0.9
    short_words: int = 500
    least_words: int = 5
    numbers: bool = True

    def __post_init__(self) -> None:
        for name in ("characters", "phrases", "containment"):
            value = real(getattr(self, name), name, "above 0 and at most 1")
            if not 0.0 < value <= 1.0:
                raise InvalidInput(f"{name} must be above 0 and at most 1, not {value}")
        whole(self.short_words, "short_words", 0, _MOST)
        whole(self.least_words, "least_words", 3, _MOST)


class Matches(NamedTuple):
    """Pairs of a text and a known text, by text, then by known text; one axis each, of equal length.

    `texts`, `known`: places, int64. `kinds`: uint8, of `Kind`. `similarities`: float64, by the kind's own measure; 1
    for exact and normalised copies.
    """

    texts: NDArray[np.int64]
    known: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    similarities: NDArray[np.float64]


class Overlap:
    """Known texts. Safe to search from many threads."""

    def __init__(
        self, texts: Iterable[str], settings: OverlapSettings | None = None, *, threads: SupportsIndex | None = None
    ) -> None:
        """Time and memory O(the texts' size), about ten times the bytes of their text. Texts without a visible
        character are like no other. `threads`: None or 0 uses every core.

        Raises InvalidInput for a text that is no str or holds half a surrogate pair, LimitExceeded for more than 2^32
        shingles.
        """
        self.settings = settings or OverlapSettings()
        self._native = _native.OverlapIndex(_listed(texts), asdict(self.settings), _threads(threads))

    def __len__(self) -> int:
        return len(self._native)

    def find(self, texts: Iterable[str], *, containment: bool = True, threads: SupportsIndex | None = None) -> Matches:
        """Every pair of a text and a known one that are copies or near-copies.

        With `containment`, a text that lies within another is a near-copy of it. The result depends neither on threads
        nor on what else is in the batch. The GIL is released meanwhile, and Ctrl-C stops the work. Time O(the texts'
        size) for texts that are like none; memory O(known texts) a thread and O(pairs).

        Raises InvalidInput for a text that is no str or holds half a surrogate pair.
        """
        return Matches(*self._native.find(_listed(texts), containment, _threads(threads)))


def normalise(text: str) -> str:
    """What texts are compared by: Unicode NFKC, lower case, words with one blank between them, no punctuation.

    An apostrophe within a word is left out ("don't", "dont"); `+` and `#` stay behind a word that ends in a letter
    ("C++", "C#"). A text without any word keeps its symbols.
    """
    return _native.normalise_texts([text])[0]


def agree_in_numbers(text: str, other: str) -> bool:
    """Whether nine tenths of the words with a digit of the text that has fewer of them are in the other, as
    `OverlapSettings.numbers` asks: for what finds copies by other means than `Overlap`."""
    some, more = sorted((_numbers(text), _numbers(other)), key=len)
    return not some or len(some & more) / len(some) >= _AGREEMENT


def _numbers(text: str) -> set[str]:
    words = normalise(text).split(" ")
    return {word for word in words if any(unicodedata.category(character)[0] == "N" for character in word)}


def _listed(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise InvalidInput("texts must be a sequence of str, not one str")
    return texts if isinstance(texts, list) else list(texts)


def _threads(threads: SupportsIndex | None) -> int:
    return whole(0 if threads is None else threads, "threads", 0, 4096)
