"""Where the marks of a plot go.

Every plot is an SVG without a view box: across, positions are percentages, so that it fills a phone and a desk alike
without its text or its strokes being scaled; upwards they are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crossfade.report.text import MINUS, clean, signed

WATERFALL_HEIGHT = 220.0
MAX_BARS = 400  # narrower than about a pixel, a bar says nothing
_EDGE = 4.0  # percent kept free on either side of an interval plot
_BAR_LABEL = 120  # bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """`at` is a percentage of the width, or pixels from the top."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From a value to a percentage of the width."""

    low: float
    high: float
    ticks: list[Tick]

    def at(self, value: float) -> float:
        return _percent(value, self.low, self.high)


def _percent(value: float, low: float, high: float) -> float:
    return round(_EDGE + (100 - 2 * _EDGE) * (value - low) / (high - low), 3)


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that cuts `span` into at most `most` pieces."""
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * (1 - 1e-9))


def tick_values(low: float, high: float, most: int) -> list[float]:
    """Multiples of a nice step within [low, high]."""
    step = nice_step(high - low, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def decimals(step: float) -> int:
    """Decimals that tell neighbours `step` apart; 2.5 wants one more than 2."""
    places = max(0, -math.floor(math.log10(step)))
    return places + (not math.isclose(step * 10.0**places, round(step * 10.0**places)))


def _labels(values: Sequence[float]) -> list[str]:
    places = decimals(values[1] - values[0]) if len(values) > 1 else 3
    return [signed(value, places) if round(value, places) else "0" for value in values]


def difference_axis(values: Sequence[float]) -> Axis:
    """An axis that holds every value and zero."""
    low, high = min(0.0, *values), max(0.0, *values)
    if high - low < 1e-9:
        low, high = -0.01, 0.01
    ticks = tick_values(low, high, 5)
    places = [Tick(_percent(value, low, high), label) for value, label in zip(ticks, _labels(ticks), strict=True)]
    return Axis(low, high, places)


def value_axis(values: Sequence[float]) -> Axis:
    """An axis from zero (or what lies below) that holds every value; without signs."""
    low, high = min(0.0, *values), max(0.0, *values)
    if high - low < 1e-9:
        low, high = 0.0, 1.0
    ticks = tick_values(low, high, 5)
    places = decimals(ticks[1] - ticks[0]) if len(ticks) > 1 else 3
    marks = [Tick(_percent(each, low, high), f"{each:.{places}f}".replace("-", MINUS)) for each in ticks]
    return Axis(
        low, high, [Tick(mark.at, "0" if not float(mark.label.replace(MINUS, "-")) else mark.label) for mark in marks]
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """`left` and `width` in percent, `top` and `height` in pixels; `outcome` is win, loss or tie."""

    left: float
    width: float
    top: float
    height: float
    outcome: str
    label: str
    query: int | None  # the number of the query's entry on the page


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Differences of single queries, largest gain first. `grouped` queries share a bar, which shows their mean; where
    they do, `paths` has all bars of an outcome as one path in a box of 1,000 by `WATERFALL_HEIGHT`."""

    bars: list[Bar]
    ticks: list[Tick]
    zero: float
    grouped: int
    paths: dict[str, str]


def outcome(delta: float) -> str:
    """Values of one query that differ by rounding only are a tie."""
    return "tie" if abs(delta) < 1e-9 else "win" if delta > 0 else "loss"


def waterfall(deltas: Sequence[tuple[float, str, int | None]]) -> Waterfall | None:
    """`deltas` are difference, label and entry of each query, in any order. None when there is none."""
    if not deltas:
        return None
    falling = sorted(deltas, key=lambda item: (-item[0], item[1]))
    grouped = math.ceil(len(falling) / MAX_BARS)
    groups = [falling[start : start + grouped] for start in range(0, len(falling), grouped)]
    means = [sum(delta for delta, _, _ in group) / len(group) for group in groups]
    top, bottom = max(0.0, *means), min(0.0, *means)
    if top - bottom < 1e-9:
        top, bottom = 0.01, -0.01
    margin = 10.0
    scale = (WATERFALL_HEIGHT - 2 * margin) / (top - bottom)
    zero = margin + top * scale
    slot = 100 / len(groups)
    thickness = slot * (0.8 if len(groups) <= 150 else 1.0)
    bars = []
    for index, (group, mean) in enumerate(zip(groups, means, strict=True)):
        kind = outcome(mean)
        height = max(abs(mean) * scale, 2.0)
        label = group[0][1] if grouped == 1 else f"mean of {len(group)} queries"
        bars.append(
            Bar(
                left=round(index * slot, 3),
                width=round(thickness, 3),
                top=round({"win": zero - height, "loss": zero, "tie": zero - 1}[kind], 1),
                height=round(height, 1),
                outcome=kind,
                label=clean(f"{signed(mean)} {label}", _BAR_LABEL),
                query=group[0][2] if grouped == 1 else None,
            )
        )
    values = tick_values(bottom, top, 5)
    ticks = [Tick(round(zero - value * scale, 1), label) for value, label in zip(values, _labels(values), strict=True)]
    return Waterfall(bars, ticks, round(zero, 1), grouped, _paths(bars) if grouped > 1 else {})


def _paths(bars: Sequence[Bar]) -> dict[str, str]:
    """One path an outcome instead of hundreds of rectangles that have nothing of their own to say."""
    found: dict[str, list[str]] = {}
    for bar in bars:
        left, width = (
            round(10 * bar.left, 2),
            round(10 * bar.width + 0.2, 2),
        )  # a hair over: no seams between neighbours
        found.setdefault(bar.outcome, []).append(f"M{left} {bar.top}h{width}v{bar.height}h-{width}z")
    return {outcome: "".join(parts) for outcome, parts in found.items()}
