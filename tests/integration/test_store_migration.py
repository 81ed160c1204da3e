"""A store without checksums becomes one that has them: killed at any step, it goes on where it was."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade.store import Document, DurableStore, checksums, schema, upgrades
from crossfade.store.checking import check_store
from crossfade.store.readonly import reading

SAMPLE = Path(__file__).parents[1] / "unit" / "data" / "store-format-1"
ROWS = 3000
CHILD = """
import sys
from pathlib import Path
from crossfade.store import DurableStore, upgrades
upgrades._ROWS_AT_ONCE = 500
DurableStore(Path(sys.argv[1]), upkeep=False).close()
"""
STEPS = ["migration.begun:1", "migration.written:1", "migration.committed:1"]
STEPS += [f"checksums.committed:{count}" for count in (1, 2, 5)]
STEPS += ["migration.begun:2", "migration.written:2", "migration.committed:2"]


def vectors() -> NDArray[np.float32]:
    return np.arange(2 * ROWS, dtype=np.float32).reshape(ROWS, 2)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Of format 1, with enough rows for several transactions, and lines that deleted documents had left behind."""
    directory = tmp_path / "store"
    directory.mkdir()
    shutil.copy(SAMPLE / "crossfade.db", directory)
    database = sqlite3.connect(directory / "crossfade.db", isolation_level=None)
    database.execute("BEGIN")
    database.execute(
        "INSERT INTO collections VALUES (9, 'many', 'ip', ?, ?, 1, 1, (SELECT settings FROM collections LIMIT 1))",
        (ROWS + 2, ROWS),
    )
    database.execute("INSERT INTO indexes VALUES (9, 9, 1, 2, 'f', ?, ?, ?, '{}')", (ROWS, ROWS, ROWS + 2))
    database.execute("INSERT INTO epochs VALUES (9, 0, 'token')")
    database.execute(
        "CREATE TABLE documents_9 (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, "
        "deleted INTEGER NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL) STRICT"
    )
    database.execute(
        "CREATE TABLE rows_9 (key INTEGER PRIMARY KEY, document INTEGER NOT NULL, start INTEGER NOT NULL, "
        "stop INTEGER NOT NULL, vector BLOB NOT NULL) STRICT"
    )
    database.execute("CREATE INDEX rows_9_by_document ON rows_9 (document)")
    database.executemany(
        "INSERT INTO documents_9 VALUES (?, ?, 1, 0, 'é', ?, '{}')", ((n + 1, f"d{n}", f"té {n}") for n in range(ROWS))
    )
    database.executemany(
        "INSERT INTO documents_9 VALUES (?, ?, ?, 1, '', '', '{}')", [(ROWS + 1, "x", 7), (ROWS + 2, "y", 3)]
    )
    database.executemany(
        "INSERT INTO rows_9 VALUES (?, ?, 0, 4, ?)",
        ((n + 1, n + 1, vector.tobytes()) for n, vector in enumerate(vectors())),
    )
    database.execute("COMMIT")
    database.close()
    return directory


def assert_newest(directory: Path) -> None:
    with DurableStore(directory, upkeep=False) as store:
        many = store.collection("many")
        assert many.documents(["d0", "x", f"d{ROWS - 1}"]) == [
            Document("d0", "é", "té 0"),
            None,
            Document(f"d{ROWS - 1}", "é", f"té {ROWS - 1}"),
        ]
        assert len(many) == sum(part.count for part in many.snapshot().parts) == ROWS
        assert np.array_equal(np.concatenate([part.vectors for part in many.snapshot().parts]), vectors())
        # What comes, under a deleted id or another, starts above every version that the deleted ones had.
        many.upsert([Document("y"), Document("d0")], vectors()[:2], expected=[0, 1])
        assert many.versions(["y", "d0", "x"]) == [8, 2, 0]
        with store.database.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
            assert connection.execute("SELECT count(*) FROM documents_9").fetchone() == (ROWS + 1,)
    assert check_store(directory).sound


def test_at_once(old: Path) -> None:
    assert check_store(old).sound  # as far as it can be told, and nothing is changed
    assert_newest(old)


@pytest.mark.parametrize("step", STEPS)
def test_an_end_at_a_step(old: Path, step: str) -> None:
    environment = {**os.environ, "CROSSFADE_FAULT": step, "OPENBLAS_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", CHILD, str(old)], env=environment).returncode == -signal.SIGKILL
    check_store(old)  # also half-way
    assert_newest(old)


def test_it_does_not_wait_for_who_reads(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "_ROWS_AT_ONCE", 50)  # five seconds each, of SQLite's patience, would be minutes
    with DurableStore(old, upkeep=False) as store:
        _without_sums(store)
    opening = threading.Thread(target=lambda: DurableStore(old, upkeep=False).close(), daemon=True)
    with reading(old) as connection:
        (before,) = connection.execute("SELECT count(*) FROM rows_9 WHERE crc IS NULL").fetchone()
        opening.start()
        opening.join(60)
        waited = opening.is_alive()
        assert connection.execute("SELECT count(*) FROM rows_9 WHERE crc IS NULL").fetchone() == (before,)
    opening.join()
    assert (before, waited) == (ROWS, False)
    assert_newest(old)


def _without_sums(store: DurableStore) -> None:
    """As one of format 2 is."""
    with store.database.writing() as connection:
        for (number,) in connection.execute("SELECT number FROM indexes").fetchall():
            connection.execute(f"UPDATE rows_{number} SET crc = NULL")
        connection.execute("PRAGMA user_version = 2")


@pytest.mark.parametrize("sums", ["of_document", "of_row"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_ends_it_is_told_as_it_is(
    old: Path, monkeypatch: pytest.MonkeyPatch, sums: str, error: type[BaseException]
) -> None:
    """And holds nothing: it is opened again at once, by a program that goes on."""
    left = [ROWS // 2]

    def end(*values: Any) -> int:
        left[0] -= 1
        if not left[0]:
            raise error
        return int(of(*values))

    of = getattr(checksums, sums)
    with monkeypatch.context() as patched:
        patched.setattr(checksums, sums, end)
        with pytest.raises(error) as raised:
            DurableStore(old, upkeep=False)
    assert_newest(old)
    del raised


def test_the_log_does_not_hold_all_vectors(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "_ROWS_AT_ONCE", 100)
    logs: list[int] = []
    passed = upgrades.faults.passed

    def look(point: str) -> None:
        if point == "checksums.committed":
            logs.append((old / "crossfade.db-wal").stat().st_size)
        passed(point)

    monkeypatch.setattr(upgrades.faults, "passed", look)
    assert_newest(old)
    assert len(logs) >= ROWS // 100
    assert max(logs[1:]) < 100_000  # after the first, which has all documents in it
