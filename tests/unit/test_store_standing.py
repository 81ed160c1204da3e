"""Upkeep stands back for searches, each thread as far as it should, and what starves there is done by one nearer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade.store import DurableStore, upkeep
from crossfade.store.collection import DurableCollection
from crossfade.store.types import CollectionSpec

PATIENCE_SECONDS = 30.0
SPEC = CollectionSpec("c", 4, "ip", "f")


def niceness(thread: int | None) -> int:
    assert thread is not None
    return os.getpriority(os.PRIO_PROCESS, thread)


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_sealing_stands_back_and_improving_farther_and_nobody_else(tmp_path: Path) -> None:
    own = niceness(threading.get_native_id())
    expected = {
        "crossfade-seal": min(19, own + 10),
        "crossfade-improve": min(19, own + 19),
        "crossfade-hasten": min(19, own + 10),
    }
    others = set(threading.enumerate())
    with DurableStore(tmp_path / "store"):
        started = {thread.name: thread.native_id for thread in set(threading.enumerate()) - others}
        assert set(started) == set(expected)
        eventually(lambda: {name: niceness(thread) for name, thread in started.items()} == expected)
        assert niceness(threading.get_native_id()) == own


def test_a_step_that_starves_is_given_up_and_done_by_the_thread_that_is_nearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    over = threading.Event()

    def improve(_: DurableCollection, stopped: Callable[[], bool]) -> bool:
        if threading.current_thread().name == "crossfade-improve":
            told.append("begun")
            eventually(stopped)
            told.append("given up")
            return False
        if not over.is_set():
            eventually(lambda: "given up" in told)  # as the index's lock has it wait
            told.append(threading.current_thread().name)
            over.set()
            return True
        return False

    def waited(_: int) -> float:
        """All the time that there is, as long as the step is being tried far back."""
        return 0.0 if over.is_set() or "begun" not in told else time.monotonic()

    monkeypatch.setattr(DurableCollection, "improve", improve)
    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "waited", waited)
    with DurableStore(tmp_path / "store") as store:
        store.create(SPEC)
        store.upkeep.wake()
        assert over.wait(PATIENCE_SECONDS)
        eventually(lambda: told.count("begun") == 2)  # then it is the turn of the one far back again
    assert told[:3] == ["begun", "given up", "crossfade-hasten"]


def test_what_does_not_starve_is_left_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    looks = 0

    def improve(_: DurableCollection, stopped: Callable[[], bool]) -> bool:
        names.append(threading.current_thread().name)
        return False

    def waited(_: int) -> float:
        nonlocal looks
        looks += 1
        return 0.0

    monkeypatch.setattr(DurableCollection, "improve", improve)
    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "waited", waited)
    with DurableStore(tmp_path / "store") as store:
        store.create(SPEC)
        store.upkeep.wake()
        eventually(lambda: looks > 20 and bool(names))
    assert set(names) == {"crossfade-improve"}


def test_a_system_that_does_not_tell_is_one_where_nothing_starves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def untold(_: int) -> float:
        asked.set()
        raise FileNotFoundError("/proc")

    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "waited", untold)
    with DurableStore(tmp_path / "store") as store:
        assert asked.wait(PATIENCE_SECONDS)
        assert len(store.create(SPEC)) == 0
