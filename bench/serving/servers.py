"""Servers to measure, each a process of its own on a free port, ended by its process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import ROOT

LISTENING = "listening on "


@dataclass(frozen=True)
class Running:
    """A server that takes calls."""

    address: str
    pid: int


@contextmanager
def running(command: Sequence[str | Path], *, core: int | None = None, **environment: str) -> Iterator[Running]:
    """Start a server whose first line says where it listens. `core`: the only one that it may use."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    process = subprocess.Popen(
        [*pinned, *map(str, command)], stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True, cwd=ROOT
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(LISTENING):
            raise SystemExit(f"{command[0]} did not start: {line!r}")
        yield Running(line.removeprefix(LISTENING).strip(), process.pid)
    finally:
        process.terminate()
        process.wait(60)


def crossfade(bundle: Path, *, core: int | None = None, **environment: str) -> AbstractContextManager[Running]:
    """`crossfade serve` with one model, named model."""
    command = [sys.executable, "-m", "crossfade.cli.main", "serve", "--model", f"model={bundle}"]
    return running([*command, "--listen", "127.0.0.1:0"], core=core, **environment)


def example(name: str) -> Path | None:
    """An example of rust/server, built; None where cargo is not."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return None
    build = [cargo, "build", "--release", "--locked", "--offline", "-p", "crossfade-server", "--example", name]
    subprocess.run(build, cwd=ROOT, check=True, stdout=sys.stderr)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "examples" / name
