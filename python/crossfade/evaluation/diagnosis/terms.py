"""Words that some queries have more often than the others: log-odds with an informative Dirichlet prior (Monroe,
Colaresi and Quinn 2008, "Fightin' Words", Political Analysis 16(4), equations 15 to 22), over queries that have a word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from crossfade.evaluation.diagnosis.types import Term
from crossfade.lexical import AnalyserSettings, tokens

_ASKING = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with about can could did do does from get give had has have how i me my our should some tell us use "
    "used using we were what when where which who why would you your"
)
_WORDS = AnalyserSettings("plain", tuple(_ASKING.split()))
_PRIOR = 20.0  # words that the prior weighs as much as, shared out as all queries have them
_LEAST_QUERIES = 2
_LEAST_Z = 1.645  # one-sided, 5%
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]{1,7}\b")


def recurring_terms(inside: Sequence[str], outside: Sequence[str], most: int = 20) -> list[Term]:
    """Words that at least two texts of `inside` have, and more often than those of `outside` do: z of the log-odds at
    least 1.645; the largest z first, then by word. The z is a ranking and not a test: many words are looked at."""
    ours, theirs = _counts(inside), _counts(outside)
    both = ours + theirs
    all_words, our_words, their_words = both.total(), ours.total(), theirs.total()
    acronyms = {word.lower() for text in inside for word in _ACRONYM.findall(text) if not text.isupper()}
    found = []
    for word, count in ours.items():
        if count < _LEAST_QUERIES:
            continue
        prior = _PRIOR * both[word] / all_words
        first = _log_odds(count, our_words, prior)
        second = _log_odds(theirs[word], their_words, prior)
        z = (first - second) / math.sqrt(1 / (count + prior) + 1 / (theirs[word] + prior))
        if z >= _LEAST_Z:
            found.append(Term(word, count, theirs[word], first - second, z, word in acronyms))
    return sorted(found, key=lambda term: (-term.z, term.term))[:most]


def naming_terms(inside: Sequence[str], outside: Sequence[str], most: int = 3) -> list[str]:
    """Words to call a group of texts by: those that recur in it, or where none does, those of its first text."""
    found = [term.term for term in recurring_terms(inside, outside, most)]
    if found or not inside:
        return found
    return list(dict.fromkeys(tokens([inside[0]], _WORDS)[0]))[:most]


def _counts(texts: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for words in tokens(list(texts), _WORDS):
        found.update(set(words))
    return found


def _log_odds(count: int, words: int, prior: float) -> float:
    """Of a word among all words of its side, the prior added to both."""
    return math.log((count + prior) / (words + _PRIOR - count - prior))
