"""Every released format of the store on disk, as it was written then: today's code opens it and finds everything.

The samples under data/ were written by this file, run as a program, and are never written again. (There is none of
format 2, a step on the way to format 3: a store has it for as long as it is being migrated.)
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from store_model import SETTINGS, State, check, next_write, spec_of, write

from crossfade.errors import StoreError
from crossfade.store import DurableStore, HnswSettings, schema

SAMPLES = {number: Path(__file__).parent / "data" / f"store-format-{number}" for number in (1, 3)}
NEWEST = len(schema.MIGRATIONS)
COLLECTIONS = ("first", "second")
FILLED = 3
MORE = ("ALTER TABLE collections ADD COLUMN invented TEXT; CREATE TABLE invented (number INTEGER PRIMARY KEY) STRICT",)


def build(directory: Path | None) -> dict[str, State]:
    """What the sample holds; writes it as well when a directory is given."""
    states: dict[str, State] = {}
    store = DurableStore(directory, SETTINGS, upkeep=False) if directory else None
    for name in COLLECTIONS:
        chance = random.Random(name)
        state = states[name] = {}
        collection = store.create(spec_of(name)) if store else None
        for number in range(14):
            versions = next_write(state, [f"d{each}" for each in range(15)], chance)
            if collection is not None:
                write(collection, versions)
                if number in (5, 10):
                    collection.seal()
            state.update(versions)
    if store:
        second = store.collection("second")
        second.create_index(3, "cf1-of-another")
        keys = [key for key, _ in second.pending(2, FILLED)]
        second.fill(2, keys, np.arange(3 * FILLED, dtype=np.float32).reshape(FILLED, 3))
        second.seal()
        store.set_alias("live", "first")
        store.set_alias("next", "second", 2)
        store.close()
    return states


@pytest.fixture(params=SAMPLES.values(), ids=lambda path: str(path.name))
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "store"))


def test_there_is_a_sample_of_the_newest_format() -> None:
    for number, path in SAMPLES.items():
        # Immutable: nothing is made beside it.
        database = sqlite3.connect(f"file:{path / 'crossfade.db'}?immutable=1", uri=True)
        assert database.execute("PRAGMA user_version").fetchone() == (number,)
        database.close()
    assert max(SAMPLES) == NEWEST


def test_the_sample_is_opened_and_holds_everything(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = sorted(path.relative_to(copy) for path in copy.glob("segments/*/*/*"))
    assert len(before) >= 4 * 8
    with DurableStore(copy, SETTINGS, upkeep=False) as store:
        for name, state in build(None).items():
            check(store.get(name), state)
            assert store.get(name).heal() == 0
            assert store.get(name).settings.hnsw == HnswSettings()  # older than the setting: what was built then
        check_versions(store)
    assert sorted(path.relative_to(copy) for path in copy.glob("segments/*/*/*")) == before
    assert caplog.records == []  # no segment was left out and built again


def check_versions(store: DurableStore) -> None:
    second = store.collection("second")
    there = sum(version > 0 for version in build(None)["second"].values())
    told = [(index.version, index.dimension, index.document_fingerprint) for index in second.index_versions()]
    assert told == [(1, second.spec.dimension, "cf1-of-the-model"), (2, 3, "cf1-of-another")]
    assert second.snapshot(2).pending == len(second.pending(2, 100)) == there - FILLED
    (part,) = second.snapshot(2).parts
    assert part.vectors.tolist() == [[3 * row, 3 * row + 1, 3 * row + 2] for row in range(FILLED)]
    aliases = [(alias.name, alias.collection, alias.version, alias.revision) for alias in store.aliases()]
    assert aliases == [("live", "first", None, 1), ("next", "second", 2, 2)]


def test_the_database_alone_holds_everything(copy: Path) -> None:
    shutil.rmtree(copy / "segments")
    with DurableStore(copy, SETTINGS, upkeep=False) as store:
        for name, state in build(None).items():
            check(store.get(name), state)
        check_versions(store)


def migrating(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *more))
    monkeypatch.setattr(schema.migrate, "__defaults__", (schema.MIGRATIONS,))


def test_an_older_format_becomes_a_newer_one(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        migrating(later, *MORE)
        for _ in range(2):  # the second time there is nothing to do
            with DurableStore(copy, SETTINGS, upkeep=False) as store:
                for name, state in build(None).items():
                    check(store.get(name), state)
                with store.database.reading() as connection:
                    assert connection.execute("SELECT invented FROM collections").fetchall() == [(None,), (None,)]
                    assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST + 1,)
    told = f"has format {NEWEST + 1}, and this crossfade knows formats up to {NEWEST}: use the version"
    with pytest.raises(StoreError, match=told):
        DurableStore(copy, SETTINGS)


def test_a_migration_that_fails_changes_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        migrating(later, MORE[0] + "; ALTER TABLE missing ADD COLUMN x TEXT")
        with pytest.raises(StoreError, match="no such table: missing"):
            DurableStore(copy, SETTINGS)
    database = sqlite3.connect(copy / "crossfade.db")
    assert database.execute("PRAGMA user_version").fetchone() == (NEWEST,)
    assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'invented'").fetchone() == (0,)
    database.close()
    with DurableStore(copy, SETTINGS, upkeep=False) as store:
        for name, state in build(None).items():
            check(store.get(name), state)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
