"""Probes of the machine's limits: reading memory, multiplying matrices. Timed among the rivals of a case.

A probe has been called once, or has touched its memory, when it is made: it needs no warm-up.

**Memory**: every core runs the C library's `memchr` over its share of a buffer too large for any cache, looking for a
byte that is not there. Each byte is loaded once, in order, by the widest loads of the processor, and nothing is
computed or written, so no scorer reads its corpus faster except by chance. `bench.limits` shows that other plain
readers (sums, maxima, dot products) come close to the same figure and stay below or level with it.

**SGEMM**: NumPy's matrix product, which is OpenBLAS with as many threads, of two square matrices that are large enough
for its best blocking. Scoring q queries against n rows of d elements is 2 q n d operations.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bench.cases import Limit

BUFFER_BYTES = 1 << 30
SQUARE = 4096
MEMORY = "memory read"
SGEMM = "SGEMM, square"
SGEMM_HERE = "SGEMM, this shape"

_ABSENT = 0xAB  # no byte of 1.0f is

Floats = NDArray[np.float32]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def shared_out(read: Callable[[Floats], object], values: Floats, threads: int) -> Callable[[], object]:
    """`read` on every part of `values`, each part in a thread of its own."""
    parts = np.array_split(values, threads)
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(read, parts))


def scan(part: Floats) -> None:
    """Load every byte of ones, once, and do nothing else. The GIL is released meanwhile."""
    if _memchr()(part.ctypes.data, _ABSENT, part.nbytes) is not None:
        raise ValueError("the buffer was overwritten: memchr found a byte that is not there, and stopped early")


@functools.cache
def ones(count: int) -> Floats:
    """A buffer of ones: written to, so that every page of it is memory."""
    return np.ones(count, dtype=np.float32)


def memory_read(needs_bytes: float, *, quick: bool = False) -> Limit:
    """How long reading `needs_bytes` takes at least."""
    values = ones((BUFFER_BYTES >> (6 if quick else 0)) // 4)
    return Limit(shared_out(scan, values, cores()), values.nbytes, needs_bytes, "GB/s")


def sgemm(needs_operations: float, *, quick: bool = False) -> Limit:
    """How long `needs_operations` take in a large square product."""
    size = SQUARE >> (3 if quick else 0)
    product = _square(size)
    return Limit(product, 2 * size**3, needs_operations, "GFLOP/s")


def sgemm_here(queries: Floats, corpus: Floats) -> Limit:
    """NumPy's product at the case's own shape; its scores are written to memory that is there already."""
    scores = np.empty((len(queries), len(corpus)), dtype=np.float32)
    np.matmul(queries, corpus.T, out=scores)
    operations = 2 * scores.size * queries.shape[1]
    return Limit(lambda: np.matmul(queries, corpus.T, out=scores), operations, operations, "GFLOP/s")


@functools.cache
def _square(size: int) -> Callable[[], object]:
    draw = np.random.default_rng(0)
    left, right = draw.random((2, size, size), dtype=np.float32)
    product = np.matmul(left, right)
    return lambda: np.matmul(left, right, out=product)


@functools.cache
def _memchr() -> Callable[[int, int, int], int | None]:
    found = ctypes.CDLL(None).memchr
    found.restype, found.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    return found
