"""From a closed store to one that answers: opened as it is by default, every byte held against its checksums.

Segments are mapped, rows that no segment holds yet are read from the database into the tail, and which rows are alive
is read from the database too. The store has what it would have after a while of writing: some segments with graphs, a
short tail. Files are in the page cache. The peer is hnswlib, which checks nothing and reads vectors and graph alone: no
documents, no words, no fields, no deletions.

About a minute and a half at 100,000 documents.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.graph import rivals
from bench.harness import OURS, measure, report_values, session
from bench.store import data, stores
from crossfade.store.durable import DurableStore
from crossfade.store.settings import StoreSettings

UNCHECKED = "crossfade, checksums not read"
LOADED = "hnswlib, load_index"


def main() -> int:
    corpus = data.make(metadata=True)
    shape = f"{data.rows():,} x {data.DIMENSION}, {data.CHARACTERS} characters, four fields"
    with stores.directory() as place:
        path = place / "store"
        stores.prepare(path, corpus, stores.settings())
        title = f"open and close a store, {shape}"
        if session().wants(title):
            opening(title, place, path, corpus)
        title = f"seconds to open, {shape}"
        if session().wants(title):
            seconds(title, path, len(corpus.documents))
    return 0


def opening(title: str, place: Path, path: Path, corpus: data.Corpus) -> None:
    """Again and again, beside the peer."""
    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: opened(path, stores.settings(), len(corpus.documents)),
        UNCHECKED: lambda: opened(path, replace(stores.settings(), check_on_open=False), len(corpus.documents)),
    }
    if rivals.versions()["hnswlib"] is not None:
        peer = rivals.Hnswlib(corpus.vectors)
        saved = place / "hnswlib.bin"
        peer.index.save_index(str(saved))
        calls[LOADED] = lambda: type(peer.index)("ip", data.DIMENSION).load_index(str(saved))
    rounds, budget = (3, 0.0) if session().quick else (11, 20.0)
    measure(title, calls, unit="rows", amount=len(corpus.documents), rounds=rounds, budget=budget)


def seconds(title: str, path: Path, count: int) -> None:
    """Once each: as it is, and with every segment gone, which are then made from the database (graphs come later)."""
    values = {"as it was closed": opened(path, stores.settings(), count)}
    shutil.rmtree(path / "segments")
    values["without any segment"] = opened(path, stores.settings(), count)
    report_values(title, "seconds", values, {}, details={"bytes": stores.disk_bytes(path)})


def opened(path: Path, settings: StoreSettings, count: int) -> float:
    """Open and close it; the seconds of opening. Raises SystemExit when documents are missing."""
    begin = time.perf_counter()
    store = DurableStore(path, settings, upkeep=False)
    taken = time.perf_counter() - begin
    with store:
        found = sum(part.count for part in store.collection(stores.NAME).snapshot().parts)
    if found != count:
        raise SystemExit(f"{count} documents were stored, and {found} can be found")
    return taken


if __name__ == "__main__":
    sys.exit(main())
