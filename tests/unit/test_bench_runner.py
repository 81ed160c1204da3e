"""The runner: what it selects, its exit codes, what is kept of a quick or interrupted run, a smoke run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import bench_tree

from bench import record
from bench.__main__ import main
from bench.machine import PEERS_SLOWED_BY
from bench.runner import find, select
from bench.size import ROWS

ROOT = Path(__file__).parents[2]

GOOD = """
    import sys
    from bench.harness import OURS, installed, measure, session

    installed("numpy", "no-such-peer")
    for number in (1, 2):
        title = f"case {number}" + (", quick" if session().quick else "")
        if session().wants(title):
            measure(title, {OURS: lambda: None, "peer": lambda: None}, unit="calls", amount=1, rounds=3,
                    reach={"peer": 1e9})
    sys.exit(0)
"""
SIZED = """
    from bench.harness import OURS, report, session

    rows = session().rows(100_000, quick=10)
    report(f"a case of {rows:,}", {OURS: 1.0, "peer": 2.0}, "rows", rows, reach={"peer": 1.0})
"""
BAD = "raise RuntimeError('a bench that is broken')"
DISAGREES = "raise SystemExit('the peers do not agree')"
TIRED = """
    import os, signal, time
    from bench.harness import OURS, report

    report("measured before", {OURS: 1.0}, "calls", 1)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
    report("never measured", {OURS: 1.0}, "calls", 1)
"""
SCRIPT = """
    import sys
    from bench.harness import OURS, installed, interleaved, report, save

    versions = installed("numpy")
    cases = [report("a case", interleaved({OURS: lambda: None}, rounds=3), "calls", 1)]
    if "--quick" not in sys.argv:
        save("script", cases, versions)
