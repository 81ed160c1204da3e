"""The machine's limits by themselves: reading memory, by several plain readers, and SGEMM; on one core and on all."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.harness import installed, report_values, session
from bench.probes import BUFFER_BYTES, SQUARE, Floats, cores, ones, scanner, shared_out, words
from bench.timing import interleaved

READERS: dict[str, Callable[[Floats], object]] = {
    "numpy max, as int32": lambda part: part.view(np.int32).max(),
    "numpy max": lambda part: part.max(),
    "numpy sum": lambda part: part.sum(),
}


def memory(threads: int, rounds: int, quick: bool) -> None:
    values = ones((BUFFER_BYTES >> (6 if quick else 0)) // 4)
    as_words = words(values)
    calls = {
        "wmemchr": shared_out(scanner(as_words), as_words, threads),
        **{name: shared_out(read, values, threads) for name, read in READERS.items()},
    }
    seconds = interleaved(calls, rounds)
    figures = {name: values.nbytes / taken / 1e9 for name, taken in seconds.items()}
    report_values(f"memory read, {values.nbytes >> 20:,} MiB, {_on(threads)}", "GB/s", figures, {})


def products(threads: int, rounds: int, sizes: tuple[int, ...], limits: Any) -> None:
    draw = np.random.default_rng(0)
    pairs = {size: draw.random((2, size, size), dtype=np.float32) for size in sizes}
    calls = {f"{size} x {size}": lambda pair=pair: pair[0] @ pair[1] for size, pair in pairs.items()}
    with limits(threads):
        seconds = interleaved(calls, rounds)
    figures = {name: 2 * size**3 / seconds[name] / 1e9 for name, size in zip(calls, sizes, strict=True)}
    report_values(f"SGEMM by NumPy, {_on(threads)}", "GFLOP/s", figures, {})


def main() -> int:
    versions = installed("numpy", "threadpoolctl")
    quick = session().quick
    rounds = 3 if quick else 9
    counts = sorted({1, cores()})
    for threads in counts:
        memory(threads, rounds, quick)
    if versions["threadpoolctl"] is None:
        counts = [cores()]
    for threads in counts:
        products(threads, rounds, (256, 512) if quick else (1024, 2048, SQUARE), _limiter(versions))
    return 0


def _on(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _limiter(versions: dict[str, str | None]) -> Any:
    if versions["threadpoolctl"] is None:
        return lambda _threads: contextlib.nullcontext()
    return importlib.import_module("threadpoolctl").threadpool_limits


if __name__ == "__main__":
    sys.exit(main())
