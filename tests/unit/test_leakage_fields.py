"""Which fields of a training row are taken as what."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.errors import InvalidInput
from crossfade.evaluation.leakage.fields import FieldNames, RowReader


def read(record: Any, **names: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    return tuple(RowReader(FieldNames(**names)).read(record)[:3])  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"anchor": "q", "positive": "p", "negative": "n"}, (["q"], ["p"], ["n"])),
        ({"anchor": "q", "positive": "p", "negative_1": "n", "negative_2": "m"}, (["q"], ["p"], ["n", "m"])),
        (
            {"query": "q", "pos": ["p", "r"], "neg": ["n"], "pos_scores": [1.0], "prompt": "x"},
            (["q"], ["p", "r"], ["n"]),
        ),
        ({"query": "q", "positive": "p", "negatives": ["n", "m"]}, (["q"], ["p"], ["n", "m"])),
        ({"sentence1": "a", "sentence2": "b", "score": 0.8}, (["a"], ["b"], [])),
        ({"sentence1": "a", "sentence2": "b", "label": 0}, (["a"], [], ["b"])),
        ({"sentence1": "a", "sentence2": "b", "label": "entailment"}, (["a"], ["b"], [])),
        ({"query": "q", "docs": ["p", "n"], "labels": [1, 0]}, (["q"], ["p"], ["n"])),
        ({"_id": "1", "text": "q", "metadata": {}}, (["q"], [], [])),
        ({"_id": "1", "title": "t", "text": "p"}, ([], ["p"], [])),
        ({"text": "q", "positive": "p"}, (["q"], ["p"], [])),
        ({"query": "q", "title": "t", "text": "p"}, (["q"], ["p"], [])),
        ({"question": "q", "text": "p"}, (["q"], ["p"], [])),
        ({"query": "q", "positive": "p", "text": "r"}, (["q"], ["p", "r"], [])),
        ({"query": "q", "positive": "p", "score": 0}, (["q"], ["p"], [])),
        ({"query": "q", "passage": "p", "score": -0.7}, (["q"], ["p"], [])),
        ({"query": "q", "docs": ["p", "r", "s"], "labels": [3.1, 0, -4.2]}, (["q"], ["p", "r", "s"], [])),
        ({"query": "q", "docs": ["p", "n"], "labels": [2, 0]}, (["q"], ["p"], ["n"])),
        ({"query": "q", "pos": ["p"], "docs": ["r", "n"], "labels": [1, 0]}, (["q"], ["p", "r"], ["n"])),
        ({"question": "q", "positive_ctxs": [{"title": "T", "text": "p"}]}, (["q"], ["T p"], [])),
        (
            {"query": "q", "positive_passages": [{"docid": "1", "text": "p"}], "negative_passages": []},
            (["q"], ["p"], []),
        ),
        (["a", "p", "n", "m"], (["a"], ["p"], ["n", "m"])),
        ({"set": ["a", "b", "c"]}, (["a"], ["b", "c"], [])),
        ({"query": "q", "positive": None, "negative": ""}, (["q"], [], [])),
    ],
)
def test_the_forms_that_people_have(record: Any, expected: tuple[list[str], list[str], list[str]]) -> None:
    assert read(record) == expected


def test_names_that_are_given_are_the_only_ones_of_their_role() -> None:
    record = {"query": "x", "frage": "q", "positive": "p", "antwort": "a"}
    assert read(record, query=("frage",), positive=("antwort",)) == (["q"], ["a"], [])
    assert read(record, query=("frage",)) == (["q"], ["p"], [])


def test_what_was_taken_and_what_was_not_is_remembered() -> None:
    reader = RowReader(FieldNames())
    reader.read({"anchor": "a", "positive": "p", "source": "x"})
    reader.read({"query": "a", "pos": ["p"]})
    assert reader.fields == {
        "query": {"anchor", "query"},
        "positive": {"positive", "pos"},
        "negative": set(),
        "unknown": set(),
    }
    assert reader.ignored == {"source"}


def test_texts_of_unknown_fields_are_compared_unless_they_are_to_be_passed_over() -> None:
    long = "a text of some length"
    deep = {"turns": [{"role": "user", "content": long + "!"}, 3, None]}
    record = {"query": "q", "input": long, "source": "x", "score": 0.5, "meta": deep, "label": "not at all a label"}
    reader = RowReader(FieldNames())
    assert reader.read(record).others == [long, long + "!", "not at all a label"]
    assert reader.fields["unknown"] == {"input", "meta", "label"}
    assert reader.ignored == {"source", "score"}
    reader = RowReader(FieldNames(ignored=("input", "meta", "label")))
    assert reader.read(record).others == []
    assert reader.ignored == {"input", "source", "meta", "score", "label"}
    nested = {"query": "q", "pos": [[{"text": "p", "title": "a title that is long", "body": long, "id": 3}]]}
    reader = RowReader(FieldNames())
    assert reader.read(nested) == (["q"], ["a title that is long p"], [], [long])
    assert (reader.fields["unknown"], reader.ignored) == ({"pos.body"}, {"pos.id"})
    assert RowReader(FieldNames(ignored=("pos.body",))).read(nested).others == []
    assert RowReader(FieldNames()).read({"set": ["a", "b"], "input": long}) == (["a"], ["b"], [], [long])
    assert RowReader(FieldNames(query=("frage",))).read({"frage": "q", "query": long}).others == [long]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"prompt": "a", "completion": "b"}, "'prompt', 'completion'.*--query-field"),
        ({}, "found nothing"),
        ({"query": 3}, '"query" holds a number'),
        ({"query": "q", "positive": "p", "score": float("nan")}, '"score" holds nan; expected a finite number'),
        ({"query": "q", "docs": ["p"], "labels": [float("-inf")]}, '"labels" holds -inf'),
        ({"query": "q", "pos": [{"title": "no text"}]}, '"pos" holds an object'),
        ({"query": "", "pos": []}, "every field of it is empty"),
        ([], "array"),
        (["a", 3], "array"),
        ("a text", "JSON object"),
        (7, "JSON object"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused(record: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(record)
