"""Ctrl-C at any moment of a call: memory says what the database says, and the next call works."""

from __future__ import annotations

import logging
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

        def interrupt(_number: int, frame: FrameType | None) -> None:
            nonlocal armed
            if armed and _logs(frame):
                signal.setitimer(signal.ITIMER_REAL, 1e-5)
            elif armed:
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


def _logs(frame: FrameType | None) -> bool:
    """Whether Python's logging is at work, which may keep a handler's lock for ever then: whichever thread logs next
    waits for it, in a test that has long forgotten this one."""
    while frame is not None and frame.f_globals.get("__name__") != logging.__name__:
        frame = frame.f_back
    return frame is not None


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
    collection = store.create(spec_of("c"))
    interrupter = Interrupter(random.Random(2))
    for version in (1, 2, 3):
        write(collection, dict.fromkeys(NAMES, version))
    for _ in range(CALLS // 2):
        version = collection.create_index(collection.spec.dimension, "another")
        pending = collection.pending(version, 100)
        assert len(pending) == collection.snapshot(version).pending == len(NAMES)
        rows = [rows_of(document.id, 3) for _, document in pending]
        vectors = np.array([vector for each in rows for _, _, vector in each], np.float32)
        spans = [[row[:2] for row in each] for each in rows]
        interrupter.run(partial(collection.fill, version, [key for key, _ in pending], vectors, spans=spans))
        snapshot = collection.snapshot(version)
        if collection.pending(version, 100):
            assert (snapshot.parts, snapshot.pending) == ((), len(NAMES))
            assert collection.documents(NAMES) == [document_of(name, 3) for name in NAMES]
        else:
            assert snapshot.pending == 0
            collection.set_current(version)
            check(collection, dict.fromkeys(NAMES, 3))
            collection.set_current(1)
        collection.drop_index(version)


def test_versions_and_aliases(store: DurableStore) -> None:
    """What memory says of them is what the database says, after every call that may have been cut short."""
    collection = store.create(spec_of("c"))
    write(collection, dict.fromkeys(NAMES, 1))
    dimension, interrupter = collection.spec.dimension, Interrupter(random.Random(5))
    for _ in range(CALLS // 3):
        interrupter.run(partial(collection.create_index, dimension, "another"))
        same(store)
        newest = max(collection.indexes)
        interrupter.run(partial(store.set_alias, "live", "c", newest))
        same(store)
        interrupter.run(partial(collection.set_current, newest, force=True))
        same(store)
        assert collection.snapshot().pending == (0 if collection.current == 1 else len(NAMES))
        collection.set_current(1)
        interrupter.run(partial(store.set_alias, "live", "c"))
        same(store)
        store.set_alias("live", "c")
        for version in sorted(collection.indexes)[1:]:
            interrupter.run(partial(collection.drop_index, version))
            same(store)
        check(collection, dict.fromkeys(NAMES, 1))


def same(store: DurableStore) -> None:
    with store.database.reading() as connection:
        (current,) = connection.execute("SELECT current FROM collections").fetchone()
        versions = {version for (version,) in connection.execute("SELECT version FROM indexes")}
        aliases = connection.execute("SELECT name, version, revision FROM aliases").fetchall()
    collection = store.collection("c")
    assert (collection.current, set(collection.indexes)) == (current, versions)
    assert [(alias.name, alias.version or 0, alias.revision) for alias in store.aliases()] == aliases


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
