"""What a filter means, in obvious lines over a document's metadata as the user gave them; and random ones of both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

MOMENTS = st.datetimes(
    min_value=datetime(2025, 12, 30), max_value=datetime(2026, 1, 3), timezones=st.sampled_from([UTC])
) | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DATES = st.one_of(
    st.sampled_from(["2026-01-01", "2025-12-31", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001+00:00"]),
    st.dates().map(lambda day: day.isoformat()),
    st.builds(lambda moment, zone: moment.astimezone(zone).isoformat(), MOMENTS, ZONES),
)
TEXTS = st.sampled_from(["", "a", "ab", "abc", "b", "é", "\x00", "a\x00", "\U0001f600", "\uffff", '"'])
STRINGS = TEXTS | st.text(st.characters(codec="utf-8"), max_size=3)
EDGES = [-(2**63), 1 - 2**63, -(2**53) - 1, -(2**53), -1, 0, 1, 2, 2**53, 2**53 + 1, 2**62 + 1, 2**63 - 512, 2**63 - 1]
INTS = st.sampled_from(EDGES) | st.integers(-3, 3)
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 5e-324, 1.7e308]),
    st.integers(-3, 3).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
EXACT_INTS = INTS.filter(lambda value: int(float(value)) == value)
LISTS = st.lists(TEXTS, max_size=4)

STORED: dict[str, st.SearchStrategy[Any]] = {
    "string": STRINGS,
    "int": INTS,
    "float": FLOATS | EXACT_INTS,
    "bool": st.booleans(),
    "datetime": DATES,
    "strings": LISTS,
}
ASKED = {**STORED, "int": INTS | FLOATS, "float": FLOATS | INTS}


def keeps(condition: dict[str, Any], metadata: dict[str, Any], schema: dict[str, str]) -> bool:
    """The oracle: Python's own comparisons, which are exact for an int with a float, and its own reader of dates."""
    if "and" in condition:
        return all(keeps(each, metadata, schema) for each in condition["and"])
    if "or" in condition:
        return any(keeps(each, metadata, schema) for each in condition["or"])
    if "not" in condition:
        return not keeps(condition["not"], metadata, schema)
    kind, value = schema[condition["field"]], metadata.get(condition["field"])
    if "exists" in condition:
        return (value is not None) == condition["exists"]
    return value is not None and all(
        compare(operator, read(value, kind), operand, kind)
        for operator, operand in condition.items()
        if operator != "field"
    )


def compare(operator: str, value: Any, operand: Any, kind: str) -> bool:
    if operator == "in":
        return any(value == read(each, kind) for each in operand)
    if operator == "contains_any":
        return any(each in value for each in operand)
    if operator == "contains_all":
        return all(each in value for each in operand)
    wanted = read(operand, kind)
    answers = {
        "eq": lambda: value == wanted,
        "gt": lambda: value > wanted,
        "gte": lambda: value >= wanted,
        "lt": lambda: value < wanted,
        "lte": lambda: value <= wanted,
        "prefix": lambda: value.startswith(wanted),
    }
    return bool(answers[operator]())


def read(value: Any, kind: str) -> Any:
    if kind == "datetime":
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if kind == "string":
        return value.encode()
    return set(value) if kind == "strings" else value


def metadata_of(schema: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Of a document: any of the fields, none for some."""
    return st.fixed_dictionaries({}, optional={name: st.none() | STORED[kind] for name, kind in schema.items()})


def conditions_of(schema: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON of filters that fit the schema."""
    leaves = st.sampled_from(sorted(schema)).flatmap(lambda name: leaf_of(name, schema[name]))
    return st.recursive(
        leaves,
        lambda below: st.one_of(
            st.lists(below, max_size=4).map(lambda each: {"and": each}),
            st.lists(below, max_size=4).map(lambda each: {"or": each}),
            below.map(lambda each: {"not": each}),
        ),
        max_leaves=12,
    )


def leaf_of(name: str, kind: str) -> st.SearchStrategy[dict[str, Any]]:
    asked = ASKED[kind]
    operators: list[st.SearchStrategy[dict[str, Any]]] = [
        st.fixed_dictionaries({"eq": asked}),
        st.fixed_dictionaries({"exists": st.booleans()}),
    ]
    if kind == "strings":
        operators += [st.fixed_dictionaries({key: LISTS}) for key in ("contains_any", "contains_all")]
    else:
        operators.append(st.fixed_dictionaries({"in": st.lists(asked, max_size=12)}))
    if kind not in ("strings", "bool"):
        for lower, upper in (("gt", "lt"), ("gt", "lte"), ("gte", "lt"), ("gte", "lte")):
            operators.append(
                st.fixed_dictionaries({}, optional={lower: asked, upper: asked}).filter(lambda bounds: bool(bounds))
            )
    if kind == "string":
        operators.append(st.fixed_dictionaries({"prefix": STRINGS}))
    return st.one_of(operators).map(lambda operator: {"field": name, **operator})
