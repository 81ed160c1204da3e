"""Where sentences end, and what a block is. `|` marks each end that is expected."""

from __future__ import annotations

import pytest

from crossfade.chunking.blocks import Kind, blocks
from crossfade.chunking.sentences import sentence_ends


def split(text: str) -> list[str]:
    cased, found = any(map(str.isupper, text)), []
    for block in blocks(text):
        start = block.start
        for end in sentence_ends(text, block, cased=cased):
            found.append(text[start:end].strip())
            start = end
    return found


@pytest.mark.parametrize(
    "marked",
    [
        "One sentence.|Another one!|A third?",
        "Dr. Smith met J. R. Miller at 5 p.m. yesterday.|He left.",
        "It costs $3.50, i.e. half of 7.00.|See fig. 3 and no. 5.|No.|Really.",
        "He waited... and went.|Then...|Nothing.",
        "“Really?” she asked.|“Yes.”|(That was all.)|Fine.",
        "The U.S. Government acted.|I live in the U.S.|The end.",
        "Fruit, bread, etc. were bought.|Milk, etc.|The rest was left.",
        "hello there.|how are you?|e.g. this way.",
        "So it was no better than I.|He agreed.",
        "Version 2.10.3 is out.|Use foo.bar(x) or foo.bar.|Ok.",
        "See https://example.org/a.b?c=d!e for more.|Done.",
        "wrapped over\ntwo lines.|Next.",
        "A work of art.|Another, art. 5 of it.",
        "Wow!!!|What?!|Yes…|And?",
        "「行く。」と彼は言った。|雨が降る！|本当？|はい。",
        "「行く。」|「来る。」|「終わり」",
        "यह पहला है।|यह दूसरा है।",
        "هل هذا سؤال؟|نعم.",
        "z.B. das hier.|Und d.h. mehr.",
        "Acme Inc. Chairman Bob spoke.",
        "",
        "...",
    ],
)
def test_where_sentences_end(marked: str) -> None:
    text = marked.replace("|", "" if any(mark in marked for mark in "「") else " ")
    assert split(text) == [part for part in marked.split("|") if part]


def test_items_and_rows_are_sentences_of_their_own() -> None:
    text = "Things:\n- one\n- two, which\n  goes on. Yes\n1. First. Second\n2. Third\n| a | b |\n| c | d |"
    assert split(text) == [
        *("Things:", "- one", "- two, which\n  goes on.", "Yes", "1. First.", "Second", "2. Third", "| a | b |"),
        "| c | d |",
    ]


def test_code_is_not_read_as_prose() -> None:
    text = "Like this.\n\n    x = a. B\n    y = 1\n\n```py\nz. A\n\nq\n```\nAfter. It.\n\n>>> f(1). G\n3"
    assert split(text) == [
        *("Like this.", "x = a. B", "y = 1", "```py\nz. A\n\nq\n```", "After.", "It.", ">>> f(1). G", "3"),
    ]


def kinds(text: str) -> list[tuple[str, int, str]]:
    return [(block.kind.value, block.level, block.title) for block in blocks(text)]


def test_markdown_headings() -> None:
    text = "# One #\n\n### Three\ntext\n\nTwo\n---\n\ntext\n---\n\n#hashtag\n####### seven\n#\n"
    assert kinds(text) == [
        *(("heading", 1, "One"), ("heading", 3, "Three"), ("prose", 0, ""), ("heading", 2, "Two")),
        *(("heading", 2, "text"), ("prose", 0, ""), ("heading", 1, "")),
    ]


def test_restructured_headings_count_in_the_order_of_their_styles() -> None:
    text = "=====\nTitle\n=====\n\nPart\n====\n\n"
    text += "Chapter\n~~~~~~~\n\nPart two\n========\n\nNot one\n~~\n\nnor\nthis\n====\n"
    assert kinds(text) == [
        *(("heading", 1, "Title"), ("heading", 2, "Part"), ("heading", 3, "Chapter"), ("heading", 2, "Part two")),
        *(("prose", 0, ""), ("prose", 0, "")),
    ]


def test_fences() -> None:
    assert kinds("````\n```\n# no\n````\n# yes")[0][0] == "fenced"
    assert kinds("~~~\n# no\n\nnever closed") == [("fenced", 0, "")]
    assert kinds("```a`b``` is inline") == [("prose", 0, "")]


def test_every_visible_character_is_in_one_block() -> None:
    text = "\n\n a\r\nb\r\n\r\n  # h\n---\n***\n- x\n\n\t code\n```\n\n"
    held = [at for block in blocks(text) for at in range(block.start, block.end) if not text[at].isspace()]
    assert held == [at for at in range(len(text)) if not text[at].isspace()]
    assert all(block.lines[-1] == block.end for block in blocks(text))
    assert blocks("")[:1] == [] == blocks(" \n ")
    assert Kind.PROSE in {block.kind for block in blocks(text)}
