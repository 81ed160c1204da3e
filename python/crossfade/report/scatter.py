"""Points of two figures: axes, marks, the line that joins those that nobody beats, and labels that do not overlap.

Across, positions are percentages and downwards pixels, as in `plots`: so the plot fills a phone and a desk alike. How
wide a label will be is not known then; so every label has a line of its own, and leans away from the nearer edge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crossfade.report.plots import Tick, decimals, tick_values
from crossfade.report.text import MINUS, clean

HEIGHT = 260.0
_TOP, _BOTTOM = 26.0, 12.0
_LEFT, _RIGHT = 6.0, 94.0  # percent
_LINE = 15.0  # pixels of a label
_LOG_FROM = 5.0  # times: where the largest is as much more than the least, small ones would lie on one another
_LABEL = 22  # bytes


@dataclass(frozen=True, slots=True)
class Dot:
    """`x`: what is better where it is less; `y`: better where it is more. `best`: in no figure is it beaten."""

    name: str
    x: float
    y: float
    low: float
    high: float
    best: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """`x` in percent, all else in pixels. `label_at`: from the point to its label's line; `end`: it stands to the left.
    Empty where all labels have no room: the number leads to the table."""

    x: float
    y: float
    low: float
    high: float
    best: bool
    number: int
    label: str
    label_at: float
    end: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the line: `x` in percent, `y` in pixels."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Scatter:
    title: str
    unit: str
    log: bool
    marks: list[Mark]
    steps: list[Step]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    alt: str


def scatter(title: str, unit: str, measure: str, dots: Sequence[Dot]) -> Scatter | None:
    """None where there are fewer than two."""
    if len(dots) < 2:
        return None
    xs = [dot.x for dot in dots]
    log = min(xs) > 0 and max(xs) / min(xs) >= _LOG_FROM
    place_x, x_ticks = _across(xs, log)
    place_y, y_ticks = _upwards([end for dot in dots for end in (dot.low, dot.high, dot.y)])
    spots = [(place_x(dot.x), place_y(dot.y)) for dot in dots]
    lines = _label_lines([y for _, y in spots])
    marks = [
        Mark(
            x=x,
            y=y,
            low=place_y(dot.low),
            high=place_y(dot.high),
            best=dot.best,
            number=index + 1,
            label=clean(dot.name, _LABEL) if lines else "",
            label_at=round(lines[index] - y, 1) if lines else 0.0,
            end=x > 50,
        )
        for index, (dot, (x, y)) in enumerate(zip(dots, spots, strict=True))
    ]
    scale = ", logarithmic scale" if log else ""
    said = "; ".join(f"{dot.name} {dot.x:.4g} {unit}, {dot.y:.3f}" for dot in dots[:20])
    return Scatter(
        title, unit, log, marks, _steps(dots, spots), x_ticks, y_ticks, f"{measure} against {title}{scale}: {said}"
    )


def _across(values: Sequence[float], log: bool) -> tuple[Callable[[float], float], list[Tick]]:
    low, high = min(values), max(values)
    if log:
        ends = math.log10(low), math.log10(high)
        pad = 0.06 * (ends[1] - ends[0])
        low, high = ends[0] - pad, ends[1] + pad
        ticks = _log_ticks(10**low, 10**high)
        return (lambda value: _percent(math.log10(value), low, high)), [
            Tick(_percent(math.log10(value), low, high), _short(value)) for value in ticks
        ]
    low, high = 0.0, high * 1.08 or 1.0
    ticks = tick_values(low, high, 4)
    places = decimals(ticks[1] - ticks[0]) if len(ticks) > 1 else 2
    return (lambda value: _percent(value, low, high)), [
        Tick(_percent(value, low, high), f"{value:,.{places}f}" if value else "0") for value in ticks
    ]


def _percent(value: float, low: float, high: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * (value - low) / (high - low), 2)


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or powers alone where those are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= 5:
            return found
    return found[:: math.ceil(len(found) / 5)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _upwards(values: Sequence[float]) -> tuple[Callable[[float], float], list[Tick]]:
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.01, high + 0.01
    pad = 0.08 * (high - low)
    low, high = low - pad, high + pad
    ticks = tick_values(low, high, 5)
    places = decimals(ticks[1] - ticks[0]) if len(ticks) > 1 else 3

    def place(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low), 1)

    return place, [Tick(place(value), f"{value:.{places}f}".replace("-", MINUS)) for value in ticks]


def _label_lines(ys: Sequence[float]) -> list[float]:
    """For each point the middle of its label's line, at least a line apart from every other; empty without room."""
    if len(ys) * _LINE > HEIGHT - _TOP:
        return []
    order = sorted(range(len(ys)), key=lambda at: ys[at])
    lines = [0.0] * len(ys)
    at = _TOP / 2
    for row in order:
        at = max(at, ys[row])
        lines[row] = at
        at += _LINE
    # What was pushed over the bottom goes back up, and pushes the others before it.
    floor = HEIGHT - _LINE / 2
    for row in reversed(order):
        lines[row] = min(lines[row], floor)
        floor = lines[row] - _LINE
    return lines


def _steps(dots: Sequence[Dot], spots: Sequence[tuple[float, float]]) -> list[Step]:
    """Along the points that no other beats in these two figures: from each across to the next, then up to it."""
    order = sorted(range(len(dots)), key=lambda at: (dots[at].x, -dots[at].y))
    front: list[int] = []
    for row in order:
        if not front or dots[row].y > dots[front[-1]].y:
            front.append(row)
    steps = []
    for here, there in itertools.pairwise(front):
        (x1, y1), (x2, y2) = spots[here], spots[there]
        steps += [Step(x1, y1, x2, y1), Step(x2, y1, x2, y2)]
    return steps
