"""A data set whose texts have nothing in common, and training files planted with copies of it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossfade.evaluation.dataset import Dataset
from crossfade.store.types import Document

_SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "pra", "sto", "tri", "vel", "wun", "zha", "qui", "dor", "fen", "gal", "hep"]


def word(generator: random.Random) -> str:
    return "".join(generator.choices(_SYLLABLES, k=generator.randint(2, 4)))


def sentence(generator: random.Random, words: int) -> str:
    return " ".join(word(generator) for _ in range(words)).capitalize() + "."


def planted_dataset(queries: int = 60, seed: int = 3) -> Dataset:
    """Query i has document i as its relevant one, document i + 1 as judged and not relevant."""
    generator = random.Random(seed)
    documents = [
        Document(
            f"d{row}",
            sentence(generator, 4)[:-1],
            " ".join(sentence(generator, 11) for _ in range(generator.randint(1, 9))),
        )
        for row in range(queries + 20)
    ]
    texts = {f"q{row}": sentence(generator, generator.randint(5, 14)) for row in range(queries)}
    qrels = {f"q{row}": {f"d{row}": 2, f"d{row + 1}": 0} for row in range(queries)}
    return Dataset("planted", "test", documents, texts, qrels)


def clean_rows(count: int, seed: int = 11) -> list[dict[str, Any]]:
    """Rows made of the same syllables, and of no text of the data set."""
    generator = random.Random(seed)
    return [
        {
            "anchor": sentence(generator, generator.randint(4, 12)),
            "positive": " ".join(sentence(generator, 10) for _ in range(generator.randint(1, 6))),
            "negative": " ".join(sentence(generator, 10) for _ in range(3)),
        }
        for _ in range(count)
    ]


def write_rows(path: Path, rows: Iterable[Any]) -> Path:
    path.write_bytes(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    return path


def swapped(text: str, generator: random.Random) -> str:
    """Two words in each other's place."""
    words = text.split()
    one, other = generator.sample(range(len(words)), 2)
    words[one], words[other] = words[other], words[one]
    return " ".join(words)


def punctuated(text: str) -> str:
    return "  «" + text.replace(" ", " , ").replace(".", " !") + "»\t"


def longer(text: str, generator: random.Random) -> str:
    """One sentence more, before or behind."""
    more = sentence(generator, generator.randint(5, 11))
    return f"{more} {text}" if generator.random() < 0.5 else f"{text} {more}"
