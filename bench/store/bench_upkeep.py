"""What the store does behind the writes: sealing a tail, merging segments, building a graph; each by itself.

One thread does each step, in this process and with nothing beside it; a graph takes all cores. Sealing and merging read
the rows from the database, write the segment's files, its text index and its columns, and flush them. The limit is the
disk: the segment's own bytes written and flushed. The graph's peer is hnswlib, in memory, with the same m and
ef_construction; ours is built, measured against exact search to know how far to walk, and written.

About two minutes at 100,000 documents.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.graph import data as graph_data
from bench.graph import rivals
from bench.harness import OURS, report, session
from bench.store import data, stores
from bench.store.bench_ingest import DiskProbe
from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.settings import GraphSettings, HnswSettings, StoreSettings

DISK = "the disk, write and fsync"
PARTS = 4
NEVER = 1 << 62
BUILD_REACH = {rivals.HNSWLIB: 0.95}


def main() -> int:
    corpus = data.make(metadata=True)
    shape = f"{data.rows():,} x {data.DIMENSION}, {data.CHARACTERS} characters, four fields"
    # Exactly as many segments as make a merge, none before they are all there, and no graph within the merge; it does
    # not stand back either, as its peer does not.
    graphs = GraphSettings(least_rows=NEVER, niceness=0)
    settings = StoreSettings(seal_rows=data.rows() // PARTS + 1, merge_factor=PARTS, graph=graphs)
    with stores.directory() as place:
        steps(place, settings, corpus, shape)
        title = f"graph of a segment, {shape}, m {graph_data.M}, ef_construction {graph_data.EF_CONSTRUCTION}"
        if session().wants(title):
            settings = replace(settings, graph=replace(graphs, least_rows=1))
            with DurableStore(place / "store", settings, upkeep=False) as store:
                graph(title, store.collection(stores.NAME), corpus)
    return 0


def steps(place: Path, settings: StoreSettings, corpus: data.Corpus, shape: str) -> None:
    """Sealing and merging, of a store that stays."""
    with DurableStore(place / "store", settings, upkeep=False) as store:
        target = stores.collection(store, HnswSettings(graph_data.M, graph_data.EF_CONSTRUCTION))
        sealed = seconds_of_sealing(target, corpus)
        wrote = segment_bytes(target)
        report(f"seal, {shape}", {OURS: sealed, DISK: seconds_of_disk(place, wrote)}, "rows", len(target))
        merged = seconds_of(lambda: target.index.merge())
        wrote = segment_bytes(target)
        report(f"merge of {PARTS}, {shape}", {OURS: merged, DISK: seconds_of_disk(place, wrote)}, "rows", len(target))


def seconds_of_sealing(target: DurableCollection, corpus: data.Corpus) -> float:
    """Of all seals together; the writes between them are not counted."""
    taken = 0.0
    part = -(-len(corpus.documents) // PARTS)
    for start in range(0, len(corpus.documents), part):
        for first in range(start, min(start + part, len(corpus.documents)), data.BATCH):
            stop = min(first + data.BATCH, start + part)
            target.upsert(corpus.documents[first:stop], corpus.vectors[first:stop])
        taken += seconds_of(target.seal)
    return taken


def graph(title: str, target: DurableCollection, corpus: data.Corpus) -> None:
    """Of the one segment that there is now, beside hnswlib's over the same rows."""
    seconds = {OURS: seconds_of(lambda: target.index.build_graph(lambda: False))}
    if rivals.versions()["hnswlib"] is not None:
        seconds[rivals.HNSWLIB] = rivals.Hnswlib(corpus.vectors).seconds
    report(title, seconds, "rows", len(target), reach=BUILD_REACH)


def seconds_of(step: Callable[[], object]) -> float:
    """Of a step that must find something to do."""
    begin = time.perf_counter()
    done = step()
    taken = time.perf_counter() - begin
    if done is False:
        raise SystemExit("there was nothing to do: no step was timed")
    return taken


def seconds_of_disk(place: Path, size: int) -> float:
    """To write and flush so many bytes, in one piece."""
    probe = DiskProbe(place / "probe", size)
    probe.write()
    probe.close()
    (place / "probe").unlink()
    return probe.taken[0]


def segment_bytes(target: DurableCollection) -> int:
    """Of the segments that there are."""
    return stores.disk_bytes(target.index.directory)


if __name__ == "__main__":
    sys.exit(main())
