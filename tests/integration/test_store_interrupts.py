"""Ctrl-C at any moment of a call: memory says what the database says, and the next call works."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from store_model import SETTINGS, State, alive, check, document_of, next_write, observed, rows_of, spec_of, write

from crossfade.errors import NotFound
from crossfade.store import DurableCollection, DurableStore

NAMES = [f"d{number}" for number in range(12)]
CALLS = 90

# Whoever is interrupted leaves files to be closed when they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Interrupter:
    """Interrupts a call after a time below what such calls took so far, so that most are met somewhere within."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._longest = 0.001

    def run(self, call: Callable[[], object]) -> None:
        armed = True

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            nonlocal armed
            if armed:
                armed = False
                raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        began = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, max(1e-5, self._chance.random() * self._longest))
            call()
            armed = False
            self._longest = 0.8 * self._longest + 0.2 * (time.perf_counter() - began)
        except KeyboardInterrupt:
            self._longest *= 1.05
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as opened:
        yield opened


def settled(collection: DurableCollection, state: State, versions: State) -> None:
    """The write is there whole or not at all; whichever it is, everything says so."""
    after = state | versions
    if observed(collection, after) == alive(after):
        state.update(versions)
    check(collection, state)


def test_a_write(store: DurableStore) -> None:
    collection = store.create(spec_of("c"))
    state: State = {}
    chance = random.Random(1)
    interrupter = Interrupter(chance)
    for call in range(CALLS):
        versions = next_write(state, NAMES, chance)
        interrupter.run(partial(write, collection, versions))
        settled(collection, state, versions)
        if call % 20 == 19:
            collection.seal()
            while collection.keep_up():
                pass
            check(collection, state)


@pytest.mark.parametrize("work", ["seal", "keep_up", "heal"])
def test_upkeep(store: DurableStore, work: str) -> None:
    collection = store.create(spec_of("c"))
    state: State = {}
    chance = random.Random(work)
    interrupter = Interrupter(chance)
    for _ in range(CALLS // 3):
        for _ in range(3):
            versions = next_write(state, NAMES, chance)
            write(collection, versions)
            state.update(versions)
        if work == "heal":
            while collection.keep_up():
                pass
            collection.seal()
            for path in collection.index.directory.glob("*/spans.i32"):
                path.write_bytes(path.read_bytes()[:-1])
        interrupter.run(getattr(collection, work))
        if work == "heal":
            collection.heal()
        check(collection, state)
    assert collection.heal() == 0


def test_fill(store: DurableStore) -> None:
    """An index that lacks documents is what `fill` is for: here one whose rows have been taken out."""
    collection = store.create(spec_of("c"))
    interrupter = Interrupter(random.Random(2))
    for version in (1, 2, 3):
        write(collection, dict.fromkeys(NAMES, version))
    for _ in range(CALLS // 2):
        with store.database.writing() as connection:
            connection.execute(f"DELETE FROM rows_{collection.index.record.number}")
        with store.database.reading() as connection:
            collection.index.reload(connection, collection.fields)
        assert collection.snapshot().parts == ()
        pending = collection.pending(1, 100)
        rows = [rows_of(document.id, 3) for _, document in pending]
        vectors = np.array([vector for each in rows for _, _, vector in each], np.float32)
        spans = [[row[:2] for row in each] for each in rows]
        interrupter.run(partial(collection.fill, 1, [key for key, _ in pending], vectors, spans=spans))
        if collection.pending(1, 100):
            assert collection.snapshot().parts == ()
            assert collection.documents(NAMES) == [document_of(name, 3) for name in NAMES]
        else:
            check(collection, dict.fromkeys(NAMES, 3))


def test_create_and_drop(store: DurableStore) -> None:
    creating, dropping = Interrupter(random.Random(3)), Interrupter(random.Random(4))
    for _ in range(CALLS // 2):
        creating.run(lambda: store.create(spec_of("c")))
        try:
            collection = store.get("c")
        except NotFound:
            collection = store.create(spec_of("c"))
        write(collection, {"a": 1})
        collection.seal()
        check(collection, {"a": 1})
        dropping.run(lambda: store.drop("c"))
        try:
            store.get("c")
        except NotFound:
            pass
        else:
            check(collection, {"a": 1})
            store.drop("c")
        with pytest.raises(NotFound):
            collection.documents(["a"])
        assert store.all() == ()
