"""Searching 1% of the corpus, chosen by a bitmap, against searching all of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, measure, session
from bench.kernels import data, ours, peers
from bench.kernels.agreement import check, rounding

BATCHES = (1, 64)
SHARE = 0.01
WHAT = f"f32, mask of {SHARE:.0%}"
UNMASKED = "crossfade, unmasked"
REACH = {UNMASKED: 20.0}


def faiss_selected(index: Any, queries: data.Floats, mask: NDArray[np.bool_]) -> Any:
    selector = peers.faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    return peers.faiss_search(index, queries, data.K, params=peers.faiss().SearchParameters(sel=selector))


def case(batch: int, corpus: data.Floats, mask: NDArray[np.bool_], index: Any) -> None:
    title = data.title(WHAT, corpus.shape[1], batch)
    if not session().wants(title):
        return
    queries = data.unit_vectors(batch, corpus.shape[1], seed=batch)
    chosen = np.flatnonzero(mask)

    def numpy_gathered() -> peers.Answer:
        scores, rows = peers.best(queries @ corpus[chosen].T, min(data.K, len(chosen)))
        return scores, chosen[rows]

    search = ours.top_k(queries, corpus, data.K, metric="ip", mask=mask)
    rivals: dict[str, Callable[[], object]] = {
        OURS: search,
        UNMASKED: ours.top_k(queries, corpus, data.K, metric="ip"),
        "numpy, gathered first": numpy_gathered,
    }
    if index is not None:
        rivals["faiss IDSelectorBitmap"] = faiss_selected(index, queries, mask)
    check("numpy", numpy_gathered(), ours.answer(search()), rounding(corpus.shape[1]))
    measure(
        title, rivals, unit="queries", amount=batch, reach=REACH, rounds=data.rounds(), budget=data.budget()
    )  # fmt: skip


def main() -> int:
    for corpus in data.corpora([WHAT], BATCHES):
        mask = np.zeros(len(corpus), dtype=np.bool_)
        mask[np.random.default_rng(1).choice(len(corpus), max(data.K, int(SHARE * len(corpus))), replace=False)] = True
        index = peers.flat_index(corpus)
        for batch in BATCHES:
            case(batch, corpus, mask, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
