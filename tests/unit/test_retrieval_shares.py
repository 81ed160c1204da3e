"""Searches share the cores out among themselves, and with whoever builds a graph."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from crossfade.retrieval import shares
from crossfade.store.building import building


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "_cores", lambda: 8)


def test_alone_a_search_takes_all() -> None:
    with shares.share(0, 1) as threads:
        assert threads == 0


def test_each_takes_its_share_of_those_in_progress_and_at_least_one() -> None:
    with ExitStack() as others:
        taken = [others.enter_context(shares.share(0, 1)) for _ in range(9)]
    assert taken == [0, 4, 2, 2, 1, 1, 1, 1, 1]
    with shares.share(0, 1) as threads:
        assert threads == 0


def test_a_build_counts_as_another() -> None:
    with building():
        with shares.share(0, 1) as threads:
            assert threads == 4
        with building(), shares.share(0, 1) as threads:
            assert threads == 4


def test_what_was_asked_for_stands_and_many_queries_take_all() -> None:
    with building(), shares.share(3, 1) as asked, shares.share(0, 9) as many, shares.share(0, 8) as few:
        assert (asked, many, few) == (3, 0, 2)


def test_an_error_gives_its_share_back() -> None:
    with pytest.raises(KeyError), shares.share(0, 1):
        raise KeyError
    with shares.share(0, 1) as threads:
        assert threads == 0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "_PATIENCE_SECONDS", 60.0)


def began(queries: int, note: Callable[[], None]) -> threading.Thread:
    """A thread whose search waits for its turn, or has begun; `note` is called in the search."""

    def search() -> None:
        with shares.share(0, queries):
            note()

    before = len(shares._waiting)
    thread = threading.Thread(target=search)
    thread.start()
    while thread.is_alive() and len(shares._waiting) == before:
        time.sleep(0.001)
    return thread


@pytest.mark.usefixtures("patient")
def test_searches_beyond_the_cores_and_one_begin_in_turn_as_others_end() -> None:
    order: list[int] = []
    with ExitStack() as others:
        for _ in range(8):
            others.enter_context(shares.share(0, 1))
        with shares.share(0, 1):
            waiting = [began(1, lambda number=number: order.append(number)) for number in range(5)]  # type: ignore[misc]
            assert [thread.is_alive() for thread in waiting] == [True] * 5
            assert not order
        # Each of them ends at once, and calls the next.
        for thread in waiting:
            thread.join(60)
    assert order == [0, 1, 2, 3, 4]
    assert not shares._waiting
    assert not shares._of_few_queries


@pytest.mark.usefixtures("patient")
def test_searches_of_many_queries_neither_wait_nor_are_waited_for() -> None:
    done: list[int] = []
    with ExitStack() as others:
        for _ in range(20):
            others.enter_context(shares.share(0, 9))
        for _ in range(9):
            others.enter_context(shares.share(0, 8))
        began(9, lambda: done.append(9)).join(60)
        assert done == [9]


def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "_PATIENCE_SECONDS", 0.01)
    done: list[int] = []
    with ExitStack() as others:
        for _ in range(9):
            others.enter_context(shares.share(0, 1))
        began(1, lambda: done.append(1)).join(60)
        assert done == [1]
        assert not shares._waiting


@pytest.mark.usefixtures("patient")
def test_an_error_calls_the_next() -> None:
    done: list[int] = []
    waiting: list[threading.Thread] = []

    def fails_with(work: Callable[[], None]) -> None:
        with shares.share(0, 1):
            work()
            raise KeyError

    with ExitStack() as others:
        for _ in range(8):
            others.enter_context(shares.share(0, 1))
        with pytest.raises(KeyError):
            fails_with(lambda: waiting.append(began(1, lambda: done.append(1))))
        waiting[0].join(60)
    assert done == [1]


def test_who_is_called_counts_before_they_wake_up() -> None:
    with ExitStack() as others:
        for _ in range(8):
            others.enter_context(shares.share(0, 1))
        asleep = [threading.Lock(), threading.Lock()]
        for turn in asleep:
            turn.acquire()
            shares._waiting.append(turn)
        for _ in range(3):
            shares._call_next()
        assert [turn.locked() for turn in asleep] == [False, True]
        shares._of_few_queries.remove(asleep[0])
        shares._waiting.remove(asleep[1])


@pytest.mark.usefixtures("patient")
def test_who_is_interrupted_while_waiting_leaves_no_mark_and_keeps_nobody_waiting() -> None:
    interrupting = threading.Thread(target=_interrupt_when_waiting)
    with ExitStack() as others:
        for _ in range(9):
            others.enter_context(shares.share(0, 1))
        interrupting.start()
        with pytest.raises(KeyboardInterrupt), shares.share(0, 1):
            pytest.fail("it began")
        interrupting.join()
        assert not shares._waiting
        assert len(shares._of_few_queries) == len(shares._searches) == 9
    done: list[int] = []
    began(1, lambda: done.append(1)).join(60)
    assert done == [1]
    assert not shares._of_few_queries


def _interrupt_when_waiting() -> None:
    while not shares._waiting:
        time.sleep(0.001)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
