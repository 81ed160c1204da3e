"""What a comparison will cost, said on stderr before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.decision.protocol import Prices
    from crossfade.evaluation.plan import Plan, Planned

WORTH_SAYING = 10.0  # seconds


def plan_and_say(planned: Planned, prices: Prices | None, bars: StageBars) -> dict[str, Any]:
    """Plan, and where it is more than ten seconds of work, say so and let the bars follow. What goes into the record's
    settings; nothing where nothing was said. Raises InvalidInput where the disk has no room.
    """
    from crossfade.evaluation.forecast import Forecast
    from crossfade.evaluation.plan import plan_comparison, small

    if small(planned):
        return {}
    plan = plan_comparison(planned)
    if plan.seconds < WORTH_SAYING:
        return {}
    _say(plan, prices)
    bars.follow(Forecast(plan.stages))
    return {**plan.to_json(), "price": _price(plan, prices)}


def _price(plan: Plan, prices: Prices | None) -> dict[str, Any] | None:
    if prices is None or prices.cpu_hour <= 0:
        return None
    return {"amount": plan.price(prices.cpu_hour), "cpu_hour": prices.cpu_hour, "currency": prices.currency}


def _say(plan: Plan, prices: Prices | None) -> None:
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    least = "at least " if plan.unknown else "about "
    said = f"{least}{duration(plan.seconds)} on {plan.cores} cores, {plan.memory / 1e9:.1f} GB of memory"
    if plan.directory is not None:
        said += f", {plan.disk / 1e9:.1f} GB of disk in {plan.directory}"
    if (price := _price(plan, prices)) is not None:
        said += f", {price['amount']:.3g} {price['currency']} at {price['cpu_hour']} an hour of a core".replace(
            "  ", " "
        )
    console.print(f"cost: {said}")
    for stage in plan.stages:
        seconds = "not known before it runs" if stage.seconds is None else duration(stage.seconds)
        of = f" ({stage.of})" if stage.of else ""
        console.print(f"  {stage.name}{of}: {stage.work:,} {stage.unit}, {seconds}")


def duration(seconds: float) -> str:
    """In words, to two digits or so."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def with_costs(settings: Mapping[str, Any], plan: Mapping[str, Any], bars: StageBars) -> dict[str, Any]:
    """A record's settings with what was said beforehand, and how it came."""
    return {**settings, "plan": {**plan, **bars.told()}} if plan else dict(settings)
