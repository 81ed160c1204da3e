"""A store whose process is killed, at every named point and at any other, holds all that it has acknowledged.

CROSSFADE_CRASHES=1000 for more of the random ends than the ordinary run has.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from store_crashes import History

import crossfade.store
from crossfade.errors import StoreError
from crossfade.store import DurableStore, faults, schema

SOURCES = "".join(path.read_text(encoding="utf-8") for path in Path(crossfade.store.__file__).parent.glob("*.py"))
PASSED = set(re.findall(r'faults\.passed\("([a-z.-]+)"\)', SOURCES))
NEWEST = len(schema.MIGRATIONS)
WRITES = 400  # enough to come by every point three times
RANDOM_ENDS = int(os.environ.get("CROSSFADE_CRASHES", "200"))
ENDS_OF_A_STORE = 10
MORE = ("CREATE TABLE invented (number INTEGER PRIMARY KEY) STRICT; ALTER TABLE collections ADD COLUMN invented TEXT",)


def test_every_point_has_a_name() -> None:
    assert set(faults.POINTS) >= PASSED


# Ends at "alias." are held by test_store_alias_crashes.py, step by step.
# Ends at "compact." are in test_store_compaction.py, those at "checksums." in test_store_migration.py, those at "copy."
# and "restore." in test_store_restore_crashes.py.
ELSEWHERE = ("migration.", "alias.", "checksums.", "compact.", "copy.", "restore.")


@pytest.mark.parametrize("point", [point for point in faults.POINTS if not point.startswith(ELSEWHERE)])
def test_an_end_at_a_named_point(tmp_path: Path, point: str) -> None:
    if point not in PASSED:
        pytest.skip(f"no code of the store comes by {point} yet")
    history = History(tmp_path / "store", collections=1, writers=1)
    for count in (1, 3):
        history.run(seed=count, writes=WRITES, fault=f"{point}:{count}")
        history.check(seed=count)


@pytest.mark.parametrize("point", [point for point in faults.POINTS if point.startswith("migration.")])
class TestMigration:
    def test_an_end_while_the_store_is_made(self, tmp_path: Path, point: str) -> None:
        history = History(tmp_path / "store", collections=1, writers=1)
        assert history.run(seed=0, writes=1, fault=point) == []
        history.check(seed=0)

    def test_an_end_while_an_older_store_becomes_a_newer_one(
        self, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        history = History(tmp_path / "store", collections=2, writers=1)
        history.run(seed=0, writes=40)
        newer = History(history.directory, collections=2, writers=1, migrations=MORE)
        newer.collections = history.collections
        assert newer.run(seed=1, writes=1, fault=point) == []
        if point == "migration.committed":
            with pytest.raises(
                StoreError, match=f"has format {NEWEST + 1}, and this crossfade knows formats up to {NEWEST}"
            ):
                DurableStore(history.directory)
        else:
            history.check(seed=1)
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *MORE))
        monkeypatch.setattr(schema.migrate, "__defaults__", (schema.MIGRATIONS,))
        newer.check(seed=2)
        newer.run(seed=3, writes=10)
        newer.check(seed=4)


@pytest.mark.parametrize("number", range(-(-RANDOM_ENDS // ENDS_OF_A_STORE)))
def test_an_end_at_any_moment(tmp_path: Path, number: int) -> None:
    """Several writers and searchers of several collections; the store grows older from end to end."""
    chance = random.Random(number)
    history = History(tmp_path / "store", collections=chance.randint(1, 3), writers=chance.randint(1, 3))
    for end in range(min(ENDS_OF_A_STORE, RANDOM_ENDS - number * ENDS_OF_A_STORE)):
        seed = number * ENDS_OF_A_STORE + end
        history.run(seed=seed, writes=1 << 20, searchers=1, kill_after=int(chance.triangular(1, 200, 30)))
        history.check(seed=seed)
