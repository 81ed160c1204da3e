"""Chunks of documents whose right cut is plain to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import Tiny, make_tokenizer
from word_tokens import WordTokens

from crossfade.chunking import Chunk, Chunked, ChunkingSettings, Method, TokenBudget, chunk
from crossfade.chunking.boundaries import boundaries, classes_of, codes_of
from crossfade.errors import InvalidInput
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Document


def cut(text: str, how: ChunkingSettings, *, title: str = "", room: int = 1000) -> Chunked:
    return chunk([Document("d", title, text)], WordTokens(), how, TokenBudget(room))


def parts(text: str, how: ChunkingSettings) -> list[str]:
    return [each.text_of(text) for each in cut(text, how).chunks[0]]


GUIDE = """\
Before any heading.

# Guide

## Install

Run the tool. It asks twice.

```sh
one two

three
```

## Use

First paragraph here.

Second paragraph here.
"""


def test_paragraphs_below_one_heading_are_packed() -> None:
    assert parts(GUIDE, ChunkingSettings("headings", 14)) == [
        "Before any heading.",
        "# Guide\n\n## Install\n\nRun the tool. It asks twice.",
        "```sh\none two\n\nthree\n```",
        "## Use\n\nFirst paragraph here.\n\nSecond paragraph here.",
    ]


def test_headings_are_kept_with_the_chunk() -> None:
    found = cut(GUIDE, ChunkingSettings("headings", 6, heading_prefix=True), title="T").chunks[0]
    assert [(each.headings, each.prefix, each.text_of(GUIDE)) for each in found] == [
        ((), "T ", "Before any heading."),
        (("Guide", "Install"), "T ", "# Guide\n\n## Install"),
        (("Guide", "Install"), "T Guide > Install ", "Run the tool. It asks twice."),
        (("Guide", "Install"), "T Guide > Install ", "```sh\none two\n\nthree\n```"),
        (("Guide", "Use"), "T Guide ", "## Use\n\nFirst paragraph here."),
        (("Guide", "Use"), "T Guide > Use ", "Second paragraph here."),
    ]


def test_a_fence_too_long_is_cut_between_lines() -> None:
    text = "```\na b. C d\ne f g\nh i\n```"
    assert parts(text, ChunkingSettings("sentences", 8)) == ["```\na b. C d\ne f g", "h i\n```"]


def test_a_long_paragraph_is_cut_between_sentences_and_its_rest_packed() -> None:
    text = "One two three. Four five. Six seven.\n\nEight nine."
    assert parts(text, ChunkingSettings("headings", 5)) == ["One two three. Four five.", "Six seven.\n\nEight nine."]


def test_a_long_sentence_is_cut_between_words() -> None:
    assert parts("a b c d e f g. H i.", ChunkingSettings("sentences", 3)) == ["a b c", "d e f", "g. H i."]


@pytest.mark.parametrize("method", [Method.TOKENS, Method.SENTENCES, Method.HEADINGS])
def test_no_chunk_is_a_full_stop_where_a_word_can_go_with_it(method: Method) -> None:
    how = ChunkingSettings(method, 4)
    assert parts("one two three four .", how) == ["one two three", "four ."]
    assert parts("one two three four ) .", how) == ["one two three", "four ) ."]
    assert parts("one two three four . five", how) != ["one two three four", ".", "five"]
    marks = parts(". . . . . . .", how)  # no words at all: nothing is lost
    assert "".join(marks).count(".") == 7


def test_a_flag_and_a_family_stay_whole() -> None:
    for text in ("🇫🇷", "👩‍👩‍👧‍👦", "e\u0301\u0323", "\r\n", "각", "각", "क्ष", "👍🏽", " \u0301"):
        codes = codes_of(text)
        assert boundaries(codes, classes_of(codes)).tolist() == [True, *[False] * (len(text) - 1), True], ascii(text)


def test_what_may_be_cut() -> None:
    text = "🇫🇷🇩🇪a\nb\n\u0301한국"
    codes = codes_of(text)
    free = np.flatnonzero(boundaries(codes, classes_of(codes))).tolist()
    assert free == [0, 2, 4, 5, 6, 7, 8, 9, 10, 11]


def test_scripts_without_spaces_are_cut_between_letters(tmp_path: Path) -> None:
    make_tokenizer(Tiny()).save(str(tmp_path / "tokenizer.json"))
    counter = TextTokenizer(tmp_path / "tokenizer.json", 24)
    text = "日本語で書かれた文"
    found = chunk([Document("d", "", text)], counter, ChunkingSettings("tokens", 4), TokenBudget(24, 2)).chunks[0]
    assert [each.text_of(text) for each in found] == ["日本語で", "書かれた文"]  # かれた is one token


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_text_is_one_empty_chunk(method: Method, text: str) -> None:
    found = cut(text, ChunkingSettings(method), title="Title")
    end = len(text) if method is Method.WHOLE else 0
    assert found.chunks == [[Chunk(0, end, 0, 1, False, end, "Title ")]]
    assert found.report.unread_characters == 0


def test_no_documents() -> None:
    found = chunk([], WordTokens(), ChunkingSettings("tokens"), TokenBudget(8))
    assert found.chunks == []
    assert found.report.to_json()["chunks"] == 0
    assert found.report.distribution() == {}


def test_title_and_prompt_take_their_share() -> None:
    budget = TokenBudget(10, 2, "passage: ")
    found = chunk([Document("d", "one two", "a b c d e f g")], WordTokens(), ChunkingSettings("tokens"), budget).chunks[
        0
    ]
    assert [(each.tokens, each.input_tokens, each.prefix) for each in found] == [
        (5, 10, "one two "),
        (2, 7, "one two "),
    ]


def test_a_title_that_fills_the_budget_is_left_out_and_told() -> None:
    title = "seven words are too many for it"
    found = cut("a b c d e f g h i j", ChunkingSettings("tokens"), title=title, room=8)
    assert [each.prefix for each in found.chunks[0]] == ["", ""]
    assert found.report.titles_left_out == 1
    kept = cut("a b c d e f g h i j", ChunkingSettings("tokens"), title="six words are not too many", room=8)
    assert [each.tokens for each in kept.chunks[0]] == [2] * 5
    assert kept.report.titles_left_out == 0


def test_a_whole_document_keeps_its_title_and_tells_what_is_not_read() -> None:
    found = cut("aa bb cc dd", ChunkingSettings(), title="one two three", room=5)
    assert found.chunks[0] == [Chunk(0, 11, 4, 7, True, 5, "one two three ")]
    assert found.report.unread.tolist() == [4]
    assert found.report.truncated_chunks == 1
    filled = cut("aa bb", ChunkingSettings(), title="one two three", room=2)
    assert filled.chunks[0][0].read_end == 0
    assert filled.report.unread.tolist() == [4]


def test_the_report_adds_up() -> None:
    documents = [Document("a", "", "a b c d e"), Document("b", "t", "x y")]
    report = chunk(documents, WordTokens(), ChunkingSettings("tokens", 3, 1), TokenBudget(9, 2)).report
    assert report.to_json() == {
        "documents": 2,
        "chunks": 3,
        "tokens": 8,
        "overlap_tokens": 1,
        "input_tokens": 8 + 1 + 3 * 2,
        "truncated_chunks": 0,
        "titles_left_out": 0,
        "unread_characters": 0,
        "unread_documents": 0,
        "tokens_per_chunk": {"least": 2.0, "p5": 2.1, "p50": 3.0, "p95": 3.0, "most": 3.0, "mean": 8 / 3},
    }


def test_bad_documents_and_budgets_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"document 1: its text holds the lone surrogate '\\ud800' at character 1"):
        chunk([Document("a"), Document("b", "", "x\ud800")], WordTokens(), ChunkingSettings(), TokenBudget(9))
    with pytest.raises(InvalidInput, match="document 0: its title is of type int"):
        chunk([Document("a", 3)], WordTokens(), ChunkingSettings(), TokenBudget(9))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="2 special tokens leave none of the 2 tokens"):
        TokenBudget(2, 2)
    with pytest.raises(InvalidInput, match="the prompt and 2 special tokens fill the 4 tokens"):
        chunk([Document("a")], WordTokens(), ChunkingSettings("tokens"), TokenBudget(4, 2, "two words "))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "pages"}, "method must be one of whole, tokens, sentences, headings, not 'pages'"),
        ({"method": "tokens", "size": -1}, "chunk size must be at least 0"),
        ({"method": "tokens", "size": 1.5}, "chunk size must be a whole number"),
        ({"method": "tokens", "size": 8, "overlap": 8}, "must be less than the size"),
        ({"method": "headings", "overlap": 1}, 'method "headings" has no overlap'),
        ({"size": 8}, 'method "whole" has no size'),
        ({"method": "tokens", "heading_prefix": True}, 'belongs to the method "headings"'),
        ({"method": "headings", "heading_prefix": 1}, "must be true or false"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ChunkingSettings(**settings)


def test_settings_are_stored_under_names_that_stay() -> None:
    how = ChunkingSettings(Method.TOKENS, 128, 16)
    assert how.dumps() == '{"format":1,"heading_prefix":false,"method":"tokens","overlap":16,"size":128}'
    assert ChunkingSettings.from_json(how.dumps()) == how == ChunkingSettings.from_json(how.to_json())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"format":2}', "of format 2 and this crossfade reads 1"),
        ('{"format":1,"stride":3}', "the unknown stride"),
        ('{"format":1,"method":"tokens","size":"8"}', "size must be a whole number"),
    ],
)
def test_stored_settings_are_read_strictly(content: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ChunkingSettings.from_json(content)
