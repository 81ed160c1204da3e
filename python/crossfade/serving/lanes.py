"""Where calls run and how many: admission at the door, workers behind it, both counted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from crossfade.errors import Overloaded, Unavailable

Result = TypeVar("Result")


class Admission:
    """Counts calls in progress; refuses one too many, and every new one once draining. Event loop only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._active = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def active(self) -> int:
        return self._active

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Raises Overloaded or Unavailable."""
        if self._draining:
            raise Unavailable("the server is shutting down: try another replica, or try again when it is back")
        if self._active >= self._limit:
            raise Overloaded(
                f"{self._active} calls are in progress, which is this server's limit: try again later, or raise "
                "CROSSFADE_MAX_CONCURRENT_CALLS on the server"
            )
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if self._active == 0:
                self._idle.set()

    def close(self) -> None:
        self._draining = True

    async def wait_idle(self) -> None:
        await self._idle.wait()


class Lanes:
    """Threads off the event loop: one lane for calls that compute, one for calls that only look something up.

    A cancelled call that still waits in its lane is taken out and never runs.
    """

    def __init__(self) -> None:
        # Two at least: a search need not wait for the end of a long Upsert.
        workers = max(2, os.cpu_count() or 1)
        self._compute = ThreadPoolExecutor(workers, thread_name_prefix="crossfade-compute")
        self._control = ThreadPoolExecutor(1, thread_name_prefix="crossfade-control")

    async def run(self, work: Callable[[], Result], *, computes: bool) -> Result:
        pool = self._compute if computes else self._control
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def close(self) -> None:
        """Drop what still waits; what runs already cannot be stopped and is left to its thread."""
        self._compute.shutdown(wait=False, cancel_futures=True)
        self._control.shutdown(wait=False, cancel_futures=True)
