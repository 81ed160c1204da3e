"""How many rows a bench takes, and the name of its section then: one size, known before the first case is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import size
from bench.session import Session

CASE = {"case": "a case", "skipped": "it is a test", "reach": []}


@pytest.mark.parametrize(("said", "rows"), [("", None), (" ", None), ("3000", 3_000), (" 1000000 ", 1_000_000)])
def test_what_the_environment_asks_for(monkeypatch: pytest.MonkeyPatch, said: str, rows: int | None) -> None:
    monkeypatch.setenv(size.ROWS, said)
    assert size.asked() == rows


@pytest.mark.parametrize("said", ["0", "-5", "2999", "1e6", "1,000,000", "many", "5000.0"])
def test_a_size_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(size.ROWS, said)
    with pytest.raises(ValueError, match=r"CROSSFADE_BENCH_ROWS is '.*': give a whole number of rows, 3000 at least"):
        size.asked()


def test_without_the_variable_a_bench_has_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(size.ROWS, raising=False)
    session = Session("graph/hnsw", None)
    assert session.rows(100_000, quick=3_000) == 100_000
    assert session.section == "graph/hnsw"


def test_each_bench_has_a_size_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(size.ROWS, "1000000")
    small, large = Session("evaluation/scale", None), Session("evaluation/leakage", None)
    assert small.rows(100_000, quick=20_000) == large.rows(1_000_000, quick=20_000) == 1_000_000
    assert (small.section, large.section) == ("evaluation/scale, 1,000,000 rows", "evaluation/leakage")


def test_a_quick_run_keeps_to_its_own_size_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(size.ROWS, "1000000")
    session = Session("graph/hnsw", None, quick=True)
    assert session.rows(100_000, quick=3_000) == 3_000
    assert session.section == "graph/hnsw"


def test_a_bench_that_has_one_size_only_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(size.ROWS, "1000000")
    assert Session("metrics/measures", None).section == "metrics/measures"


def test_the_size_is_known_before_the_first_case(tmp_path: Path) -> None:
    session = Session("graph/hnsw", tmp_path / "record.json")
    session.add(CASE)
    with pytest.raises(ValueError, match="graph/hnsw has kept a case already"):
        session.rows(100_000, quick=3_000)


def test_a_size_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session("graph/hnsw", None)
    session.rows(100_000, quick=3_000)
    session.add(CASE)
    session.rows(100_000, quick=3_000)
    with pytest.raises(ValueError, match="graph/hnsw has one size"):
        session.rows(200_000, quick=3_000)
    monkeypatch.setenv(size.ROWS, "5000")
    with pytest.raises(ValueError, match="graph/hnsw has one size"):
        session.rows(100_000, quick=3_000)


@given(st.integers(size.LEAST, 10**9), st.integers(size.LEAST, 10**9), st.integers(size.LEAST, 10**9))
def test_sections_are_one_for_each_size(one: int, other: int, default: int) -> None:
    same = size.section("graph/hnsw", one, default) == size.section("graph/hnsw", other, default)
    assert same is (one == other)
    assert size.section("graph/hnsw", default, default) == "graph/hnsw"
