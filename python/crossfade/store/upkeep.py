"""The threads that make segments, merge them, build graphs and empty the database's log, while others write and read.

One seals and one improves: rows must not pile up in a tail, which is in memory and scanned whole, because a graph takes
its time. The one that improves stands far back: of a processor that a search wants as well it gets a seventieth, where
nice 10 gets a tenth, which is a turn of 4 ms for every 40 and the p99 of searches of 1 ms. All that is idle it takes.
Where nothing is idle for long, another that is nearer does its work, or segments would pile up, and searches with them.
(Linux's SCHED_IDLE was no better for searches, and stood still beside any other program, however nice.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from crossfade.errors import CrossfadeError
from crossfade.niceness import be_nice, waited
from crossfade.store.collection import DurableCollection

if TYPE_CHECKING:
    from crossfade.store.durable import DurableStore

log = logging.getLogger(__name__)

_REST_SECONDS = 1.0
_AFTER_FAILURE_SECONDS = 5.0
_NEAR, _FAR = 10, 19  # nice
# So often it is looked whether the one far back comes to its work. Of that time it may wait so much for a processor:
# what it has then is what it would have if it were nearer.
_LOOK_SECONDS = 10.0
_STARVED = 0.9
# What comes while the log is being emptied goes to its end: the file may stay as long as this many times the most.
_KEPT_LOGS = 2


class Upkeep:
    """Works when it is woken, and looks around every second. What fails is logged and tried again later."""

    def __init__(self, store: DurableStore) -> None:
        self._store = store
        self._stopped = threading.Event()
        # Not events: Ctrl-C in the middle of `Event.set` leaves it locked, and every later write would wait for it.
        self._news: tuple[SimpleQueue[None], SimpleQueue[None]] = (SimpleQueue(), SimpleQueue())
        self._threads: list[threading.Thread] = []
        self._nearer = threading.Event()  # whether what improves is done by the thread that is nearer

    def start(self) -> None:
        sealing, improving = self._news
        self._begin("seal", partial(self._run, self._seal, sealing, _NEAR))
        far = self._begin("improve", partial(self._run, self._improve, improving, _FAR))
        self._begin("hasten", partial(self._watch, far))

    def _begin(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"crossfade-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def wake(self) -> None:
        """There may be something to do."""
        for news in self._news:
            if news.empty():
                news.put(None)

    def stop(self) -> None:
        """Wait for the steps in progress, and take no others. Merges and graphs are given up."""
        self._stopped.set()
        self.wake()
        for thread in self._threads:
            thread.join()

    def _run(self, step: Callable[[], bool], news: SimpleQueue[None], niceness: int) -> None:
        with suppress(OSError):
            be_nice(niceness)
        while not self._stopped.is_set():
            with suppress(Empty):
                news.get(timeout=_REST_SECONDS)
            self._work_off(step)

    def _work_off(self, step: Callable[[], bool]) -> None:
        """One step after the other, until there is none."""
        try:
            while not self._stopped.is_set() and step():
                self.wake()
        except Exception as error:  # without this thread the log and the tails grow for ever
            if not self._stopped.is_set():
                known = isinstance(error, CrossfadeError | OSError)
                log.warning("upkeep of the store will be tried again: %s", error, exc_info=not known)
                self._stopped.wait(_AFTER_FAILURE_SECONDS)

    def _watch(self, far: threading.Thread) -> None:
        """Take over from the thread that is far back whenever it starves."""
        with suppress(OSError):
            be_nice(_NEAR)
        before, since = _waited(far), time.monotonic()
        while not self._stopped.wait(_LOOK_SECONDS):
            if _waited(far) - before >= _STARVED * (time.monotonic() - since):
                # Its own step it gives up: niceness can be added to, and not taken back.
                self._nearer.set()
                self._work_off(lambda: self._of_each(lambda collection: collection.improve(self._stopped.is_set)))
                self._nearer.clear()
            before, since = _waited(far), time.monotonic()

    def _seal(self) -> bool:
        database = self._store.database
        most = self._store.settings.log_bytes
        if database.log_bytes() > most:
            database.checkpoint(keep=_KEPT_LOGS * most)
        return self._of_each(DurableCollection.seal_due)

    def _improve(self) -> bool:
        return not self._left_to_others() and self._of_each(
            lambda collection: collection.improve(self._left_to_others),
        )

    def _left_to_others(self) -> bool:
        return self._stopped.is_set() or self._nearer.is_set()

    def _of_each(self, step: Callable[[DurableCollection], bool]) -> bool:
        """Whether one had anything to do. One that fails does not keep the others from it."""
        failed: Exception | None = None
        for collection in self._store.all():
            try:
                if step(collection):
                    return True
            except Exception as error:  # noqa: BLE001 - raised below, when it was the others' turn
                failed = error
        if failed is not None:
            raise failed
        return False


def _waited(thread: threading.Thread) -> float:
    """As `niceness.waited`; 0 where the system does not tell: there it never starves."""
    try:
        return 0.0 if thread.native_id is None else waited(thread.native_id)
    except OSError:
        return 0.0
