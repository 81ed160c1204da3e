"""Threads that run models let the front end go first where cores are short: a batch takes long, an answer does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def be_nice(by: int) -> None:
    """Lower this thread's priority, and that of the threads it will start, by so many steps (Linux's nice values)."""
    if by:
        # Linux has a nice value a thread, and takes a thread's id where others take a process's.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + by))


def nicely(by: int, work: Callable[[], Result]) -> Result:
    """Do it on a thread that is nice: the threads it starts and leaves behind, such as a session's, are nice too."""
    with ThreadPoolExecutor(1, initializer=be_nice, initargs=(by,)) as pool:
        return pool.submit(work).result()
