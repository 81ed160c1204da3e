"""Documents of an Upsert: what a model reads of them, and how far, where the right answer is plain to see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from word_tokens import WordTokens

from crossfade._pb import collections_pb2
from crossfade.chunking import ChunkingSettings, TokenBudget, whole_read_ends
from crossfade.models import Embeddings
from crossfade.models.manifest import Prompts
from crossfade.models.tokenizer import TextTokenizer
from crossfade.retrieval import Hit
from crossfade.serving import wire
from crossfade.serving.passages import Cutter, Passages
from crossfade.store import Document
from crossfade.store.metadata import MetadataSchema

DOCUMENTS = [
    Document("cut", "", "aa bb cc dd ee ff"),
    Document("read", "t", "aa bb"),
    Document("titled", "one two three four", "aa bb"),
    Document("empty"),
]


def cutter(directory: Path, tokenizer: Tokenizer, max_tokens: int, prompt: str = "") -> Cutter:
    tokenizer.save(str(directory / "tokenizer.json"))
    bundle: Any = SimpleNamespace(
        tokenizer_path=directory / "tokenizer.json", max_tokens=max_tokens, prompts=Prompts(document=prompt)
    )
    return Cutter(bundle)


def words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def characters() -> Tokenizer:
    """A token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def embedded(directory: Path, passages: Passages, max_tokens: int, prompt: str = "") -> Embeddings:
    tokens = TextTokenizer(directory / "tokenizer.json", max_tokens).tokenise(passages.texts, prompt)
    return Embeddings(np.zeros((len(passages.texts), 2), np.float32), tokens.token_counts, tokens.truncated, 0, 0)


@pytest.mark.parametrize(
    ("prompt", "ends", "unread"), [("", [11, 5, 0, 0], [4, 0, 4, 0]), ("p ", [8, 5, 0, 0], [6, 0, 4, 0])]
)
def test_documents_that_are_not_cut(tmp_path: Path, prompt: str, ends: list[int], unread: list[int]) -> None:
    made = cutter(tmp_path, words(), 4, prompt)
    passages = made.cut(DOCUMENTS, ChunkingSettings())
    assert (passages.spans, passages.read_ends, passages.unread) == (None, None, None)
    reading = made.reading(DOCUMENTS, passages, embedded(tmp_path, passages, 4, prompt))
    assert reading.truncated.tolist() == [True, False, True, False]
    assert reading.unread.tolist() == unread
    assert list(reading.chunks()) == [[(0, len(each.text), end)] for each, end in zip(DOCUMENTS, ends, strict=True)]
    found = made.read_ends(DOCUMENTS, ChunkingSettings())
    assert found == [{(0, len(each.text)): end} for each, end in zip(DOCUMENTS, ends, strict=True)]


def test_documents_that_are_cut(tmp_path: Path) -> None:
    made, settings = cutter(tmp_path, characters(), 6), ChunkingSettings("tokens")
    # The flag is one character to a reader, and eight bytes.
    documents = [Document("a", "", "aaa bb \U0001f1eb\U0001f1f7 cc"), Document("b", "", "b")]
    passages = made.cut(documents, settings)
    assert passages.spans == [[(0, 6), (7, 9), (10, 12)], [(0, 1)]]
    reading = made.reading(documents, passages, embedded(tmp_path, passages, 6))
    assert reading.truncated.tolist() == [True, False]
    assert list(reading.chunks()) == [[(0, 6, 6), (7, 9, 9), (10, 12, 12)], [(0, 1, 1)]]
    assert made.read_ends(documents, settings) == [{(0, 6): 6, (7, 9): 9, (10, 12): 12}, {(0, 1): 1}]


def test_the_beginning_of_a_long_text_is_all_that_is_tokenised() -> None:
    seen: list[int] = []

    class Counting(WordTokens):
        def offsets(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
            seen.extend(map(len, texts))
            return super().offsets(texts)

    long = "word " * 100_000
    assert whole_read_ends([Document("a", "", long)], Counting(), TokenBudget(10)) == [49]
    assert sum(seen) < 2000
    seen.clear()
    # Words of a thousand letters: more of it is looked at, as much as it takes.
    assert whole_read_ends([Document("a", "", ("x" * 999 + " ") * 500)], Counting(), TokenBudget(10)) == [9999]
    assert 74_000 < sum(seen) < 500_000


def test_chunks_on_the_wire() -> None:
    message = wire.chunks_message([(0, 5, 5), (6, 1_048_576, 300)])
    assert [(each.start, each.stop, each.read_end) for each in message.chunks] == [(0, 5, 5), (6, 1_048_576, 300)]
    assert len(message.SerializeToString()) <= 14 * 2  # what Limits.chunks counts with


def test_hits_on_the_wire() -> None:
    """Where spans are not kept, as in memory, a hit is of the whole text."""
    hits = [Hit("a", 1.0, (6, 9)), Hit("b", 0.5), Hit("gone", 0.25, (0, 4))]
    documents = {"a": Document("a", "", "aa bb cc dd"), "b": Document("b", "", "read it")}
    ends = {("a", (0, 5)): 5, ("a", (6, 9)): 0, ("b", (0, 7)): 4}
    (encoded,) = wire.hits_messages([hits], str, documents, wire.Told([[(), (), ()]], read_ends=ends), MetadataSchema())
    untyped: Any = collections_pb2.Hits
    told = [(hit.id, hit.HasField("read_end"), hit.read_end) for hit in untyped.FromString(encoded).hits]
    assert told == [("a", True, 0), ("b", True, 4), ("gone", False, 0)]
