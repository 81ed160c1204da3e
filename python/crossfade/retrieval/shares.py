"""How many threads a search takes: its share of the cores; and when it begins: in its turn.

A search of few queries that goes to all cores ends when its slowest part does. Beside others, or beside a graph that is
built, that part waits for a core: each search then is better off with fewer. On two cores, p99 beside a graph that
is built was 2.2 times that beside nothing with two threads, and 1.2 times with one.

Where more are in progress than there are cores, all of them end later than those that came first had to, and whoever
writes waits with them. So there is one more than there are cores, which has a core while another waits for the
interpreter, and the next waits for one to end, in its turn; not for long, or a few that take seconds would stop all
that take milliseconds. Searches of many queries neither wait nor are waited for: they mostly take all cores, and
seconds. On two cores, with a hundred single writes a second and four callers, 99 in 100 were found by vector and
words within 43 to 60 ms of their call without turns, and within 44 to 51 ms with them.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from crossfade.store.building import builds

_FEW_QUERIES = 8
_PATIENCE_SECONDS = 0.05

# Lists, whose methods are atomic: no lock that Ctrl-C could leave locked. Each search has a lock of its own, which is
# its mark too; while it waits it is held, until it is called.
_searches: list[threading.Lock] = []
_of_few_queries: list[threading.Lock] = []
_waiting: deque[threading.Lock] = deque()


@contextmanager
def share(threads: int, queries: int) -> Iterator[int]:
    """In the block a search of so many queries is in progress; gives the threads to do it with. `threads`: that were
    asked for, which stand; 0: as many as there is room for, 0 again for all cores. One of few queries may wait before
    it begins."""
    mark, few = threading.Lock(), queries <= _FEW_QUERIES
    try:
        if few:
            _take_turn(mark)
        _searches.append(mark)
        others = len(_searches) - 1 + builds()
        shared = threads == 0 and few and others > 0
        yield max(1, _cores() // (others + 1)) if shared else threads
    finally:
        _drop(_searches, mark)
        if few:
            _drop(_of_few_queries, mark)
            _call_next()


def _take_turn(mark: threading.Lock) -> None:
    if _has_room() and not _waiting:
        _of_few_queries.append(mark)
        return
    mark.acquire()
    _waiting.append(mark)
    called = False
    try:
        _call_next()  # the last may have ended since there was no room
        called = mark.acquire(timeout=_PATIENCE_SECONDS)
    finally:
        if not called and _drop(_waiting, mark):
            _of_few_queries.append(mark)


def _call_next() -> None:
    """Who is called counts from now on, not from when they wake up: until then there would seem to be room."""
    if _has_room():
        with suppress(IndexError):  # nobody waits
            mark = _waiting.popleft()
            _of_few_queries.append(mark)
            mark.release()


def _drop(marks: list[threading.Lock] | deque[threading.Lock], mark: threading.Lock) -> bool:
    """Whether it was there."""
    try:
        marks.remove(mark)
    except ValueError:
        return False
    return True


def _has_room() -> bool:
    return len(_of_few_queries) <= _cores()


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0))
