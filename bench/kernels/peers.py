"""The peers of the kernels: faiss, NumPy, torch. One answer each: scores, best first, and rows, shape (queries, k)."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import installed
from bench.machine import blas

Floats = NDArray[np.float32]
Answer = tuple[NDArray[Any], NDArray[np.int64]]

NUMPY = "numpy matmul+argpartition"
TORCH = "torch mm+topk"
FAISS = "faiss IndexFlatIP"

_CORE_TYPE = "OPENBLAS_CORETYPE"


@functools.cache
def faiss() -> Any:
    """The module, or None where it is not installed.

    Its wheel has an OpenBLAS of its own that is years older than NumPy's and takes a newer processor for one without
    AVX. It is told which kernels NumPy's has chosen, so that faiss runs at its best.
    """
    if installed("faiss-cpu")["faiss-cpu"] is None:
        return None
    if _CORE_TYPE in os.environ:
        return importlib.import_module("faiss")
    chosen = [pool["architecture"] for pool in blas() if pool["internal_api"] == "openblas" and "architecture" in pool]
    try:
        if chosen:
            os.environ[_CORE_TYPE] = chosen[0]
        return importlib.import_module("faiss")
    finally:
        os.environ.pop(_CORE_TYPE, None)


@functools.cache
def torch() -> Any:
    """The module, or None where it is not installed."""
    return None if installed("torch")["torch"] is None else importlib.import_module("torch")


def best(scores: NDArray[Any], k: int) -> Answer:
    """The k highest of every row of `scores`, sorted: what NumPy has in place of a top-k."""
    part = np.argpartition(scores, -k, axis=1)[:, -k:]
    values = np.take_along_axis(scores, part, axis=1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(part, order, axis=1)


def numpy_top_k(queries: Floats, corpus: Floats, k: int) -> Callable[[], Answer]:
    return lambda: best(queries @ corpus.T, k)


def torch_top_k(queries: Floats, corpus: Floats, k: int) -> Callable[[], Answer]:
    library = torch()
    left, right = library.from_numpy(queries), library.from_numpy(corpus).T

    def search() -> Answer:
        with library.inference_mode():
            values, rows = library.topk(library.mm(left, right), k)
        return values.numpy(), rows.numpy()

    return search


def faiss_search(index: Any, queries: NDArray[Any], k: int, **parameters: Any) -> Callable[[], Answer]:
    return lambda: index.search(queries, k, **parameters)


def flat_index(corpus: Floats) -> Any:
    """IndexFlatIP over a copy of the corpus; None without faiss."""
    if faiss() is None:
        return None
    index = faiss().IndexFlatIP(corpus.shape[1])
    index.add(corpus)
    return index


def exact(queries: Floats, corpus: Floats, k: int, index: Any) -> dict[str, Callable[[], Answer]]:
    """Every peer that searches float32 exactly by inner product. `index`: see `flat_index`."""
    found = {NUMPY: numpy_top_k(queries, corpus, k)}
    if index is not None:
        found[FAISS] = faiss_search(index, queries, k)
    if torch() is not None:
        found[TORCH] = torch_top_k(queries, corpus, k)
    return found
