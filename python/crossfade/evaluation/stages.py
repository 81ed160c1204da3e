"""Stages of work as whoever waits is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crossfade.evaluation.dataset import Progress

Tell = Callable[[int], None]
"""Called with how many units more are done."""

TOLD_AFTER = 1024
"""Queries between two reports of work that goes through them one by one."""


@contextmanager
def stage(name: str, progress: Progress | None) -> Iterator[None]:
    """Work that cannot tell how far it is: told of when it begins, and when it has ended."""
    if progress:
        progress(name, 0, 1)
    yield
    if progress:
        progress(name, 1, 1)


@contextmanager
def steps(name: str, total: int, progress: Progress | None) -> Iterator[Tell]:
    """Work in parts, which tell what they have done: one stage of `total` units. That may be a guess; the stage has
    ended when the block has, and not before.
    """
    done, total = 0, max(total, 1)

    def tell(units: int) -> None:
        nonlocal done
        done = min(done + units, total - 1)
        if progress:
            progress(name, done, total)

    tell(0)
    yield tell
    if progress:
        progress(name, total, total)


def untold(_: int) -> None:
    """Nobody waits."""
