"""Training rows as people have them: which fields hold queries, positives and negatives.

Known are the names of sentence-transformers, FlagEmbedding, Tevatron, DPR and BEIR. Where a row has several names of
one role, all are taken: a text too many is compared, and none is left out. For the same reason texts in fields of other
names are compared in both roles, unless the caller says that they are to be passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
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
# Whatever a score beside them says, these are what their names say.
_SURELY_POSITIVE = {"positive", "positives", "pos", "positive_passages", "positive_ctxs"}
_NUMBERED_NEGATIVE = re.compile(r"(hard_)?neg(ative)?s?_?\d+")
_SCORE_NAMES = ("score", "label", "similarity", "labels")
_SET = "set"
_MOST_SHAPES = 1_000
_LEAST_BYTES = 8  # of a text in an unknown field: shorter ones are labels, ids and numbers


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names given by the caller: a role that has any takes those and no others. Empty: the known names. `ignored`:
    fields that are passed over, whatever is in them."""

    query: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Texts(NamedTuple):
    """What a row holds. Each is a list of str, perhaps empty. `others`: of fields that no name tells the role of."""

    queries: list[str]
    positives: list[str]
    negatives: list[str]
    others: list[str]


class _Shape(NamedTuple):
    """What is made of rows with certain keys."""

    query: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    score: str | None
    unknown: tuple[str, ...]


class RowReader:
    """Rows to texts; remembers which fields it has met, and as what."""

    def __init__(self, names: FieldNames) -> None:
        self._names = names
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.fields: dict[str, set[str]] = {"query": set(), "positive": set(), "negative": set(), "unknown": set()}
        self._others: set[str] = set()

    @property
    def ignored(self) -> set[str]:
        """Fields that were passed over: as asked, or because no row had a text in them."""
        return self._others - self.fields["unknown"]

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
        sure = [text for name in shape.positive if name in _SURELY_POSITIVE for text in _texts(name, record[name])]
        positives = [
            text for name in shape.positive if name not in _SURELY_POSITIVE for text in _texts(name, record[name])
        ]
        negatives = [text for name in shape.negative for text in _texts(name, record[name])]
        if shape.score is not None:
            positives, refused = _scored(shape.score, positives, record[shape.score])
            negatives += refused
        others = self._unknown(record, shape.unknown)
        for name in (*shape.query, *shape.positive, *shape.negative):
            if isinstance(value := record[name], list | dict):
                others += self._beside(name, value)
        if not (queries or positives or sure or negatives or others):
            raise InvalidInput("every field of it is empty; expected a query, a positive or a negative")
        return Texts(queries, [*sure, *positives], negatives, others)

    def _shaped(self, keys: tuple[str, ...]) -> _Shape:
        names, given = self._names, keys
        keys = tuple(key for key in keys if key not in names.ignored)
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
        if "text" in keys and "text" not in taken:
            # With a title, or beside what asks, it is a document; otherwise it asks, as in BEIR's queries.
            if "title" in keys or as_query:
                if not names.positive:
                    as_positive = (*as_positive, "text")
                    taken.add("text")
            elif not names.query:
                as_query = ("text",)
                taken.add("text")
        score = next((key for key in keys if key in _SCORE_NAMES and key not in taken), None) if as_positive else None
        # What stands under the score's name may be a text as well.
        unknown = tuple(key for key in keys if key not in taken)
        shape = _Shape(as_query, as_positive, as_negative, score, unknown)
        if len(self._shapes) == _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[given] = shape
        for role, found in (("query", as_query), ("positive", as_positive), ("negative", as_negative)):
            self.fields[role].update(found)
        if taken:
            self._others.update(key for key in given if key not in taken and key != score)
        return shape

    def _unknown(self, record: Mapping[str, Any], names: Sequence[str]) -> list[str]:
        texts = []
        for name in names:
            if found := [text for text in _strings(record[name]) if len(text.encode()) >= _LEAST_BYTES]:
                self.fields["unknown"].add(name)
                texts += found
        return texts

    def _beside(self, name: str, value: Any) -> list[str]:
        """What objects in a field hold beside "text" and "title"; the output calls it FIELD.KEY."""
        texts: list[str] = []
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and len(one) > 1:
                held = {f"{name}.{key}": within for key, within in one.items() if key not in ("text", "title")}
                self._others.update(held)
                texts += self._unknown(held, [key for key in held if key not in self._names.ignored])
            elif isinstance(one, list):
                texts += self._beside(name, one)
        return texts

    def _unnamed(self, record: Mapping[str, Any]) -> Texts:
        if isinstance(record.get(_SET), list):
            # sentence-transformers' sets: texts that all mean the same.
            first, *others = _texts(_SET, record[_SET]) or [""]
            beside = [name for name in record if name != _SET]
            self._others.update(beside)
            beside = [name for name in beside if name not in self._names.ignored]
            return Texts([first], others, [], self._unknown(record, beside))
        found = ", ".join(map(repr, record)) or "nothing"
        raise InvalidInput(
            f"no field of it is known as a query, a positive or a negative; found {found}: name them with "
            "--query-field, --positive-field, --negative-field"
        )


def _tuple(record: Sequence[Any]) -> Texts:
    """An array of texts: anchor, positive, negatives."""
    if not record or not all(isinstance(text, str) for text in record):
        raise InvalidInput("an array stands for anchor, positive and negatives: expected texts in it, and nothing else")
    return Texts(list(record[:1]), list(record[1:2]), list(record[2:]), [])


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


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, dict):
            waiting += reversed(one.values())


def _scored(name: str, positives: list[str], score: Any) -> tuple[list[str], list[str]]:
    """Positives, and those whose score is 0. A list of scores has one for each; other types say nothing, and neither
    do scores of which one is below 0: those of a model, of which 0 is not the least.

    Raises InvalidInput for a score that is NaN or infinite.
    """
    scores = score if isinstance(score, list) else [score] * len(positives)
    for one in score if isinstance(score, list) else [score]:
        if isinstance(one, float) and not math.isfinite(one):
            raise InvalidInput(f'"{name}" holds {one}; expected a finite number')
    if len(scores) != len(positives) or not all(isinstance(one, int | float) and one >= 0 for one in scores):
        return positives, []
    pairs = list(zip(positives, scores, strict=True))
    return [text for text, one in pairs if one > 0], [text for text, one in pairs if one == 0]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "an object without one"
