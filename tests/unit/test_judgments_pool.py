"""Pools: what is in them, in which order, what judges see, and that a pool comes back as judgments."""

from __future__ import annotations

import csv
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from judgment_samples import DOCUMENTS, QUERIES, judged, write_notes
from test_evaluation_record import comparison, evaluation

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import write_beir
from crossfade.evaluation.judgments.pool import (
    PoolEntry,
    PoolSettings,
    blinded,
    build_pool,
    judged_pairs,
)
from crossfade.evaluation.judgments.pool_dataset import PoolOutput, pool_dataset
from crossfade.evaluation.judgments.pool_file import write_pool
from crossfade.evaluation.judgments.read import read_judgments
from crossfade.evaluation.judgments.systems import RunSource, System, read_systems
from crossfade.evaluation.trec import write_run

BASE = System("base", {"q1": ["d1", "d2", "d3"], "q2": ["d3", "d2"]})
TUNED = System("tuned", {"q1": ["d1", "d3", "d4"], "q2": ["d2", "d3"]})


def test_what_tells_systems_apart_comes_first() -> None:
    pool = build_pool([BASE, TUNED], {("q2", "d3")}, QUERIES, PoolSettings(depth=3))
    log2 = math.log2
    wanted = {
        ("q1", "d2"): 1 / log2(3),
        ("q1", "d4"): 1 / log2(4),
        ("q2", "d2"): 1 - 1 / log2(3),
        ("q1", "d3"): 1 / log2(3) - 1 / log2(4),
        ("q1", "d1"): 0.0,
    }
    assert {entry.pair: entry.weight for entry in pool.entries} == pytest.approx(wanted)
    assert [entry.pair for entry in pool.entries] == sorted(wanted, key=lambda pair: -wanted[pair])
    assert pool.entries[0].ranks == {"base": 2, "tuned": None}
    assert (pool.union, pool.judged, pool.agreed, pool.beyond, pool.queries) == (6, 1, 0, 0, 2)
    assert [(each.name, each.documents, each.judged) for each in pool.systems] == [("base", 5, 1), ("tuned", 5, 1)]


def test_disagreements_alone_and_a_limit() -> None:
    pool = build_pool([BASE, TUNED], set(), QUERIES, PoolSettings(3, "disagreements", limit=2))
    assert [entry.pair for entry in pool.entries] == [("q1", "d2"), ("q1", "d4")]
    assert (pool.agreed, pool.beyond) == (1, 3)
    shallow = build_pool([BASE, TUNED], set(), QUERIES, PoolSettings(1))
    assert {entry.pair for entry in shallow.entries} == {("q1", "d1"), ("q2", "d3"), ("q2", "d2")}
    single = build_pool([BASE], set(), QUERIES)
    assert [entry.pair for entry in single.entries][:2] == [("q1", "d1"), ("q2", "d3")]


def test_a_grade_below_zero_is_no_judgment() -> None:
    assert judged_pairs({"q1": {"d1": 0, "d2": -1}}) == {("q1", "d1")}


@pytest.mark.parametrize(
    ("systems", "settings", "message"),
    [
        ([], PoolSettings(), "no system"),
        ([BASE], PoolSettings(source="disagreements"), "one system alone has no disagreements"),
        ([BASE], PoolSettings(source="x"), "pool from 'x' is not known"),  # type: ignore[arg-type]
        ([BASE], PoolSettings(depth=0), "depth must be 1 or more, not 0"),
        ([BASE], PoolSettings(limit=0), "limit must be 1 or more, not 0"),
        ([System("odd", {"q9": ["d1"]})], PoolSettings(), "system 'odd' answers query 'q9', which the data set lacks"),
    ],
)
def test_what_cannot_be_pooled(systems: list[System], settings: PoolSettings, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build_pool(systems, set(), QUERIES, settings)


def test_a_blind_order_says_nothing_about_weights() -> None:
    entries = [PoolEntry(f"q{at % 7}", f"d{at}", 1 / (1 + at), {}) for at in range(70)]
    shuffled = blinded(entries, 17)
    assert sorted(entry.pair for entry in shuffled) == sorted(entry.pair for entry in entries)
    assert shuffled == blinded(entries[::-1], 17)
    assert shuffled != blinded(entries, 18)
    queries = [entry.query_id for entry in shuffled]
    assert sum(a != b for a, b in itertools.pairwise(queries)) == 6  # a query's documents stay together


def pooled(tmp_path: Path, name: str, **options: Any) -> Path:
    entries = build_pool([BASE, TUNED], set(), QUERIES, PoolSettings(3)).entries
    path = tmp_path / name
    write_pool(path, entries, QUERIES, {each.id: each for each in DOCUMENTS}, **options)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
@pytest.mark.parametrize("blind", [True, False])
def test_a_pool_comes_back_as_judgments(tmp_path: Path, name: str, blind: bool) -> None:
    path = pooled(tmp_path, name, judge="anna", blind=blind)
    text = path.read_text(encoding="utf-8")
    assert ("tuned" in text) is not blind
    with pytest.raises(InvalidInput, match="none of the 6 rows has a grade yet"):
        read_judgments([path])
    if name.endswith("jsonl"):
        rows = [{**json.loads(line), "grade": at} for at, line in enumerate(text.splitlines())]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        delimiter = "," if name.endswith("csv") else "\t"
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter=delimiter))
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows({**row, "grade": at} for at, row in enumerate(rows))
    found = read_judgments([path])
    assert [row.grade for row in found.rows] == list(range(6))
    assert [(row["query_id"], row["document_id"]) for row in rows] == [row.pair for row in found.rows]
    assert {row["query"] for row in rows} == set(QUERIES.values())
    texts = {row["document_id"]: row["text"] for row in rows}
    assert texts["d3"] == "Lava.\nAsh."
    assert texts["d4"] == 'Keys, "black" and white.'


