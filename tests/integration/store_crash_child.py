"""A process that writes to a store until it is killed, and says on standard output what it is about to write and what
has been taken. A line there goes to the kernel in one piece: what was said before the end is not lost.

Standard input is a JSON object: directory, seed, collections (name -> writer -> state), writes (of each writer),
searchers, migrations (more than there are today).
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from store_model import SETTINGS, State, contents, next_write, spec_of, write

from crossfade.store import DurableStore, schema


def say(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


class Run:
    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.store = DurableStore(Path(order["directory"]), SETTINGS)
        self.stopped = threading.Event()

    def guarded(self, work: Any, *given: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*given)
            except BaseException:  # noqa: BLE001 - the process that waits must hear of it
                say(failure=traceback.format_exc())
                self.stopped.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def writer(self, collection: str, writer: str, state: State) -> None:
        chance = random.Random(f"{self.order['seed']} {collection} {writer}")
        names = [f"{writer}-{number}" for number in range(30)]
        held = self.store.get(collection)
        for _ in range(self.order["writes"]):
            if self.stopped.is_set():
                return
            versions = next_write(state, names, chance)
            say(collection=collection, writer=writer, begun=versions)
            write(held, versions)
            say(collection=collection, writer=writer, done=True)
            state.update(versions)
            if chance.random() < 0.1:  # the store's own threads do it too, but nobody knows when
                while held.keep_up():
                    pass

    def searcher(self, collection: str) -> None:
        while not self.stopped.wait(0.01):  # not more often: it would leave the writers little of the interpreter
            contents(self.store.get(collection).snapshot())

    def go(self) -> None:
        names = {collection.spec.name for collection in self.store.all()}
        say(opened=sorted(names))
        for name in self.order["collections"]:
            if name not in names:
                self.store.create(spec_of(name))
        writers = [
            self.guarded(self.writer, collection, writer, state)
            for collection, states in self.order["collections"].items()
            for writer, state in states.items()
        ]
        searchers = [
            self.guarded(self.searcher, collection)
            for collection in self.order["collections"]
            for _ in range(self.order["searchers"])
        ]
        for thread in writers:
            thread.join()
        self.stopped.set()
        for thread in searchers:
            thread.join()
        self.store.close()


if __name__ == "__main__":
    given = json.load(sys.stdin)
    schema.MIGRATIONS = (*schema.MIGRATIONS, *given["migrations"])
    schema.migrate.__defaults__ = (schema.MIGRATIONS,)
    try:
        Run(given).go()
    except BaseException:
        say(failure=traceback.format_exc())
        raise
