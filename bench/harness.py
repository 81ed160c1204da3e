"""What a bench calls: time rivals on one input, show the ratios, keep the figures.

    seconds = interleaved({OURS: ..., "peer": ...}, rounds=7)
    report("a case", seconds, "queries", 64, reach={"peer": 5.0})

or `measure`, which does both and times the machine's limits among the rivals. `report_values` is for what is not time,
`skip` for what cannot be measured here.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench import record, table
from bench.cases import OURS, Limit, skipped_case, timed_case, valued_case
from bench.machine import PEERS_SLOWED_BY
from bench.session import Session
from bench.timing import interleaved

__all__ = [
    "OURS", "Limit", "installed", "interleaved", "measure", "report", "report_values", "save", "session", "skip",
]  # fmt: skip


@functools.cache
def session() -> Session:
    """What this process has measured."""
    slowed = [name for name in PEERS_SLOWED_BY if name in os.environ]
    if slowed and "--quick" not in sys.argv:
        print(f"bench: {', '.join(slowed)} may slow NumPy: `python -m bench` sets them aside", file=sys.stderr)
    return Session.of_this_process()


def measure(
    case: str,
    rivals: Mapping[str, Callable[[], object]],
    *,
    unit: str,
    amount: float,
    rounds: int,
    budget: float | None = None,
    limits: Mapping[str, Limit] | None = None,
    reach: Mapping[str, float] | None = None,
    before: Callable[[], object] | None = None,
    warm: bool = False,
) -> dict[str, Any]:
    """Time the rivals and the limits' probes in the same rounds and report the case. See `interleaved`, `report`."""
    probes = limits or {}
    calls = {**rivals, **{name: limit.call for name, limit in probes.items()}}
    seconds = interleaved(calls, rounds, budget=budget, before=before, warm=warm)
    measured = {name: (seconds.pop(name), limit) for name, limit in probes.items()}
    return _keep(timed_case(case, seconds, unit, amount, limits=measured, reach=reach))


def report(
    case: str, seconds: Mapping[str, float], unit: str, amount: float, *, reach: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Print and keep a case: each rival's rate, our speed over its speed, and the ratio that is aimed at.

    `seconds`: of each rival for `amount` `unit`s, `OURS` among them. `reach`: rival to the least ratio.
    """
    return _keep(timed_case(case, seconds, unit, amount, reach=reach))


def report_values(
    case: str,
    measure: str,
    values: Mapping[str, float],
    least: Mapping[str, float],
    *,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Print and keep values of a measure (a recall, say) by name, with the least that each should be.

    `details`: by name, what else the record should hold.
    """
    return _keep(valued_case(case, measure, values, least, details))


def skip(case: str, reason: str) -> dict[str, Any]:
    """Say, and keep, that a case cannot be measured here."""
    return _keep(skipped_case(case, reason))


def installed(*packages: str) -> dict[str, str | None]:
    """Versions; None, and a line that says so, for a peer that is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
            print(f"{package} is not installed here: left out (`make bench` installs it)")
    session().know(found)
    return found


def save(name: str, cases: list[dict[str, Any]], versions: Mapping[str, str | None]) -> None:
    """Put the cases of a bench that is run by itself in today's record. The runner keeps them as they come."""
    if session().kept:
        return
    section = session().section
    own = Session(name if section == "bench" else section, record.path_of_today())
    own.know(versions)
    own.cases.extend(cases)
    own.finish()
    print(f"\nwritten to bench/record/{record.path_of_today().name}")


def _keep(case: dict[str, Any]) -> dict[str, Any]:
    session().add(case)  # before it is printed: nobody may be reading any more
    print("\n".join(table.lines(case, quick=session().quick)), flush=True)
    return case
