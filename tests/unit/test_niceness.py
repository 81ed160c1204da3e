"""Threads that run models stand back, and those of the application do not."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossfade.niceness import be_nice, nicely, waited


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


def test_how_long_a_thread_waited_only_rises() -> None:
    thread = threading.get_native_id()
    before = waited(thread)
    assert 0 <= before <= waited(thread)


def test_a_thread_that_is_not_there_is_said() -> None:
    with pytest.raises(OSError, match="schedstat"):
        waited(2**22 + 1)  # no id is greater than 2^22
