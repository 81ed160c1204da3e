"""Graphs of crossfade, hnswlib and faiss over the same rows, each searched with an ef of its own.

Which ef is fair? The least with which a rival reaches the recall that is compared at: found by halving, on queries that
are timed; with a filter, under that filter.
"""

from __future__ import annotations

import functools
import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.graph import data
from bench.harness import OURS, installed
from bench.kernels import peers
from crossfade.kernels import build_graph

HNSWLIB = "hnswlib"
FAISS = "faiss HNSW"
MOST_EF = 4_096


class Rival(ABC):
    """A graph. `seconds`: what its build took."""

    name: str
    seconds: float

    @abstractmethod
    def search(self, queries: data.Floats, ef: int) -> NDArray[np.int64]:
        """The rows that are found for each query."""

    def filter_of(self, mask: NDArray[np.bool_]) -> Any:
        """A mask as the library takes it, made once and not timed; None where it takes none."""
        del mask

    def filtered(self, queries: data.Floats, ef: int, prepared: Any) -> NDArray[np.int64] | None:
        """What `search` finds among the rows of a filter that was prepared; None where that is less than K, or the
        library is not asked."""
        del queries, ef, prepared
        return None


class Ours(Rival):
    name = OURS

    def __init__(self, rows: data.Floats) -> None:
        begin = time.perf_counter()
        self.graph = build_graph(rows, metric="ip", m=data.M, ef_construction=data.EF_CONSTRUCTION)
        self.seconds = time.perf_counter() - begin

    def search(self, queries: data.Floats, ef: int) -> NDArray[np.int64]:
        return self.graph.search(queries, data.K, ef=ef, plan="walk").indices

    def filter_of(self, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        return np.packbits(mask, bitorder="little")

    def filtered(self, queries: data.Floats, ef: int, prepared: Any) -> NDArray[np.int64]:
        return self.graph.search(queries, data.K, ef=ef, mask=prepared).indices


class Hnswlib(Rival):
    name = HNSWLIB

    def __init__(self, rows: data.Floats) -> None:
        self.index = importlib.import_module("hnswlib").Index("ip", rows.shape[1])
        begin = time.perf_counter()
        self.index.init_index(len(rows), M=data.M, ef_construction=data.EF_CONSTRUCTION)
        self.index.add_items(rows)
        self.seconds = time.perf_counter() - begin

    def search(self, queries: data.Floats, ef: int) -> NDArray[np.int64]:
        self.index.set_ef(ef)
        found: NDArray[np.int64] = self.index.knn_query(queries, data.K)[0].astype(np.int64)
        return found

    def filter_of(self, mask: NDArray[np.bool_]) -> Callable[[int], bool]:
        return mask.tolist().__getitem__  # type: ignore[no-any-return]

    def filtered(self, queries: data.Floats, ef: int, prepared: Any) -> NDArray[np.int64] | None:
        self.index.set_ef(ef)
        try:
            # One thread: the filter needs the GIL, and with more hnswlib advises against it.
            found, _ = self.index.knn_query(queries, data.K, num_threads=1, filter=prepared)
        except RuntimeError:  # it found fewer than k
            return None
        return np.asarray(found, np.int64)


class Faiss(Rival):
    name = FAISS

    def __init__(self, rows: data.Floats) -> None:
        library = peers.faiss()
        self.index: Any = library.IndexHNSWFlat(rows.shape[1], data.M, library.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = data.EF_CONSTRUCTION
        begin = time.perf_counter()
        self.index.add(rows)
        self.seconds = time.perf_counter() - begin

    def search(self, queries: data.Floats, ef: int) -> NDArray[np.int64]:
        self.index.hnsw.efSearch = ef
        found: NDArray[np.int64] = self.index.search(queries, data.K)[1]
        return found


@functools.cache
def versions() -> dict[str, str | None]:
    """Of the peers."""
    return installed("hnswlib", "faiss-cpu")


def build(rows: data.Floats, *, filtered: bool = False) -> list[Rival]:
    """All that are installed, crossfade first. `filtered`: only those that are searched with a filter."""
    found: list[Rival] = [Ours(rows)]
    if versions()["hnswlib"] is not None:
        found.append(Hnswlib(rows))
    if not filtered and peers.faiss() is not None:
        found.append(Faiss(rows))
    return found


def recall(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """R@k against an exact search."""
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, exact, strict=True)]))


def ef_for(search: Callable[[int], NDArray[np.int64] | None], exact: NDArray[np.int64], target: float) -> int | None:
    """The least ef with which `search` reaches the target; None where MOST_EF does not."""

    def reaches(ef: int) -> bool:
        found = search(ef)
        return found is not None and recall(found, exact) >= target

    low, high = data.K - 1, data.K
    while not reaches(high):
        if high == MOST_EF:
            return None
        low, high = high, min(2 * high, MOST_EF)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high
