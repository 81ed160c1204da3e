"""A store of a bench's own, on the disk of the checkout, removed when the bench ends.

Where a system keeps its temporary files in memory, flushing them costs nothing: no measure of a durable store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import ROOT
from bench.store.data import DIMENSION, FINGERPRINT, Corpus, rows
from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.settings import GraphSettings, HnswSettings, StoreSettings
from crossfade.store.state import Sealed
from crossfade.store.types import CollectionSettings, CollectionSpec

NAME = "bench"
_WORK = ROOT / "bench" / "work"


def settings() -> StoreSettings:
    """Those that a store has by default; where that makes too few segments to merge, of fewer rows.

    Of quick runs' 3,000 rows each segment has 750, and graphs are made of 250.
    """
    usual = StoreSettings()
    seal_rows = rows() // usual.merge_factor
    if seal_rows >= usual.seal_rows:
        return usual
    return StoreSettings(seal_rows=seal_rows, merge_factor=2, graph=GraphSettings(least_rows=seal_rows // 3))


@contextmanager
def directory() -> Iterator[Path]:
    """An empty one."""
    _WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="store-", dir=_WORK) as made:
        yield Path(made)


def collection(store: DurableStore, hnsw: HnswSettings | None = None) -> DurableCollection:
    """The bench's collection, empty, made for unit vectors."""
    settings = CollectionSettings(hnsw=hnsw or HnswSettings())
    return store.create(CollectionSpec(NAME, DIMENSION, "ip", FINGERPRINT), settings)


def fill(target: DurableCollection, corpus: Corpus, between: Callable[[], object] = lambda: None) -> None:
    """Write all of it, in batches. `between`: called after each."""
    for documents, vectors in corpus.batches():
        target.upsert(documents, vectors)
        between()


def prepare(path: Path, corpus: Corpus, settings: StoreSettings) -> None:
    """A store with all of the corpus, closed, and no upkeep due by these settings: the same for every run."""
    with DurableStore(path, settings, upkeep=False) as store:
        target = collection(store)
        fill(target, corpus, between=target.seal_due)
        while target.keep_up():
            pass


def rests(target: DurableCollection, settings: StoreSettings) -> bool:
    """Whether no upkeep is left: nothing to seal or merge, and every segment has the graph that it is due."""
    index, least = target.index, settings.graph.least_rows
    sealed = [entry.source for entry in index.state.entries if isinstance(entry.source, Sealed)]
    graphs = all(each.graph is not None for each in sealed if each.segment.rows >= least)
    return graphs and not index.wants_sealing() and not index.mergeable()


def disk_bytes(path: Path) -> int:
    """Of all files under a directory."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
