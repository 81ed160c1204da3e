"""Text is cleaned and bounded before it is escaped; figures read alike everywhere."""

from __future__ import annotations

import re
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import InvalidInput
from crossfade.measures import canonical
from crossfade.report import text
from crossfade.report.wording import gloss

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@given(ANY_TEXT, st.integers(10, 200))
def test_clean_text_is_bounded_printable_and_one_line(raw: str, limit: int) -> None:
    shown = text.clean(raw, limit)
    assert len(escape(shown).encode()) <= limit
    assert not any(ord(mark) < 0x20 or 0x7F <= ord(mark) < 0xA0 or 0xD800 <= ord(mark) < 0xE000 for mark in shown)
    assert not any(mark in shown for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert shown == " ".join(shown.split())
    assert text.clean(shown, limit) == shown


@pytest.mark.parametrize(
    ("raw", "limit", "shown"),
    [
        ("plain", 10, "plain"),
        ("a\n\tb   c", 10, "a b c"),
        ("bell\x07 esc\x1b[31m", 40, "bell\ufffd esc\ufffd[31m"),
        ("half \ud83d pair", 40, "half \ufffd pair"),
        ("abc\u202edcba", 40, "abcdcba"),
        ("one two three four", 14, "one two…"),
        ("x" * 100, 13, "x" * 10 + "…"),
        ("<" * 100, 13, "<<…"),
        ("日本語" * 10, 13, "日本語…"),
        ("", 10, ""),
        (" " * 10_000 + "late", 10, "…"),
    ],
)
def test_clean(raw: str, limit: int, shown: str) -> None:
    assert text.clean(raw, limit) == shown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.value(0.57049), "0.570"),
        (text.signed(0.0431), "+0.043"),
        (text.signed(-0.0431), "−0.043"),
        (text.signed(-0.0001), "0.000"),
        (text.signed(0.0), "0.000"),
        (text.interval(-0.0106, -0.0000412), "−0.011 to −0.00004"),
        (text.interval(0.00029, 0.0431), "+0.0003 to +0.043"),
        (text.interval(-1e-17, 0.0), "0.000 to 0.000"),
        (text.p_value(0.0004), "< 0.001"),
        (text.p_value(0.0314), "0.031"),
        (text.score(0.81234), "0.812"),
        (text.score(-1234.5), "-1234"),
        (text.milliseconds(0.4123), "0.412"),
        (text.milliseconds(3.8449), "3.84"),
        (text.milliseconds(24.61), "24.6"),
        (text.milliseconds(1240.4), "1,240"),
        (text.percent_change(0.5, 0.535), "+7.0\u202f%"),
        (text.percent_change(10.0, 5.0), "−50\u202f%"),
        (text.percent_change(0.0, 5.0), None),
        (text.count(1, "query", "queries"), "1 query"),
        (text.count(4312, "document"), "4,312 documents"),
        (text.sentence_list(["a"]), "a"),
        (text.sentence_list(["a", "b", "c"]), "a, b and c"),
        (text.sentence_list([]), ""),
    ],
)
def test_figures(shown: str | None, expected: str | None) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("nDCG@10", "the first 10 results"),
        ("P@1", "the first result"),
        ("RR", "first relevant document"),
        ("AP(rel=2)@100", "precision"),
        ("Judged@10", "coverage, not quality"),
        ("Bpref(rel=2)", "judged not relevant"),
        ("IPrec@0.25", "this share"),
    ],
)
def test_known_measures_are_explained(measure: str, words: str) -> None:
    assert words in gloss(measure)


@pytest.mark.parametrize("measure", ["", "Brief", "made up measure", "nDCG@"])
def test_unknown_measures_are_left_without_words(measure: str) -> None:
    assert gloss(measure) == ""


def test_every_measure_there_is_has_words() -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical("none")
    names = re.findall(
        r"\b[A-Za-z]+(?:\([^)]*\))?(?:@\w+)?", str(caught.value).partition("There are: ")[2].partition(";")[0]
    )
    named = {re.sub("@recall$", "@0.1", re.sub("@k$", "@10", name)) for name in names}
    assert {"nDCG@10", "IPrec@0.1", "SetAP", "RBP(p=0.8)@10"} <= named
    assert [name for name in sorted(named) if canonical(name) and not gloss(name)] == []
