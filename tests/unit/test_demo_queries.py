"""The demo's committed queries: well formed, honest about their kind, and in two halves that share no target."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import DataError
from demo.queries import KINDS, SPLITS, Query, read_not_relevant, read_queries, write_queries
from demo.split import assign, families

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    return read_queries()


def test_there_are_enough_queries_of_every_kind_in_both_halves(queries: list[Query]) -> None:
    assert len(queries) >= 260
    for kind in KINDS:
        train, test = (sum(q.kind == kind and q.split == split for q in queries) for split in SPLITS)
        assert min(train, test) >= 10
        assert abs(train - test) <= 2, kind
    for split in SPLITS:
        assert sum(query.split == split for query in queries) >= 110


def test_halves_share_no_judged_document(queries: list[Query]) -> None:
    train, test = ({name for q in queries if q.split == split for name in q.relevant} for split in SPLITS)
    assert train
    assert test
    assert train & test == set()


def test_split_is_the_one_the_rule_gives(queries: list[Query]) -> None:
    assert [query.split for query in assign(queries)] == [query.split for query in queries]


def test_split_does_not_depend_on_the_order_of_the_file(queries: list[Query]) -> None:
    forwards = {query.id: query.split for query in assign(queries)}
    backwards = {query.id: query.split for query in assign(queries[::-1])}
    assert forwards == backwards


def test_file_is_written_as_read(queries: list[Query], tmp_path: Path) -> None:
    write_queries(queries, tmp_path / "queries.jsonl")
    assert (tmp_path / "queries.jsonl").read_bytes() == (ROOT / "demo" / "queries.jsonl").read_bytes()


def test_documentation_counts_what_is_there(queries: list[Query]) -> None:
    table = (ROOT / "docs" / "demo-dataset.md").read_text(encoding="utf-8")
    found = Counter((query.kind, query.split) for query in queries)
    for kind in KINDS:
        assert re.search(rf"^\| {kind} \| .* \| {found[kind, 'train']} \| {found[kind, 'test']} \|$", table, re.M), kind
    totals = Counter(query.split for query in queries)
    assert f"| **all {len(queries)}** | | {totals['train']} | {totals['test']} |" in table
    assert f"{sum(len(query.relevant) for query in queries):,} documents are judged relevant" in table
    assert f"{sum(map(len, read_not_relevant(queries).values())):,} more were looked at" in table
    assert f"({len(families(queries))} families, the largest of {max(map(len, families(queries)))})" in table


def test_every_query_has_documents_that_were_seen_and_found_not_to_help(queries: list[Query]) -> None:
    found = read_not_relevant(queries)
    assert found.keys() == {query.id for query in queries}
    assert list(found) == sorted(found)


@pytest.mark.parametrize("line", ["q1 open", "q1\t", "q2\topen", "", "q1\tvars\nq1\tvars", "q1\topen"])
def test_malformed_judgment_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "not_relevant.tsv"
    path.write_text(f"q1\tdir\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_not_relevant([query("q1", "open")], path)
    assert caught.value.line in (2, 3)


def query(name: str, *relevant: str, kind: Any = "howto") -> Query:
    return Query(name, kind, "train", f"text of {name}", dict.fromkeys(relevant, 3))


def test_families_join_queries_through_any_number_of_steps() -> None:
    queries = [query("a", "x"), query("b", "y"), query("c", "z"), query("d", "x", "w"), query("e", "w", "z")]
    assert [[member.id for member in family] for family in families(queries)] == [["a", "c", "d", "e"], ["b"]]


def test_rule_keeps_families_whole_and_balances_kinds() -> None:
    queries = [query(f"h{i}", f"d{i // 2}") for i in range(8)] + [
        query(f"e{i}", f"x{i}", kind="exact") for i in range(4)
    ]
    given = assign(queries)
    for family in families(given):
        assert len({member.split for member in family}) == 1
    assert Counter((one.kind, one.split) for one in given) == {
        ("howto", "train"): 4,
        ("howto", "test"): 4,
        ("exact", "train"): 2,
        ("exact", "test"): 2,
    }


GOOD = {"id": "q1", "kind": "howto", "split": "train", "text": "open a file", "relevant": {"open": 3}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a query"),
        ("[]", "not a query"),
        (json.dumps({**GOOD, "note": ""}), "expected id, kind"),
        (json.dumps({**GOOD, "text": " "}), "empty"),
        (json.dumps({**GOOD, "kind": "odd"}), "'odd'"),
        (json.dumps({**GOOD, "split": "dev"}), "'dev'"),
        (json.dumps({**GOOD, "relevant": {"open": 4}}), "grades"),
        (json.dumps({**GOOD, "relevant": {"open": 2}}), "at least one"),
        (json.dumps({**GOOD, "relevant": ["open"]}), "not a query"),
        (json.dumps({**GOOD, "id": "q0"}), "repeats"),
        (json.dumps({**GOOD, "text": "other"}) + "\n" + json.dumps({**GOOD, "text": "another"}), "repeats"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(json.dumps({**GOOD, "id": "q9"}) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(reason)) as caught:
        read_queries(path)
    assert caught.value.line in (2, 3)


def test_targets_are_the_documents_of_the_best_grade() -> None:
    judged = dataclasses.replace(query("a"), relevant={"x": 1, "y": 3, "z": 2, "w": 3})
    assert judged.targets == ["y", "w"]
    assert list(judged.to_json()["relevant"]) == ["w", "y", "z", "x"]
