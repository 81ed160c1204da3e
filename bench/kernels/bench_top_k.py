"""Exact top-100 of 300,000 x 384 float32, inner product: queries a second by batch, on all cores.

All answers are compared before anything is timed. `--quick` takes 60,000 rows and fewer rounds, and records nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, installed, interleaved, report, save
from crossfade.kernels import top_k

K = 100
DIMENSION = 384
BATCHES = (1, 8, 64, 512)

Matrix = NDArray[np.float32]
Answer = tuple[Matrix, NDArray[np.int64]]


def numpy_top_k(queries: Matrix, corpus: Matrix) -> Answer:
    scores = queries @ corpus.T
    part = np.argpartition(scores, -K, axis=1)[:, -K:]
    best = np.take_along_axis(scores, part, axis=1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(part, order, axis=1)


def rivals(queries: Matrix, corpus: Matrix, index: Any) -> dict[str, Callable[[], Answer]]:
    entrants: dict[str, Callable[[], Answer]] = {
        OURS: lambda: top_k(queries, corpus, K, metric="ip"),
        "numpy matmul+argpartition": lambda: numpy_top_k(queries, corpus),
    }
    if index is not None:
        entrants["faiss IndexFlatIP"] = lambda: index.search(queries, K)
    return entrants


def agree(answers: dict[str, Answer]) -> None:
    wanted = answers[OURS][0]
    for name, (scores, _) in answers.items():
        if not np.allclose(scores, wanted, atol=1e-5):
            raise SystemExit(f"{name} does not agree with {OURS}: the figures would mean nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    versions = installed("numpy", "faiss-cpu")
    random = np.random.default_rng(0)
    corpus = random.standard_normal((60_000 if quick else 300_000, DIMENSION), dtype=np.float32)
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    index: Any = None
    if versions["faiss-cpu"] is not None:
        import faiss

        index = faiss.IndexFlatIP(DIMENSION)
        index.add(corpus)
    cases = []
    for batch in BATCHES:
        queries = random.standard_normal((batch, DIMENSION), dtype=np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        entrants = rivals(queries, corpus, index)
        agree({name: entrant() for name, entrant in entrants.items()})
        seconds = interleaved(entrants, rounds=3 if quick or batch == max(BATCHES) else 7)
        case = f"top {K} of {len(corpus):,} x {DIMENSION}, {batch} queries at once"
        cases.append(report(case, seconds, "queries", batch))
    if not quick:
        save("top_k", cases, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
