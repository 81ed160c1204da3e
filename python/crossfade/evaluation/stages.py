"""Stages of work as whoever waits is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crossfade.evaluation.dataset import Progress


@contextmanager
def stage(name: str, progress: Progress | None) -> Iterator[None]:
    """Work that cannot tell how far it is: told of when it begins, and when it has ended."""
    if progress:
        progress(name, 0, 1)
    yield
    if progress:
        progress(name, 1, 1)
