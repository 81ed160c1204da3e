"""Scanning quantised vectors against this project's own float32, and against faiss's scalar quantiser and binary index.

The recall that quantising costs is measured on real vectors: see bench_rescored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from bench.harness import OURS, measure, session
from bench.kernels import data, ours, peers
from bench.kernels.agreement import Disagreement, check, rounding
from bench.kernels.peers import Answer
from bench.probes import MEMORY, memory_read
from crossfade.kernels import Quantised, QuantisedType, quantise

DTYPES: tuple[QuantisedType, ...] = get_args(QuantisedType)
BATCHES = (1, 64)
F32 = "crossfade f32"
# How many times the speed of our own float32; bf16 is as large as f16 and has no figure of its own.
REACH = {"f16": {F32: 1.6}, "bf16": {}, "int8": {F32: 2.5}, "binary": {F32: 15.0}}
FAISS = {"f16": "QT_fp16", "bf16": "QT_bf16", "int8": "QT_8bit", "binary": "IndexBinaryFlat"}

# Queries whose answers are compared with NumPy's.
COMPARED = 8


def faiss_index(dtype: QuantisedType, corpus: data.Floats) -> Any:
    """faiss's own index of this kind; None without faiss."""
    library = peers.faiss()
    if library is None:
        return None
    dimension = corpus.shape[1]
    if dtype == "binary":
        index = library.IndexBinaryFlat(dimension)
        index.add(bits(corpus))
        return index
    kind = getattr(library.ScalarQuantizer, FAISS[dtype])
    index = library.IndexScalarQuantizer(dimension, kind, library.METRIC_INNER_PRODUCT)
    index.train(corpus)
    index.add(corpus)
    return index


def faiss_rival(dtype: QuantisedType, index: Any, queries: data.Floats) -> Callable[[], Answer]:
    if dtype == "binary":
        return lambda: index.search(bits(queries), data.K)
    return peers.faiss_search(index, queries, data.K)


def bits(vectors: data.Floats) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.packbits(vectors > 0, axis=1)


def decoded(quantised: Quantised) -> data.Floats:
    """What the codes stand for; for bits, signs."""
    codes = quantised.codes
    if quantised.dtype == "bf16":
        return (codes.astype(np.uint32) << 16).view(np.float32)
    if quantised.dtype == "binary":
        ones = np.unpackbits(codes, axis=1, count=quantised.dimension)
        return np.where(ones, np.float32(1), np.float32(-1))
    values = codes.astype(np.float32)
    return values if quantised.scales is None else values * quantised.scales[:, None]


def agree(quantised: Quantised, queries: data.Floats, found: Answer) -> None:
    """Our answer for some queries is NumPy's over what the codes stand for."""
    few, vectors = queries[:COMPARED], decoded(quantised)
    ours_few = (found[0][:COMPARED], found[1][:COMPARED])
    if quantised.dtype == "binary":
        # d signs, h of them different: the inner product is d - 2 h, and exact.
        products, _ = peers.best(decoded(quantise(few, "binary")) @ vectors.T, data.K)
        if not np.array_equal(ours_few[0], (products - quantised.dimension) / 2):
            raise Disagreement("numpy, over signs, and crossfade give different Hamming distances")
        return
    longest = float(np.linalg.norm(vectors, axis=1).max())
    check(
        f"numpy, over {quantised.dtype}",
        peers.best(few @ vectors.T, data.K),
        ours_few,
        longest * rounding(quantised.dimension),
    )


def case(dtype: QuantisedType, batch: int, quantised: Quantised, corpus: data.Floats, index: Any) -> None:
    title = data.title(dtype, corpus.shape[1], batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    search = ours.top_k(queries, quantised, data.K, metric="hamming" if dtype == "binary" else "ip")
    agree(quantised, queries, ours.answer(search()))
    rivals: dict[str, Callable[[], object]] = {OURS: search, F32: ours.top_k(queries, corpus, data.K, metric="ip")}
    if index is not None:
        rivals[f"faiss {FAISS[dtype]}"] = faiss_rival(dtype, index, queries)
    measure(
        title, rivals, unit="queries", amount=batch, reach=REACH[dtype], rounds=data.rounds(), budget=data.budget(),
        limits={MEMORY: memory_read(quantised.codes)},
    )  # fmt: skip


def main() -> int:
    for corpus in data.corpora(DTYPES, BATCHES):
        for dtype in DTYPES:
            quantised, index = quantise(corpus, dtype), faiss_index(dtype, corpus)
            for batch in BATCHES:
                case(dtype, batch, quantised, corpus, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
