"""What one bench has measured so far, kept in the record as it grows."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import record, size
from bench.machine import blas, commit, settings

RECORD = "CROSSFADE_BENCH_RECORD"
"""Environment variable: the record to write to after every case. The runner sets it."""

CASE = "CROSSFADE_BENCH_CASE"
"""Environment variable: benches that ask leave out the cases whose name lacks this text. The runner sets it."""


class Session:
    """The cases of the bench that this process runs."""

    def __init__(self, bench: str, path: Path | None, *, quick: bool = False, case: str = "") -> None:
        """`bench`: its name, such as kernels/f32. `path`: the record; None keeps the cases in memory only."""
        self.bench = bench
        self.quick = quick
        self.cases: list[dict[str, Any]] = []
        self.versions: dict[str, str | None] = {"numpy": version("numpy")}  # a peer in every bench, or under one
        self._path = path
        self._case = case.lower()
        self._size: tuple[int, int] | None = None  # rows, and how many the bench takes by default
        self._began = {**commit(), "load": os.getloadavg()[0]}

    @classmethod
    def of_this_process(cls) -> Session:
        """Named after the module that is run; told the rest by the environment and the command line."""
        path = os.environ.get(RECORD)
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        bench = bench_name(spec.name) if spec is not None else "bench"
        return cls(bench, Path(path) if path else None, quick="--quick" in sys.argv, case=os.environ.get(CASE, ""))

    def wants(self, case: str) -> bool:
        """Whether the case was asked for."""
        return self._case in case.lower()

    def rows(self, default: int, *, quick: int) -> int:
        """How many rows the bench takes: as many as `size.asked`, or `default`; `quick` in a quick run.

        Asked before the first case, for the section's name depends on it. Raises ValueError for a size that cannot be,
        and for another answer than the one before.
        """
        found = (quick, quick) if self.quick else (size.asked() or default, default)
        if self._size is None and self.cases:
            raise ValueError(f"{self.bench} has kept a case already: ask for its rows before the first")
        if self._size not in (None, found):
            raise ValueError(f"{self.bench} has one size: {self._size} (rows, default) is asked for again as {found}")
        self._size = found
        return found[0]

    @property
    def section(self) -> str:
        """What the record calls the bench: by its name, and by its size where that is not its own."""
        return self.bench if self._size is None else size.section(self.bench, *self._size)

    def know(self, versions: Mapping[str, str | None]) -> None:
        """Remember the peers' versions."""
        self.versions.update(versions)

    def add(self, case: dict[str, Any]) -> None:
        """Keep a case, in the record too when there is one."""
        self.cases.append(case)
        self._write(complete=False)

    @property
    def kept(self) -> bool:
        """Whether there is a record that the cases go to."""
        return self._path is not None

    def finish(self) -> None:
        """Mark the bench as complete in the record, when there is one."""
        self._write(complete=True)

    def _write(self, *, complete: bool) -> None:
        if self._path is None:
            return
        content = {
            "measured_at": record.now(),
            **self._began,
            "complete": complete,
            "quick": self.quick,
            "versions": dict(sorted(self.versions.items())),
            "environment": settings(),
            "blas": blas(),
            "cases": self.cases,
        }
        record.put(self._path, self.section, content)


def bench_name(module: str) -> str:
    """bench.kernels.bench_f32 -> kernels/f32; any other module's own name."""
    parts = module.split(".")
    if len(parts) == 3 and parts[0] == "bench" and parts[2].startswith("bench_"):
        return f"{parts[1]}/{parts[2].removeprefix('bench_')}"
    return module
