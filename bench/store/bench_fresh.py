"""How soon a document is found: a hundred single writes a second, beside four callers who search.

A write is due every ten milliseconds, whatever became of the one before; half of them bring a new document, half
replace one. Callers search one query at a time, by vector, or by vector and words: at half the rate that they reach
without writes, each search due at its time; and, as much as they can, one after the other, so that every core is taken
and the writer waits for one like everybody else. When a write has returned, the first caller who begins a search after
it asks for that document and must find it first: a miss fails the bench. Where several have returned since the last
search began, as where searches are fewer than writes, it asks for the newest: who sees that sees those before. Each of
those is looked for after the end, and must be found too. Time counts to the end of that search, from the call and,
stricter, from the moment the write was *due*. The store has segments with graphs, and its upkeep goes on.

hnswlib and faiss are no peers: they have no durable write, and a search during one is not safe in hnswlib.

About two minutes at 100,000 documents.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.harness import report_values, session
from bench.store import data, stores
from crossfade.retrieval import Retriever, SearchOptions
from crossfade.retrieval.options import Mode
from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.types import Document

WRITES_A_SECOND = 100
CALLERS = 4
K = 10
MOST_MS = 50.0
LEAST_RATE = 0.97
SECONDS = 30
ALONE_SECONDS = 5
HALF = 0.5
MODES: tuple[Mode, ...] = ("dense", "hybrid")


@dataclass(frozen=True)
class Fresh:
    """A document that was written: its vector, when it was due, when the call began, when it returned."""

    document: Document
    vector: NDArray[np.float32]
    due: float
    begun: float
    returned: float


@dataclass
class Found:
    """Seconds, one a write: `due` and `begun` until the end of the first search that began after it, `writes` of the
    write alone; and of other searches.

    `asked`: searches that asked for a document. `taken`: seconds in all. `failures`: any.
    """

    due: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)
    asked: int = 0
    taken: float = 0.0
    failures: list[BaseException] = field(default_factory=list)


class Load:
    """One writer and the callers, for so many writes."""

    def __init__(
        self, target: DurableCollection, corpus: data.Corpus, mode: Mode, seed: int, pace: float | None = None
    ) -> None:
        """`pace`: searches a second of all callers together; None: as many as they can."""
        self._pace = pace
        self._target = target
        self._corpus = corpus
        self._options = SearchOptions(mode=mode)
        self._seed = seed
        self._waiting: deque[Fresh] = deque()
        self._not_asked_for: list[Fresh] = []
        self._over = threading.Event()
        self._found = Found()

    def run(self, writes: int) -> Found:
        """Raises whatever a thread raised."""
        threads = [threading.Thread(target=self._guarded, args=(self._search, each)) for each in range(CALLERS)]
        threads.append(threading.Thread(target=self._guarded, args=(self._write, writes)))
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._found.taken = time.perf_counter() - begin
        if self._found.failures:
            raise self._found.failures[0]
        retriever = Retriever(self._target)
        for fresh in self._not_asked_for:
            self._ask_for(retriever, fresh)
        return self._found

    def search_alone(self, seconds: float) -> int:
        """How many searches the callers do in that time."""
        threads = [threading.Thread(target=self._guarded, args=(self._search, each)) for each in range(CALLERS)]
        for thread in threads:
            thread.start()
        self._over.wait(seconds)
        self._over.set()
        for thread in threads:
            thread.join()
        if self._found.failures:
            raise self._found.failures[0]
        return len(self._found.searches)

    def _guarded(self, work: Callable[[int], None], argument: int) -> None:
        try:
            work(argument)
        except BaseException as error:  # noqa: BLE001 - it is raised by `run`
            self._found.failures.append(error)
            self._over.set()

    def _write(self, writes: int) -> None:
        random = np.random.default_rng(self._seed)
        corpus = self._corpus
        # No document twice: a caller may look for a write after the next one of the same document.
        replaced = random.permutation(len(corpus.documents))[:writes].tolist()
        vectors = random.standard_normal((writes, data.DIMENSION), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        start = time.perf_counter()
        for number, row in enumerate(replaced):
            due = start + number / WRITES_A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            if self._over.is_set():
                return
            old = corpus.documents[row]
            name = old.id if number % 2 else f"fresh-{self._seed}-{number}"
            document = Document(name, "", old.text, old.metadata)
            begun = time.perf_counter()
            self._target.upsert([document], vectors[number : number + 1])
            self._waiting.append(Fresh(document, vectors[number : number + 1], due, begun, time.perf_counter()))
        while self._waiting and not self._over.is_set():
            time.sleep(0.001)
        self._over.set()

    def _search(self, caller: int) -> None:
        retriever = Retriever(self._target)
        corpus, queries = self._corpus, len(self._corpus.queries)
        turn = caller * queries // CALLERS
        start, done = time.perf_counter() + (caller / self._pace if self._pace else 0.0), 0
        while not self._over.is_set():
            if self._pace:
                time.sleep(max(0.0, start + done * CALLERS / self._pace - time.perf_counter()))
                done += 1
            returned = self._take_waiting()
            if not returned:
                turn = (turn + 1) % queries
                begin = time.perf_counter()
                self._one(retriever, corpus.queries[turn : turn + 1], corpus.words[turn])
                self._found.searches.append(time.perf_counter() - begin)
                continue
            self._ask_for(retriever, returned[-1])
            end = time.perf_counter()
            self._found.asked += 1
            self._not_asked_for.extend(returned[:-1])
            for fresh in returned:
                self._found.due.append(end - fresh.due)
                self._found.begun.append(end - fresh.begun)
                self._found.writes.append(fresh.returned - fresh.begun)

    def _take_waiting(self) -> list[Fresh]:
        """The writes that have returned and that no search has begun after, the newest last."""
        taken = []
        while True:
            try:
                taken.append(self._waiting.popleft())
            except IndexError:
                return taken

    def _ask_for(self, retriever: Retriever, fresh: Fresh) -> None:
        first = self._one(retriever, fresh.vector, fresh.document.text)
        if first != fresh.document.id:
            raise SystemExit(f"{fresh.document.id} was written and not found by a later search: {first} was")

    def _one(self, retriever: Retriever, vector: NDArray[np.float32], words: str) -> str:
        found = retriever.search_vectors(
            vector, K, fingerprint=data.FINGERPRINT, options=self._options, texts=[words[: data.CHARACTERS]]
        )
        return found.hits[0][0].id


def alone(target: DurableCollection, corpus: data.Corpus, mode: Mode) -> float:
    """Searches a second of all callers, with no writes."""
    load, seconds = Load(target, corpus, mode, seed=0), 1 if session().quick else ALONE_SECONDS
    return load.search_alone(seconds) / seconds


def case(title: str, target: DurableCollection, corpus: data.Corpus, mode: Mode, pace: float | None, seed: int) -> None:
    seconds = 2 if session().quick else SECONDS
    found = Load(target, corpus, mode, seed, pace).run(seconds * WRITES_A_SECOND)
    values = {
        f"{MOST_MS:g} ms over p99 from the call": MOST_MS / (float(np.percentile(found.begun, 99)) * 1e3),
        f"{MOST_MS:g} ms over p99 from when due": MOST_MS / (float(np.percentile(found.due, 99)) * 1e3),
        "part of the rate that was kept": len(found.due) / found.taken / WRITES_A_SECOND,
    }
    # Where callers take all there is, how far behind a writer falls is the scheduler's business and not the store's.
    least = dict.fromkeys(values, 1.0) | {"part of the rate that was kept": LEAST_RATE} if pace else {}
    report_values(title, "ratio", values, least)
    milliseconds = {
        **percentiles("from due to found", found.due),
        **percentiles("from call to found", found.begun),
        **percentiles("write", found.writes),
        **percentiles("other searches", found.searches),
    }
    details = {
        "searches a second": (len(found.searches) + found.asked) / found.taken,
        "part of the writes that a search asked for": found.asked / len(found.due),
    }
    report_values(f"{title}, in full", "ms", milliseconds, {}, details=details)


def percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    found = (np.percentile(seconds, (50, 99, 100)) * 1e3).tolist()
    return {f"{name}, {at}": value for at, value in zip(("p50", "p99", "max"), found, strict=True)}


def main() -> int:
    corpus = data.make(metadata=True)
    with stores.directory() as place:
        stores.prepare(place / "store", corpus, stores.settings())
        with DurableStore(place / "store", stores.settings()) as store:
            target = store.collection(stores.NAME)
            for mode in MODES:
                named = f"upsert to found, {WRITES_A_SECOND} writes a second, {CALLERS} callers"
                what = f"{mode}, {data.rows():,} x {data.DIMENSION}"
                half, full = f"{named} at half their rate, {what}", f"{named} at full rate, {what}"
                seed = 2 * MODES.index(mode)
                if session().wants(half):
                    case(half, target, corpus, mode, HALF * alone(target, corpus, mode), seed)
                if session().wants(full):
                    case(full, target, corpus, mode, None, seed + 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
