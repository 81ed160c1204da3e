"""The threads that make segments, merge them, build graphs and empty the database's log, while others write and read.

Rows must not pile up in a tail, which is in memory and scanned whole, because a graph takes its time: so one thread
seals, and another does what makes searches faster. A third reads segments again (`crossfade.store.scrub`).

All stand back, and no farther than this: they are within the interpreter, and whoever waits for its lock waits for
them to come to a processor. Graphs, built outside of it, stand back farther (`crossfade.store.graphs`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from crossfade.errors import CrossfadeError
from crossfade.niceness import be_nice
from crossfade.store.scrub import Scrubber
from crossfade.store.turns import in_turn

if TYPE_CHECKING:
    from crossfade.store.durable import DurableStore

log = logging.getLogger(__name__)

_REST_SECONDS = 1.0
_AFTER_FAILURE_SECONDS = 5.0
_NICENESS = 10
# What comes while the log is being emptied goes to its end: the file may stay as long as this many times the most.
_KEPT_LOGS = 2


class Upkeep:
    """Works when it is woken, and looks around every second. What fails is logged and tried again later."""

    def __init__(self, store: DurableStore) -> None:
        self._store = store
        self._stopped = threading.Event()
        # Not events: Ctrl-C in the middle of `Event.set` leaves it locked, and every later write would wait for it.
        self._news: tuple[SimpleQueue[None], ...] = (SimpleQueue(), SimpleQueue(), SimpleQueue())
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        scrubber = Scrubber(self._store.settings, self._stopped)
        steps = {
            "seal": self._seal,
            "improve": self._improve,
            "scrub": lambda: scrubber.step(self._store.all()),
        }
        for (name, step), news in zip(steps.items(), self._news, strict=True):
            thread = threading.Thread(target=self._run, args=(step, news), name=f"crossfade-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """There may be something to do."""
        for news in self._news[:-1]:  # who reads segments again has time
            if news.empty():
                news.put(None)

    def stop(self) -> None:
        """Wait for the steps in progress, and take no others. They are given up at their next batch."""
        self._stopped.set()
        for news in self._news:
            news.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, step: Callable[[], bool], news: SimpleQueue[None]) -> None:
        with suppress(OSError):
            be_nice(_NICENESS)
        while not self._stopped.is_set():
            with suppress(Empty):
                news.get(timeout=_REST_SECONDS)
            try:
                while not self._stopped.is_set() and step():
                    self.wake()
            except Exception as error:  # without this thread the log and the tails grow for ever
                if not self._stopped.is_set():
                    known = isinstance(error, CrossfadeError | OSError)
                    log.warning("upkeep of the store will be tried again: %s", error, exc_info=not known)
                    self._stopped.wait(_AFTER_FAILURE_SECONDS)

    def _seal(self) -> bool:
        database = self._store.database
        most = self._store.settings.log_bytes
        if database.log_bytes() > most:
            database.checkpoint(keep=_KEPT_LOGS * most)
        return in_turn(partial(each.seal_due, self._stopped.is_set) for each in self._store.all())

    def _improve(self) -> bool:
        """Rows that nobody finds come before what makes searches faster, whosever they are; what cannot be mended keeps
        nobody from that."""
        mends = (partial(each.mend, self._stopped.is_set) for each in self._store.all())
        improves = (partial(each.improve, self._gives_way) for each in self._store.all())
        return in_turn((partial(in_turn, mends), partial(in_turn, improves)))

    def _gives_way(self) -> bool:
        return self._stopped.is_set() or any(each.wants_mending for each in self._store.all())
