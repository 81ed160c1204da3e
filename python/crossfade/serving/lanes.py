"""Where calls run and how many: admission at the door, workers behind it, both counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from crossfade.errors import Overloaded, Unavailable
from crossfade.models.cores import usable_cores

Result = TypeVar("Result")


class Admission:
    """Counts calls in progress; refuses one too many, and every new one once draining. Event loop only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: set[asyncio.Future[Any]] = set()
        self._draining = False
        self._cutting = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def active(self) -> int:
        return len(self._running)

    async def run(self, start: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Raises Overloaded or Unavailable when the call is not let in, Unavailable also when it is cut."""
        if self._draining:
            raise Unavailable("the server is shutting down: try another replica, or try again when it is back")
        if self.active >= self._limit:
            raise Overloaded(
                f"{self.active} calls are in progress, which is this server's limit: try again later, or raise "
                "CROSSFADE_MAX_CONCURRENT_CALLS on the server"
            )
        running = asyncio.ensure_future(start())
        self._running.add(running)
        self._idle.clear()
        try:
            return await running
        except asyncio.CancelledError:
            if not self._cutting:
                raise
            raise Unavailable(
                "the server shut down before the call was done: try another replica, or try again when it is back"
            ) from None
        finally:
            self._running.discard(running)
            if not self._running:
                self._idle.set()

    def close(self) -> None:
        """From now on no call is let in."""
        self._draining = True

    def cut(self) -> int:
        """End the calls in progress; returns how many there were."""
        self._cutting = True
        for running in self._running:
            running.cancel()
        return self.active

    async def wait_idle(self) -> None:
        await self._idle.wait()


class Lanes:
    """Threads off the event loop: one lane for calls that compute, one for calls that only look something up.

    A cancelled call that still waits in its lane is taken out and never runs.
    """

    def __init__(self) -> None:
        # Two at least: a search need not wait for the end of a long Upsert.
        workers = max(2, usable_cores())
        self._compute = ThreadPoolExecutor(workers, thread_name_prefix="crossfade-compute")
        self._control = ThreadPoolExecutor(1, thread_name_prefix="crossfade-control")
        self._lock = threading.Lock()
        self._working = 0

    @property
    def working(self) -> int:
        """Threads at work, also for calls that nobody waits for any more."""
        return self._working

    async def run(self, work: Callable[[], Result], *, computes: bool) -> Result:
        pool = self._compute if computes else self._control
        return await asyncio.get_running_loop().run_in_executor(pool, self._counted, work)

    def _counted(self, work: Callable[[], Result]) -> Result:
        with self._lock:
            self._working += 1
        try:
            return work()
        finally:
            with self._lock:
                self._working -= 1

    def close(self) -> None:
        """Drop what still waits; what runs already cannot be stopped and is left to its thread."""
        self._compute.shutdown(wait=False, cancel_futures=True)
        self._control.shutdown(wait=False, cancel_futures=True)
