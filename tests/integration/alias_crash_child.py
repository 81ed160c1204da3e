"""A process that points aliases and the current version to and fro, step by step. It is run, not imported by others
than the test that holds the store against the same steps. `alias_crash_child.py DIRECTORY`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from crossfade.store import CollectionSpec, DurableStore

STEPS: list[Callable[[DurableStore], object]] = [
    lambda store: store.set_alias("live", "docs", 1, expected_revision=0),
    lambda store: store.set_alias("next", "docs"),
    lambda store: store.set_alias("live", "docs", 2),
    lambda store: store.collection("docs").set_current(2, expected=1),
    lambda store: store.drop_alias("next"),
    lambda store: store.collection("docs").set_current(1, expected=2),
    lambda store: store.set_alias("live", "docs", 1),
]


def make(store: DurableStore) -> None:
    store.create(CollectionSpec("docs", 2, "ip", "cf1-old"))
    store.collection("docs").create_index(3, "cf1-new")


if __name__ == "__main__":
    with DurableStore(Path(sys.argv[1])) as opened:
        make(opened)
        for step in STEPS:
            step(opened)