def test_a_spreadsheet_takes_no_text_for_a_formula(tmp_path: Path) -> None:
    with pooled(tmp_path, "a.csv").open(newline="", encoding="utf-8") as stream:
        titles = {row["document_id"]: row["title"] for row in csv.DictReader(stream)}
    assert titles["d4"] == "'=Piano"
    lines = pooled(tmp_path, "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["title"] for line in lines} >= {"=Piano"}


def test_ranks_are_shown_where_that_is_asked(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in pooled(tmp_path, "a.jsonl", blind=False).read_text("utf-8").splitlines()]
    assert (rows[0]["ranks"], rows[0]["weight"]) == ({"base": 2, "tuned": None}, 0.6309)
    assert "base: 2; tuned: -" in pooled(tmp_path, "a.csv", blind=False).read_text("utf-8")


def test_runs_and_records_as_systems(tmp_path: Path) -> None:
    write_run(tmp_path / "base.run.gz", {"q1": {"d1": 0.5, "d2": 0.9, "d3": 0.1}})
    (system,) = read_systems([RunSource(tmp_path / "base.run.gz")], 2)
    assert (system.name, system.rankings) == ("base", {"q1": ["d2", "d1"]})
    record = comparison()
    record.settings["results_shown"] = 10
    (tmp_path / "both.json").write_text(json.dumps(record.to_json()))
    named = read_systems([RunSource(tmp_path / "both.json", "x"), RunSource(tmp_path / "base.run.gz", "y")], 2)
    assert [each.name for each in named] == ["x:base", "x:tuned", "y"]
    assert named[0].rankings == {"q": ["d"]}
    with pytest.raises(DataError, match="the record shows the first 10 documents, not 11"):
        read_systems([RunSource(tmp_path / "both.json")], 11)
    with pytest.raises(InvalidInput, match="two systems are named 'base'"):
        read_systems([RunSource(tmp_path / "base.run.gz"), RunSource(tmp_path / "both.json")], 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(evaluation().to_json()), r"an evaluation's record holds no rankings: give the run"),
        ("{}", "not a record of crossfade compare: base: missing"),
        ("[]", "not a record of crossfade compare"),
        ("{", "not JSON"),
        (None, "no such file"),
    ],
)
def test_records_that_cannot_be_pooled(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_systems([RunSource(path)], 2)
    with pytest.raises(InvalidInput, match="no run was given"):
        read_systems([], 2)
    with pytest.raises(InvalidInput, match="depth must be 1 or more"):
        read_systems([RunSource(path)], 0)


def test_a_data_set_s_pool_leaves_out_what_is_judged(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    write_beir(notes, DOCUMENTS, QUERIES, {"test": {"q1": {"d1": 1, "d2": -1}}, "dev": {"q2": {"d3": 0}}})
    output = PoolOutput(tmp_path / "pool.jsonl")
    pool = pool_dataset(notes, [BASE, TUNED], output, PoolSettings(3))
    pairs = {entry.pair for entry in pool.entries}
    assert pairs == {("q1", "d2"), ("q1", "d3"), ("q1", "d4"), ("q2", "d2")}
    written = [json.loads(line) for line in output.path.read_text("utf-8").splitlines()]
    assert {(row["query_id"], row["document_id"]) for row in written} == pairs
    only_dev = pool_dataset(notes, [BASE, TUNED], output, PoolSettings(3), judged_splits=["dev"])
    assert ("q1", "d1") in {entry.pair for entry in only_dev.entries}
    more = judged(tmp_path, {"anna": {"q1/d2": 1, "q1/d3": 1, "q1/d4": 1}})
    rest = pool_dataset(notes, [BASE, TUNED], output, PoolSettings(3), judgments=more)
    assert [entry.pair for entry in rest.entries] == [("q2", "d2")]
    done = judged(tmp_path, {"anna": {"q1/d2": 1, "q1/d3": 1, "q1/d4": 1, "q2/d2": 0}})
    nowhere = PoolOutput(tmp_path / "none.jsonl")
    assert pool_dataset(notes, [BASE, TUNED], nowhere, PoolSettings(3), judgments=done).entries == []
    assert not nowhere.path.exists()


def test_pools_that_cannot_be_written(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes")
    with pytest.raises(InvalidInput, match=r"end its name in \.jsonl, \.csv, \.tsv"):
        pool_dataset(notes, [BASE], PoolOutput(tmp_path / "pool.txt"))
    with pytest.raises(InvalidInput, match="no split 'dev'"):
        pool_dataset(notes, [BASE], PoolOutput(tmp_path / "pool.csv"), judged_splits=["dev"])
    with pytest.raises(DataError, match="no such directory"):
        pool_dataset(tmp_path / "nowhere", [BASE], PoolOutput(tmp_path / "pool.csv"))
    with pytest.raises(InvalidInput, match="document 'd9', found for query 'q1' by 'odd', is not in the corpus"):
        pool_dataset(notes, [System("odd", {"q1": ["d9"]})], PoolOutput(tmp_path / "pool.csv"))
    assert not (tmp_path / "pool.csv").exists()
