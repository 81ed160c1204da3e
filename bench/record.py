"""The dated record of a day's runs on one kind of machine: bench/record/DATE-MACHINE.json.

    {"format": ..., "machine": {...}, "benches": {"kernels/f32": {"measured_at", "commit", "dirty", "complete", "quick",
     "versions", "environment", "blas", "load", "cases": [...]}, "graph/hnsw, 1,000,000 rows": {...}}}

A section has a bench's name, and its size where that is not the bench's own: see `bench.size`.

Written after every case, whole or not at all, so that an interruption keeps what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import label, machine
from crossfade.files import check_writable, write_atomically

FORMAT = "crossfade bench record 1"
DIRECTORY = Path(__file__).parent / "record"


def path_of_today(directory: Path = DIRECTORY) -> Path:
    """Where runs of today on this machine are kept."""
    return directory / f"{datetime.now(UTC):%Y-%m-%d}-{label(machine())}.json"


def check(path: Path) -> None:
    """Find out before long work whether a run can be kept at `path`. Raises ValueError, or InvalidInput, if not."""
    read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path)


def read(path: Path) -> dict[str, Any]:
    """The record at `path`; a new one when there is none. Raises ValueError for a file that is something else."""
    if not path.exists():
        return {"format": FORMAT, "machine": machine(), "benches": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] == FORMAT:
            return dict(found)
    except (ValueError, LookupError, TypeError):
        pass
    raise ValueError(f'{path} is not a record of the benches (format "{FORMAT}"): move it away')


def put(path: Path, section: str, content: dict[str, Any]) -> None:
    """Replace one section of the record: what it says of one bench at one size."""
    record = read(path)
    record["benches"] = dict(sorted((record["benches"] | {section: content}).items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as stream:
        stream.write((json.dumps(record, indent=1) + "\n").encode())


def cases(path: Path, since: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(section, case) of all that was measured at or after `since`, as `now` gives it."""
    for section, content in read(path)["benches"].items():
        if content["measured_at"] >= since:
            for case in content["cases"]:
                yield section, case


def now() -> str:
    """UTC, to the second; texts of it compare as times do."""
    return datetime.now(UTC).isoformat(timespec="seconds")
