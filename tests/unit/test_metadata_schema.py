"""One type a field, inferred or declared; metadata in normal form; every refusal names document and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata import FieldType, MetadataSchema
from crossfade.store.metadata import limits as most


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "kind", "normal"),
    [
        ("acme", FieldType.STRING, "acme"),
        ("2026-01-01", FieldType.STRING, "2026-01-01"),
        ("", FieldType.STRING, ""),
        (Colour.RED, FieldType.STRING, "red"),
        (True, FieldType.BOOL, True),
        (np.bool_(False), FieldType.BOOL, False),
        (3, FieldType.INT, 3),
        (Level.HIGH, FieldType.INT, 3),
        (-(2**63), FieldType.INT, -(2**63)),
        (2**63 - 1, FieldType.INT, 2**63 - 1),
        (np.uint64(7), FieldType.INT, 7),
        (3.0, FieldType.FLOAT, 3.0),
        (np.float32(0.5), FieldType.FLOAT, 0.5),
        (date(1970, 1, 2), FieldType.DATETIME, 86_400_000_000),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), FieldType.DATETIME, 1_000_000),
        (["b", "a", "b"], FieldType.STRINGS, ["b", "a"]),
        (("x",), FieldType.STRINGS, ["x"]),
        ([], FieldType.STRINGS, []),
    ],
)
def test_the_first_value_gives_the_type(value: object, kind: FieldType, normal: object) -> None:
    schema, metadata = MetadataSchema().check({"field": value}, document="d")
    assert schema["field"] is kind
    assert metadata == {"field": normal}
    assert type(metadata["field"]) is type(normal)
    assert MetadataSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert json.loads(json.dumps(metadata)) == metadata
    assert schema.check({"field": value}, document="e") == (schema, metadata)


def test_the_callers_schema_is_left_as_it_is() -> None:
    before = MetadataSchema({"a": "int"})
    after, _ = before.check({"b": 1, "a": 2}, document="d")
    assert list(before) == ["a"]
    assert list(after) == ["a", "b"]
    same, _ = after.check({"a": 5}, document="d")
    assert same is after
    assert {before: 1}[MetadataSchema({"a": FieldType.INT})] == 1


def test_null_is_no_value_and_gives_no_type() -> None:
    schema, metadata = MetadataSchema({"a": "int"}).check({"a": None, "b": None}, document="d")
    assert metadata == {}
    assert list(schema) == ["a"]


def test_a_declared_field_takes_what_its_type_takes() -> None:
    schema = MetadataSchema({"price": "float", "when": "datetime"})
    _, metadata = schema.check({"price": 10, "when": "1970-01-01T01:00:00+01:00"}, document="d")
    assert metadata == {"price": 10.0, "when": 0}
    assert type(metadata["price"]) is float
    assert schema.present(metadata) == {"price": 10.0, "when": "1970-01-01T00:00:00Z"}


CONFLICTS: list[tuple[str, object, str]] = [
    ("string", 3, r"found 3, expected a string: the field has the type string"),
    ("string", ["a"], r"found a list of 1, expected a string"),
    ("int", 3.0, r"found 3.0, expected an int of 64 bits.*must be declared float before its first document"),
    ("int", True, r"found true, expected an int"),
    ("int", "3", r'found "3", expected an int'),
    ("int", 2**63, r"found 9223372036854775808, beyond 64 bits"),
    ("int", 2**200, r"found an int of 201 bits, beyond 64 bits"),
    ("float", 2**53 + 1, r"found 9007199254740993, which no float64 holds exactly"),
    ("float", True, r"found true, expected a finite number"),
    ("float", float("nan"), r"found nan: a number must be finite"),
    ("float", float("-inf"), r"found -inf: a number must be finite"),
    ("bool", 1, r"found 1, expected true or false"),
    ("datetime", "2026-01-01T00:00:00", r'found "2026-01-01T00:00:00", expected a date .*: it has no zone'),
    ("datetime", 5, r"found 5, expected a date"),
    ("datetime", datetime(2026, 1, 1), r"found 2026-01-01 00:00:00, .*no zone"),
    ("strings", "a", r'found "a", expected a list of strings.*put the one string into a list'),
    ("strings", ["a", 1], r"found 1 at position 1 of its list, expected a string"),
    ("strings", ["\ud800"], r"found .* holds a lone surrogate"),
    ("string", "\ud800", r"found .* holds a lone surrogate"),
    ("string", {"x": 1}, r"found a value of type dict, expected a string"),
    ("string", b"x", r"found a value of type bytes, expected a string"),
]


@pytest.mark.parametrize(("kind", "value", "message"), CONFLICTS)
def test_a_conflict_names_document_field_found_and_expected(kind: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=r'document "d7": field "f": ' + message):
        MetadataSchema({"f": kind}).check({"f": value}, document="d7")


def test_an_int_that_python_cannot_write_is_named_all_the_same() -> None:
    with pytest.raises(InvalidInput, match="found an int of 16610 bits, beyond 64 bits"):
        MetadataSchema().check({"f": 10**5000}, document="d")


@pytest.mark.parametrize("value", [{"x": 1}, b"x", object(), {1}, 1j, [1], [["a"]], [None], float("inf"), np.zeros(2)])
def test_no_type_is_inferred_of_what_cannot_be_stored(value: object) -> None:
    with pytest.raises(InvalidInput, match=r'document "d": field "f": found'):
        MetadataSchema().check({"f": value}, document="d")


@pytest.mark.parametrize("name", ["", "1a", "a b", "a" * 129, "é", "a\n", "-a", ".a", 5, None, b"a", "\ud800"])
def test_names_are_checked_wherever_they_come(name: Any) -> None:
    with pytest.raises(InvalidInput, match=r"field name .* cannot be used"):
        MetadataSchema({name: "int"})
    for value in (1, None):
        with pytest.raises(InvalidInput, match=r'document "d": .*field name .* cannot be used'):
            MetadataSchema().check({name: value}, document="d")


@pytest.mark.parametrize("given", [[], "x", 5, None])
def test_what_is_no_object_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput, match="must be an object"):
        MetadataSchema.from_json(given)
    with pytest.raises(InvalidInput, match="metadata must be an object"):
        MetadataSchema().check(given, document="d")


@pytest.mark.parametrize("kind", ["text", "", None, 5, ["int"], {}])
def test_a_type_that_does_not_exist_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidInput, match=r'field "a" cannot have the type .* use one of string, int'):
        MetadataSchema({"a": kind})


def test_a_field_keeps_its_type() -> None:
    schema = MetadataSchema({"a": "int"})
    assert schema.declare({"a": "int", "b": "bool"}) == MetadataSchema({"a": "int", "b": "bool"})
    with pytest.raises(InvalidInput, match=r'field "a" is int and cannot become float'):
        schema.declare({"a": "float"})


def test_limits() -> None:
    full = MetadataSchema({f"f{number}": "int" for number in range(most.MAX_FIELDS)})
    full.check({"f0": 1}, document="d")
    with pytest.raises(LimitExceeded, match=r'document "d": 257 metadata fields, the limit of a collection is 256'):
        full.check({"g": 1}, document="d")
    with pytest.raises(LimitExceeded, match="257 metadata fields"):
        full.declare({"g": "int"})
    empty = MetadataSchema()
    longest = "é" * (most.MAX_STRING_BYTES // 2)
    empty.check({"f": longest, "g": ["x"] * most.MAX_LIST_LENGTH, "n" * most.MAX_FIELD_NAME_BYTES: 1}, document="d")
    with pytest.raises(LimitExceeded, match="found a string of 8193 bytes, the limit is 8192"):
        empty.check({"f": longest + "x"}, document="d")
    with pytest.raises(LimitExceeded, match="found a list of 1025, the limit is 1024"):
        empty.check({"f": ["x"] * (most.MAX_LIST_LENGTH + 1)}, document="d")
    exact = {f"f{number}": longest for number in range(7)} | {"f7": "x" * (8192 - 8 * 2)}
    empty.check(exact, document="d")
    with pytest.raises(LimitExceeded, match=r'document "d": its metadata are 65537 bytes, the limit is 65536'):
        empty.check(exact | {"f7": exact["f7"] + "x"}, document="d")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.binary(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]) | st.text(max_size=3), ANYTHING, max_size=4))
@settings(deadline=None)
def test_anything_is_normal_form_or_invalid_input(metadata: dict[str, Any]) -> None:
    try:
        schema, normal = MetadataSchema({"a": "int", "b": "datetime"}).check(metadata, document="d")
    except InvalidInput:
        return
    assert json.loads(json.dumps(normal)) == normal
    assert normal.keys() <= schema.keys()
    assert list(normal) == sorted(normal)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**63, -(2**63), 2**53 + 1, np.int8(3), Level.HIGH]),
    st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf"), np.float32(0.5)]),
    st.sampled_from(["", "a", "é", "\ud800", "x" * (most.MAX_STRING_BYTES + 1), "2026-01-01", Colour.RED]),
    st.sampled_from([date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), object(), {"a": 1}]),
    st.lists(st.sampled_from(["a", "b", "a", 1]), max_size=3),
)
MANY = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(["a", "b", "c", "no name"]), VALUES, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", Colour.RED, 7]), st.integers(0, 9), max_size=3),
        st.just({f"f{number}": "x" * 8000 for number in range(9)}),
        st.just("not an object"),
    ),
    max_size=5,
)
SAME = st.sampled_from([st.integers(-9, 9), st.floats(), st.text(max_size=3), st.booleans(), st.dates()])
COLUMNS = SAME.flatmap(lambda values: st.lists(st.fixed_dictionaries({"a": values}, optional={"b": values})))


@given(st.one_of(MANY, COLUMNS), st.dictionaries(st.sampled_from("abc"), st.sampled_from(FieldType), max_size=3))
@settings(max_examples=1000, deadline=None)
def test_all_at_once_are_checked_as_one_after_the_other(rows: list[Any], declared: dict[str, FieldType]) -> None:
    schema, names = MetadataSchema(declared), [f"d{number}" for number in range(len(rows))]

    def one_by_one() -> tuple[MetadataSchema, list[Any]]:
        found, normal = schema, []
        for row, name in zip(rows, names, strict=True):
            found, each = found.check(row, document=name)
            normal.append(each)
        return found, normal

    assert said(one_by_one) == said(lambda: schema.check_all(rows, documents=names))


def said(check: Callable[[], tuple[MetadataSchema, list[Any]]]) -> tuple[Any, ...]:
    """Metadata as JSON, for which minus zero is not zero and 1 not 1.0, and in order; or the error."""
    try:
        schema, normal = check()
    except InvalidInput as error:
        return type(error), str(error)
    return schema, [json.dumps(each) for each in normal]


def test_a_collection_has_no_more_fields_all_at_once_either() -> None:
    rows = [{f"f{number}": number} for number in range(most.MAX_FIELDS + 1)]
    with pytest.raises(LimitExceeded, match=f'document "d{most.MAX_FIELDS}"'):
        MetadataSchema().check_all(rows, documents=[f"d{number}" for number in range(len(rows))])
