"""What in a query is meant to the letter: codes, model numbers, names in capitals, quoted words, rare words.

A model of meaning cuts such words into pieces that say little; BM25 compares them whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crossfade.evaluation.identifiers import forms, is_capitals, is_code, is_fraction, is_mixed
from crossfade.lexical import AnalyserSettings, tokens

_WORDS = AnalyserSettings("plain", "none")
_RARE_SHARE = 0.001  # of the documents
_RARE_LEAST = 2
_COMMON_SHARE = 0.05
_COMMON_LEAST = 5
_MOSTLY = 0.7
_LEAST_BARE = 5


@dataclass(frozen=True, slots=True)
class Identifiers:
    """`codes`: tokens of the query that are meant to the letter by their form. `rare`: that few documents have."""

    codes: frozenset[str]
    rare: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.codes or self.rare)

    @property
    def all(self) -> frozenset[str]:
        return self.codes | self.rare


class Vocabulary:
    """In how many documents each token is."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Time and memory are linear in the texts' tokens."""
        self._counts: Counter[str] = Counter()
        for words in tokens(list(texts), _WORDS):
            self._counts.update(set(words))
        self._rare = max(_RARE_LEAST, int(_RARE_SHARE * len(texts)))
        self._common = max(_COMMON_LEAST, int(_COMMON_SHARE * len(texts)))

    def documents(self, token: str) -> int:
        return self._counts[token]

    def rare(self, token: str) -> bool:
        """Some document has it, and at most one in a thousand (in a small corpus two)."""
        return 0 < self._counts[token] <= self._rare

    def identifiers(self, query: str) -> Identifiers:
        """Of a query.

        By form: its codes (`identifiers.is_code`) and fractions, and two capitals or more alone (`EBITDA`), unless most
        of the query's words are in capitals; whatever is in double quotes; but none that more than one document in
        twenty has (in a small corpus five). By number: a word that some document has, and at most one in a thousand.
        """
        found, words = forms(query), query.split()
        shouted = sum(1 for word in words if is_capitals(word))
        loud = len(words) > 1 and shouted >= _MOSTLY * len(words)
        whole = [*found.quoted, *([] if loud else found.capitals)]
        codes = [*found.codes, *found.fractions]
        named = words_of(whole) | {token for token in words_of(codes) if self._tells(token)}
        kept = {token for token in named if self._counts[token] <= self._common}
        rare = {token for token in words_of([query]) - kept if self.rare(token)}
        return Identifiers(frozenset(kept), frozenset(rare))

    def _tells(self, token: str) -> bool:
        """Of the tokens of a code, which are its words too (`dvd-2930ci`: also `dvd`), those that are codes."""
        return is_code(token) or is_fraction(token) or self.rare(token)


def spelled_otherwise(codes: Iterable[str], words: Iterable[str]) -> dict[str, str]:
    """Codes that are among the words but for the signs within them: `kx-tg6313s` for `kxtg6313s`. Of letters and
    digits, five at least; neither the model nor BM25 takes the two for one."""
    held = {_squeezed(word): word for word in sorted(words) if is_mixed(word)}
    found = {}
    for code in sorted(codes):
        bare = _squeezed(code)
        if len(bare) >= _LEAST_BARE and is_mixed(code) and held.get(bare, code) != code:
            found[code] = held[bare]
    return found


def _squeezed(code: str) -> str:
    return "".join(letter for letter in code.casefold() if letter.isalnum())


def words_of(texts: Iterable[str]) -> set[str]:
    """The tokens of all texts, as BM25's plain analyser has them: codes whole, and their words."""
    given = list(texts)
    return {token for words in tokens(given, _WORDS) for token in words}
