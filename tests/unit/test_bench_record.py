"""The record: its schema, that it is written whole, merged by bench, and never mistaken for another file."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import record, size
from bench.cases import OURS, timed_case
from bench.machine import blas, commit, label, machine
from bench.runner import find
from bench.session import Session, bench_name

CASE = timed_case("a case", {OURS: 1.0, "peer": 2.0}, "queries", 1, reach={"peer": 1.5})


def sections(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))["benches"])


def test_a_record_holds_machine_versions_commit_and_cases(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    session = Session("kernels/f32", path)
    session.know({"faiss-cpu": "1.2.3", "torch": None})
    session.add(CASE)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["format"] == record.FORMAT
    assert found["machine"].keys() >= {"cpu", "cores", "flags", "caches", "memory_bytes", "system", "python"}
    section = found["benches"]["kernels/f32"]
    assert section["versions"] == {"faiss-cpu": "1.2.3", "numpy": np.__version__, "torch": None}
    assert section["cases"] == [CASE]
    assert section.keys() >= {"measured_at", "commit", "dirty", "load", "environment", "blas", "quick"}


def test_what_was_measured_is_kept_as_it_comes_and_marked_complete_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    session = Session("kernels/f32", path)
    session.add(CASE)
    session.add(CASE)
    assert (len(sections(path)["kernels/f32"]["cases"]), sections(path)["kernels/f32"]["complete"]) == (2, False)
    session.finish()
    assert sections(path)["kernels/f32"]["complete"] is True


def test_a_bench_replaces_its_own_section_only(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    Session("metrics/measures", path).add(CASE)
    Session("kernels/f32", path).add(CASE | {"case": "old"})
    Session("kernels/f32", path).add(CASE)
    assert list(sections(path)) == ["kernels/f32", "metrics/measures"]
    assert [case["case"] for case in sections(path)["kernels/f32"]["cases"]] == ["a case"]


def test_cases_by_the_time_at_which_they_were_measured(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record.put(path, "old", {"measured_at": "2020-01-01T00:00:00+00:00", "cases": [CASE]})
    began = record.now()
    Session("new", path).add(CASE)
    assert [bench for bench, _ in record.cases(path, began)] == ["new"]
    assert [bench for bench, _ in record.cases(path)] == ["new", "old"]


def test_another_time_is_not_another_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    for asked in ("", "1000000", "100000", "1000000"):
        monkeypatch.setenv(size.ROWS, asked)
        session = Session("graph/hnsw", path)
        session.rows(100_000, quick=3_000)
        session.add(CASE)
        session.finish()
    assert list(sections(path)) == ["graph/hnsw", "graph/hnsw, 1,000,000 rows"]
    assert {section for section, _ in record.cases(path)} == set(sections(path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "another"}', "nothing like it"])
def test_another_file_is_not_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is not a record of the benches"):
        Session("kernels/f32", path).add(CASE)
    assert path.read_text() == content


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session("kernels/f32", None)
    session.add(CASE)
    session.finish()
    assert not session.kept
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_named_after_the_day_and_the_machine(tmp_path: Path) -> None:
    found = record.path_of_today(tmp_path)
    assert found.name == f"{record.now()[:10]}-{label(machine())}.json"


def test_committed_records_of_this_format_can_be_read() -> None:
    for path in record.DIRECTORY.glob("*-cores.json"):
        assert not any(section["quick"] for section in record.read(path)["benches"].values())


def test_committed_sections_are_called_by_a_bench_s_name_and_the_size_of_its_cases() -> None:
    """The sizes that are measured at: each is named, unless it is the bench's own, and then in no name."""
    own = dict.fromkeys((bench.name for bench in find()), 0)
    own |= {name: 100_000 for name in own if name.startswith(("graph/", "store/", "lexical/"))}
    own |= {"evaluation/scale": 100_000, "evaluation/leakage": 1_000_000}
    for path in record.DIRECTORY.glob("*-cores.json"):
        for section, content in record.read(path)["benches"].items():
            bench, _, said = section.partition(", ")
            assert bench in own, f"{path.name}: {section}"
            rows = int(said.removesuffix(" rows").replace(",", "") or own[bench])
            assert section == size.section(bench, rows, own[bench]), f"{path.name}: {section}"
            if rows:
                assert any(f"{rows:,}" in case["case"] for case in content["cases"]), f"{path.name}: {section}"


def test_a_machine_s_label() -> None:
    described = {"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "family": "6", "model": "79", "cores": 4}
    assert label(described) == "intel-xeon-cpu-2-20ghz-6-79-4-cores"
    assert label({"cpu": "aarch64", "family": None, "model": None, "cores": 2}) == "aarch64-2-cores"


def test_the_machine_is_this_one() -> None:
    found = machine()
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["python"] == platform.python_version()
    assert found["memory_bytes"] > 1 << 28
    assert json.loads(json.dumps(found)) == found


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.machine.ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == {"commit": None, "dirty": None}


def test_blas_libraries_are_described_where_threadpoolctl_is_installed() -> None:
    pytest.importorskip("threadpoolctl", reason="comes with the benches' peers: make bench")
    np.zeros((2, 2)) @ np.zeros((2, 2))
    assert any(pool.get("internal_api") == "openblas" for pool in blas())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("bench.kernels.bench_f32", "kernels/f32"),
        ("bench.metrics.bench_max_sim", "metrics/max_sim"),
        ("bench.child", "bench.child"),
        ("pytest.__main__", "pytest.__main__"),
    ],
)
def test_a_bench_is_named_after_its_module(module: str, name: str) -> None:
    assert bench_name(module) == name
