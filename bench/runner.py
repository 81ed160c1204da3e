"""Finds the benches and runs each in a process of its own, so that one peer's threads are not the next one's noise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.child import INTERRUPTED, UNREAD
from bench.machine import PEERS_SLOWED_BY
from bench.session import CASE, RECORD

HERE = Path(__file__).parent
STOP_SECONDS = 20


@dataclass(frozen=True)
class Bench:
    """A module bench/GROUP/bench_NAME.py, called GROUP/NAME."""

    group: str
    stem: str
    root: Path = HERE

    @property
    def name(self) -> str:
        return f"{self.group}/{self.stem.removeprefix('bench_')}"

    @property
    def module(self) -> str:
        return f"{self.root.name}.{self.group}.{self.stem}"


@dataclass(frozen=True)
class Outcome:
    """Which benches ended well, which failed, and the exit code of the one at which the rest was given up."""

    done: list[str]
    failed: list[str]
    stopped: int = 0


def find(root: Path = HERE) -> list[Bench]:
    """Every bench there is, by name."""
    return sorted(
        (Bench(path.parent.name, path.stem, root) for path in root.glob("*/bench_*.py")), key=lambda bench: bench.name
    )


def select(benches: Sequence[Bench], names: Sequence[str], words: str) -> list[Bench]:
    """The benches of the groups or names given (all, when none is), whose name holds `words`.

    Raises ValueError for a name that is no group and no bench, and when nothing is left.
    """
    known = {bench.name for bench in benches} | {bench.group for bench in benches}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such bench: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    chosen = [bench for bench in benches if not names or bench.name in names or bench.group in names]
    left = [bench for bench in chosen if words in bench.name]
    if not left:
        raise ValueError(f"no bench's name holds {words!r}: {', '.join(bench.name for bench in chosen)}")
    return left


def run(benches: Sequence[Bench], path: Path, *, quick: bool = False, case: str = "") -> Outcome:
    """Run the benches one after the other; each keeps its cases in the record at `path` as it goes.

    A bench that fails does not keep the others from running; Ctrl-C gives up the rest, and so does a reader
    of the output who has gone.
    """
    environment = _environment(os.environ, quick=quick) | {RECORD: str(path), CASE: case}
    done: list[str] = []
    failed: list[str] = []
    begin = time.monotonic()
    for number, bench in enumerate(benches, start=1):
        elapsed = time.monotonic() - begin
        print(f"\n[{number}/{len(benches)}] {bench.name}   ({elapsed:.0f} s so far)", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "bench.child", bench.module, *(["--quick"] if quick else [])]
        code = _wait(subprocess.Popen(command, env=environment, cwd=bench.root.parent))
        if code in (INTERRUPTED, UNREAD):
            return Outcome(done, failed, stopped=code)
        (failed if code else done).append(bench.name)
    return Outcome(done, failed)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code; `INTERRUPTED` after Ctrl-C, with the bench ended."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        # A terminal tells both of us; whoever tells only this process means both.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return INTERRUPTED


def _environment(given: Mapping[str, str], *, quick: bool) -> dict[str, str]:
    """A quick run measures nothing, so it changes nothing."""
    return {key: value for key, value in given.items() if quick or key not in PEERS_SLOWED_BY}
