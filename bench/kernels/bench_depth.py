"""A thousand results a query against a hundred: selecting more should cost little beside scoring."""

from __future__ import annotations

import sys
from typing import Any

from bench.harness import OURS, measure, session
from bench.kernels import data, ours, peers
from bench.kernels.agreement import check, rounding

BATCHES = (1, 64)
DEPTH = 1000
SHALLOW = f"crossfade, top {data.K}"
REACH = {SHALLOW: 1 / 1.3}


def case(batch: int, corpus: data.Floats, index: Any) -> None:
    title = data.title("f32", corpus.shape[1], batch, DEPTH)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    search = ours.top_k(queries, corpus, DEPTH, metric="ip")
    rivals = peers.exact(queries, corpus, DEPTH, index)
    found = ours.answer(search())
    for name, peer in rivals.items():
        check(name, peer(), found, rounding(corpus.shape[1]))
    entrants = {OURS: search, SHALLOW: ours.top_k(queries, corpus, data.K, metric="ip"), **rivals}
    measure(
        title, entrants, unit="queries", amount=batch, reach=REACH, rounds=data.rounds(), budget=data.budget()
    )  # fmt: skip


def main() -> int:
    for corpus in data.corpora(["f32"], BATCHES, DEPTH):
        index = peers.flat_index(corpus)
        for batch in BATCHES:
            case(batch, corpus, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
