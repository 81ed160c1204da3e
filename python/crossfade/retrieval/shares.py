"""How many threads a search takes: its share of the cores.

A search of few queries that goes to all cores ends when its slowest part does. Beside others, or beside a graph that is
built, that part waits for a core: each search then is better off with fewer. On two cores, p99 beside a graph that
is built was 2.2 times that beside nothing with two threads, and 1.2 times with one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from crossfade.store.building import builds

_FEW_QUERIES = 8

# A list, whose methods are atomic: no lock that Ctrl-C could leave locked.
_searches: list[object] = []


@contextmanager
def share(threads: int, queries: int) -> Iterator[int]:
    """In the block a search of so many queries is in progress; gives the threads to do it with. `threads`: that were
    asked for, which stand; 0: as many as there is room for, 0 again for all cores."""
    mark = object()
    _searches.append(mark)
    try:
        others = len(_searches) - 1 + builds()
        shared = threads == 0 and queries <= _FEW_QUERIES and others > 0
        yield max(1, _cores() // (others + 1)) if shared else threads
    finally:
        _searches.remove(mark)


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0))
