"""Writers, searchers and the store's own threads at once, in one process; and what is left behind after a long time."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from store_model import DIMENSION, SETTINGS, State, alive, check, contents, next_write, spec_of, write

from crossfade.errors import NotFound
from crossfade.retrieval.ranking import rank
from crossfade.store import DurableCollection, DurableStore

SECONDS = 2.5
LONG_SECONDS = 120.0
TIMES_EMPTIED = 3


class Threads:
    """Run until one fails or the time is over; `join` raises what failed."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.stopped = threading.Event()
        self.errors: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, work: Callable[..., None], *given: object) -> None:
        def run() -> None:
            try:
                while not self.stopped.is_set():
                    work(*given)
            except BaseException as error:  # noqa: BLE001 - raised by `join`
                self.errors.append(error)
                self.stopped.set()

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def join(self) -> None:
        self.stopped.wait(self.seconds)
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


class Writer:
    """`acknowledged`: by id the last version that a call came back with; read by others at any time."""

    def __init__(self, collection: DurableCollection, number: int) -> None:
        self.collection = collection
        self.names = [f"w{number}-{name}" for name in range(25)]
        self.chance = random.Random(number)
        self.acknowledged: State = {}
        self.begun: State = {}

    def step(self) -> None:
        versions = next_write(self.acknowledged, self.names, self.chance)
        self.begun = versions
        write(self.collection, versions)
        self.acknowledged = self.acknowledged | versions
        found = contents(self.collection.snapshot())
        own = {name: version for name, version in found.items() if name in set(self.names)}
        assert own == alive(self.acknowledged)  # it reads its own writes


def search(collection: DurableCollection, writers: list[Writer]) -> None:
    """All of a snapshot is of one moment, and none of it older than what had been acknowledged before."""
    before = [dict(writer.acknowledged) for writer in writers]
    snapshot = collection.snapshot()
    found = contents(snapshot)
    assert not snapshot.incomplete
    for writer, known in zip(writers, before, strict=True):
        for name, version in known.items():
            if name in found:
                assert found[name] >= abs(version), f"{name} is of {found[name]}, {version} was acknowledged before"
            elif version > 0:  # deleted meanwhile: a later write of it has begun
                latest = writer.acknowledged | writer.begun
                assert abs(latest[name]) > version, f"{name} {version} was acknowledged before, and is not there"
    hits = rank(np.zeros((1, DIMENSION), np.float32), snapshot, 10, "l2", 1)[0]
    assert len({hit.id for hit in hits}) == len(hits) == min(10, len(found))
    assert {hit.id for hit in hits} <= found.keys()
    assert contents(snapshot) == found


def test_everything_at_once(tmp_path: Path) -> None:
    with DurableStore(tmp_path / "store", SETTINGS) as store:
        collection = store.create(spec_of("c"))
        writers = [Writer(collection, number) for number in range(3)]
        threads = Threads()
        for writer in writers:
            threads.start(writer.step)
        for _ in range(2):
            threads.start(search, collection, writers)
        threads.start(collection.heal)
        threads.join()
        state = {name: version for writer in writers for name, version in writer.acknowledged.items()}
        check(collection, state)
    with DurableStore(tmp_path / "store", SETTINGS) as store:
        check(store.get("c"), state)


