"""Texts to token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import Tiny, make_tokenizer, vocabulary
from tokenizers import Tokenizer, models, pre_tokenizers

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.tokenizer import TextTokenizer

WORDS = vocabulary(Tiny())
CLS, SEP = WORDS["[CLS]"], WORDS["[SEP]"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_tokenizer(Tiny()).save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_ids_counts_and_cut(file: Path) -> None:
    tokens = TextTokenizer(file, 5).tokenise(["", "the fox", "the quick fox", "the quick brown fox jumps"])
    assert [row.tolist() for row in tokens.ids] == [
        [CLS, SEP],
        [CLS, WORDS["the"], WORDS["fox"], SEP],
        [CLS, WORDS["the"], WORDS["quick"], WORDS["fox"], SEP],
        [CLS, WORDS["the"], WORDS["quick"], WORDS["brown"], SEP],
    ]
    assert tokens.token_counts.tolist() == [2, 4, 5, 5]
    assert tokens.truncated.tolist() == [False, False, False, True]
    assert tokens.elapsed_ns > 0


def test_a_text_just_at_the_limit_is_not_cut(file: Path) -> None:
    for limit, cut in ((6, True), (7, False), (8, False)):
        tokens = TextTokenizer(file, limit).tokenise(["the quick brown fox jumps"])
        assert tokens.truncated.tolist() == [cut]
        assert tokens.token_counts.tolist() == [min(limit, 7)]


def test_without_special_tokens_the_limit_is_told_as_truly(tmp_path: Path) -> None:
    bare = Tokenizer(models.WordLevel({"a": 0, "?": 1}, "?"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    bare.save(str(tmp_path / "tokenizer.json"))
    tokens = TextTokenizer(tmp_path / "tokenizer.json", 5).tokenise(["a " * count for count in range(8)])
    assert tokens.token_counts.tolist() == [0, 1, 2, 3, 4, 5, 5, 5]
    assert tokens.truncated.tolist() == [False] * 6 + [True] * 2


def test_the_prompt_counts_towards_the_limit(file: Path) -> None:
    tokenizer = TextTokenizer(file, 6)
    plain = tokenizer.tokenise(["quick brown fox"])
    prompted = tokenizer.tokenise(["quick brown fox"], "how do ")
    assert plain.truncated.tolist() == [False]
    assert prompted.truncated.tolist() == [True]
    assert prompted.ids[0].tolist() == [CLS, WORDS["how"], WORDS["do"], WORDS["quick"], WORDS["brown"], SEP]


def test_many_texts_keep_their_order(file: Path) -> None:
    texts = [["fox", "the dog", "a quick fox"][row % 3] for row in range(2500)]
    tokens = TextTokenizer(file, 8).tokenise(texts)
    assert tokens.token_counts.tolist() == [3 + row % 3 for row in range(2500)]


def test_no_texts(file: Path) -> None:
    tokens = TextTokenizer(file, 8).tokenise([])
    assert tokens.ids == []
    assert tokens.token_counts.shape == tokens.truncated.shape == (0,)


@pytest.mark.parametrize("prompt", ["", "how "])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("a\ud800b", r"text 1025 holds the lone surrogate '\\ud800' at character 1"),
        (3, "text 1025 is of type int: give a string"),
        (None, "text 1025 is of type NoneType"),
        (b"bytes", "text 1025 is of type bytes"),
        (("a", "b"), "text 1025 is of type tuple"),
    ],
)
def test_what_is_not_a_text_is_named_by_position(file: Path, prompt: str, bad: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TextTokenizer(file, 8).tokenise(["fox"] * 1025 + [bad, "dog"], prompt)


def test_one_string_is_not_a_sequence_of_texts(file: Path) -> None:
    with pytest.raises(InvalidInput, match="put it in a list"):
        TextTokenizer(file, 8).tokenise("the fox")


def test_texts_of_any_content(file: Path) -> None:
    texts = ["\0", "\x1b[31m", "\u200b", "\U0010ffff", "\ufeff", "a" * 100_000, "fox " * 100_000, "[SEP] [PAD]"]
    tokens = TextTokenizer(file, 8).tokenise(texts)
    assert tokens.token_counts.min() >= 2
    assert tokens.token_counts.max() == 8


def test_special_tokens_must_leave_room(file: Path) -> None:
    with pytest.raises(BundleError, match=r"adds 2 special tokens.*none of the 2 tokens"):
        TextTokenizer(file, 2)


def test_files_that_are_not_tokenizers(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is missing"):
        TextTokenizer(tmp_path / "tokenizer.json", 8)
    for content in (b"", b"{}", b"\xff", b"[1]"):
        (tmp_path / "tokenizer.json").write_bytes(content)
        with pytest.raises(BundleError, match="cannot be read as a tokenizer"):
            TextTokenizer(tmp_path / "tokenizer.json", 8)


def test_padding_and_largest_id(tmp_path: Path, file: Path) -> None:
    assert TextTokenizer(file, 8).pad_id == WORDS["[PAD]"]
    assert TextTokenizer(file, 8).largest_id == max(WORDS.values())
    Tokenizer(models.WordLevel({"a": 0, "b": 7}, "a")).save(str(tmp_path / "bare.json"))
    bare = TextTokenizer(tmp_path / "bare.json", 8)
    assert (bare.pad_id, bare.largest_id) == (0, 7)


def test_offsets_and_counts_cut_nothing_and_add_nothing(file: Path) -> None:
    tokenizer = TextTokenizer(file, 5)
    texts = ["", "the Fox, again", "a é😀日 fox " * 900]
    places = tokenizer.offsets(texts)
    assert [text[start:end] for text in texts[1:2] for start, end in places[1].tolist()] == [
        "the",
        "Fox",
        ",",
        "a",
        "g",
        "a",
        "i",
        "n",
    ]
    assert [len(each) for each in places] == tokenizer.counts(texts).tolist()
    assert places[0].shape == (0, 2)
    assert [texts[2][start:end] for start, end in places[2][-1:].tolist()] == ["fox"]
    assert tokenizer.special_tokens == 2
    # The limit of the other methods stands.
    assert tokenizer.tokenise(texts).token_counts.tolist() == [2, 5, 5]


def test_offsets_refuse_what_tokenise_refuses(file: Path) -> None:
    tokenizer = TextTokenizer(file, 5)
    for method in (tokenizer.offsets, tokenizer.counts):
        with pytest.raises(InvalidInput, match="not one string"):
            method("text")
        with pytest.raises(InvalidInput, match="text 1 is of type int"):
            method(["a", 3])  # type: ignore[list-item]
        with pytest.raises(InvalidInput, match="lone surrogate"):
            method(["\ud800"])
