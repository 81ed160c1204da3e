"""Cases as a person reads them: one line a rival with its rate, its ratio, and the reach; and a summary of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.cases import OURS
from bench.timing import spread

QUICK = "quick run: shapes too small to judge"


def lines(case: Mapping[str, Any], *, quick: bool = False) -> list[str]:
    """The lines of one case. A quick run shows ratios and no verdict."""
    if "skipped" in case:
        return ["", f"{case['case']}: skipped: {case['skipped']}"]
    reach = {one["against"]: "" if quick else _verdict(one) for one in case["reach"]}
    if "values" in case:
        rows = [
            f"  {name:<34}{value:>14,.5g}{'':>12}   {reach.get(name, '')}" for name, value in case["values"].items()
        ]
        return ["", case["case"], f"  {'':<34}{case['measure']:>14}", *map(str.rstrip, rows)]
    head = f"  {'':<34}{case['unit'] + '/s':>14}{'spread':>8}{'ours/theirs':>13}   reach"
    rows = [_timed(name, taken, case, reach) for name, taken in case["seconds"].items()]
    rows += [_limit(name, one, case, reach) for name, one in case["limits"].items()]
    return ["", case["case"], head, *map(str.rstrip, rows)]


def summary(cases: Iterable[tuple[str, Mapping[str, Any]]], *, quick: bool = False) -> list[str]:
    """Every figure that something was aimed at, and every case that was left out. `cases`: (section, case)."""
    known = list(cases)
    aimed = [(f"{section}: {case['case']}", one) for section, case in known for one in case["reach"]]
    skipped = [f"  {section}: {case['case']}: {case['skipped']}" for section, case in known if "skipped" in case]
    found = []
    if quick:
        found += ["", QUICK]
    elif aimed:
        met = sum(one["met"] for _, one in aimed)
        found += ["", f"reach: {met} of {len(aimed)} met"]
        found += [f"  {'met    ' if one['met'] else 'NOT MET'}  {_aim(one)}  {name}" for name, one in aimed]
    return found + (["", "skipped:", *skipped] if skipped else [])


def _timed(name: str, seconds: float, case: Mapping[str, Any], reach: Mapping[str, str]) -> str:
    ratio = "" if name == OURS else f"{case['ratios'][name]:.2f}x"
    return (
        f"  {name:<34}{_rate(case['amount'] / seconds):>14}{_spread(name, case):>8}{ratio:>13}   {reach.get(name, '')}"
    )


def _limit(name: str, limit: Mapping[str, Any], case: Mapping[str, Any], reach: Mapping[str, str]) -> str:
    title = f"limit: {name} {limit['figure']:,.1f} {limit['figure_unit']}"
    return (
        f"  {title:<34}{_rate(case['amount'] / limit['seconds']):>14}{_spread(name, case):>8}"
        f"{case['ratios'][name]:>12.2f}    {reach.get(name, '')}"
    )


def _spread(name: str, case: Mapping[str, Any]) -> str:
    statistics = case.get("statistics", {}).get(name)
    return "" if statistics is None else f"{spread(statistics):.0%}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _verdict(one: Mapping[str, Any]) -> str:
    return f"{one['at_least']:.3g} {'met' if one['met'] else 'NOT MET'}"


def _aim(one: Mapping[str, Any]) -> str:
    return f"{one['value']:>8.4g} of {one['at_least']:<6.3g} {one['against']:<26}"
