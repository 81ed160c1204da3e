"""A process killed while an alias or the current version changes: it points to the old or to the new one, as the point
says, and never to neither."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import alias_crash_child
import pytest
from alias_crash_child import STEPS, make

from crossfade.store import DurableStore


def state(store: DurableStore) -> tuple[int, list[tuple[str, int | None, int]]]:
    aliases = [(alias.name, alias.version, alias.revision) for alias in store.aliases()]
    return store.collection("docs").current, aliases


@pytest.mark.parametrize("count", range(1, len(STEPS) + 1))
@pytest.mark.parametrize("point", ["alias.written", "alias.committed"])
def test_an_end_at_a_step(tmp_path: Path, point: str, count: int) -> None:
    ended = subprocess.run(
        [sys.executable, alias_crash_child.__file__, str(tmp_path / "killed")],
        env={**os.environ, "CROSSFADE_FAULT": f"{point}:{count}", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    done = count if point == "alias.committed" else count - 1
    with DurableStore(tmp_path / "model", upkeep=False) as model, DurableStore(tmp_path / "killed") as found:
        make(model)
        for step in STEPS[:done]:
            step(model)
        assert state(found) == state(model)
        for alias in found.aliases():
            assert found.get(alias.name).current == alias.version or alias.version is None
        # And it goes on from there, as one that was never killed.
        for step in STEPS[done:]:
            step(model)
            step(found)
        assert state(found) == state(model)
