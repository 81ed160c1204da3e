"""What criterion left behind: its estimates, read from the files of the run that has just ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """One bench of criterion's. Seconds are a median and its confidence interval; `elements` are done in each."""

    group: str
    name: str
    seconds: float
    low: float
    high: float
    elements: int


def estimates(directory: Path, since: float) -> Iterator[Estimate]:
    """All of `directory` (cargo's target/criterion) that was written after `since`, seconds since the epoch.

    Raises ValueError for a file that criterion's present version would not write.
    """
    for path in sorted(directory.rglob("new/estimates.json")):
        if path.stat().st_mtime >= since:
            yield _estimate(path.parent)


def _estimate(directory: Path) -> Estimate:
    try:
        about = _json(directory / "benchmark.json")
        median = _json(directory / "estimates.json")["median"]
        interval = median["confidence_interval"]
        nanoseconds = (median["point_estimate"], interval["lower_bound"], interval["upper_bound"])
        seconds, low, high = (float(value) / 1e9 for value in nanoseconds)
        group, name = about["group_id"], about["function_id"] or about["value_str"]
        return Estimate(group, name, seconds, low, high, int((about["throughput"] or {})["Elements"]))
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{directory} holds no estimates of a bench with elements as its throughput: {error!r}"
        ) from None


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
