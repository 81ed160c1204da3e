"""The database's log keeps its file and is begun anew within it; how much of it is in use is told from its frames."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from store_model import SETTINGS, State, check, next_write, spec_of, write

from crossfade.store import DurableStore
from crossfade.store.log import NOTHING, Used, used

NAMES = [f"d{number}" for number in range(30)]
MUCH = 1 << 30
HEADER, FRAME_HEADER, PAGE = 32, 24, 8192


def opened(directory: Path) -> DurableStore:
    return DurableStore(directory, SETTINGS, upkeep=False)


def grow(store: DurableStore, state: State, chance: random.Random, writes: int = 1) -> None:
    for _ in range(writes):
        versions = next_write(state, NAMES, chance)
        write(store.collection("c"), versions)
        state.update(versions)


def counted(log: Path) -> Used:
    """As `used`, by looking at every frame from the first on."""
    data = log.read_bytes()
    salts, size = data[16:24], 0
    while size + HEADER < len(data) and data[HEADER + size + 8 : HEADER + size + 16] == salts:
        size += FRAME_HEADER + PAGE
    return Used(size, salts)


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert used(tmp_path / "none") == NOTHING
    (tmp_path / "empty").write_bytes(b"")
    assert used(tmp_path / "empty") == NOTHING


def test_what_is_in_use_is_told_from_what_was_left_behind(tmp_path: Path) -> None:
    chance, state = random.Random(0), State()
    log = tmp_path / "store" / "crossfade.db-wal"
    with opened(tmp_path / "store") as store:
        store.create(spec_of("c"))
        database = store.database
        grow(store, state, chance, writes=40)
        whole = log.stat().st_size
        assert database.log_bytes() == whole - HEADER == counted(log).size
        for _ in range(5):
            database.checkpoint(keep=MUCH)
            assert (database.log_bytes(), log.stat().st_size) == (0, whole)
            for _ in range(6):
                grow(store, state, chance)
                assert 0 < database.log_bytes() < whole - HEADER
                assert used(log) == counted(log)
            assert log.stat().st_size == whole
        check(store.collection("c"), state)


def test_a_log_that_is_longer_than_may_be_kept_gives_its_room_back(tmp_path: Path) -> None:
    chance, state = random.Random(0), State()
    log = tmp_path / "store" / "crossfade.db-wal"
    with opened(tmp_path / "store") as store:
        store.create(spec_of("c"))
        grow(store, state, chance, writes=10)
        store.database.checkpoint(keep=log.stat().st_size - 1)
        assert (store.database.log_bytes(), log.stat().st_size) == (0, 0)
        grow(store, state, chance)
        assert store.database.log_bytes() == counted(log).size > 0


def test_what_a_reader_needs_stays_in_use(tmp_path: Path) -> None:
    chance, state = random.Random(0), State()
    with opened(tmp_path / "store") as store:
        store.create(spec_of("c"))
        grow(store, state, chance, writes=10)
        with store.database.reading() as connection:
            connection.execute("SELECT count(*) FROM collections").fetchone()
            before = store.database.log_bytes()
            grow(store, state, chance)
            store.database.checkpoint(keep=MUCH)
            assert store.database.log_bytes() > before
        store.database.checkpoint(keep=MUCH)
        assert store.database.log_bytes() == 0


def test_a_crash_finds_new_frames_before_old_ones(tmp_path: Path) -> None:
    chance, state = random.Random(0), State()
    with opened(tmp_path / "store") as store:
        store.create(spec_of("c"))
        grow(store, state, chance, writes=40)
        store.database.checkpoint(keep=MUCH)
        for number in range(5):
            grow(store, state, chance)
            copy = tmp_path / f"crashed-{number}"
            copy.mkdir()
            for name in ("crossfade.db", "crossfade.db-wal"):
                shutil.copy(tmp_path / "store" / name, copy / name)
            with opened(copy) as crashed:
                check(crashed.collection("c"), state)
