"""A corpus that lies in a file: searched through a memory map, against the speed at which the file can be read.

Once with the file in the page cache, and once after it was dropped from there. Opening the map is part of the search.
What "dropped" means is the machine's affair: a virtual one may have the file in its host's memory still.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bench.cases import Limit
from bench.harness import OURS, measure, session
from bench.kernels import data, ours, peers, real
from bench.kernels.agreement import check, rounding
from bench.probes import MEMORY, cores, memory_read_elsewhere

DIMENSION = 384
BLOCK_BYTES = 8 << 20
READ = "file read"


def count() -> int:
    """2 GiB of vectors."""
    return (2 << (20 if session().quick else 30)) // (4 * DIMENSION)


@contextlib.contextmanager
def corpus_file() -> Iterator[Path]:
    """A file of unit vectors, written through to the disk; removed afterwards."""
    real.WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=real.WORK, suffix=".f32") as stream:
        for start in range(0, count(), 100_000):
            block = data.unit_vectors(min(100_000, count() - start), DIMENSION, seed=start)
            block.tofile(stream)
        stream.flush()
        os.fsync(stream.fileno())
        yield Path(stream.name)


def drop(path: Path) -> None:
    """Ask the kernel to forget the file's pages; they are clean and nobody maps them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def reader(path: Path) -> Callable[[], object]:
    """The whole file into small buffers, by every core, with `pread`."""
    size = path.stat().st_size
    pool = ThreadPoolExecutor(cores())
    buffers = [bytearray(BLOCK_BYTES) for _ in range(cores())]

    def share(worker: int) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            for offset in range(worker * BLOCK_BYTES, size, BLOCK_BYTES * cores()):
                os.preadv(descriptor, [buffers[worker]], offset)
        finally:
            os.close(descriptor)

    return lambda: list(pool.map(share, range(cores())))


def open_map(path: Path) -> data.Floats:
    return np.memmap(path, dtype=np.float32, mode="r", shape=(count(), DIMENSION))


def main() -> int:
    batch = 8
    queries = data.unit_vectors(batch, DIMENSION, seed=batch)
    titles = {
        name: f"f32, memory-mapped, {name}, {count():,} x {DIMENSION}, top {data.K}, {batch} queries"
        for name in ("in the page cache", "not in the page cache")
    }
    wanted = {name: title for name, title in titles.items() if session().wants(title)}
    if not wanted:
        return 0
    with corpus_file() as path:
        size = path.stat().st_size

        def search() -> peers.Answer:
            return ours.answer(ours.top_k(queries, open_map(path), data.K, metric="ip")())

        check("numpy", peers.numpy_top_k(queries, open_map(path), data.K)(), search(), rounding(DIMENSION))
        for name, title in wanted.items():
            cached = name == "in the page cache"
            limits = {READ: Limit(reader(path), size, size, "GB/s")}
            if cached:
                limits[MEMORY] = memory_read_elsewhere(size, quick=session().quick)
            measure(
                title, {OURS: search}, unit="MB", amount=size / 1e6, limits=limits,
                rounds=3 if session().quick else 7, before=None if cached else lambda: drop(path),
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
