"""Upkeep stands back for searches, graphs farther, and nobody else does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossfade.store import DurableStore, graphs
from crossfade.store.settings import GraphSettings, StoreSettings
from crossfade.store.types import CollectionSpec, Document

PATIENCE_SECONDS = 30.0
ROWS = 40


def niceness(thread: int | None) -> int:
    assert thread is not None
    return os.getpriority(os.PRIO_PROCESS, thread)


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_upkeep_stands_back_and_nobody_else(tmp_path: Path) -> None:
    own = niceness(threading.get_native_id())
    expected = dict.fromkeys((f"crossfade-{work}" for work in ("seal", "improve", "scrub")), min(19, own + 10))
    others = set(threading.enumerate())
    with DurableStore(tmp_path / "store"):
        started = {thread.name: thread.native_id for thread in set(threading.enumerate()) - others}
        assert set(started) == set(expected)
        eventually(lambda: {name: niceness(thread) for name, thread in started.items()} == expected)
        assert niceness(threading.get_native_id()) == own


@pytest.mark.parametrize("more", [0, 9])
def test_a_graph_is_built_farther_back_than_whoever_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    own, build, seen = niceness(threading.get_native_id()), graphs.build_graph, list[int]()

    def watched(*arguments: object, **named: object) -> object:
        seen.append(niceness(threading.get_native_id()))
        return build(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(graphs, "build_graph", watched)
    settings = StoreSettings(graph=GraphSettings(least_rows=ROWS, niceness=more))
    with DurableStore(tmp_path / "store", settings, upkeep=False) as store:
        made = store.create(CollectionSpec("c", 4, "ip", "f"))
        documents = [Document(str(row)) for row in range(ROWS)]
        made.upsert(documents, np.random.default_rng(0).standard_normal((ROWS, 4), dtype=np.float32))
        made.seal()
        assert made.index.build_graph(lambda: False)
        assert made.index.describe().graphs_built
    assert seen == [min(19, own + more)]
    assert niceness(threading.get_native_id()) == own
