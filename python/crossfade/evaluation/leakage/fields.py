"""Training rows as people have them: which fields hold queries, positives and negatives.

Known are the names of sentence-transformers, FlagEmbedding, Tevatron, DPR and BEIR. Where a row has several names of
one role, all are taken: a text too many is compared, and none is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from crossfade.errors import InvalidInput

QUERY_NAMES = ("query", "anchor", "question", "sentence1", "sentence_A", "text1", "search_query")
POSITIVE_NAMES = (
    "positive", "positives", "pos", "document", "documents", "docs", "doc", "passage", "passages", "answer", "context",
    "sentence2", "sentence_B", "text2", "response", "positive_passages", "positive_ctxs",
)  # fmt: skip
NEGATIVE_NAMES = (
    "negative", "negatives", "neg", "hard_negative", "hard_negatives", "negative_passages", "negative_ctxs",
    "hard_negative_ctxs",
)  # fmt: skip
_NUMBERED_NEGATIVE = re.compile(r"(hard_)?neg(ative)?s?_?\d+")
_SCORE_NAMES = ("score", "label", "similarity", "labels")
_SET = "set"
_MOST_SHAPES = 1_000


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names given by the caller: a role that has any takes those and no others. Empty: the known names."""

    query: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


class Texts(NamedTuple):
    """What a row holds. Each is a list of str, perhaps empty."""

    queries: list[str]
    positives: list[str]
    negatives: list[str]


class _Shape(NamedTuple):
    """What is made of rows with certain keys."""

    query: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    score: str | None
    ignored: tuple[str, ...]


class RowReader:
    """Rows to texts; remembers which fields it has met, and as what."""

    def __init__(self, names: FieldNames) -> None:
        self._names = names
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.fields: dict[str, set[str]] = {"query": set(), "positive": set(), "negative": set()}
        self.ignored: set[str] = set()

    def read(self, record: Any) -> Texts:
        """A row's texts. Raises InvalidInput when it holds none, or a field is of another type than texts are."""
        if isinstance(record, list):
            return _tuple(record)
        if not isinstance(record, dict):
            raise InvalidInput("expected a JSON object, or an array of texts")
        keys = tuple(record)
        shape = self._shapes.get(keys)
        if shape is None:
            shape = self._shaped(keys)
        if not (shape.query or shape.positive or shape.negative):
            return self._unnamed(record)
        queries = [text for name in shape.query for text in _texts(name, record[name])]
        positives = [text for name in shape.positive for text in _texts(name, record[name])]
        negatives = [text for name in shape.negative for text in _texts(name, record[name])]
        if shape.score is not None:
            positives, refused = _scored(positives, record[shape.score])
            negatives += refused
        if not (queries or positives or negatives):
            raise InvalidInput("every field of it is empty; expected a query, a positive or a negative")
        return Texts(queries, positives, negatives)

    def _shaped(self, keys: tuple[str, ...]) -> _Shape:
        names = self._names
        query = names.query or QUERY_NAMES
        positive = names.positive or POSITIVE_NAMES
        negative = names.negative or NEGATIVE_NAMES
        as_query = tuple(key for key in keys if key in query)
        as_positive = tuple(key for key in keys if key in positive and key not in as_query)
        taken = {*as_query, *as_positive}
        as_negative = tuple(
            key
            for key in keys
            if key not in taken and (key in negative or (not names.negative and _NUMBERED_NEGATIVE.fullmatch(key)))
        )
        taken.update(as_negative)
        if "text" in keys and "text" not in taken and not names.query and not as_query:
            # With a title it is a document, as in a corpus; otherwise it asks, as in BEIR's queries.
            if "title" in keys and not names.positive:
                as_positive = (*as_positive, "text")
            elif "title" not in keys:
                as_query = ("text",)
            taken.add("text")
        score = next((key for key in keys if key in _SCORE_NAMES and key not in taken), None) if as_positive else None
        ignored = tuple(key for key in keys if key not in taken and key != score)
        shape = _Shape(as_query, as_positive, as_negative, score, ignored)
        if len(self._shapes) == _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[keys] = shape
        for role, found in (("query", as_query), ("positive", as_positive), ("negative", as_negative)):
            self.fields[role].update(found)
        if taken:
            self.ignored.update(ignored)
        return shape

    def _unnamed(self, record: Mapping[str, Any]) -> Texts:
        if isinstance(record.get(_SET), list):
            # sentence-transformers' sets: texts that all mean the same.
            first, *others = _texts(_SET, record[_SET]) or [""]
            return Texts([first], others, [])
        found = ", ".join(map(repr, record)) or "nothing"
        raise InvalidInput(
            f"no field of it is known as a query, a positive or a negative; found {found}: name them with "
            "--query-field, --positive-field, --negative-field"
        )


def _tuple(record: Sequence[Any]) -> Texts:
    """An array of texts: anchor, positive, negatives."""
    if not record or not all(isinstance(text, str) for text in record):
        raise InvalidInput("an array stands for anchor, positive and negatives: expected texts in it, and nothing else")
    return Texts(list(record[:1]), list(record[1:2]), list(record[2:]))


def _texts(name: str, value: Any) -> list[str]:
    """The texts in a field: a text, an object with "text" and perhaps "title", or a list of either."""
    if isinstance(value, str):
        return [value] if value else []
    if value is None:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _texts(name, item)]
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        title = value.get("title")
        return [f"{title} {value['text']}" if isinstance(title, str) and title else value["text"]]
    raise InvalidInput(f'"{name}" holds {_kind(value)}; expected a text, an object with "text", or a list of these')


def _scored(positives: list[str], score: Any) -> tuple[list[str], list[str]]:
    """Positives that are scored above 0, and the others. A list of scores has one for each; other types say nothing."""
    if isinstance(score, int | float):
        return (positives, []) if score > 0 else ([], positives)
    if isinstance(score, list) and len(score) == len(positives) and all(isinstance(s, int | float) for s in score):
        pairs = list(zip(positives, score, strict=True))
        return [text for text, s in pairs if s > 0], [text for text, s in pairs if s <= 0]
    return positives, []


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "an object without one"
