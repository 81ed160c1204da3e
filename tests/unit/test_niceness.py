"""Threads that run models stand back, and those of the application do not."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from crossfade.niceness import be_nice, nicely


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_and_those_it_starts_are_nice_and_nobody_else() -> None:
    before = niceness()

    def work() -> tuple[int, int]:
        with ThreadPoolExecutor(1) as pool:
            return niceness(), pool.submit(niceness).result()

    assert nicely(3, work) == (min(19, before + 3),) * 2
    assert niceness() == before


def test_it_stays_within_what_there_is() -> None:
    def work() -> int:
        be_nice(19)
        be_nice(19)
        return niceness()

    assert nicely(0, work) == 19
