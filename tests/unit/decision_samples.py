"""Evidence made by hand, and pairs of equal systems whose values look like those of a retrieval measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.evaluation.decision.evidence import (
    Bounds,
    DataRef,
    Evidence,
    GuardValues,
    JudgedShares,
    Leakage,
    SideRef,
    SliceMembers,
    TrainingFile,
    Values,
)
from crossfade.evaluation.leakage import COUNTED, PAIRS
from crossfade.evaluation.results import Latency
from crossfade.overlap import OverlapSettings

HASH = "0" * 64
DATA = DataRef("toy", "test", 40, HASH, HASH, HASH, modified="2026-01-01T00:00:00+00:00")
LEAKAGE = Leakage(
    HASH, HASH, HASH, HASH, 40, 0, 500, 0, dict.fromkeys(PAIRS, 0), 0.0, list(COUNTED), OverlapSettings(),
    None, [TrainingFile("train.jsonl", HASH, 500, 0, [])],
)  # fmt: skip
BOUNDS = Bounds(0.4, 0.5, 0.3, 0.6)


def side(name: str, **changes: Any) -> SideRef:
    made = SideRef(
        name, f"cf1-{name}", "cf1-d", {}, {"depth": 100}, Latency(1.0, 2.0, 3.0, 50), 0, HASH,
        "2026-02-01T00:00:00+00:00",
    )  # fmt: skip
    return replace(made, **changes)


def evidence(
    values: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    slices: Mapping[str, Sequence[int]] | None = None,
    guards: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    judged: float = 1.0,
    **changes: Any,
) -> Evidence:
    """`slices`: name -> rows; the rule has the same name."""
    n = len(next(iter(values.values()))[0])
    queries = [f"q{row}" for row in range(n)]
    made = Evidence(
        decided="2026-02-02T00:00:00+00:00",
        data=DATA,
        base=side("base"),
        candidate=side("tuned"),
        queries=queries,
        values={name: Values(list(map(float, b)), list(map(float, c))) for name, (b, c) in values.items()},
        judged=JudgedShares(10, [judged] * n, [judged] * n, 7, next(iter(values)), BOUNDS, BOUNDS, -0.3, 0.3),
        slices=[SliceMembers(name, name, [queries[row] for row in rows]) for name, rows in (slices or {}).items()],
        guards=[
            GuardValues(name, DATA, HASH, HASH, [f"g{row}" for row in range(len(b))], Values(list(b), list(c)))
            for name, (b, c) in (guards or {}).items()
        ],
    )
    return replace(made, **changes)


def moved(n: int, delta: float, spread: float = 0.1, seed: int = 3) -> tuple[list[float], list[float]]:
    """Base and candidate whose difference has exactly this mean and this standard deviation."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(n)
    noise = (noise - noise.mean()) / noise.std()
    base = generator.uniform(0.3, 0.7, n)
    return base.tolist(), (base + delta + spread * noise).tolist()


def equal_systems(
    generator: np.random.Generator, queries: int, measures: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of two equal systems, shape (measures, queries): exchangeable pairs, as an A/A comparison has them.

    As per-query values of retrieval measures are: between 0 and 1, on a grid, many the same for both, many 0 or 1,
    skewed by the query's difficulty, measures strongly correlated, and some queries moved by much. The two are drawn
    unlike, and each query's pair is then swapped with probability 1/2, for all measures at once.
    """
    difficulty = generator.beta(0.6, 0.9, queries)
    moves = generator.random(queries) < 0.45
    big = generator.standard_exponential(queries) * 0.2
    shift = generator.normal(0, 1, (2, 1, queries)) * big + generator.normal(0, 0.05, (2, measures, queries))
    values = np.clip(difficulty + np.where(moves, shift, 0.0), 0, 1).round(2)
    swap = generator.random(queries) < 0.5
    return np.where(swap, values[1], values[0]), np.where(swap, values[0], values[1])
