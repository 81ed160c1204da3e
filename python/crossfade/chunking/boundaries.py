"""Where a text may be cut at all: between what a reader sees as characters (extended grapheme clusters).

The rules are those of Unicode Standard Annex 29, with classes taken from the Unicode database that Python carries.
Where they need data that it lacks (pictographs, Indic conjuncts), more is kept together, never less.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput

SPACE, EXTEND, JOINER, CONTROL, PREPEND, VIRAMA, SPACELESS, FLAG = (1 << bit for bit in range(8))

# Beyond these planes only tags and variation selectors have a class.
_END_OF_TABLE = 0x30000
_TAGS = range(0xE0020, 0xE0080)
_SELECTORS = range(0xE0100, 0xE01F0)
_PREPENDED = (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0xD4E, 0x110BD, 0x110CD, 0x111C2, 0x111C3)
# Written without spaces: a line may end between any two letters.
_SPACELESS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FFF), (0x3005, 0x30FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x2FFFF)),
)
_LEADING = ((0x1100, 0x115F), (0xA960, 0xA97C))
_VOWELS = ((0x1160, 0x11A7), (0xD7B0, 0xD7C6))
_TRAILING = ((0x11A8, 0x11FF), (0xD7CB, 0xD7FB))
_SYLLABLES = (0xAC00, 0xD7A3)


def codes_of(text: str) -> NDArray[np.uint32]:
    """The code points. Raises InvalidInput for a lone surrogate."""
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the text holds the lone surrogate {text[error.start]!a} at character {error.start}, which is not Unicode "
            'text: decode its source as UTF-8 with errors="replace", or drop the character'
        ) from None


def classes_of(codes: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The classes of each character, as bits."""
    found = _table()[np.minimum(codes, _END_OF_TABLE)]
    tag = ((codes >= _TAGS.start) & (codes < _TAGS.stop)) | ((codes >= _SELECTORS.start) & (codes < _SELECTORS.stop))
    found[tag] = EXTEND
    return found


def boundaries(codes: NDArray[np.uint32], classes: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Shape (len + 1,): whether the text may be cut before character i. Its two ends always may."""
    free = np.ones(len(codes) + 1, dtype=np.bool_)
    if len(codes) < 2:
        return free
    left, right = classes[:-1], classes[1:]
    control = ((left | right) & CONTROL) != 0
    joined = ((right & (EXTEND | JOINER)) != 0) | ((left & (PREPEND | VIRAMA)) != 0)
    # An emoji is joined to the next by it, a letter asks its neighbour for a form: neither stands alone.
    joined |= ((left & JOINER) != 0) & ((right & SPACE) == 0)
    joined |= _within_flag(left, right) | _within_syllable(codes)
    free[1:-1] = ~joined | control
    free[1:-1] &= ~((codes[:-1] == 0x0D) & (codes[1:] == 0x0A))
    return free


def _within_flag(left: NDArray[np.uint16], right: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Between the two regional indicators of a pair, counted from where their run begins."""
    result = np.zeros(len(left), dtype=np.bool_)
    pairs = np.flatnonzero((left & right & FLAG) != 0)
    if not len(pairs):
        return result
    # Within a run of adjacent places every second one, from the first on, is inside a pair.
    first = np.concatenate(([True], np.diff(pairs) != 1))
    begin = np.maximum.accumulate(np.where(first, pairs, 0))
    result[pairs[(pairs - begin) % 2 == 0]] = True
    return result


def _within_syllable(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Between the letters (jamo) of one Korean syllable."""
    left, right = codes[:-1], codes[1:]
    if not (codes >= _LEADING[0][0]).any():
        return np.zeros(len(left), dtype=np.bool_)
    composed = _within(left, _SYLLABLES)
    open_syllable = composed & ((left - _SYLLABLES[0]) % 28 == 0)
    vowel, trailing = _within(right, *_VOWELS), _within(right, *_TRAILING)
    after_leading = _within(left, *_LEADING) & (_within(right, *_LEADING, _SYLLABLES) | vowel)
    after_vowel = (_within(left, *_VOWELS) | open_syllable) & (vowel | trailing)
    after_leading |= after_vowel | ((_within(left, *_TRAILING) | composed) & trailing)
    return after_leading


def _within(codes: NDArray[np.uint32], *ranges: tuple[int, int]) -> NDArray[np.bool_]:
    result = np.zeros(len(codes), dtype=np.bool_)
    for first, last in ranges:
        result |= (codes >= first) & (codes <= last)
    return result


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint16]:
    """Made when it is first asked for, and not at import: it takes a tenth of a second."""
    table = np.zeros(_END_OF_TABLE + 1, dtype=np.uint16)
    for code in range(_END_OF_TABLE):
        character = chr(code)
        category = unicodedata.category(character)
        if character.isspace():
            table[code] |= SPACE
        if category in {"Mn", "Mc", "Me"}:
            table[code] |= EXTEND
            if unicodedata.combining(character) == 9:
                table[code] |= VIRAMA
        elif category in {"Cc", "Zl", "Zp"}:
            table[code] |= CONTROL
    table[[0x200C, 0xFF9E, 0xFF9F, *range(0x1F3FB, 0x1F400)]] |= EXTEND
    table[0x200D] |= JOINER
    table[list(_PREPENDED)] |= PREPEND
    table[0x1F1E6:0x1F200] |= FLAG
    for first, last in _SPACELESS:
        letters = [code for code in range(first, last + 1) if chr(code).isalnum()]
        table[letters] |= SPACELESS
    table.flags.writeable = False
    return table
