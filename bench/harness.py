"""Interleaved timing of rivals on one input, a table that shows ratios, and a dated record."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parent / "record"
OURS = "crossfade"


def interleaved(rivals: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each rival over `rounds` rounds, all of them in every round, after one warm-up each."""
    for call in rivals.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(rounds):
        order = list(rivals)
        # Each goes first in turn: what the machine does in between falls on all alike.
        for name in order[number % len(order) :] + order[: number % len(order)]:
            begin = time.perf_counter()
            rivals[name]()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def report(case: str, seconds: Mapping[str, float], unit: str, amount: float) -> dict[str, Any]:
    """Print one line a rival: the rate, and how many times its speed ours is."""
    print(f"\n{case}")
    for name, value in seconds.items():
        ratio = "" if name == OURS else f"   crossfade is {value / seconds[OURS]:.2f}x"
        print(f"  {name:<28}{amount / value:>14,.0f} {unit}/s{ratio}")
    return {"case": case, "unit": unit, "amount": amount, "seconds": dict(seconds)}


def installed(*packages: str) -> dict[str, str | None]:
    """Versions; None, and a line that says so, for a peer that is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
            print(f"{package} is not installed here: left out (`make bench` installs it)")
    return found


def save(name: str, cases: list[dict[str, Any]], versions: Mapping[str, str | None]) -> None:
    """Write bench/record/DATE-NAME.json."""
    now = datetime.now(UTC)
    record = {
        "bench": name,
        "date": now.isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": dict(versions),
        "environment": {key: value for key, value in os.environ.items() if key.startswith(("OMP_", "OPENBLAS_"))},
        "cases": cases,
    }
    path = RECORD / f"{now:%Y-%m-%d}-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to bench/record/{path.name}")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
