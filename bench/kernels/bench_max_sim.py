"""Late interaction: for every document, the sum over a query's token vectors of the best match among its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, measure, session
from bench.kernels import data, peers
from bench.kernels.agreement import Disagreement, rounding
from bench.probes import MEMORY, SGEMM, memory_read, sgemm
from crossfade.kernels import max_sim

QUERY_TOKENS = 32
DIMENSION = 128

Offsets = NDArray[np.int64]


def documents() -> tuple[data.Floats, Offsets]:
    """Token vectors, and where each document's begin: offsets[i]:offsets[i + 1]."""
    count = 300 if session().quick else 10_000
    lengths = np.random.default_rng(0).integers(32, 180, count)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return data.unit_vectors(int(offsets[-1]), DIMENSION, seed=0), offsets


def with_numpy(query: data.Floats, tokens: data.Floats, offsets: Offsets) -> data.Floats:
    return np.maximum.reduceat(query @ tokens.T, offsets[:-1], axis=1).sum(axis=0)  # type: ignore[no-any-return]


def with_torch(query: data.Floats, tokens: data.Floats, offsets: Offsets) -> Callable[[], Any]:
    torch = peers.torch()
    left, right = torch.from_numpy(query), torch.from_numpy(tokens)
    lengths = torch.from_numpy(np.diff(offsets))

    def score() -> Any:
        with torch.inference_mode():
            return torch.segment_reduce(torch.mm(right, left.T), "max", lengths=lengths).sum(1).numpy()

    return score


def main() -> int:
    tokens, offsets = documents()
    query = data.unit_vectors(QUERY_TOKENS, DIMENSION, seed=1)
    title = f"MaxSim, {QUERY_TOKENS} query tokens, {len(offsets) - 1:,} documents, {len(tokens):,} tokens x {DIMENSION}"
    if not session().wants(title):
        return 0
    rivals: dict[str, Callable[[], Any]] = {
        OURS: lambda: max_sim(query, tokens, offsets),
        "numpy matmul+reduceat": lambda: with_numpy(query, tokens, offsets),
    }
    if peers.torch() is not None:
        rivals["torch mm+segment_reduce"] = with_torch(query, tokens, offsets)
    found = max_sim(query, tokens, offsets)
    for name, rival in rivals.items():
        if not np.allclose(rival(), found, rtol=0, atol=QUERY_TOKENS * rounding(DIMENSION)):
            raise Disagreement(f"{name} and crossfade give different scores")
    limits = {
        MEMORY: memory_read(tokens),
        SGEMM: sgemm(2 * QUERY_TOKENS * tokens.size, quick=session().quick),
    }
    measure(
        title, rivals, unit="documents", amount=len(offsets) - 1, limits=limits, rounds=data.rounds(),
        budget=data.budget(),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
