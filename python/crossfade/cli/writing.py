"""Results that are written when all is known: one stage, of however many files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crossfade.evaluation.stages import Tell


class Job(NamedTuple):
    """One file. `weight`: what a query of it takes, in parts of 25 microseconds or so; `write`: is told of queries by
    what it calls, as far as it tells of them at all."""

    weight: int
    write: Callable[[Tell], object]


def write_all(jobs: list[Job], queries: int) -> None:
    """In order. Not for what goes to stdout: while a bar is shown, that would be drawn by it."""
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.stages import steps

    if not jobs:
        return

    with StageBars() as bars, steps("writing", queries * sum(job.weight for job in jobs), bars) as tell:
        for weight, write in jobs:
            left = queries

            def told(units: int, weight: int = weight) -> None:
                nonlocal left
                left -= units
                tell(weight * units)

            write(told)
            tell(weight * max(left, 0))
