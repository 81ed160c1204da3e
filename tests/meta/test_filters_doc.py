"""docs/filters.md: every example is run, every limit is the one in force."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.store.metadata import FieldType, Filter, MetadataSchema, TailColumns, bind, evaluate, limits
from crossfade.store.metadata.parsing import KEYS

TEXT = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\{.*\})` \| (.*) \|$", TEXT, flags=re.MULTILINE)
DOCUMENTS = [json.loads(line) for line in re.findall(r"```jsonl\n(.*?)```", TEXT, flags=re.DOTALL)[0].splitlines()]
KEPT = [(source, told) for source, told in ROWS if re.fullmatch(r"nothing|d\d(, d\d)*", told)]
REFUSED = [row for row in ROWS if row not in KEPT]


def documents() -> tuple[MetadataSchema, TailColumns]:
    schema = MetadataSchema({"published": "datetime"})
    tail = TailColumns()
    for document in DOCUMENTS:
        metadata = {name: value for name, value in document.items() if name != "id"}
        schema, normal = schema.check(metadata, document=document["id"])
        tail.extend([normal], schema)
    return schema, tail


def test_there_are_examples() -> None:
    assert len(KEPT) >= 15
    assert len(REFUSED) >= 8


@pytest.mark.parametrize(("source", "told"), KEPT)
def test_an_example_keeps_what_it_says(source: str, told: str) -> None:
    schema, tail = documents()
    expected = [] if told == "nothing" else told.split(", ")
    for columns in (tail.snapshot(), tail.snapshot().sealed()):
        mask = evaluate(bind(Filter.parse(source), schema), columns)
        assert [DOCUMENTS[row]["id"] for row in np.flatnonzero(mask)] == expected


@pytest.mark.parametrize(("source", "reason"), REFUSED)
def test_an_example_is_refused_as_it_says(source: str, reason: str) -> None:
    schema, _ = documents()
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        bind(Filter.parse(source), schema)


def test_the_code_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/filters.md", "exec"), {})


def test_limits_are_those_in_force() -> None:
    told = [int(number) for number in re.findall(r"^\| [^|]+ \| (\d+) \|$", section("Limits"), flags=re.MULTILINE)]
    assert told == [
        limits.MAX_FIELDS,
        limits.MAX_FIELD_NAME_BYTES,
        limits.MAX_STRING_BYTES,
        limits.MAX_LIST_LENGTH,
        limits.MAX_METADATA_BYTES,
        limits.MAX_DEPTH,
        limits.MAX_NODES,
        limits.MAX_VALUES,
        limits.MAX_FILTER_LENGTH,
    ]


def test_every_type_and_operator_is_told_and_no_other() -> None:
    assert re.findall(r"^\| `(\w+)` \|", section("Types"), flags=re.MULTILINE) == [kind.value for kind in KINDS]
    grammar = section("Grammar")
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", grammar, flags=re.MULTILINE)))
    told += re.findall(r'\{"(\w+)"', grammar)
    assert set(told) == set(KEYS)


KINDS = [FieldType.STRING, FieldType.INT, FieldType.FLOAT, FieldType.BOOL, FieldType.DATETIME, FieldType.STRINGS]


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
