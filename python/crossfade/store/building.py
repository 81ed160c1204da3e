"""Whether a graph is being built in this process: with all cores, for minutes, behind all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# A list, whose methods are atomic: no lock that Ctrl-C could leave locked.
_builds: list[object] = []


@contextmanager
def building() -> Iterator[None]:
    """In the block a graph is built."""
    mark = object()
    _builds.append(mark)
    try:
        yield
    finally:
        _builds.remove(mark)


def builds() -> bool:
    """Whether there is any."""
    return bool(_builds)
