"""Graphs of crossfade, hnswlib and faiss over the same rows, each searched with an ef of its own.

Which ef is fair? The least with which a rival reaches the recall that is compared at: found by halving, on the queries
that are timed.
"""

from __future__ import annotations

import functools
import importlib
import time
from abc import ABC, abstractmethod
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

    def filtered(self, queries: data.Floats, ef: int, mask: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """The same among the rows of a mask; None where that is not offered."""
        del queries, ef, mask
        return None


class Ours(Rival):
    name = OURS

    def __init__(self, rows: data.Floats) -> None:
        begin = time.perf_counter()
        self.graph = build_graph(rows, metric="ip", m=data.M, ef_construction=data.EF_CONSTRUCTION)
        self.seconds = time.perf_counter() - begin

    def search(self, queries: data.Floats, ef: int) -> NDArray[np.int64]:
        return self.graph.search(queries, data.K, ef=ef, plan="walk").indices

    def filtered(self, queries: data.Floats, ef: int, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        return self.graph.search(queries, data.K, ef=ef, mask=mask).indices


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

    def filtered(self, queries: data.Floats, ef: int, mask: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        self.index.set_ef(ef)
        allowed = mask.tolist()
        try:
            found, _ = self.index.knn_query(queries, data.K, num_threads=1, filter=allowed.__getitem__)
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


def build(rows: data.Floats) -> list[Rival]:
    """All that are installed, crossfade first."""
    found: list[Rival] = [Ours(rows)]
    if versions()["hnswlib"] is not None:
        found.append(Hnswlib(rows))
    if peers.faiss() is not None:
        found.append(Faiss(rows))
    return found


def recall(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """R@k against an exact search."""
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, exact, strict=True)]))


def ef_for(rival: Rival, queries: data.Floats, exact: NDArray[np.int64], target: float) -> int:
    """The least ef that reaches the target; MOST_EF where none does."""
    low, high = data.K - 1, data.K
    while high < MOST_EF and recall(rival.search(queries, high), exact) < target:
        low, high = high, min(2 * high, MOST_EF)
    while high - low > 1:
        middle = (low + high) // 2
        if recall(rival.search(queries, middle), exact) >= target:
            high = middle
        else:
            low = middle
    return high
