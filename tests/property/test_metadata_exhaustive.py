"""Every operator with every awkward value, and every pair of them as a range, against the oracle: what random trees,
in which one leaf hides another, find only by luck.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from metadata_oracle import EDGES, keeps

from crossfade.store.metadata import Filter, MetadataSchema, TailColumns, bind, evaluate, open_columns, save_columns

TEXTS = ["", "\x00", '"', "Z", "a", "a\x00", "ab", "abc", "b", "é", "\ud7ff", "\ue000", "\uffff", "\U0001f600"]
FLOATS = [0.0, 5e-324, 0.5, 1.0, 2.0, 2.0**53, 2.0**53 + 2, 2.0**62, 2.0**63 - 1024, 2.0**63, 1.7976931348623157e308]
MOMENTS = [
    "0001-01-01",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01",
    "2025-12-31T23:30:00-00:30",
    "2026-01-01",
    "2026-01-01T00:00:00.000001Z",
    "2026-01-01T00:59:59.999999+01:00",
    "9999-12-31T23:59:59.999999Z",
]
LISTS = [list(each) for size in range(4) for each in combinations(["", "a", "b", "ab"], size)]
SIGNED = [*FLOATS, *(-each for each in FLOATS)]

STORED: dict[str, list[Any]] = {
    "string": TEXTS[::2],
    "int": EDGES,
    "float": SIGNED,
    "bool": [True, False],
    "datetime": MOMENTS[::2],
    "strings": LISTS,
}
ASKED: dict[str, list[Any]] = {
    **STORED,
    "string": TEXTS,
    "int": [*EDGES, 3, *SIGNED],
    "float": [*SIGNED, *EDGES],
    "datetime": MOMENTS,
}


def leaves(kind: str) -> Iterator[dict[str, Any]]:
    asked = ASKED[kind]
    yield from ({"exists": there} for there in (True, False))
    yield from ({"eq": value} for value in asked)
    if kind == "strings":
        yield from ({operator: value} for value in asked for operator in ("contains_any", "contains_all"))
        return
    yield from ({"in": list(some)} for size in (0, 1, 2) for some in combinations(asked, size))
    yield from ({"in": asked[start:stop]} for start, stop in ((0, None), (1, None), (0, -1), (2, -2)))
    if kind == "bool":
        return
    yield from ({operator: value} for operator in ("gt", "gte", "lt", "lte") for value in asked)
    for lower, upper in product(("gt", "gte"), ("lt", "lte")):
        yield from ({lower: low, upper: high} for low, high in product(asked, asked))
    if kind == "string":
        yield from ({"prefix": value} for value in asked)


@pytest.mark.parametrize("kind", sorted(STORED))
def test_every_leaf_with_every_value(kind: str, tmp_path: Path) -> None:
    names = {"field": kind, "other": "bool"}
    schema = MetadataSchema(names)
    # Twice and out of order, with rows between that lack the field: codes, runs and gaps of every kind.
    values = [*STORED[kind], None, *reversed(STORED[kind])]
    documents = [{"field": value, "other": True} for value in values]
    documents[3:3] = [{"field": None}, {"field": None, "other": False}]
    tail = TailColumns()
    tail.extend([schema.check(document, document="d")[1] for document in documents], schema)
    # After the snapshot, the tail's dictionary grows by all that is asked for.
    snapshot = tail.snapshot()
    later = [value for value in ASKED[kind] if kind == "string"]
    tail.extend([schema.check({"field": value}, document="d")[1] for value in later], schema)
    save_columns(snapshot, tmp_path / "segment")
    kept = [snapshot, tail.snapshot(len(documents)), snapshot.sealed(), open_columns(tmp_path / "segment")]
    for leaf in leaves(kind):
        condition = {"field": "field", **leaf}
        bound = bind(Filter.parse(json.dumps(condition)), schema)
        expected = [keeps(condition, document, names) for document in documents]
        for columns in kept:
            assert evaluate(bound, columns).tolist() == expected, condition
