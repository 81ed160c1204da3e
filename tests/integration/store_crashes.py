"""Runs the process of store_crash_child.py, has it killed, and holds the store against what the process had said."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import store_crash_child
from store_model import SETTINGS, State, alive, check, next_write, observed, spec_of, write

from crossfade.store import DurableStore


@dataclass
class Writer:
    """`state`: what has been acknowledged; `begun`: the one write that may be there too, or not."""

    state: State = field(default_factory=dict)
    begun: State | None = None

    def told(self, line: dict[str, Any]) -> None:
        if "begun" in line:
            assert self.begun is None
            self.begun = line["begun"]
        else:
            assert self.begun is not None
            self.state.update(self.begun)
            self.begun = None

    def settle(self, found: State) -> None:
        """Of the two states that may be, the one that is. Fails when it is neither."""
        if self.begun is not None and found == alive(self.state | self.begun):
            self.state.update(self.begun)
        self.begun = None
        assert found == alive(self.state)


class History:
    """A store's directory, and what its writers have said of it, over any number of processes."""

    def __init__(self, directory: Path, collections: int, writers: int, migrations: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.migrations = migrations
        self.collections = {
            f"c{number}": {f"w{writer}": Writer() for writer in range(writers)} for number in range(collections)
        }

    def run(
        self, *, seed: int, writes: int, searchers: int = 0, fault: str = "", kill_after: int | None = None
    ) -> list[dict[str, Any]]:
        """A process that ends by itself, at a fault, or is killed when it has said that many lines; what it said."""
        order = {
            "directory": str(self.directory),
            "seed": seed,
            "collections": {
                name: {writer: each.state for writer, each in writers.items()}
                for name, writers in self.collections.items()
            },
            "writes": writes,
            "searchers": searchers,
            "migrations": self.migrations,
        }
        process = subprocess.Popen(
            [sys.executable, store_crash_child.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "CROSSFADE_FAULT": fault, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        with process:
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
            for line in process.stdout:
                said.append(json.loads(line))
                if len(said) == kill_after:
                    process.kill()
        for each in said:
            if "writer" in each:
                self.collections[each["collection"]][each["writer"]].told(each)
        assert [each["failure"] for each in said if "failure" in each] == []
        expected = -signal.SIGKILL if fault or kill_after is not None else 0
        assert process.returncode == expected, f"the process ended by itself: {fault or kill_after} was never reached"
        return said

    def settle(self, store: DurableStore) -> None:
        """Every acknowledged write is there, and of the others at most those that were in progress, whole."""
        there = {collection.spec.name for collection in store.all()}
        for name, writers in self.collections.items():
            if name not in there:
                assert not any(writer.state for writer in writers.values())
                store.create(spec_of(name))
            collection = store.get(name)
            for writer in writers.values():
                writer.settle(observed(collection, writer.state | (writer.begun or {})))
            check(collection, self.state(name))

    def state(self, name: str) -> State:
        return {key: version for writer in self.collections[name].values() for key, version in writer.state.items()}

    def check(self, *, seed: int) -> None:
        """Open it, look at everything, go on writing, and look again: in this process, and when it is opened again."""
        chance = random.Random(seed)
        with DurableStore(self.directory, SETTINGS, upkeep=False) as store:
            self.settle(store)
            for name, writers in self.collections.items():
                collection = store.get(name)
                for writer, each in writers.items():
                    names = [f"{writer}-{number}" for number in range(30)]
                    for _ in range(chance.randint(0, 4)):
                        versions = next_write(each.state, names, chance)
                        write(collection, versions)
                        each.state.update(versions)
                if chance.random() < 0.5:
                    while collection.keep_up():
                        pass
                if chance.random() < 0.3:
                    collection.seal()
                check(collection, self.state(name))
                assert collection.heal() == 0
        with DurableStore(self.directory, SETTINGS, upkeep=False) as store:
            self.settle(store)
