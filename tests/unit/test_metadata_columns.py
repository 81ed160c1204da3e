"""Columns: a tail that is written while it is read, the cache, and exactness at the ends of the number types."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.kernels import top_k
from crossfade.store.metadata import (
    Columns,
    Filter,
    MetadataSchema,
    SelectionCache,
    TailColumns,
    bind,
    evaluate,
    pack,
    select,
)

SCHEMA = MetadataSchema({"s": "string", "i": "int", "f": "float", "b": "bool", "d": "datetime", "l": "strings"})
FULL = {"s": "x", "i": 1, "f": 0.5, "b": True, "d": 5, "l": ["x", "y"]}


def tail(*rows: dict[str, Any]) -> TailColumns:
    made = TailColumns()
    made.extend(rows, SCHEMA)
    return made


def kept(columns: Columns, **condition: Any) -> list[int]:
    return np.flatnonzero(evaluate(bind(Filter.parse(condition), SCHEMA), columns)).tolist()


def test_ints_and_floats_compare_exactly() -> None:
    ints = [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
    columns = tail(*({"i": each} for each in ints)).snapshot()
    assert kept(columns, field="i", gt=2.0**53) == [2, 3]
    assert kept(columns, field="i", eq=2.0**53) == [1]
    assert kept(columns, field="i", lt=2.0**63) == [0, 1, 2, 3, 4]
    assert kept(columns, field="i", gte=2.0**63) == []
    assert kept(columns, field="i", lte=-(2.0**63)) == [4]
    assert kept(columns, field="i", gt=2**63 - 2) == [3]
    floats = [2.0**53, 2.0**53 + 2, 2.0**63, 5e-324, 0.0]
    columns = tail(*({"f": each} for each in floats)).snapshot()
    assert kept(columns, field="f", eq=2**53 + 1) == []
    assert kept(columns, field="f", gt=2**53 + 1) == [1, 2]
    assert kept(columns, field="f", lt=2**53 + 1) == [0, 3, 4]
    assert kept(columns, field="f", gt=2**63 - 1) == [2]
    assert kept(columns, field="f", gt=0) == [0, 1, 2, 3]
    assert kept(columns, field="f", eq=-0.0) == [4]


def test_many_values_are_found_as_few_are() -> None:
    rows = [{"i": value % 50, "s": str(value % 50)} for value in range(500)]
    for columns in (tail(*rows).snapshot(), tail(*rows).snapshot().sealed()):
        for count in (0, 1, 8, 9, 40, 10_000):
            expected = [row for row in range(500) if row % 50 < count]
            assert kept(columns, field="i", **{"in": list(range(count))}) == expected
            assert kept(columns, field="s", **{"in": [str(each) for each in range(count)]}) == expected


@pytest.mark.parametrize("size", [300, 383, 384, 385, 4096])
def test_more_strings_than_are_looked_up_one_by_one(size: int) -> None:
    """Every string and every place between two."""
    rows = [{"s": f"{2 * number:05}"} for number in range(size)]
    columns = tail(*rows).snapshot().sealed()
    everything = [f"{number:05}" for number in range(2 * size + 2)]
    for asked in (everything[:270], everything[-270:], everything[1::2][:size], everything[:: size // 140]):
        expected = [at for at, row in enumerate(rows) if row["s"] in set(asked)]
        assert kept(columns, field="s", **{"in": ["", *asked, "~"]}) == expected


def test_ints_that_lie_close_together_are_found_at_the_ends_of_their_type() -> None:
    for first in (-(2**63), -50, 2**63 - 101):
        rows = [{"i": first + value} for value in range(101)] + [{"i": -(2**63)}, {"i": 2**63 - 1}, {"i": 0}, {}]
        columns = tail(*rows).snapshot().sealed()
        for asked in (range(9), range(0, 60, 3), range(41, 101)):
            wanted = {first + each for each in asked}
            expected = [at for at, row in enumerate(rows) if row.get("i") in wanted]
            assert kept(columns, field="i", **{"in": sorted(wanted)}) == expected


def test_a_field_of_the_schema_that_no_row_has_is_absent() -> None:
    columns = tail({}, {"i": 1}).snapshot()
    assert kept(columns, field="s", eq="x") == []
    assert kept(columns, field="l", contains_all=[]) == []
    assert kept(columns, field="s", exists=False) == [0, 1]
    assert kept(columns, **{"not": {"field": "s", "eq": "x"}}) == [0, 1]
    empty = TailColumns().snapshot()
    assert kept(empty, **{"not": {"field": "s", "eq": "x"}}) == []
    assert empty.sealed().rows == 0


def test_a_field_that_comes_late_is_absent_before() -> None:
    made = tail(*({} for _ in range(1000)), FULL, {}, FULL)
    for columns in (made.snapshot(), made.snapshot().sealed()):
        for name in SCHEMA:
            assert kept(columns, field=name, exists=True) == [1000, 1002]
        assert columns.metadata(1000) == FULL
        assert columns.metadata(0) == {}
        with pytest.raises(IndexError):
            columns.metadata(1003)
    assert list(made.snapshot(1000).sealed().fields) == []


def test_a_snapshot_of_more_rows_than_there_are_is_refused() -> None:
    for rows in (-1, 2):
        with pytest.raises(InvalidInput, match=f"a snapshot of {rows} rows was asked for, and there are 1"):
            tail({}).snapshot(rows)


@pytest.mark.parametrize(
    "row", [{"s": 1}, {"i": True}, {"i": 1.0}, {"f": 1}, {"b": 1}, {"d": "2026-01-01"}, {"l": ("x",)}, {"new": 1}]
)
def test_what_is_not_in_normal_form_is_refused_and_nothing_is_added(row: dict[str, Any]) -> None:
    made = tail(FULL)
    with pytest.raises(InvalidInput, match=r"append what MetadataSchema\.check returned"):
        made.extend([FULL, row], SCHEMA)
    assert len(made) == 1


def test_another_type_than_before_is_refused() -> None:
    with pytest.raises(InvalidInput, match='field "i" is int in this segment and string in the schema'):
        tail(FULL).extend([{"i": "x"}], MetadataSchema({"i": "string"}))
    bound = bind(Filter.parse({"field": "i", "eq": "x"}), MetadataSchema({"i": "string"}))
    with pytest.raises(InvalidInput, match='field "i" is int in this segment and string in the filter'):
        evaluate(bound, tail(FULL).snapshot())
    with pytest.raises(InvalidInput, match="must be bound to a schema"):
        evaluate(Filter.parse({"field": "i", "eq": 1}), tail(FULL).snapshot())  # type: ignore[arg-type]


def test_a_write_that_fails_half_way_leaves_nothing() -> None:
    """Past the checks, as a want of memory would: here an int that the column cannot hold."""
    made = tail(FULL, {})
    before = [made.snapshot().metadata(row) for row in range(2)]
    with pytest.raises(OverflowError):
        made.extend([FULL, {**FULL, "l": ["z"]}, {"s": "late", "i": 2**63}], SCHEMA)
    assert len(made) == 2
    made.extend([{}, {}, {"s": "x"}], SCHEMA)
    columns = made.snapshot()
    assert [columns.metadata(row) for row in range(5)] == [*before, {}, {}, {"s": "x"}]
    made.extend([FULL], SCHEMA)
    assert made.snapshot().sealed().metadata(5) == FULL


def test_readers_see_whole_rows_while_a_writer_appends() -> None:
    made = TailColumns()
    conditions = [
        bind(Filter.parse(condition), SCHEMA)
        for condition in (
            {"field": "s", "prefix": "even"},
            {"field": "i", "gte": 0},
            {"field": "l", "contains_any": ["even"]},
            {"field": "b", "eq": True},
        )
    ]
    rows = 6000
    faults: list[str] = []
    done = threading.Event()

    def write() -> None:
        for start in range(0, rows, 3):
            made.extend(
                [
                    {"s": f"even{row}", "i": row, "l": ["even", str(row)], "b": True} if row % 2 == 0 else {"f": 0.5}
                    for row in range(start, start + 3)
                ],
                SCHEMA,
            )
        done.set()

    def read() -> None:
        old = made.snapshot()
        while not done.is_set():
            new = made.snapshot()
            for columns in (new, old, new.sealed()):
                for bound in conditions:
                    mask = evaluate(bound, columns)
                    if len(mask) != columns.rows or mask[1::2].any() or not mask[::2].all():
                        faults.append(f"{bound.filter} of {columns.rows} rows")
                        return
            old = new

    threads = [threading.Thread(target=write), *(threading.Thread(target=read) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert done.is_set()
    assert faults == []
    assert len(made) == rows


def test_a_snapshot_cannot_be_written_to() -> None:
    columns = tail(FULL).snapshot()
    for name in ("i", "f", "d"):
        assert not columns.fields[name].values.flags.writeable  # type: ignore[union-attr]
    with pytest.raises(TypeError):
        columns.fields["i"] = columns.fields["f"]  # type: ignore[index]


def test_a_selection_is_a_mask_of_top_k() -> None:
    columns = tail(*({"i": row} for row in range(21))).snapshot()
    chosen = select(bind(Filter.parse({"field": "i", "gte": 17}), SCHEMA), columns)
    vectors = np.ones((21, 4), np.float32)
    assert top_k(vectors[:1], vectors, 10, mask=chosen.bits).indices[0].tolist() == [17, 18, 19, 20]
    assert (chosen.rows, chosen.count) == (21, 4)
    assert not chosen.bits.flags.writeable
    assert pack(np.array([True, False, True])).tolist() == [0b101]


def test_the_cache_keeps_what_was_asked_for_last_within_its_bytes() -> None:
    columns = tail(*({"i": row} for row in range(64))).snapshot()
    bounds = [bind(Filter.parse({"field": "i", "eq": number}), SCHEMA) for number in range(5)]
    one = SelectionCache(columns, 10**6)
    first = one.select(bounds[0])
    assert one.select(bounds[0]) is first
    size = one.bytes
    cache = SelectionCache(columns, 3 * size)
    found = [cache.select(bound) for bound in bounds[:3]]
    assert cache.select(bounds[0]) is found[0]
    assert len(cache) == 3
    cache.select(bounds[3])  # bounds[1] was asked for longest ago
    assert cache.select(bounds[0]) is found[0]
    assert cache.select(bounds[2]) is found[2]
    assert cache.select(bounds[1]) is not found[1]
    assert cache.bytes <= 3 * size
    nothing = SelectionCache(columns, size - 1)
    assert nothing.select(bounds[0]).count == 1
    assert (len(nothing), nothing.bytes) == (0, 0)
    for bad in (-1, 1.5, True, None):
        with pytest.raises(InvalidInput, match="max_bytes must be a whole number"):
            SelectionCache(columns, bad)  # type: ignore[arg-type]


def test_the_cache_checks_a_type_even_of_what_it_knows() -> None:
    columns = tail({"i": 1}).snapshot()
    cache = SelectionCache(columns, 10**6)
    cache.select(bind(Filter.parse({"field": "i", "in": [1]}), SCHEMA))
    with pytest.raises(InvalidInput, match="is int in this segment and datetime"):
        cache.select(bind(Filter.parse({"field": "i", "eq": "1970-01-01"}), MetadataSchema({"i": "datetime"})))


def test_the_cache_is_safe_among_threads() -> None:
    columns = tail(*({"i": row} for row in range(100))).snapshot()
    bounds = [bind(Filter.parse({"field": "i", "lt": number}), SCHEMA) for number in range(20)]
    probe = SelectionCache(columns, 10**6)
    probe.select(bounds[0])
    cache = SelectionCache(columns, 6 * probe.bytes)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 20, 400).tolist():
            if cache.select(bounds[number]).count != number:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert 0 < cache.bytes <= 6 * probe.bytes
