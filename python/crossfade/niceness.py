"""Threads that run models let the front end go first where cores are short: a batch takes long, an answer does not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

# So often it is looked whether a thread far back comes to its work. Of that time it may wait so much for a processor:
# what it has then is what nice 10 would have beside others that are not nice.
_LOOK_SECONDS = 10.0
_STARVED = 0.9


def be_nice(by: int) -> None:
    """Lower this thread's priority, and that of the threads it will start, by so many steps (Linux's nice values)."""
    if by:
        # Linux has a nice value a thread, and takes a thread's id where others take a process's.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + by))


def waited(thread: int) -> float:
    """Seconds that a thread of this process, by its native id, has waited for a processor since it began.

    Raises OSError where the system does not tell (Linux does), or the thread has ended.
    """
    # Three numbers: nanoseconds on a processor, those spent in the queue for one, turns.
    line = Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii")
    return int(line.split()[1]) / 1e9


def nicely(by: int, work: Callable[[], Result]) -> Result:
    """Do it on a thread that is nice: the threads it starts and leaves behind, such as a session's, are nice too."""
    with ThreadPoolExecutor(1, initializer=be_nice, initargs=(by,)) as pool:
        return pool.submit(work).result()


def behind(by: int, work: Callable[[Callable[[], bool]], Result | None]) -> Result | None:
    """Do it on a thread that is nice, as long as that comes to it; return what it returns.

    `work` is given what tells whether to give up, and returns None then. That is so when it has waited for a processor
    nearly all the time: niceness can be added to and not taken back, and so it is done again on the calling thread.
    """
    if not by:
        return work(_never)
    unwanted = threading.Event()
    results: list[Result | None] = []
    errors: list[BaseException] = []

    def far() -> None:
        with suppress(OSError):
            be_nice(by)
        try:
            results.append(work(unwanted.is_set))
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    # No executor: at the end of the interpreter it would wait for the work, which nobody wants then.
    thread = threading.Thread(target=far, name="crossfade-behind", daemon=True)
    thread.start()
    try:
        _wait(thread)
    finally:  # also for Ctrl-C: what it works on may be gone when this returns
        unwanted.set()
        thread.join()
    if errors:
        raise errors[0]
    return results[0] if results[0] is not None else work(_never)


def _wait(thread: threading.Thread) -> None:
    """Return when it has ended, or starves."""
    before, since = _waited(thread), time.monotonic()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        now, at = _waited(thread), time.monotonic()
        if now - before >= _STARVED * (at - since):
            return
        before, since = now, at


def _never() -> bool:
    return False


def _waited(thread: threading.Thread) -> float:
    """0 where the system does not tell: there nothing starves."""
    try:
        return 0.0 if thread.native_id is None else waited(thread.native_id)
    except OSError:
        return 0.0
