"""Probes of the machine's limits: reading memory, multiplying matrices. Timed among the rivals of a case.

A probe has been called once, or has touched its memory, when it is made: it needs no warm-up.

**Memory**: every core runs the C library's `wmemchr` over its share of the corpus, for a word that is not there.
Each byte is loaded once, in order, by the widest loads of the processor, and nothing is computed or written, so no
scorer reads its corpus faster except by chance. It is the corpus itself that is read and no other buffer: on a machine
with several memory controllers, which a virtual one does not tell of, one buffer can be twice as fast as another.
`bench.limits` shows that other plain readers (sums, maxima) come close to the same figure and stay below or
level with it.

**SGEMM**: NumPy's matrix product, which is OpenBLAS with as many threads, of two square matrices that are large enough
for its best blocking. Scoring q queries against n rows of d elements is 2 q n d operations.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cases import Limit

BUFFER_BYTES = 1 << 30
SQUARE = 4096
MEMORY = "memory read"
SGEMM = "SGEMM, square"
SGEMM_HERE = "SGEMM, this shape"

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def shared_out(read: Callable[[Any], object], values: NDArray[Any], threads: int) -> Callable[[], object]:
    """`read` on every part of `values`, each part in a thread of its own."""
    parts = np.array_split(values, threads)
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(read, parts))


def words(values: NDArray[Any]) -> Words:
    """The bytes of a contiguous array as whole words; up to three bytes at the end are left out."""
    if not values.flags.c_contiguous:
        raise ValueError("a copy would be read in its place: the array must be contiguous")
    flat = values.reshape(-1).view(np.uint8)
    return flat[: len(flat) // 4 * 4].view(np.uint32)


def scanner(values: Words) -> Callable[[Words], None]:
    """What loads every word of any part of `values`, once, and does nothing else. The GIL is released meanwhile."""
    draw = np.random.default_rng(0)
    # The first is a NaN, and no element of a corpus.
    absent = next(word for word in (0x7FFFFFFF, *draw.integers(2**32, size=64).tolist()) if not _found(values, word))

    def scan(part: Words) -> None:
        if _found(part, absent):
            raise ValueError(
                "the array was written to: a word was found that was not there, and the scan stopped early"
            )

    return scan


@functools.cache
def ones(count: int) -> Floats:
    """A buffer of ones: written to, so that every page of it is memory."""
    return np.ones(count, dtype=np.float32)


def memory_read(values: NDArray[Any]) -> Limit:
    """How long it takes at least to read a contiguous array."""
    of_values = words(values)
    return Limit(shared_out(scanner(of_values), of_values, cores()), of_values.nbytes, values.nbytes, "GB/s")


def memory_read_elsewhere(needs_bytes: float, *, quick: bool = False) -> Limit:
    """How long it takes at least to read so many bytes, of a buffer larger than any cache."""
    limit = memory_read(ones((BUFFER_BYTES >> (6 if quick else 0)) // 4))
    return Limit(limit.call, limit.work, needs_bytes, limit.unit)


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


def _found(part: Words, word: int) -> bool:
    return _wmemchr()(part.ctypes.data, ctypes.c_int32(word & 0xFFFFFFFF).value, len(part)) is not None


@functools.cache
def _wmemchr() -> Callable[[int, int, int], int | None]:
    found = ctypes.CDLL(None).wmemchr
    found.restype, found.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_size_t]
    return found
