"""Threads that run models let the front end go first where cores are short: a batch takes long, an answer does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


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
