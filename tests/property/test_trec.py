"""TREC files: whatever can be written reads back equal, and trec_eval's own reader agrees."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.trec import read_qrels, read_run, write_qrels, write_run

# Anything but ASCII white space: also no-break spaces and line separators, which careless readers split at.
TOKENS = st.text(st.characters(exclude_characters=" \t\r\n\x0b\x0c", exclude_categories=["Cs"]), min_size=1, max_size=8)
SCORES = st.floats(allow_nan=False, allow_infinity=False)
RUNS = st.dictionaries(TOKENS, st.dictionaries(TOKENS, SCORES, min_size=1, max_size=8), min_size=1, max_size=5)
GRADES = st.integers(-(2**31), 2**31 - 1)
QRELS = st.dictionaries(TOKENS, st.dictionaries(TOKENS, GRADES, min_size=1, max_size=8), min_size=1, max_size=5)

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_folder
@given(run=RUNS, ties=st.sampled_from(["float32", "float64"]), suffix=st.sampled_from(["run", "run.gz"]))
def test_runs_round_trip_exactly(tmp_path: Path, run: dict[str, dict[str, float]], ties: str, suffix: str) -> None:
    path = tmp_path / suffix
    write_run(path, run, ties=ties)  # type: ignore[arg-type]  # a sampled literal
    assert read_run(path) == run


@same_folder
@given(qrels=QRELS, suffix=st.sampled_from(["qrels", "qrels.gz"]))
def test_qrels_round_trip_exactly(tmp_path: Path, qrels: dict[str, dict[str, int]], suffix: str) -> None:
    path = tmp_path / suffix
    write_qrels(path, qrels)
    assert read_qrels(path) == qrels


@same_folder
@given(
    ranking=st.dictionaries(
        st.text("abé\U0001f600\uffff", min_size=1, max_size=3),
        st.sampled_from([0.5, 0.5 + 2**-40, 0.25, -0.0, 0.0]),
        min_size=1,
        max_size=12,
    )
)
def test_order_is_trec_evals(tmp_path: Path, ranking: dict[str, float]) -> None:
    """An oracle in ten lines: compare as a 32-bit float, then by bytes, both descending."""
    path = tmp_path / "run"
    write_run(path, {"q": ranking})
    written = [line.split(" ") for line in path.read_bytes().decode().splitlines()]
    keys = [(struct.unpack("f", struct.pack("f", float(row[4])))[0], row[2].encode()) for row in written]
    assert keys == sorted(keys, reverse=True)
    assert [row[3] for row in written] == [str(rank) for rank in range(1, len(ranking) + 1)]


def test_trec_evals_reader_agrees(tmp_path: Path) -> None:
    run = {"q1": {"d1": 0.1, "d2": 1 / 3}, "q2": {"d9": -1e-30}}
    qrels = {"q1": {"d1": 1, "d2": 0}, "q2": {"d9": 3}}
    write_run(tmp_path / "run", run)
    write_qrels(tmp_path / "qrels", qrels)
    with (tmp_path / "run").open() as stream:
        assert pytrec_eval.parse_run(stream) == run
    with (tmp_path / "qrels").open() as stream:
        assert pytrec_eval.parse_qrel(stream) == qrels


def test_the_rank_column_is_ignored_and_columns_may_be_spaced_at_will(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(b"q1\tQ0  d1 99 1.5 x\r\n\nq1 Q0 d2 1 -2E-1 x")
    assert read_run(path) == {"q1": {"d1": 1.5, "d2": -0.2}}


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(gzip.compress(b"q Q0 d 1 2.0 t\n"))
    assert read_run(path) == {"q": {"d": 2.0}}


def test_the_same_run_gives_the_same_gzip_bytes(tmp_path: Path) -> None:
    write_run(tmp_path / "a.gz", {"q": {"d": 1.0}})
    write_run(tmp_path / "b.gz", {"q": {"d": 1.0}})
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"q Q0 d2 1 0.5", "5 columns; expected 6"),
        (b"q Q0 d2 1 0.5 tag more", "7 columns; expected 6"),
        (b"q Q0 d2 1 high tag", 'score "high" is not a finite number'),
        (b"q Q0 d2 1 nan tag", 'score "nan" is not a finite number'),
        (b"q Q0 d2 1 -inf tag", 'score "-inf" is not a finite number'),
        (b"q Q0 d2 1 1e999 tag", 'score "1e999" is not a finite number'),
        (b"q Q0 d2 1 1_0 tag", 'score "1_0" is not a finite number'),
        (b"q Q0 d1 1 0.5 tag", 'document "d1" is twice in the ranking of query "q"'),
        (b"q Q0 \xc3 1 0.5 tag", "invalid UTF-8: byte 0xc3 at column 6"),
    ],
)
def test_a_bad_run_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "run"
    path.write_bytes(b"q Q0 d1 1 0.5 tag\n" + line + b"\n")
    with pytest.raises(DataError) as caught:
        read_run(path)
    assert caught.value.line == 2
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"q 0 d2", "3 columns; expected 4"),
        (b"q 0 d2 x", 'grade "x" is not an integer'),
        (b"q 0 d1 1", 'document "d1" is judged twice for query "q"'),
    ],
)
def test_a_bad_qrels_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "qrels"
    path.write_bytes(b"q 0 d1 1\n" + line + b"\n")
    with pytest.raises(DataError) as caught:
        read_qrels(path)
    assert caught.value.line == 2
    assert reason in caught.value.reason


@pytest.mark.parametrize("read", [read_run, read_qrels])
def test_missing_empty_and_directory(tmp_path: Path, read: type) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="empty: expected lines of"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("run", "tag"),
    [
        ({"q 1": {"d": 1.0}}, "t"),
        ({"": {"d": 1.0}}, "t"),
        ({"q": {"d\t": 1.0}}, "t"),
        ({"q": {"d": 1.0}}, "my tag"),
        ({"q": {"d": float("nan")}}, "t"),
        ({"q": {"d": float("inf")}}, "t"),
    ],
)
def test_what_the_format_cannot_hold_leaves_the_old_file(
    tmp_path: Path, run: dict[str, dict[str, float]], tag: str
) -> None:
    path = tmp_path / "run"
    path.write_text("before")
    with pytest.raises(InvalidInput):
        write_run(path, run, tag=tag)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
