"""Texts that look alike are copies of each other, and others are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import InvalidInput
from crossfade.lookalikes import PlainOverlap, plain
from crossfade.overlap import Kind, Overlap

TEXT = "where can one find the very best epsilon of the whole cafe"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("whéré cán Ønë", "where can One"),
        ("whеrе cаn Оnе", "where can One"),  # Cyrillic
        ("тёмная й", "темная и"),  # no Latin letter: other scripts stay
        ("हिन्दी", "हिन्दी"),
        ("ﬁve", "five"),
        ("한국어", "한국어"),
        ("plain", "plain"),
    ],
)
def test_the_plain_form(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("e", "é"),
        unicodedata.normalize("NFD", TEXT.replace("e", "é")),
        TEXT.replace("e", "е").replace("a", "а").replace("o", "о"),
    ],
)
def test_what_looks_alike_is_found_from_both_sides(text: str) -> None:
    for known, asked in ((TEXT, text), (text, TEXT), (text, text.upper())):
        found = PlainOverlap(["another text of some words", known]).find([asked, "nothing of the kind at all"])
        assert [column.tolist() for column in found] == [[0], [1], [Kind.NORMALISED], [1.0]]
        assert [column.dtype for column in found] == ["int64", "int64", "uint8", "float64"]
    assert PlainOverlap([text]).find([text]).kinds.tolist() == [Kind.EXACT]


@given(st.lists(st.text("aé ей1", max_size=12), max_size=6), st.lists(st.text("aé ей1", max_size=12), max_size=6))
def test_all_that_is_found_as_it_is_stays_found(known: list[str], texts: list[str]) -> None:
    found = PlainOverlap(known, threads=1).find(texts, threads=1)
    pairs = {(text, place): kind for text, place, kind, _ in zip(*(column.tolist() for column in found), strict=True)}
    assert len(pairs) == len(found.texts)
    assert list(pairs) == sorted(pairs)
    for text, place, kind, _ in zip(*(column.tolist() for column in Overlap(known).find(texts)), strict=True):
        assert pairs[text, place] <= kind


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"texts\[1\]"):
        PlainOverlap(["é", 3])  # type: ignore[list-item]
