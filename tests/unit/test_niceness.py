"""Threads that run models stand back, and those of the application do not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossfade import niceness as module
from crossfade.niceness import be_nice, behind, nicely, waited


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


class Patient:
    """Work that has no end, but on the thread that asked for it; `places`: how nice it was each time."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.begun = threading.Event()
        self._asking = threading.get_ident()

    def __call__(self, unwanted: Callable[[], bool]) -> str | None:
        self.places.append(niceness())
        self.begun.set()
        if threading.get_ident() == self._asking:
            assert not unwanted()
            return "done"
        while not unwanted():
            pass
        return None


def test_work_behind_is_done_on_a_nice_thread() -> None:
    before = niceness()
    assert behind(3, lambda _: niceness()) == min(19, before + 3)
    assert behind(0, lambda _: threading.get_ident()) == threading.get_ident()
    assert niceness() == before


def test_work_that_starves_behind_is_given_up_and_done_again_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    before, work = niceness(), Patient()
    told = 0.0

    def waiting(_: int) -> float:
        nonlocal told
        told += 1 if work.begun.is_set() else 0
        return told

    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(module, "waited", waiting)
    assert behind(3, work) == "done"
    assert work.places == [min(19, before + 3), before]


@pytest.mark.parametrize("tells", [True, False])
def test_work_that_comes_to_a_processor_is_left_behind(monkeypatch: pytest.MonkeyPatch, tells: bool) -> None:
    looks = 0

    def waiting(_: int) -> float:
        nonlocal looks
        looks += 1
        if not tells:
            raise FileNotFoundError("/proc")
        return 0.5

    def work(unwanted: Callable[[], bool]) -> int:
        while looks < 5:
            assert not unwanted()
        return threading.get_ident()

    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(module, "waited", waiting)
    assert behind(3, work) != threading.get_ident()


def test_what_work_behind_raises_is_raised_once() -> None:
    calls: list[int] = []

    def failing(_: Callable[[], bool]) -> str:
        calls.append(0)
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        behind(3, failing)
    assert len(calls) == 1
