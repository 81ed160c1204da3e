"""What in a query is meant to the letter by its form alone: part numbers, names in code, long numbers, quoted phrases.

Words find these, a model of meaning cuts them into pieces that say little, and one that was tuned on prose may lose
them. Slices of a decision and causes of a diagnosis are told by this one rule. A diagnosis knows the corpus, and looks
further (`diagnosis.identifiers`): it takes capitals, fractions and rare words too, and leaves out what many documents
have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_EDGES = "()[]{}<>,;:!?'\"“”„«»`"
_QUOTED = re.compile(r"[\"“”„«»](?=[^\"“”„«»]*\w)([^\"“”„«»\s][^\"“”„«»]{0,79})[\"“”„«»]")
# What joins a name's parts in code, in an address, in a path; a full stop only between two letters and two, as in
# os.path, for "e.g." is prose.
_JOINT = re.compile(r"\w(?:_|::|->|@|#|\\|&)\w|\w{2}\.\w{2}")
_NUMBERS = re.compile(r"\d+(?:[.-]\d+){2,}")
_FRACTION = re.compile(r"\d\.\d")
_CAMEL = re.compile(r"[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+")
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")
_LONG_NUMBER = 4  # digits: below that it counts something


@dataclass(frozen=True, slots=True)
class Forms:
    """Words as they stand, without what surrounds them. `codes`: meant to the letter; `quoted`: phrases in double
    quotes; `capitals`: words of two capitals or more and nothing else, which may be names (EBITDA) or only loud;
    `fractions`: of a number (3.5), which may be a name's or a measure's."""

    codes: list[str]
    quoted: list[str]
    capitals: list[str]
    fractions: list[str]


def forms(text: str) -> Forms:
    """Of a query, in its order. Time is linear in the text."""
    bare = [word.strip(_EDGES).rstrip(".") for word in text.split()]
    codes = [word for word in bare if is_code(word)]
    rest = [word for word in bare if not is_code(word)]
    capitals, fractions = ([word for word in rest if told(word)] for told in (is_capitals, is_fraction))
    return Forms(codes, _QUOTED.findall(text), capitals, fractions)


def has_identifier(text: str) -> bool:
    """Whether a query carries a code (`is_code`) or a phrase in double quotes."""
    found = forms(text)
    return bool(found.codes or found.quoted)


def is_code(word: str) -> bool:
    """A word of letters and digits together (`ldf6920bb`, `AB-12/9`, `v1.2`); a number of four digits or more, or of
    three parts (`192.168.0.1`); one with a joint that prose lacks (`foo_bar`, `a::b`, `os.path`, `AT&T`), or capitals
    within (`camelCase`)."""
    return bool(
        is_mixed(word)
        or (not _LETTER.search(word) and len(_DIGIT.findall(word)) >= _LONG_NUMBER)
        or _NUMBERS.fullmatch(word)
        or _JOINT.search(word)
        or _CAMEL.fullmatch(word)
    )


def is_mixed(word: str) -> bool:
    """Of letters and digits together."""
    return bool(_LETTER.search(word) and _DIGIT.search(word))


def is_fraction(word: str) -> bool:
    """A number with a point within."""
    return bool(_FRACTION.search(word))


def is_capitals(word: str) -> bool:
    """Two letters or more, all of them capitals."""
    return len(_LETTER.findall(word)) >= 2 and word.isupper()