def test_collections_come_and_go_under_upkeep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever holds a dropped one is told; nothing of it is left, and nothing of the others is hurt."""
    with DurableStore(tmp_path / "store", SETTINGS) as store:
        kept = Writer(store.create(spec_of("kept")), 0)
        chance = random.Random(1)

        def come_and_go() -> None:
            collection = store.create(spec_of("fleeting"))
            state: State = {}
            names = [f"d{number}" for number in range(20)]
            for _ in range(chance.randint(1, 12)):
                versions = next_write(state, names, chance)
                write(collection, versions)
                state.update(versions)
            check(collection, state)
            store.drop("fleeting")
            with pytest.raises(NotFound, match="collection 'fleeting' was deleted"):
                write(collection, {"d0": 1})

        def look() -> None:
            try:
                held = store.get("fleeting")
                contents(held.snapshot())
                held.documents(["d0"])
                held.seal()
                held.heal()
            except NotFound:
                time.sleep(0.001)

        threads = Threads()
        threads.start(kept.step)
        threads.start(come_and_go)
        threads.start(look)
        threads.join()
        check(store.get("kept"), kept.acknowledged)
        # Upkeep may be at work on one that was dropped: it removes what it has made when it finds out.
        end = time.monotonic() + LONG_SECONDS
        while (left := [path.name for path in (tmp_path / "store" / "segments").iterdir()]) not in ([], ["1"]):
            assert time.monotonic() < end, left
            time.sleep(0.01)
    assert [record.message for record in caplog.records] == []


def test_a_store_may_be_closed_at_any_time(tmp_path: Path) -> None:
    state: State = {}
    chance = random.Random(2)
    names = [f"d{number}" for number in range(40)]
    for _ in range(12):
        with DurableStore(tmp_path / "store", SETTINGS) as store:
            collection = store.get("c") if store.all() else store.create(spec_of("c"))
            check(collection, state)
            for _ in range(chance.randint(0, 20)):
                versions = next_write(state, names, chance)
                write(collection, versions)
                state.update(versions)


def test_a_long_life_leaves_no_files_open_and_no_log_to_grow(tmp_path: Path) -> None:
    store = DurableStore(tmp_path / "store", SETTINGS, upkeep=False)
    collection = store.create(spec_of("c"))
    state: State = {}
    chance = random.Random(3)
    names = [f"d{number}" for number in range(40)]
    counts: list[tuple[int, int]] = []
    for turn in range(100):
        for _ in range(3):
            versions = next_write(state, names, chance)
            write(collection, versions)
            state.update(versions)
        collection.seal()
        while collection.keep_up():
            pass
        if store.database.log_bytes() > SETTINGS.log_bytes:
            store.database.checkpoint()
            assert store.database.log_bytes() == 0
        if turn % 10 == 9:
            gc.collect()
            segments = len(list(collection.index.directory.iterdir()))
            counts.append((segments, len(list(Path("/proc/self/fd").iterdir()))))
    fewest = min(counts)
    assert max(files - 12 * (segments - fewest[0]) for segments, files in counts) <= fewest[1] + 4, counts
    check(collection, state)
    store.close()


def test_the_log_is_emptied_while_there_are_always_readers(tmp_path: Path) -> None:
    """A reader that comes before the last one has gone must not keep the log from ever being begun anew."""
    with DurableStore(tmp_path / "store", SETTINGS) as store:
        collection = store.create(spec_of("c"))
        writer = Writer(collection, 0)
        emptied, size = 0, 0

        def measure() -> None:
            nonlocal emptied, size
            before, size = size, store.database.log_bytes()
            emptied += size < before
            if emptied == TIMES_EMPTIED:
                threads.stopped.set()
            time.sleep(0.002)

        # However busy the machine is, it comes to that; how large the log was meanwhile is the machine's business.
        threads = Threads(LONG_SECONDS)
        threads.start(writer.step)
        inside = [threading.Event(), threading.Event()]

        def read(own: threading.Event, other: threading.Event) -> None:
            """Goes when the other has come, or cannot come in for a while."""
            with store.database.reading() as connection:
                connection.execute("SELECT count(*) FROM collections").fetchone()
                own.set()
                other.wait(0.05)
                own.clear()

        threads.start(read, *inside)
        threads.start(read, *inside[::-1])
        threads.start(measure)
        threads.join()
        assert emptied == TIMES_EMPTIED


def test_whoever_reads_while_a_drop_ends_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are gone, and the drop has not said so yet."""
    with DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as store:
        collection = store.create(spec_of("c"))
        write(collection, {"d0": 1})
        told: list[BaseException] = []

        def read() -> None:
            try:
                collection.documents(["d0"])
            except Exception as error:  # noqa: BLE001 - looked at below
                told.append(error)

        reader = threading.Thread(target=read)
        discard = collection.discard

        def late() -> None:
            reader.start()
            time.sleep(0.2)
            discard()

        monkeypatch.setattr(collection, "discard", late)
        store.drop("c")
        reader.join()
    assert [type(error) for error in told] == [NotFound]


def test_who_asks_for_what_is_not_there_does_not_wait_for_what_is_made_or_dropped(tmp_path: Path) -> None:
    with DurableStore(tmp_path / "store", SETTINGS, upkeep=False) as store:
        store.create(spec_of("there"))
        told: list[object] = []

        def ask() -> None:
            try:
                told.append(store.get("absent"))
            except NotFound as error:
                told.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        with store.database.writing() as connection:  # what a drop waits for here, it does for minutes elsewhere
            connection.execute("SELECT 1")
            dropping = threading.Thread(target=store.drop, args=("there",))
            dropping.start()
            while not store._unsure:
                time.sleep(0.001)
            asking.start()
            asking.join(30)
            waited = asking.is_alive()
        dropping.join()
        asking.join()
        assert not waited
        assert isinstance(told[0], NotFound)
        assert store.all() == ()
