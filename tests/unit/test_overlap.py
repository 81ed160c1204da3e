"""The door to the search for copies: what it refuses, and what it finds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.overlap import Kind, Overlap, OverlapSettings, agree_in_numbers, normalise

LONG = "the quick brown fox jumps over the lazy dog and runs away into the dark forest behind the old mill"
MORE = "nobody has seen it since that evening in late autumn when the river rose above its banks"


def kinds(known: list[str], text: str, **options: Any) -> list[tuple[int, Kind]]:
    found = Overlap(known).find([text], **options)
    return [(place, Kind(kind)) for place, kind in zip(found.known.tolist(), found.kinds.tolist(), strict=True)]


def test_each_kind_of_copy_is_named_by_the_first_that_fits() -> None:
    assert kinds([LONG], LONG) == [(0, Kind.EXACT)]
    assert kinds([LONG], LONG.upper() + "!") == [(0, Kind.NORMALISED)]
    assert kinds([LONG], LONG.replace("quick brown", "brown quick")) == [(0, Kind.CHARACTERS)]
    assert kinds([LONG], f"{LONG}. {MORE}.") == [(0, Kind.CONTAINMENT)]
    assert kinds([f"{MORE}. {LONG}"], LONG) == [(0, Kind.CONTAINMENT)]
    assert kinds([LONG], f"{LONG}. {MORE}.", containment=False) == []
    assert kinds([LONG], MORE) == []
    # Too long for pieces of words, of which all long texts have the most.
    settings = OverlapSettings(short_words=10)
    found = Overlap([LONG], settings).find([LONG.replace("the old", "the very old")])
    assert [Kind(kind) for kind in found.kinds.tolist()] == [Kind.PHRASES]


def test_similarities_are_those_of_the_formulas() -> None:
    found = Overlap(["alpha beta"]).find(["alpha beta", "ALPHA, beta"])
    assert found.similarities.tolist() == [1.0, 1.0]
    known, text = "alpha beta abcdefghijklmnopq", "alpha betas abcdefghijklmnopq"
    pieces = {w: {f"^{w}$"[i : i + 4] for i in range(len(w) - 1)} for w in (known + " " + text).split()}
    a, b = (set().union(*(pieces[w] for w in side.split())) for side in (known, text))
    found = Overlap([known], OverlapSettings(characters=0.5)).find([text])
    assert found.similarities.tolist() == [len(a & b) / len(a | b)]
    words = LONG.split()
    phrases = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
    settings = OverlapSettings(short_words=0, phrases=0.1)
    found = Overlap([LONG], settings).find([f"{LONG} {LONG.upper()} yes"])
    both = [*words, *words, "yes"]
    others = {tuple(both[i : i + 3]) for i in range(len(both) - 2)}
    assert found.similarities.tolist() == [len(phrases & others) / len(phrases | others)]


def test_numbers_tell_texts_apart() -> None:
    known = "what was the population of the capital in 2010"
    assert kinds([known], known.replace("2010", "2011")) == []
    assert kinds([known], known.replace("in 2010", "2010 in")) == [(0, Kind.CHARACTERS)]
    assert kinds([known], f"{known} or thereabouts, and how many of these lived within 5 miles") == [
        (0, Kind.CONTAINMENT)
    ]
    loose = Overlap([known], OverlapSettings(numbers=False)).find([known.replace("2010", "2011")])
    assert loose.kinds.tolist() == [Kind.CHARACTERS]


def test_nothing_is_like_a_text_of_nothing() -> None:
    assert kinds(["", " ", "\u200b"], "") == []
    assert kinds([], LONG) == []
    assert len(Overlap([])) == 0
    found = Overlap(["a"]).find([])
    assert [column.dtype for column in found] == [np.int64, np.int64, np.uint8, np.float64]


def test_symbols_alone_are_compared_as_they_are() -> None:
    assert kinds([":=", "=="], "==") == [(1, Kind.EXACT)]
    assert kinds([":=", "=="], " == ") == [(1, Kind.NORMALISED)]
    assert normalise("C++ ｃ＃ Don’t ＳＴＯＰ!") == "c++ c# dont stop"


def test_scripts_without_blanks_are_read_by_their_characters() -> None:
    text = "東京は日本の首都であり、世界最大の都市圏を形成している。"
    assert kinds([text], text.replace("、", "") + "人口は約千四百万人である。") == [(0, Kind.CONTAINMENT)]
    assert kinds([text], "大阪は日本の西部にある大きな都市です。") == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"characters": 0.0}, "characters"),
        ({"phrases": 1.01}, "phrases"),
        ({"containment": float("nan")}, "containment"),
        ({"short_words": -1}, "short_words"),
        ({"least_words": 2}, "least_words"),
        ({"characters": "high"}, "characters"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        dataclasses.replace(OverlapSettings(), **change)


def test_texts_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"texts\[1\]"):
        Overlap(["a", 3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match=r"texts\[0\]"):
        Overlap(["a"]).find(["\ud800"])
    with pytest.raises(InvalidInput, match="one str"):
        Overlap("a text")
    with pytest.raises(InvalidInput, match="threads"):
        Overlap(["a"], threads=-1)


@pytest.mark.parametrize(
    ("text", "other", "agree"),
    [
        ("in 2010", "in 2011", False),
        ("in 2010", "at any time", True),
        ("in 2010 and 2011", "in 2011", True),
        ("kx-tg1032s 7", "kx-tg1032s 8", False),
        ("chapter ٤", "chapter ٥", False),
        ("chapter Ⅳ", "chapter Ⅴ", True),
        (" ".join(map(str, range(20))), " ".join(map(str, range(2, 22))), True),
        (" ".join(map(str, range(20))), " ".join(map(str, range(3, 23))), False),
    ],
)
def test_numbers_agree_by_one_rule_wherever_it_is_asked(text: str, other: str, agree: bool) -> None:
    assert agree_in_numbers(text, other) == agree_in_numbers(other, text) == agree
    words = "some words that both of these have in common and that are many more than any number"
    settings = OverlapSettings(characters=0.01, short_words=1000)
    assert len(Overlap([f"{text} {words}"], settings).find([f"{other} {words}"]).texts) == agree
