"""Documents with their vectors into a store on disk, a thousand a call; each call is on the disk when it returns.

hnswlib, faiss and bm25s keep nothing until they are told to save all of it: none of them is a peer here. What there is
to be held against is the disk, which takes turns with the store: as many bytes as the documents have, in as many
pieces, each written and flushed (fsync) to the end of one file.

The first line is a store as it is by default, with segments made and graphs built in the background meanwhile, and so
many rows in memory that wait for theirs as its settings allow; the second counts the seconds too until all have them.
Without upkeep rows go to the database and to memory alone. Each round begins with an empty store. What a call has
written is found by vector and by word when it returns. Calls alone are counted, not the turns of the disk between them.

Under two minutes at 100,000 documents; one round, not three, beyond twice as many.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.harness import OURS, report_values, session
from bench.store import data, stores
from crossfade.store.durable import DurableStore
from crossfade.store.settings import StoreSettings

SETTLED = "crossfade, until all are in segments"
WITHOUT_UPKEEP = "crossfade, without upkeep"
DISK = "limit: the disk, write and fsync"
LEAST = {OURS: 20_000.0, SETTLED: 20_000.0}
ROUNDS = 3
MOST_ROWS_THRICE = 200_000


@dataclass(frozen=True)
class Round:
    """Documents a second, by the calls, and until no segment was due; seconds of the slowest calls; seconds from the
    last call until then; rows in memory at most."""

    rate: float
    settled_rate: float
    disk_rate: float
    p99: float
    slowest: float
    settled: float
    most_unsealed: int
    stored_bytes: int


def one_round(corpus: data.Corpus, *, upkeep: bool) -> Round:
    """Fill an empty store, the disk's own turn after every call."""
    with stores.directory() as place:
        probe = DiskProbe(place / "probe", corpus.bytes // max(1, len(corpus.documents) // data.BATCH))
        taken: list[float] = []
        settings = StoreSettings() if upkeep else StoreSettings(unsealed_rows=len(corpus.documents))
        unsealed = 0
        with DurableStore(place / "store", settings, upkeep=upkeep) as store:
            target = stores.collection(store)
            for documents, vectors in corpus.batches():
                begin = time.perf_counter()
                target.upsert(documents, vectors)
                taken.append(time.perf_counter() - begin)
                unsealed = max(unsealed, target.index.unsealed_rows)
                probe.write()
            if len(target) != len(corpus.documents):
                raise SystemExit(f"{len(corpus.documents)} documents were written and {len(target)} are there")
            settled = seconds_to_settle(store) if upkeep else 0.0
            stored = stores.disk_bytes(place / "store")
        probe.close()
    count = len(corpus.documents)
    p99, slowest = np.percentile(taken, (99, 100)).tolist()
    whole = count / (sum(taken) + settled)
    return Round(count / sum(taken), whole, count / sum(probe.taken), p99, slowest, settled, unsealed, stored)


def seconds_to_settle(store: DurableStore) -> float:
    """Until every row that is due for a segment is in one; graphs and merges may go on behind it."""
    begin = time.perf_counter()
    while any(index.wants_sealing() for each in store.all() for index in each.indexes.values()):
        time.sleep(0.01)
    return time.perf_counter() - begin


class DiskProbe:
    """A file that grows by so many bytes a call, each on the disk when it returns. `taken`: seconds of each."""

    def __init__(self, path: Path, size: int) -> None:
        self.taken: list[float] = []
        self._file = path.open("wb", buffering=0)
        # Not all the same byte: a disk may be wiser than it says.
        self._piece = np.random.default_rng(0).bytes(size)

    def write(self) -> None:
        begin = time.perf_counter()
        self._file.write(self._piece)
        os.fsync(self._file.fileno())
        self.taken.append(time.perf_counter() - begin)

    def close(self) -> None:
        self._file.close()


def case(title: str, corpus: data.Corpus) -> None:
    """Both ways of keeping a store, in turns."""
    count = ROUNDS if len(corpus.documents) <= MOST_ROWS_THRICE and not session().quick else 1
    kept, bare = [], []
    for _ in range(count):
        kept.append(one_round(corpus, upkeep=True))
        bare.append(one_round(corpus, upkeep=False))
    values = {
        OURS: statistics.median(each.rate for each in kept),
        SETTLED: statistics.median(each.settled_rate for each in kept),
        WITHOUT_UPKEEP: statistics.median(each.rate for each in bare),
        DISK: statistics.median(each.disk_rate for each in kept + bare),
    }
    details = {
        "rounds": [vars(each) for each in kept],
        "rounds without upkeep": [vars(each) for each in bare],
        "of the disk's rate": values[OURS] / values[DISK],
        "bytes of a document": corpus.bytes / len(corpus.documents),
    }
    report_values(title, "documents/s", values, LEAST, details=details)


def main() -> int:
    for metadata in (False, True):
        said = "four fields" if metadata else "no metadata"
        title = (
            f"durable ingest, {data.rows():,} x {data.DIMENSION}, {data.CHARACTERS} characters, {said}, "
            f"{data.BATCH:,} a call"
        )
        if session().wants(title):
            case(title, data.make(metadata=metadata))
    return 0


if __name__ == "__main__":
    sys.exit(main())
