"""Scanning quantised vectors against this project's own float32, and against faiss's scalar quantiser and binary index.

The recall that quantising costs is measured on real vectors: see bench_rescored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.harness import OURS, measure, session
from bench.kernels import data, ours, peers
from bench.kernels.agreement import Disagreement, check, recall, rounding
from bench.kernels.peers import Answer
from bench.probes import MEMORY, memory_read

BATCHES = (1, 64)
F32 = "crossfade f32"
# How many times the speed of our own float32 each should have; bf16 is as large as f16 and has no figure of its own.
REACH = {"f16": 1.6, "bf16": None, "int8": 2.5, "binary": 15.0}
FAISS = {"f16": "QT_fp16", "bf16": "QT_bf16", "int8": "QT_8bit"}

# A scan of int8 that finds fewer of the exact rows than this is not a quantised scan but a wrong one.
LEAST_RECALL = 0.8


def search(dtype: str, quantised: Any, queries: data.Floats) -> Callable[[], Any]:
    if dtype != "binary":
        return ours.top_k(queries, quantised, data.K, metric="ip")
    quantise = ours.kernel("quantise")
    return lambda: ours.top_k(quantise(queries, "binary"), quantised, data.K, metric="hamming")()


def faiss_index(dtype: str, corpus: data.Floats) -> Any:
    """faiss's own index of this kind; None where there is none."""
    library = peers.faiss()
    if library is None:
        return None
    dimension = corpus.shape[1]
    if dtype == "binary":
        index = library.IndexBinaryFlat(dimension)
        index.add(bits(corpus))
        return index
    if not hasattr(library.ScalarQuantizer, FAISS[dtype]):
        return None
    kind = getattr(library.ScalarQuantizer, FAISS[dtype])
    index = library.IndexScalarQuantizer(dimension, kind, library.METRIC_INNER_PRODUCT)
    index.train(corpus)
    index.add(corpus)
    return index


def bits(vectors: data.Floats) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.packbits(vectors > 0, axis=1, bitorder="little")


def faiss_rival(dtype: str, index: Any, queries: data.Floats) -> Callable[[], Answer]:
    if dtype == "binary":
        return lambda: index.search(bits(queries), data.K)
    return peers.faiss_search(index, queries, data.K)


def agree(dtype: str, found: Answer, queries: data.Floats, corpus: data.Floats) -> None:
    """f16: the exact answer over the rounded vectors. bf16, int8: most of the exact rows. binary: the distances."""
    few = min(len(queries), 8)
    if dtype == "f16":
        wanted = peers.best(queries[:few] @ corpus.astype(np.float16).astype(np.float32).T, data.K)
        check("numpy, over float16", wanted, (found[0][:few], found[1][:few]), rounding(corpus.shape[1]))
    elif dtype == "binary":
        signs = np.where(corpus > 0, np.float32(1), np.float32(-1))
        products = peers.best(np.where(queries[:few] > 0, np.float32(1), np.float32(-1)) @ signs.T, data.K)[0]
        if not np.array_equal(np.abs(found[0][:few]), (corpus.shape[1] - products) / 2):
            raise Disagreement("numpy, over signs, and crossfade give different Hamming distances")
    else:
        share = recall(found[1][:few], peers.best(queries[:few] @ corpus.T, data.K)[1])
        if share < LEAST_RECALL:
            raise Disagreement(f"{dtype} finds {share:.0%} of the exact rows")


def case(dtype: str, batch: int, quantised: Any, corpus: data.Floats, index: Any) -> None:
    title = data.title(dtype, corpus.shape[1], batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    rivals = {OURS: search(dtype, quantised, queries), F32: ours.top_k(queries, corpus, data.K, metric="ip")}
    if index is not None:
        name = "faiss IndexBinaryFlat" if dtype == "binary" else f"faiss {FAISS[dtype]}"
        rivals[name] = faiss_rival(dtype, index, queries)
    agree(dtype, ours.answer(rivals[OURS]()), queries, corpus)
    limits = {MEMORY: memory_read(quantised.nbytes, quick=session().quick)}
    least = REACH[dtype]
    measure(
        title, rivals, unit="queries", amount=batch, limits=limits, reach={} if least is None else {F32: least},
        rounds=data.rounds(), budget=data.budget(),
    )  # fmt: skip


def main() -> int:
    if ours.absent("quantised scans", "quantise"):
        return 0
    for corpus in data.corpora(list(REACH), BATCHES):
        for dtype in REACH:
            quantised = ours.kernel("quantise")(corpus, dtype)
            index = faiss_index(dtype, corpus)
            for batch in BATCHES:
                case(dtype, batch, quantised, corpus, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
