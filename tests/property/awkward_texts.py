"""Ten thousand strings on which two tokenizers might disagree, the same in every run."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

# Where planes and blocks begin and end, and what lies beside the surrogates: those alone no string may hold.
_EDGES = [
    0x7F,
    0x80,
    0xFF,
    0x7FF,
    0x800,
    0xD7FF,
    0xE000,
    0xF8FF,
    0xFDD0,
    0xFEFF,
    0xFFF9,
    0xFFFC,
    0xFFFD,
    0xFFFE,
    0xFFFF,
]
EDGES = _EDGES + [plane << 16 | end for plane in range(1, 17) for end in (0, 1, 0xFFFD, 0xFFFE, 0xFFFF)]
MARKS = [
    code
    for first, last in ((0x300, 0x36F), (0x591, 0x5C7), (0x610, 0x61A), (0x93A, 0x94D), (0x20D0, 0x20F0))
    for code in range(first, last + 1)
]
CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0), 0xAD, 0x61C, 0x180E, 0xFEFF, 0xE0001, *range(0xE0020, 0xE0030)]
BIDI = [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
SPACES = [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200E), 0x2028, 0x2029, 0x202F]
SPACES += [0x205F, 0x2060, 0x3000, 0x2581]
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇫🇷", "1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️", "🧑🏿‍🚀", "☺︎", "🇫", "\u200d", "\ufe0f"]
SCRIPTS = [
    "straße",
    "ﬁne",
    "İstanbul",
    "ǅ",
    "Ωmega",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "ไทย",
    "한국어",
    "한",
    "日本語",
    "𠀀𪜶",
    "ｶﾞ",
    "①½",
]
WORDS = ["the", "quick", "a", "embedding", "Ünïcödé", "don't", "U.S.A.", "3.14159", "C++", "naïve", "e\u0301", "\ufffd"]
# As special tokens are written in the tokenizers under test, and nearly so.
SPECIAL = [
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "[MASK]",
    "[UNK]",
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "[cls]",
    "##ing",
    "▁the",
    "Ġthe",
]

_COUNT = 10_000


def _any(rng: random.Random) -> str:
    while True:
        character = chr(rng.randrange(0x110000))
        if unicodedata.category(character) != "Cs":
            return character


def _of(codes: list[int]) -> Callable[[random.Random], str]:
    return lambda rng: chr(rng.choice(codes))


def _among(strings: list[str]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(strings)


def _marked(rng: random.Random) -> str:
    marks = "".join(chr(rng.choice(MARKS)) for _ in range(rng.randint(1, 6)))
    return rng.choice("aeoZ日 ") + marks


_PARTS: list[Callable[[random.Random], str]] = [
    _any,
    _of(EDGES),
    _of(CONTROLS),
    _of(BIDI),
    _of(SPACES),
    _of(list(range(0x20, 0x7F))),
    _of(list(range(0x4E00, 0x9FFF))),
    _of(list(range(0xAC00, 0xD7A4))),
    _of(list(range(0x1F300, 0x1FAFF))),
    _marked,
    _among(EMOJI),
    _among(SCRIPTS),
    _among(WORDS),
    _among(SPECIAL),
]


def _mixture(rng: random.Random) -> str:
    """Of a few kinds, with some kind of space between or none."""
    kinds = rng.sample(_PARTS, rng.randint(1, 4))
    joint = rng.choice(["", "", " ", "  ", chr(rng.choice(SPACES))])
    return joint.join(rng.choice(kinds)(rng) for _ in range(rng.choice([1, 2, 3, 5, 8, 13, 30])))


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS + SCRIPTS) for _ in range(rng.randint(1, 60)))


def sentences(count: int) -> list[str]:
    """For tokenizers to learn from: the rest of the texts then holds what they never saw."""
    rng = random.Random(7)
    return [_sentence(rng) for _ in range(count)]


def texts() -> list[str]:
    """Each once, the empty one among them."""
    rng = random.Random(20_240_229)
    found = dict.fromkeys(
        ["", " ", "\0", "\n", "\u2581", "\u0301", "a" * 20_000, "日" * 3_000, "\u0301" * 3_000, " " * 3_000]
    )
    # Around every limit that a test sets, whatever a word is worth: one token, a few, or none.
    for word in ("the ", "a", "日", ". ", "embedding ", "\u0301a ", "🇫🇷", "\0"):
        for count in [*range(1, 40), *range(245, 262), 510, 511, 512, 513]:
            found[word * count] = None
            found[(word * count).rstrip() + rng.choice(["", "\n", "\u200b", " \t "])] = None
    while len(found) < _COUNT * 3 // 10:
        found[_sentence(rng)] = None
    while len(found) < _COUNT:
        found[_mixture(rng)] = None
    return list(found)
