"""Texts to hold two models against each other with, where what is relevant plays no part."""

from __future__ import annotations

import builtins
import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.evaluation.dataset import Dataset
from crossfade.models.types import InputType

MOST = 1000  # of a source: embedding them twice takes seconds
_FEWEST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts by what they are for, and where they are from, in a few words."""

    origin: str
    texts: Mapping[InputType, Sequence[str]]

    def __len__(self) -> int:
        return sum(len(texts) for texts in self.texts.values())

    @property
    def all(self) -> list[str]:
        return [text for texts in self.texts.values() for text in texts]


def dataset_sample(datasets: Sequence[Dataset], most: int = MOST) -> Sample:
    """Documents and judged queries of the data sets, at most `most` of each kind, evenly spread."""
    places = spread_places(sum(len(dataset.documents) for dataset in datasets), most)
    documents: list[str] = []
    begin = 0
    for dataset in datasets:
        end = begin + len(dataset.documents)
        documents += dataset.contents([place - begin for place in places if begin <= place < end])
        begin = end
    queries = [text for dataset in datasets for text in dataset.queries.values()]
    origin = " and ".join(dict.fromkeys(dataset.name for dataset in datasets))
    return Sample(origin, {InputType.DOCUMENT: documents, InputType.QUERY: spread(queries, most)})


def interpreter_sample(most: int = MOST) -> Sample:
    """What the Python interpreter documents about itself: the paragraphs of the language reference that `help()` shows,
    where the installation has them, and the docstrings of the builtins. Read in memory; nothing else is imported.
    """
    texts = [text for name, value in sorted(vars(builtins).items()) if name[0] != "_" for text in _docstrings(value)]
    try:
        topics: Mapping[str, str] = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):  # some distributions leave it out
        topics = {}
    texts += [paragraph for _, topic in sorted(topics.items()) for paragraph in topic.split("\n\n")]
    cleaned = dict.fromkeys(" ".join(text.split()) for text in texts)
    wordy = [text for text in cleaned if len(text.split()) >= _FEWEST_WORDS]
    return Sample("the documentation inside this Python", {InputType.DOCUMENT: spread(wordy, most)})


def of_words(texts: Sequence[str], words: int, count: int) -> list[str]:
    """`count` texts of exactly so many words, cut out of the texts strung together; begins again when they run out."""
    pool = [word for text in texts for word in text.split()]
    if not pool:
        return []
    return [" ".join(pool[(row * words + place) % len(pool)] for place in range(words)) for row in range(count)]


def spread(texts: Sequence[str], most: int) -> list[str]:
    """All of them, or `most`, evenly spread."""
    return [texts[place] for place in spread_places(len(texts), most)]


def spread_places(of: int, most: int) -> list[int]:
    """All places from 0 on, or `most` of them, evenly spread."""
    count = min(of, most)
    return [position * of // count for position in range(count)]


def _docstrings(value: object) -> list[str]:
    members = vars(value).values() if inspect.isclass(value) else ()
    found = [getattr(each, "__doc__", None) for each in (value, *members)]
    return [text for text in found if isinstance(text, str)]
