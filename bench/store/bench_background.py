"""Searches while the store merges segments and builds a graph behind them, against the same searches with nothing else.

One caller, one query after the other, top 10 by vector, through a Retriever. First the store has nothing to do: its
settings let it keep segments as they were sealed. Then it is opened with default settings, by which they are due to
become one: its own upkeep merges them (reading the database, writing files) and builds the graph of the result on all
cores, and searches go on until it rests. p99 over the idle p99 is to stay below 2. The last answers are held against an
exact search.

About two minutes at 100,000 documents.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.harness import report_values, session
from bench.store import data, stores
from crossfade.kernels import top_k
from crossfade.retrieval import Retriever
from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.settings import StoreSettings

K = 10
TIMES = 2.0
LEAST_RECALL = 0.95
IDLE_SECONDS = 10
WARM_SECONDS = 1
NEVER = 1_000_000
LOOK_SECONDS = 0.02
IDLE, BEFORE, MERGING, GRAPH = "idle", "nothing yet", "segments merge", "a graph is built"


@dataclass
class Phases:
    """What the store does at each moment: [(since, phase)], as a watcher sees it every `LOOK_SECONDS`."""

    seen: list[tuple[float, str]] = field(default_factory=list)

    def watch(self, target: DurableCollection, settings: StoreSettings, over: threading.Event) -> None:
        """Until nothing is left to do, or it is over."""
        phase = BEFORE
        while not over.is_set():
            writing = any(target.index.directory.glob(".building-*"))
            if writing or phase != BEFORE:
                phase = MERGING if writing else GRAPH
            if not self.seen or self.seen[-1][1] != phase:
                self.seen.append((time.perf_counter(), phase))
            if not writing and stores.rests(target, settings):
                over.set()
            time.sleep(LOOK_SECONDS)

    def at(self, moment: float) -> str:
        """The phase then."""
        return next((phase for since, phase in reversed(self.seen) if since <= moment), self.seen[0][1])


def searching(target: DurableCollection, corpus: data.Corpus, over: threading.Event) -> list[tuple[float, float]]:
    """(begin, seconds) of each search, until it is over."""
    retriever = Retriever(target)
    taken: list[tuple[float, float]] = []
    while not over.is_set():
        query = corpus.queries[len(taken) % len(corpus.queries)][None]
        begin = time.perf_counter()
        retriever.search_vectors(query, K, fingerprint=data.FINGERPRINT)
        taken.append((begin, time.perf_counter() - begin))
    return taken


def idle(path: Path, corpus: data.Corpus, settings: StoreSettings) -> NDArray[np.float64]:
    """Seconds of searches of a store that has nothing else to do."""
    with DurableStore(path, settings) as store:
        target = store.collection(stores.NAME)
        for seconds in (WARM_SECONDS, 1 if session().quick else IDLE_SECONDS):
            over = threading.Event()
            timer = threading.Timer(seconds, over.set)
            timer.start()
            taken = searching(target, corpus, over)
        if not stores.rests(target, settings):
            raise SystemExit("the store was to have nothing to do, and has")
    return np.array([each for _, each in taken])


def busy(path: Path, corpus: data.Corpus, settings: StoreSettings) -> dict[str, NDArray[np.float64]]:
    """Seconds of searches, by what the store did when they began."""
    with DurableStore(path, settings, upkeep=False) as store:
        target = store.collection(stores.NAME)
        if stores.rests(target, settings):
            raise SystemExit("the store was to have something to do, and has nothing")
        phases, over = Phases(), threading.Event()
        watcher = threading.Thread(target=phases.watch, args=(target, settings, over))
        watcher.start()
        store.upkeep.start()
        store.upkeep.wake()
        try:
            taken = searching(target, corpus, over)
        finally:
            over.set()
            watcher.join()
        recall(target, corpus)
    named = [phases.at(begin) for begin, _ in taken]
    return {
        phase: np.array([each for (_, each), found in zip(taken, named, strict=True) if found == phase])
        for phase in (MERGING, GRAPH)
    }


def recall(target: DurableCollection, corpus: data.Corpus) -> None:
    """Hold what is found now against an exact search. Raises SystemExit below `LEAST_RECALL`."""
    some = corpus.queries[:200]
    exact = top_k(some, corpus.vectors, K, metric="ip").indices
    answers = Retriever(target).search_vectors(some, K, fingerprint=data.FINGERPRINT).hits
    names = [{corpus.documents[row].id for row in rows} for rows in exact.tolist()]
    found = np.mean([len(each & {hit.id for hit in hits}) / K for each, hits in zip(names, answers, strict=True)])
    if found < LEAST_RECALL:
        raise SystemExit(f"R@{K} is {found:.3f} after the merge, and {LEAST_RECALL} at least was expected")


def main() -> int:
    settings = replace(stores.settings(), merge_factor=NEVER)
    shape = f"{data.rows():,} x {data.DIMENSION}"
    title = f"search while segments merge into one and its graph is built, {shape}"
    if not session().wants(title):
        return 0
    corpus = data.make(metadata=True)
    with stores.directory() as place:
        path = place / "store"
        stores.prepare(path, corpus, settings)
        found = {IDLE: idle(path, corpus, settings), **busy(path, corpus, stores.settings())}
    seen = {name: seconds for name, seconds in found.items() if len(seconds)}
    p99 = {name: float(np.percentile(seconds, 99)) for name, seconds in seen.items()}
    values = {
        f"{TIMES:g}x idle p99 over p99 while {name}": TIMES * p99[IDLE] / p99[name] for name in p99 if name != IDLE
    }
    report_values(title, "ratio", values, dict.fromkeys(values, 1.0))
    milliseconds = {
        f"{name}, {at}": float(np.percentile(seconds, percentile)) * 1e3
        for name, seconds in seen.items()
        for at, percentile in (("p50", 50), ("p99", 99), ("max", 100))
    }
    counts = {f"searches, {name}": len(seconds) for name, seconds in found.items()}
    report_values(f"{title}, in full", "ms", milliseconds, {}, details=counts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
