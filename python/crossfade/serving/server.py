"""The server: the front end in Rust, the executor behind it, and an orderly end."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from crossfade import _native
from crossfade._native import Call, SearchCall
from crossfade.config import Settings
from crossfade.errors import Unavailable
from crossfade.models import Embeddings
from crossfade.niceness import be_nice
from crossfade.retrieval import Reranker
from crossfade.serving.batches import FoundHits
from crossfade.serving.configuration import configuration
from crossfade.serving.executor import Executor
from crossfade.serving.models import ServedEncoder, served_models
from crossfade.serving.services import services
from crossfade.store import Store

log = logging.getLogger(__name__)

_BULK = 1  # as `_native.Server.embed` counts priorities

# How often a drain looks whether a second signal came.
_LOOK_SECONDS = 0.05


class Server:
    """One listening server. Its calls run on threads of its own; the methods here are for one thread."""

    def __init__(
        self,
        encoders: Mapping[str, ServedEncoder],
        store: Store,
        settings: Settings,
        rerankers: Mapping[str, Reranker] | None = None,
    ) -> None:
        self._settings = settings
        self._models = served_models(encoders)
        self._queue = _Queue()
        self._native = _native.Server(
            _Bridge(Executor(self._models, store, settings, self._queue.embed, rerankers), settings.inference_niceness)
        )

    @property
    def active_calls(self) -> int:
        return self._native.active_calls

    @property
    def working_threads(self) -> int:
        """Threads at work, also for calls that nobody waits for any more."""
        return self._native.working_threads

    def counts(self) -> dict[str, int]:
        """What has been done, by name: batches, tokens and padded_tokens in them, calls refused, ..."""
        return self._native.counts()

    def start(self, listen: str) -> str:
        """Bind `listen` ("host:port", port 0 for any free one, "[::1]:port", "unix:/path"); return the address.

        Every model is run once, so that no caller waits for what a first run sets up. Raises InvalidInput when the
        address cannot be bound, BundleError when a model cannot be run.
        """
        self._queue.native = self._native
        try:
            address = self._native.start(configuration(listen, self._models, self._settings))
        except BaseException:
            self._queue.native = None
            raise
        # Threads of the front end may not look for the interpreter after its end.
        self._end = weakref.finalize(self, _finish_at_exit, self._native, self._queue, os.getpid())
        return address

    def begin_drain(self) -> None:
        """Refuse new calls from now on; health says NOT_SERVING."""
        self._native.begin_drain()

    def drain(self, seconds: float, hurry: threading.Event | None = None) -> int:
        """Refuse new calls, let those in progress finish for up to `seconds` or until `hurry`, stop.

        Returns how many calls were cut; those end as UNAVAILABLE, as new ones do.
        """
        self.begin_drain()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (hurry and hurry.is_set()):
            if self._native.wait_idle(min(left, _LOOK_SECONDS)):
                break
        return _finish(self._native, self._queue)


class _Queue:
    """The front end's queue, for texts that come out of calls which Python answers."""

    def __init__(self) -> None:
        self.native: _native.Server | None = None

    def embed(self, model: str, texts: Sequence[str], call: Call) -> tuple[Embeddings, int]:
        if self.native is None:
            raise Unavailable("the server is not running: start it, or try another replica")
        vectors, counts, truncated, times = self.native.embed(model, False, list(texts), _BULK, call)
        queue_ns, tokenise_ns, infer_ns = times
        return Embeddings(vectors, counts, truncated, tokenise_ns, infer_ns), queue_ns


def _finish(native: _native.Server, queue: _Queue) -> int:
    queue.native = None  # it holds the server in a circle that no collector sees
    return native.finish()


def _finish_at_exit(native: _native.Server, queue: _Queue, process: int) -> None:
    """End, and wait for threads in the middle of a batch: the interpreter's end would take them away in mid-Python."""
    if os.getpid() != process:
        return  # a child that was forked has none of its parent's threads
    _finish(native, queue)
    while native.working_threads:
        time.sleep(_LOOK_SECONDS)


class _Bridge:
    """What the front end calls, from threads of its own."""

    def __init__(self, executor: Executor, niceness: int) -> None:
        self._executor = executor
        self._services = services(executor)
        self._niceness = niceness
        # By number: what Python keeps for a thread that is not its own ends with each call from it.
        self._nice: set[int] = set()
        self._application = threading.get_native_id()

    def infer(self, lane: int, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        # The front end's runners, each once; not the thread that starts the server, which is the application's.
        thread = threading.get_native_id()
        if thread not in self._nice:
            self._nice.add(thread)
            if thread != self._application:
                be_nice(self._niceness)
        return self._executor.infer(lane, ids, mask)

    def search(self, calls: Sequence[SearchCall]) -> list[FoundHits | Exception]:
        return self._executor.search(calls)

    def reader(self, collection: str, call: Call) -> str:
        return self._executor.reader(collection, call)

    def answer(self, path: str, request: bytes, call: Call) -> bytes:
        return self._services[path](request, call)

    def internal_error(self, error: BaseException) -> str:
        """What a caller is told of an error that is none of crossfade's: a reference under which the log says more."""
        reference = uuid.uuid4().hex[:12]
        log.error("internal error %s", reference, exc_info=error)
        return f"internal error {reference}: this is a fault of the server; its log says more under this reference"


_LOOK_SECONDS = 0.25


def serve(server: Server, listen: str, drain_seconds: float, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain at once.

    `ready` is told the address once calls are taken. Returns how many threads still work, for calls that were cut or
    whose callers are gone. Raises InvalidInput when the address cannot be bound. For the main thread.
    """
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        address = server.start(listen)
        try:
            if not stop.is_set():
                ready(address)
        except BaseException:  # nobody can learn the address: end in order, then say so
            server.drain(0)
            raise
        # A signal may come to another thread, or just before this one falls asleep: then nothing wakes it, and Python
        # runs the handler when it next looks.
        while not stop.wait(_LOOK_SECONDS):
            pass
        log.info("draining: %d calls in progress get up to %g s", server.active_calls, drain_seconds)
        cut = server.drain(drain_seconds, hurry)
        if cut:
            log.warning("%d calls were still in progress and are cut", cut)
        return server.working_threads
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
