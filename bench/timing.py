"""Interleaved timing: every round times every rival once, in an order of its own."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping

from pytest_benchmark.stats import Stats

FEWEST_ROUNDS = 5

# Threads of a pool spin for a while after their last work and would take a core from whoever comes next: OpenMP's for
# some 8 ms, OpenBLAS's for 100 ms. So nothing is timed before this process has been idle for so long, or so long has
# been waited for it.
IDLE_SECONDS = 0.01
PATIENCE_SECONDS = 1.0
# Of the time that passes: what still counts as idle.
IDLE_SHARE = 0.1

_KEPT = ("min", "q1", "median", "q3", "max", "mean", "stddev", "rounds", "iqr_outliers")


class Timings(dict[str, float]):
    """Median seconds of each rival, in the order given; `statistics` has pytest-benchmark's other figures."""

    def __init__(self, stats: Mapping[str, Stats]) -> None:
        super().__init__({name: one.median for name, one in stats.items()})
        self.statistics: dict[str, dict[str, float]] = {
            name: {key: getattr(one, key) for key in _KEPT} for name, one in stats.items()
        }


def spread(statistics: Mapping[str, float]) -> float:
    """How noisy a rival's times were: the distance between the quartiles as a fraction of the median."""
    return (statistics["q3"] - statistics["q1"]) / statistics["median"] if statistics["median"] else 0.0


def interleaved(
    rivals: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    budget: float | None = None,
    before: Callable[[], object] | None = None,
    warm: bool = False,
) -> Timings:
    """Time every rival once in each of `rounds` rounds, after one warm-up each.

    The order is drawn anew for each round (the same orders in every run), so that what the machine does in between,
    and what one rival leaves behind in the caches, falls on all alike.

    `budget`: seconds of rounds after which no further one begins, once there were five. `before`: called, untimed,
    before every timing. `warm`: all of them have been called already, and need no warm-up.

    Raises ValueError for fewer than one round or no rivals.
    """
    if rounds < 1 or not rivals:
        raise ValueError(f"nothing to time: {rounds} rounds of {len(rivals)} rivals")
    stats: dict[str, Stats] = {name: Stats() for name in rivals}
    for name, call in () if warm else rivals.items():
        _progress(f"warming up {name}")
        _timed(call, before)
    begin = time.perf_counter()
    draw = random.Random(0)
    for number in range(rounds):
        if budget is not None and number >= FEWEST_ROUNDS and time.perf_counter() - begin > budget:
            break
        for name in draw.sample(list(rivals), len(rivals)):
            _progress(f"round {number + 1} of {rounds}: {name}")
            stats[name].update(_timed(rivals[name], before))
    _progress("")
    return Timings(stats)


def _timed(call: Callable[[], object], before: Callable[[], object] | None) -> float:
    if before is not None:
        before()
    if not wait_until_idle():
        print("bench: threads of the previous rival still work: the next one is timed beside them", file=sys.stderr)
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def wait_until_idle() -> bool:
    """Sleep until no thread of this process has worked for `IDLE_SECONDS`; False when `PATIENCE_SECONDS` ran out."""
    end = time.perf_counter() + PATIENCE_SECONDS
    while True:
        begin, worked = time.perf_counter(), time.process_time()
        time.sleep(IDLE_SECONDS)
        share = (time.process_time() - worked) / (time.perf_counter() - begin)
        if share <= IDLE_SHARE:
            return True
        if time.perf_counter() > end:
            return False


def _progress(text: str) -> None:
    """One line that is written over; only where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)
