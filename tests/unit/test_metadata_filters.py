"""The grammar of filters: what is read, how it is written again, what is refused and by which words."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata import (
    And,
    ContainsAll,
    ContainsAny,
    Equals,
    Exists,
    Filter,
    In,
    MetadataSchema,
    Not,
    Or,
    Prefix,
    Range,
    bind,
    imposed,
)
from crossfade.store.metadata import limits as most

EXAMPLE = """{"and": [{"field": "tenant", "eq": "acme"}, {"not": {"field": "status", "in": ["draft", "deleted"]}},
                      {"field": "date", "gte": "2026-01-01", "lt": "2026-07-01"}]}"""
SCHEMA = MetadataSchema(
    {"s": "string", "i": "int", "f": "float", "b": "bool", "d": "datetime", "l": "strings", "tenant": "string"}
)


def nested(depth: int) -> dict[str, Any]:
    """A filter so many nodes deep."""
    made: dict[str, Any] = {"field": "i", "eq": 1}
    for _ in range(depth - 1):
        made = {"not": made}
    return made


def test_the_example_is_read_and_written() -> None:
    made = Filter.parse(EXAMPLE)
    assert made == And(
        (
            Equals("tenant", "acme"),
            Not(In("status", ("draft", "deleted"))),
            Range("date", gte="2026-01-01", lt="2026-07-01"),
        )
    )
    assert made == Filter.parse(json.loads(EXAMPLE))
    assert str(made) == (
        'tenant = "acme" and not status in ("deleted", "draft") and date >= "2026-01-01" and date < "2026-07-01"'
    )


@pytest.mark.parametrize(
    ("made", "text", "words"),
    [
        (Equals("a", "x"), '{"field":"a","eq":"x"}', 'a = "x"'),
        (Equals("a", True), '{"field":"a","eq":true}', "a = true"),
        (Equals("a", -0.0), '{"field":"a","eq":0.0}', "a = 0.0"),
        (Equals("a", ("y", "x", "y")), '{"field":"a","eq":["x","y"]}', 'a = ("x", "y")'),
        (Equals("a", datetime(2026, 1, 1, tzinfo=UTC)), '{"field":"a","eq":"2026-01-01T00:00:00Z"}', None),
        (In("a", (2, 1, 2)), '{"field":"a","in":[1,2]}', "a in (1, 2)"),
        (In("a", (1, True, 1.0, "1")), '{"field":"a","in":[true,1.0,1,"1"]}', 'a in (true, 1.0, 1, "1")'),
        (In("a", tuple(range(9))), '{"field":"a","in":[0,1,2,3,4,5,6,7,8]}', "a in (0, 1, 2, 3, 4, and 4 more)"),
        (Range("a", gt=1), '{"field":"a","gt":1}', "a > 1"),
        (Not(Range("a", gte=1, lte=2)), '{"not":{"field":"a","gte":1,"lte":2}}', "not (a >= 1 and a <= 2)"),
        (Prefix("a", "x\n"), '{"field":"a","prefix":"x\\n"}', 'a begins with "x\\n"'),
        (Prefix("a", "Éclair"), '{"field":"a","prefix":"\\u00c9clair"}', 'a begins with "Éclair"'),
        (Prefix("a", "\u202e"), None, 'a begins with "\\u202e"'),
        (Exists("a"), '{"field":"a","exists":true}', "a exists"),
        (Exists("a", False), '{"field":"a","exists":false}', "a is absent"),
        (ContainsAny("a", ("x",)), '{"field":"a","contains_any":["x"]}', 'a contains any of ("x")'),
        (ContainsAll("a", ("x",)), '{"field":"a","contains_all":["x"]}', 'a contains all of ("x")'),
        (And(()), '{"and":[]}', "everything"),
        (Or(()), '{"or":[]}', "nothing"),
        (
            And((Exists("c"), Or((Exists("b"), Exists("a"))), Exists("c"))),
            '{"and":[{"field":"c","exists":true},{"or":[{"field":"a","exists":true},{"field":"b","exists":true}]}]}',
            "c exists and (b exists or a exists) and c exists",
        ),
        (Not(And((Exists("a"), Exists("b")))), None, "not (a exists and b exists)"),
    ],
)
def test_canonical_json_and_words(made: Filter, text: str | None, words: str | None) -> None:
    assert text is None or json.loads(made.to_json()) == json.loads(text)
    assert text is None or sorted(made.to_json()) == sorted(text)
    assert words is None or str(made) == words
    assert Filter.parse(made.to_json()) == made


def test_equal_filters_are_one_key_and_others_are_not() -> None:
    assert And((Exists("a"), Exists("b"))) == And((Exists("b"), Exists("a"), Exists("b")))
    assert len({Equals("a", 1), Equals("a", True), Equals("a", 1.0), Equals("a", "1"), Equals("a", ("1",))}) == 5
    assert Equals("a", 1) != {"field": "a", "eq": 1}


REFUSED: list[tuple[str, str]] = [
    ("", "the filter is not JSON"),
    ("{", "the filter is not JSON"),
    ("null", "filter: found null, expected an object"),
    ("[]", "filter: found a list of 0, expected an object"),
    ("{}", "filter: the object is empty"),
    ('{"field": "a"}', 'field "a" is compared with nothing: add one of eq, in'),
    ('{"eq": 1}', "the key 'field' is missing"),
    ('{"feild": "a", "eq": 1}', 'the key "feild" means nothing here: did you mean "field"'),
    ('{"field": "a", "ne": 1}', 'the key "ne" means nothing here'),
    ('{"$where": "1"}', r'the key "\$where" means nothing here'),
    ('{"and": [{"field": "a", "eq": 1}, {"not": {"field": "b", "is": 1}}]}', r"filter.and\[1\].not: the key"),
    ('{"and": [], "or": []}', "'and' must be the only key of its object, found and, or"),
    ('{"not": {"field": "a", "eq": 1}, "field": "a", "eq": 1}', "'not' must be the only key"),
    ('{"and": {"field": "a", "eq": 1}}', "filter.and: found a value of type dict, expected a list of filters"),
    ('{"not": [{"field": "a", "eq": 1}]}', "filter.not: found a list of 1, expected an object"),
    ('{"field": "a", "eq": 1, "gt": 0}', "has the operators eq, gt in one object"),
    ('{"field": "a", "gt": 1, "gte": 0}', "needs gt or gte, lt or lte"),
    ('{"field": "a", "eq": null}', 'eq of field "a" is null: use {"exists": false}'),
    ('{"field": "a", "gt": null, "lt": 2}', 'gt of field "a" is null'),
    ('{"field": "a", "eq": {"x": 1}}', "found a value of type dict, expected a string, number"),
    ('{"field": "a", "eq": [1]}', "found 1, expected strings in its list"),
    ('{"field": "a", "gt": ["x"]}', "found a list of 1, expected a string, number"),
    ('{"field": "a", "in": "x"}', 'found "x", expected a list'),
    ('{"field": "a", "in": [["x"]]}', "found a list of 1, expected a string, number"),
    ('{"field": "a", "in": [null]}', 'found null, expected .*use {"exists": false}'),
    ('{"field": "a", "prefix": 1}', "found 1, expected a string"),
    ('{"field": "a", "exists": 1}', "found 1, expected true or false"),
    ('{"field": "a", "contains_any": "x"}', 'found "x", expected a list'),
    ('{"field": "a", "contains_all": [1]}', "found 1, expected strings"),
    ('{"field": "a b", "eq": 1}', 'field name "a b" cannot be used'),
    ('{"field": 5, "eq": 1}', "field name 5 cannot be used"),
    ('{"field": "a", "eq": NaN}', "the filter holds NaN: a number must be finite"),
    ('{"field": "a", "eq": -Infinity}', "the filter holds -Infinity"),
    ('{"field": "a", "eq": 1e999}', "found inf: a number must be finite"),
    ('{"field": "a", "eq": 9223372036854775808}', "found 9223372036854775808, beyond 64 bits"),
    ('{"field": "a", "eq": ' + "9" * 5000 + "}", "the filter is not JSON: Exceeds the limit"),
    ('{"field": "a", "eq": "\\ud800"}', "holds a lone surrogate"),
    ('{"field": "a", "field": "b", "eq": 1}', 'the key "field" twice in one object'),
    ('{"not": {"field": "a", "eq": 1}, "not": {"field": "a", "eq": 2}}', 'the key "not" twice'),
]


@pytest.mark.parametrize(("source", "message"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_what_is_no_filter_is_refused(source: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Filter.parse(source)


@pytest.mark.parametrize("source", [None, 5, b"{}", [], {5: 1}, {"field": "a", "eq": float("nan")}, {"eq": object()}])
def test_what_is_no_json_at_all_is_refused(source: Any) -> None:
    with pytest.raises(InvalidInput):
        Filter.parse(source)


def test_limits_of_what_a_caller_sends() -> None:
    for read in (lambda tree: tree, json.dumps):
        check_limits(read)


def check_limits(read: Callable[[object], Any]) -> None:
    assert Filter.parse(read(nested(most.MAX_DEPTH))).depth == most.MAX_DEPTH
    with pytest.raises(LimitExceeded, match="nested more than 32 deep"):
        Filter.parse(read(nested(most.MAX_DEPTH + 1)))
    leaf = {"field": "l", "contains_any": ["x"]}
    assert Filter.parse(read({"or": [leaf] * (most.MAX_NODES - 1)})).nodes == most.MAX_NODES
    with pytest.raises(LimitExceeded, match="more than 1024 nodes"):
        Filter.parse(read({"or": [leaf] * most.MAX_NODES}))
    values = list(range(most.MAX_VALUES))
    assert len(Filter.parse(read({"field": "i", "in": values})).values) == most.MAX_VALUES  # type: ignore[attr-defined]
    for operator, listed in (("in", [*values, 0]), ("contains_all", ["x"] * 10_001), ("eq", ["x"] * 10_001)):
        with pytest.raises(LimitExceeded, match=r"10001 values, the limit is 10000"):
            Filter.parse(read({"field": "i", operator: listed}))
    with pytest.raises(LimitExceeded, match="found a string of 8193 bytes"):
        Filter.parse(read({"field": "i", "eq": "x" * 8193}))
    with pytest.raises(LimitExceeded, match="characters long"):
        Filter.parse(read({"field": "i", "in": [f"{number:08000}" for number in range(140)]}))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        '{"not":' * 100_000,
        '{"and":[' * 100_000 + "]}" * 100_000,
        '{"field":"a","in":' + "[" * 100_000 + "]" * 100_000 + "}",
        "[]" * 400_000,
        '{"a":"\\' + "[" * 100_000,
        '"' + "[" * 100_000,
        '\\"' + "[" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_nesting_is_refused_long_before_the_stack_ends(text: str) -> None:
    with pytest.raises(InvalidInput):
        Filter.parse(text)
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(len(inspect.stack()) + 250)
        Filter.parse(json.dumps(nested(most.MAX_DEPTH)))
        with pytest.raises(InvalidInput):
            Filter.parse(text)
    finally:
        sys.setrecursionlimit(limit)


def test_a_tree_that_holds_itself_ends() -> None:
    circle: dict[str, Any] = {}
    circle["not"] = circle
    with pytest.raises(LimitExceeded, match="nested more than 32 deep"):
        Filter.parse(circle)
    wide: dict[str, Any] = {"field": "a", "eq": 1}
    for _ in range(31):  # 2**31 leaves, of 32 objects
        wide = {"and": [wide, wide]}
    with pytest.raises(LimitExceeded, match="more than 1024 nodes"):
        Filter.parse(wide)
    leaf: Filter = Equals("a", 1)
    with pytest.raises(LimitExceeded, match="the limits are 64 and 2048"):
        reduce(lambda tree, _: And((tree, tree)), range(31), leaf)
    with pytest.raises(LimitExceeded, match="a filter of depth 65"):
        reduce(lambda tree, _: Not(tree), range(100), leaf)


@pytest.mark.parametrize(
    "make",
    [
        lambda: And([Exists("a"), 5]),
        lambda: And(5),
        lambda: Not({"field": "a", "eq": 1}),
        lambda: Or("ab"),
        lambda: Equals("a", None),
        lambda: Equals("a b", 1),
        lambda: In("a", {1, 2}),
        lambda: Range("a"),
        lambda: Range("a", gt=float("nan")),
        lambda: Equals("a", datetime(2026, 1, 1)),
        lambda: Exists("a", 1),
        lambda: ContainsAny("a", "xy"),
        lambda: imposed(None, "tenant", ["a"]),
        lambda: imposed({"field": "a", "eq": 1}, "tenant", "a"),
        lambda: imposed(None, "tenant", None),
        lambda: bind({"field": "a", "eq": 1}, SCHEMA),
        lambda: bind(Filter(), SCHEMA),
    ],
)
def test_nodes_made_by_hand_are_checked(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()


def test_the_servers_condition_fits_around_the_greatest_filter() -> None:
    deepest = Filter.parse(nested(most.MAX_DEPTH))
    widest = Filter.parse({"or": [{"field": "i", "eq": 1}] * (most.MAX_NODES - 1)})
    for caller in (deepest, widest):
        made = imposed(caller, "tenant", "acme")
        assert made == And((Equals("tenant", "acme"), caller))
        bind(made, SCHEMA)
    assert imposed(None, "tenant", "acme") == Equals("tenant", "acme")


UNFIT: list[tuple[str, object, str]] = [
    ("x", {"eq": 1}, r'no document has the field "x": there are "b", "d"'),
    ("tennant", {"eq": "a"}, r'did you mean "tenant"\?'),
    ("s", {"eq": 1}, 'eq of field "s": the field has the type string, expected a string, found 1'),
    ("s", {"contains_any": ["x"]}, "has the type string, which has no contains_any: use in"),
    ("s", {"contains_all": ["x"]}, "has no contains_all"),
    ("s", {"eq": ["x"]}, "found a list of 1; use in for one of several values"),
    ("s", {"gt": "a", "lt": 5}, 'lt of field "s": the field has the type string, expected a string, found 5'),
    ("i", {"eq": True}, "expected an int of 64 bits, found true"),
    ("i", {"in": [1, "1"]}, 'found "1"'),
    ("i", {"prefix": "1"}, "which has no prefix: use gte and lt"),
    ("f", {"lt": "1"}, "expected a finite number, found"),
    ("b", {"eq": 1}, "expected true or false, found 1"),
    ("b", {"gt": False}, "has the type bool, which has no gt, gte, lt and lte: use eq"),
    ("d", {"gt": 5}, "expected a date"),
    ("d", {"gt": "2026-02-30"}, r'gt of field "d": found "2026-02-30", expected a date .*no such day'),
    ("d", {"in": ["2026-01-01", "x"]}, r'in of field "d": found "x"'),
    ("d", {"prefix": "2026-"}, "which has no prefix: use gte and lt"),
    ("l", {"eq": "x"}, r'expected a list of strings, found "x"; use contains_any'),
    ("l", {"in": ["x"]}, "which has no in: use contains_any or contains_all"),
    ("l", {"gt": "x"}, "has no gt, gte, lt and lte: use contains_any"),
    ("l", {"prefix": "x"}, "has no prefix: use contains_any"),
]


@pytest.mark.parametrize(("field", "operator", "message"), UNFIT)
def test_what_does_not_fit_the_schema_is_refused(field: str, operator: dict[str, Any], message: str) -> None:
    made = Filter.parse({"or": [{"field": "i", "eq": 1}, {"not": {"field": field, **operator}}]})
    with pytest.raises(InvalidInput, match=message):
        bind(made, SCHEMA)


@pytest.mark.parametrize(
    ("asked", "bound"),
    [
        ({"field": "i", "gt": 1.5}, Range("i", gte=2)),
        ({"field": "i", "lt": -1.5}, Range("i", lte=-2)),
        ({"field": "i", "gt": 2.0**53}, Range("i", gte=2**53 + 1)),
        ({"field": "i", "gt": 1e300}, In("i", ())),
        ({"field": "i", "gte": -1e300, "lt": 2.0**63}, Exists("i")),
        ({"field": "i", "gt": 2**63 - 1}, In("i", ())),
        ({"field": "i", "eq": 2.0**63}, In("i", ())),
        ({"field": "i", "in": [2.0, 2.5, -(2.0**63)]}, In("i", (2, -(2**63)))),
        ({"field": "f", "in": [2**53 + 1, 3]}, In("f", (3.0,))),
        ({"field": "f", "gt": 2**53 + 1}, Range("f", gte=2.0**53 + 2)),
        ({"field": "f", "gte": 2**53 + 1}, Range("f", gte=2.0**53 + 2)),
        ({"field": "f", "lt": 2**53 + 1}, Range("f", lte=2.0**53)),
        ({"field": "f", "lte": 2**53 + 3}, Range("f", lte=2.0**53 + 2)),
        ({"field": "f", "lt": 2**63 - 1}, Range("f", lte=2.0**63 - 1024)),
        ({"field": "d", "eq": "1970-01-01T00:00:01Z"}, In("d", (1_000_000,))),
    ],
)
def test_values_become_the_fields_own_type_exactly(asked: dict[str, Any], bound: Filter) -> None:
    assert bind(Filter.parse(asked), SCHEMA).filter == bound


KEYS = ["field", "and", "or", "not", "eq", "in", "gt", "gte", "lt", "lte", "prefix", "exists", "contains_any"]
ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["a", "s", "d"])
TREES = st.recursive(
    ODD,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=2), below, max_size=3)
        | st.fixed_dictionaries(
            {"field": st.sampled_from(sorted(SCHEMA))}, optional={"eq": below, "in": below, "gt": below}
        )
        | st.fixed_dictionaries({"and": st.lists(below, max_size=3)})
    ),
    max_leaves=12,
)


@given(TREES)
@settings(max_examples=500, deadline=None)
def test_any_json_is_a_filter_or_invalid_input(tree: object) -> None:
    for source in (tree, json.dumps(tree)):
        try:
            made = Filter.parse(source)  # type: ignore[arg-type]
        except InvalidInput:
            continue
        assert Filter.parse(made.to_json()) == made
        try:
            bind(made, SCHEMA)
        except InvalidInput:
            continue


@given(st.text() | st.text(alphabet='{}[]",:\\ aeqfild01null.-'), st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_filter_or_invalid_input(text: str, start: int, stop: int) -> None:
    for source in (text, EXAMPLE[:start] + text + EXAMPLE[stop:]):
        try:
            Filter.parse(source)
        except InvalidInput:
            continue
