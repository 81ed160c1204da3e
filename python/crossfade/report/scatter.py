"""Points of two figures: axes, marks, the line that joins those that nobody beats, and labels that do not overlap.

Across, positions are percentages and downwards pixels, as in `plots`: so the plot fills a phone and a desk alike. How
wide a label will be is not known then; so every label has a line of its own, leans away from the nearer edge, and keeps
off the points that it would reach on a phone.
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
_LINE, _ABOVE, _CLEAR = 14.0, 10.0, 13.0  # pixels: of a label, from its point up to it, from another point
_NARROW, _LETTER, _GAP = 220.0, 7.0, 22.0  # pixels: the plot on a phone, a letter, from a point to its label and on
_LOG_FROM = 5.0  # times: where the largest is as much more than the least, small ones would lie on one another
_LEAST = 1e-6  # what is smaller is nothing: a millionth of a millisecond, or of a coin
_LABEL, _BAR_LABEL = 22, 120  # bytes
_FAR = 40.0  # pixels: a label farther off than that would not be taken for its point's


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
    `label` is empty where there is no room: the name is in the tooltip and in the table."""

    x: float
    y: float
    low: float
    high: float
    best: bool
    name: str
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
    log = min(xs) >= _LEAST and max(xs) / min(xs) >= _LOG_FROM
    place_x, x_ticks = _across(xs, log)
    place_y, y_ticks = _upwards([end for dot in dots for end in (dot.low, dot.high, dot.y)])
    spots = [(place_x(dot.x), place_y(dot.y)) for dot in dots]
    names = [clean(dot.name, _LABEL) for dot in dots]
    lines = _label_lines(dots, names, spots)
    marks = [
        Mark(
            x=x,
            y=y,
            low=place_y(dot.low),
            high=place_y(dot.high),
            best=dot.best,
            name=clean(dot.name, _BAR_LABEL),
            label="" if line is None else names[index],
            label_at=0.0 if line is None else round(line - y, 1),
            end=x > 50,
        )
        for index, (dot, (x, y), line) in enumerate(zip(dots, spots, lines, strict=True))
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
    low, high = 0.0, 1.08 * max(high, _LEAST)
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


def _label_lines(dots: Sequence[Dot], names: Sequence[str], spots: Sequence[tuple[float, float]]) -> list[float | None]:
    """For each point the middle of its label's line: just above it, or as near as leaves a line to every other label
    and is on no other point. None where there is no room; those that nobody beats are asked first."""
    taken: list[float] = []
    lines: list[float | None] = [None] * len(spots)
    for row in sorted(range(len(spots)), key=lambda at: (not dots[at].best, spots[at][1])):
        x, y = spots[row]
        reach = (len(names[row]) * _LETTER + _GAP) * 100 / _NARROW
        beside = [
            other_y
            for other, (other_x, other_y) in enumerate(spots)
            if other != row and (0 <= x - other_x <= reach if x > 50 else 0 <= other_x - x <= reach)
        ]
        wanted = y - _ABOVE
        free = (
            at
            for at in sorted((float(line) for line in range(int(_LINE), int(HEIGHT))), key=lambda at: abs(at - wanted))
            if all(abs(at - other) >= _LINE for other in taken) and all(abs(at - other) >= _CLEAR for other in beside)
        )
        found = next((at for at in free if abs(at - wanted) <= _FAR), None)
        if found is not None:
            lines[row] = found
            taken.append(found)
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