"""


def bench(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=tree.parent, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def kept(tree: Path) -> dict[str, Any]:
    """The sections of the one record in the tree; empty when there is none."""
    paths = list((tree / "record").glob("*.json")) if (tree / "record").exists() else []
    assert len(paths) <= 1
    return dict(json.loads(paths[0].read_text(encoding="utf-8"))["benches"]) if paths else {}


def titles(section: dict[str, Any]) -> list[str]:
    return [case["case"] for case in section["cases"]]


def test_a_whole_run_prints_and_keeps_every_case(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD)
    done = bench(tree)
    assert done.returncode == 0, done.stderr
    assert "case 1" in done.stdout
    assert "no-such-peer is not installed here" in done.stdout
    assert "reach: 0 of 2 met" in done.stdout
    section = kept(tree)["fake/good"]
    assert titles(section) == ["case 1", "case 2"]
    assert section["complete"] is True
    assert section["versions"]["no-such-peer"] is None
    assert section["cases"][0]["statistics"]["crossfade"]["rounds"] == 3


@pytest.mark.parametrize(
    "arguments", [("--quick",), ("--no-save",), ("fake",), ("-k", "good"), ("--case", "case 1"), ("--quick", "fake")]
)
def test_a_quick_run_and_a_selection_are_kept_nowhere(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tree = bench_tree(tmp_path, good=GOOD)
    done = bench(tree, *arguments)
    assert done.returncode == 0, done.stderr
    assert kept(tree) == {}
    assert ("quick run" in done.stdout) is ("--quick" in arguments)
    assert ("case 2" in done.stdout) is ("--case" not in arguments)


def test_a_selection_is_kept_when_asked(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD, bad=BAD)
    assert bench(tree, "fake/good", "--save").returncode == 0
    assert list(kept(tree)) == ["fake/good"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "no such bench: nothing; there are fake, fake/good"),
        (("-k", "f64"), "no bench's name holds 'f64'"),
        (("--save", "--quick"), "leave out --quick"),
        (("--save", "--no-save"), "not allowed with"),
    ],
)
def test_what_cannot_be_run_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    tree = bench_tree(tmp_path, good=GOOD)
    done = bench(tree, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert kept(tree) == {}


def test_another_size_is_kept_beside_the_bench_s_own(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD, sized=SIZED)
    assert bench(tree, **{ROWS: ""}).returncode == 0
    done = bench(tree, "fake", "--save", **{ROWS: "1000000"})
    assert done.returncode == 0, done.stderr
    found = kept(tree)
    assert list(found) == ["fake/good", "fake/sized", "fake/sized, 1,000,000 rows"]
    assert titles(found["fake/sized"]) == ["a case of 100,000"]
    assert titles(found["fake/sized, 1,000,000 rows"]) == ["a case of 1,000,000"]
    assert "fake/sized, 1,000,000 rows: a case of 1,000,000" in done.stdout
    assert "fake/good: case 1" in done.stdout


def test_a_bench_that_is_run_by_itself_at_another_size_keeps_it_apart(tmp_path: Path) -> None:
    tree = bench_tree(
        tmp_path, sized=SIZED + '    from bench.harness import save\n    save("sized", session().cases, {})\n'
    )
    command = [sys.executable, "-m", "bench.fake.bench_sized"]
    for rows in ("100000", "5000"):
        environment = {**os.environ, ROWS: rows}
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=True)
    assert list(kept(tree)) == ["fake/sized", "fake/sized, 5,000 rows"]


def test_a_quick_run_says_that_it_has_a_size_of_its_own(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, sized=SIZED)
    done = bench(tree, "--quick", **{ROWS: "1000000"})
    assert done.returncode == 0, done.stderr
    assert "a quick run has sizes of its own: CROSSFADE_BENCH_ROWS is not read" in done.stderr
    assert "a case of 10\n" in done.stdout


def test_a_size_that_cannot_be_is_exit_code_2_before_anything_is_measured(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD)
    done = bench(tree, **{ROWS: "1e6"})
    assert done.returncode == 2
    assert "CROSSFADE_BENCH_ROWS is '1e6': give a whole number of rows" in done.stderr
    assert "case 1" not in done.stdout


def test_a_place_that_cannot_hold_the_record_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD)
    place = record.path_of_today(tree / "record")
    place.parent.mkdir()
    place.write_text("something else")
    done = bench(tree)
    assert done.returncode == 2
    assert "is not a record of the benches" in done.stderr
    assert "case 1" not in done.stdout
    assert place.read_text() == "something else"


def test_a_failed_bench_is_exit_code_1_and_the_others_run(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, bad=BAD, disagrees=DISAGREES, good=GOOD)
    done = bench(tree)
    assert done.returncode == 1
    assert "failed: fake/bad, fake/disagrees" in done.stderr
    assert "a bench that is broken" in done.stderr
    assert "the peers do not agree" in done.stderr
    assert list(kept(tree)) == ["fake/good"]


def test_an_interruption_keeps_what_was_measured_and_ends_the_rest(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD, tired=TIRED, untouched=GOOD)
    done = bench(tree)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted" in done.stderr
    assert "untouched" not in done.stderr
    found = kept(tree)
    assert list(found) == ["fake/good", "fake/tired"]
    assert titles(found["fake/tired"]) == ["measured before"]
    assert found["fake/tired"]["complete"] is False


def test_a_reader_who_goes_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, good=GOOD.replace('"no-such-peer"', '"pytest"'), untouched=GOOD)
    with subprocess.Popen(
        [sys.executable, "-m", "bench"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 141
    assert "Traceback" not in said
    assert "untouched" not in said
    assert titles(kept(tree)["fake/good"]) == ["case 1"]


def test_a_bench_that_is_run_by_itself_keeps_its_cases(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, script=SCRIPT)
    command = [sys.executable, "-m", "bench.fake.bench_script"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert titles(kept(tree)["fake/script"]) == ["a case"]
    assert kept(tree)["fake/script"]["complete"] is True


def test_under_the_runner_it_keeps_them_where_the_runner_says(tmp_path: Path) -> None:
    tree = bench_tree(tmp_path, script=SCRIPT)
    assert bench(tree, "--no-save").returncode == 0
    assert kept(tree) == {}


def test_settings_that_slow_a_peer_are_set_aside_unless_nothing_is_measured(tmp_path: Path) -> None:
    tells = f"import os\nprint('settings:', [name for name in os.environ if name in {PEERS_SLOWED_BY!r}])"
    tree = bench_tree(tmp_path, tells=tells)
    setting = {PEERS_SLOWED_BY[1]: "512"}
    assert "settings: []" in bench(tree, **setting).stdout
    assert PEERS_SLOWED_BY[1] in bench(tree, "--quick", **setting).stdout


def test_the_list_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "--list"]) == 0
    assert "kernels/f32" in capsys.readouterr().out.splitlines()


def test_selection_by_group_name_and_words() -> None:
    benches = find()
    assert {bench.group for bench in benches} >= {"kernels", "limits", "metrics", "rust"}
    assert [bench.name for bench in select(benches, ["kernels"], "f32")] == ["kernels/f32"]
    assert [bench.module for bench in select(benches, ["kernels/f32"], "")] == ["bench.kernels.bench_f32"]
    assert select(benches, [], "") == benches


def test_a_smoke_run_of_a_real_bench() -> None:
    """On this project and whatever peers are installed. Their answers are compared; nothing is judged or kept."""
    before = sorted((ROOT / "bench" / "record").iterdir())
    done = bench(ROOT / "bench", "kernels/f32", "--quick", "--case", ", 8 queries")
    assert done.returncode == 0, done.stderr
    assert "quick run" in done.stdout
    for rival in ("crossfade ", "numpy matmul+argpartition", "limit: memory read", "limit: SGEMM, square"):
        assert done.stdout.count(rival) == 1
    assert sorted((ROOT / "bench" / "record").iterdir()) == before


def test_interrupting_only_the_runner_ends_the_bench_too(tmp_path: Path) -> None:
    waits = """
        import time
        print("waiting", flush=True)
        time.sleep(60)
    """
    tree = bench_tree(tmp_path, waits=waits)
    with subprocess.Popen(
        [sys.executable, "-m", "bench", "--no-save"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "bench: interrupted" in said
    assert kept(tree) == {}
