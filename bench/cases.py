"""One case: what each rival took, the limits of the machine, and whether the reach was met; as the record holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.timing import Timings

OURS = "crossfade"


@dataclass(frozen=True)
class Limit:
    """A probe of the machine: no code can do the case's work faster than this.

    `call` handles `work` units (bytes, floating-point operations); the case needs `needs` of them. `unit` is what
    10^9 of them a second are called.
    """

    call: Callable[[], object]
    work: float
    needs: float
    unit: str


def timed_case(
    case: str,
    seconds: Mapping[str, float],
    unit: str,
    amount: float,
    *,
    limits: Mapping[str, tuple[float, Limit]] | None = None,
    reach: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """`seconds`: of each rival, `OURS` among them, for `amount` `unit`s. `limits`: name to (probe's seconds, probe).

    `reach`: the ratio to each rival or limit that is aimed at. A ratio is our speed over theirs; of a limit, our speed
    over the speed at the limit.
    """
    found: dict[str, Any] = {"case": case, "unit": unit, "amount": amount, "seconds": dict(seconds)}
    if isinstance(seconds, Timings):
        found["statistics"] = seconds.statistics
    found["limits"] = {
        name: {
            "seconds": taken * limit.needs / limit.work,
            "figure": limit.work / taken / 1e9,
            "figure_unit": limit.unit,
        }
        for name, (taken, limit) in (limits or {}).items()
    }
    theirs = dict(seconds) | {name: one["seconds"] for name, one in found["limits"].items()}
    found["ratios"] = {name: taken / seconds[OURS] for name, taken in theirs.items() if name != OURS}
    found["reach"] = [
        {"against": name, "at_least": least, "value": found["ratios"][name], "met": found["ratios"][name] >= least}
        for name, least in (reach or {}).items()
        if name in found["ratios"]  # a peer that is not installed has been named already
    ]
    return found


def valued_case(
    case: str,
    measure: str,
    values: Mapping[str, float],
    least: Mapping[str, float],
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A case without rivals: `values` of `measure` by name, and how large each should be at least.

    `details`: by name, what else the record should hold.
    """
    return {
        **({"details": dict(details)} if details else {}),
        "case": case,
        "measure": measure,
        "values": dict(values),
        "reach": [
            {"against": name, "at_least": least[name], "value": value, "met": value >= least[name]}
            for name, value in values.items()
            if name in least
        ],
    }


def skipped_case(case: str, reason: str) -> dict[str, Any]:
    """A case that could not be measured here, and why."""
    return {"case": case, "skipped": reason, "reach": []}
