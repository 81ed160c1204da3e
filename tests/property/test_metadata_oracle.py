"""Filters against the oracle: whatever the schema, the metadata, the filter and the way that rows are kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from metadata_oracle import LISTS, STORED, STRINGS, conditions_of, keeps, metadata_of

from crossfade.store.metadata import (
    Columns,
    Filter,
    MetadataSchema,
    SelectionCache,
    TailColumns,
    bind,
    evaluate,
    imposed,
    open_columns,
    save_columns,
    select,
)

# Every type, twice: fields of the same type must not be taken for each other.
SCHEMA = {f"{kind}{number}": kind for kind in STORED for number in (1, 2)}
# Few fields at a time, so that a tree asks several things of the same one.
FIELDS = st.lists(st.sampled_from(sorted(SCHEMA)), min_size=1, max_size=3, unique=True)
SCHEMAS = FIELDS.map(lambda names: {name: SCHEMA[name] for name in names})


def tail_of(documents: list[dict[str, Any]], schema: MetadataSchema) -> TailColumns:
    tail = TailColumns()
    for at, document in enumerate(documents):
        _, normal = schema.check(document, document=str(at))
        tail.extend([normal], schema)
    return tail


def saved(columns: Columns) -> Columns:
    with tempfile.TemporaryDirectory() as folder:
        save_columns(columns, Path(folder) / "segment")
        return open_columns(Path(folder) / "segment")


@given(st.data(), SCHEMAS, st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_every_way_of_keeping_rows_answers_as_the_oracle_does(
    data: st.DataObject, names: dict[str, str], split: float
) -> None:
    schema = MetadataSchema(names)
    documents = data.draw(st.lists(metadata_of(names), max_size=40))
    at = round(split * len(documents))
    sealed = tail_of(documents[:at], schema).snapshot()
    tail = tail_of(documents[at:], schema).snapshot()
    kept = [sealed, sealed.sealed(), saved(sealed), saved(saved(sealed))]
    for condition in data.draw(st.lists(conditions_of(names), min_size=1, max_size=6)):
        expected = [keeps(condition, document, names) for document in documents]
        bound = bind(Filter.parse(condition), schema)
        for columns in kept:
            found = evaluate(bound, columns).tolist() + evaluate(bound, tail).tolist()
            assert found == expected, Filter.parse(condition)
        chosen = select(bound, tail)
        assert chosen.count == sum(expected[at:])
        assert np.unpackbits(chosen.bits, count=chosen.rows, bitorder="little").tolist() == expected[at:]


@given(st.lists(metadata_of(SCHEMA), max_size=30))
@settings(max_examples=150, deadline=None)
def test_what_went_in_comes_out(documents: list[dict[str, Any]]) -> None:
    schema = MetadataSchema(SCHEMA)
    normal = [schema.check(document, document="d")[1] for document in documents]
    expected = [
        {name: sorted(value) if isinstance(value, list) else value for name, value in each.items()} for each in normal
    ]
    snapshot = tail_of(documents, schema).snapshot()
    for columns in (snapshot, snapshot.sealed(), saved(snapshot)):
        assert [columns.metadata(row) for row in range(columns.rows)] == expected
        assert columns.rows == len(documents)


@given(conditions_of(SCHEMA), st.lists(metadata_of(SCHEMA), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_canonical_json_is_the_filter(condition: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    made = Filter.parse(condition)
    text = made.to_json()
    again = Filter.parse(text)
    assert again == made
    assert hash(again) == hash(made)
    assert again.to_json() == text
    assert str(made)
    schema = MetadataSchema(SCHEMA)
    columns = tail_of(documents, schema).snapshot()
    bound = bind(made, schema)
    assert evaluate(bind(again, schema), columns).tolist() == evaluate(bound, columns).tolist()
    # A filter bound once means the same when its key is read again as far as no date-time is in it.
    assert bound.key == bind(again, schema).key


@given(st.data(), st.lists(metadata_of(SCHEMA), max_size=20), st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_a_snapshot_stays_as_it_was(data: st.DataObject, documents: list[dict[str, Any]], count: int) -> None:
    schema = MetadataSchema(SCHEMA)
    count = min(count, len(documents))
    tail = tail_of(documents[:count], schema)
    before = tail.snapshot()
    tail.extend([schema.check(document, document="d")[1] for document in documents[count:]], schema)
    bound = bind(Filter.parse(data.draw(conditions_of(SCHEMA))), schema)
    expected = evaluate(bound, tail.snapshot()).tolist()[:count]
    assert evaluate(bound, before).tolist() == expected
    assert evaluate(bound, tail.snapshot(count)).tolist() == expected
    assert evaluate(bound, tail.snapshot(count).sealed()).tolist() == expected


@given(st.data(), st.lists(st.tuples(st.sampled_from(["acme", "other", "", None]), metadata_of(SCHEMA)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_nothing_of_another_tenant_passes(
    data: st.DataObject, documents: list[tuple[str | None, dict[str, Any]]]
) -> None:
    """Whatever the caller asks, of the tenant's own field too, and however often it was asked before."""
    names = {**SCHEMA, "tenant": "string"}
    schema = MetadataSchema(names)
    rows = [{**document, "tenant": tenant} for tenant, document in documents]
    snapshot = tail_of(rows, schema).snapshot()
    caches = [SelectionCache(columns, 4096) for columns in (snapshot, snapshot.sealed())]
    for condition in data.draw(st.lists(conditions_of(names), min_size=1, max_size=5)):
        caller = Filter.parse(condition)
        for tenant in ("acme", "other", ""):
            bound = bind(imposed(caller, "tenant", tenant), schema)
            expected = [row["tenant"] == tenant and keeps(condition, row, names) for row in rows]
            for cache in caches:
                chosen = cache.select(bound)
                assert np.unpackbits(chosen.bits, count=chosen.rows, bitorder="little").tolist() == expected


@given(st.lists(LISTS, max_size=20), st.lists(STRINGS, max_size=20))
@settings(max_examples=100, deadline=None)
def test_equal_rows_make_equal_files(lists: list[list[str]], texts: list[str]) -> None:
    """However they came: in one call or many, with lists in another order, in a snapshot or sealed or from a file."""
    schema = MetadataSchema({"a": "strings", "b": "string"})
    documents = [{"a": each, "b": text} for each, text in zip(lists, texts, strict=False)]
    at_once = TailColumns()
    at_once.extend([schema.check(document, document="d")[1] for document in documents], schema)
    turned = tail_of([{**document, "a": list(reversed(document["a"]))} for document in documents], schema)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment"
        content = set()
        for columns in (at_once.snapshot(), turned.snapshot().sealed(), saved(at_once.snapshot())):
            save_columns(columns, path)
            content.add(path.read_bytes())
    assert len(content) == 1
