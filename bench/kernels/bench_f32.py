"""Exact top 100 of 300,000 float32 vectors by inner product, from one query to 1,024, on all cores."""

from __future__ import annotations

import sys
from typing import Any

from bench.harness import OURS, Limit, measure, session
from bench.kernels import data, ours, peers
from bench.kernels.agreement import check, rounding
from bench.probes import MEMORY, SGEMM, SGEMM_HERE, memory_read, sgemm, sgemm_here

BATCHES = (1, 8, 64, 512, 1024)
# NumPy and torch score 512 queries as fast as 1,024; beyond, only those are timed that something is aimed at.
FULL_FIELD = 512
REACH = {
    1: {MEMORY: 0.9, peers.FAISS: 1.5},
    8: {peers.FAISS: 4.0, peers.NUMPY: 4.0, peers.TORCH: 4.0},
    64: {peers.FAISS: 5.0, peers.NUMPY: 2.0, peers.TORCH: 2.0, SGEMM: 0.85},
    512: {peers.FAISS: 1.15, SGEMM: 0.9},
    1024: {peers.FAISS: 1.15, SGEMM: 0.9},
}


def case(batch: int, corpus: data.Floats, index: Any) -> None:
    dimension = corpus.shape[1]
    title = data.title("f32", dimension, batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, dimension, seed=batch)
    search = ours.top_k(queries, corpus, data.K, metric="ip")
    rivals = peers.exact(queries, corpus, data.K, index)
    if batch > FULL_FIELD:
        rivals = {name: peer for name, peer in rivals.items() if name in REACH[batch]}
    found = ours.answer(search())
    for name, peer in rivals.items():
        check(name, peer(), found, rounding(dimension))
    limits: dict[str, Limit] = {MEMORY: memory_read(corpus)}
    if batch > 1:
        limits[SGEMM] = sgemm(2 * batch * corpus.size, quick=session().quick)
        limits[SGEMM_HERE] = sgemm_here(queries, corpus)
    measure(
        title, {OURS: search, **rivals}, unit="queries", amount=batch, limits=limits, reach=REACH[batch],
        rounds=data.rounds(), budget=data.budget(), warm=True,
    )  # fmt: skip


def main() -> int:
    for corpus in data.corpora(["f32"], BATCHES):
        index = peers.flat_index(corpus)
        for batch in BATCHES:
            case(batch, corpus, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
