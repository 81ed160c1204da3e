"""The thread that makes segments, merges them, and empties the database's log, while others write and search."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from crossfade.errors import CrossfadeError
from crossfade.niceness import be_nice

if TYPE_CHECKING:
    from crossfade.store.durable import DurableStore

log = logging.getLogger(__name__)

_REST_SECONDS = 1.0
_NICENESS = 10
_AFTER_FAILURE_SECONDS = 5.0


class Upkeep:
    """Works when it is woken, and looks around every second. What fails is logged and tried again later."""

    def __init__(self, store: DurableStore) -> None:
        self._store = store
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="crossfade-upkeep", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._news.set()

    def stop(self) -> None:
        """Wait for the step in progress, and take no other."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):
            be_nice(_NICENESS)
        while not self._stopped.is_set():
            self._news.wait(_REST_SECONDS)
            self._news.clear()
            try:
                while not self._stopped.is_set() and self._step():
                    pass
            except (CrossfadeError, OSError) as error:
                log.warning("upkeep of the store will be tried again: %s", error)
                self._stopped.wait(_AFTER_FAILURE_SECONDS)

    def _step(self) -> bool:
        database = self._store.database
        if database.log_bytes() > self._store.settings.log_bytes:
            # A log whose pages are all in the database is begun anew by the next writer.
            database.checkpoint()
        return any(collection.keep_up(self._stopped.is_set) for collection in self._store.all())
