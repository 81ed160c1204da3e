"""Texts that look alike: without accents, and with Latin letters for the Cyrillic and Greek ones of the same shape.

`Overlap` compares letters as they are. Here each text that can be mistaken for another is compared in its plain form
too, on both sides: what is found with letters as they are stays found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from crossfade.overlap import Kind, Matches, Overlap, OverlapSettings

# Marks on letters of other scripts are vowels, and part of the word.
_MARKED_BELOW = "\u0530"
_CYRILLIC = "аеорсухіјѕԁԛԝһАВЕКМНОРСТУХІЈЅ", "aeopcyxijsdqwhABEKMHOPCTYXIJS"
_GREEK = "ονΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ovABEZHIKMNOPTYX"
_LATIN = "ıøłđØŁĐ", "ioldOLD"
_SHAPES = str.maketrans(
    "".join(letters for letters, _ in (_CYRILLIC, _GREEK, _LATIN)),
    "".join(latin for _, latin in (_CYRILLIC, _GREEK, _LATIN)),
)


def plain(text: str) -> str:
    """`text` in NFKD, without the marks of Latin, Greek and Cyrillic letters; where it has Latin letters too, those of
    other scripts that are drawn the same are Latin ones."""
    if text.isascii():
        return text
    letters: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.combining(character):
            if base < _MARKED_BELOW:
                continue
        else:
            base = character
        letters.append(character)
    found = unicodedata.normalize("NFC", "".join(letters))
    if any(character.isascii() and character.isalpha() for character in found):
        found = found.translate(_SHAPES)
    return found


class PlainOverlap:
    """Known texts, as `crossfade.overlap.Overlap` has them, and in plain form. Safe to search from many threads."""

    def __init__(
        self, texts: Iterable[str], settings: OverlapSettings | None = None, *, threads: SupportsIndex | None = None
    ) -> None:
        """Raises what `Overlap` does."""
        known = list(texts)
        self._count = len(known)
        forms, self._places = _forms(known)
        self._overlap = Overlap(forms, settings, threads=threads)

    def find(self, texts: Iterable[str], *, containment: bool = True, threads: SupportsIndex | None = None) -> Matches:
        """As `Overlap.find`: each pair once, by its strongest kind. A pair that is the same in its plain form alone is
        a normalised copy. Raises what `Overlap.find` does."""
        asked = list(texts)
        forms, places = _forms(asked)
        found = self._overlap.find(forms, containment=containment, threads=threads)
        if len(forms) == len(asked) and len(self._places) == self._count:
            return found
        row, known = places[found.texts], self._places[found.known]
        changed = (found.texts >= len(asked)) | (found.known >= self._count)
        kinds = np.where(changed & (found.kinds == Kind.EXACT), np.uint8(Kind.NORMALISED), found.kinds)
        order = np.lexsort((-found.similarities, kinds, known, row))
        row, known = row[order], known[order]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = (row[1:] != row[:-1]) | (known[1:] != known[:-1])
        return Matches(row[first], known[first], kinds[order][first], found.similarities[order][first])


def _forms(texts: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The texts, behind them the plain forms that differ, and each one's place among the texts."""
    changed = [
        (place, form)
        for place, text in enumerate(texts)
        # What is no text is for Overlap to refuse, with its place.
        if isinstance(text, str) and (form := plain(text)) != text
    ]
    places = [*range(len(texts)), *(place for place, _ in changed)]
    return [*texts, *(form for _, form in changed)], np.array(places, dtype=np.int64)
