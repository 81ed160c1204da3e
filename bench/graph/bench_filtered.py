"""Searching with a filter, at random and by topic: against hnswlib, whose filter is a Python function.

Each is given the least ef with which it reaches LEAST under that filter, and its filter in its own form, made before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.graph import data, rivals
from bench.harness import OURS, measure, report_values, session, skip
from crossfade.kernels import top_k

SHARES = (0.5, 0.1, 0.01, 0.001)
LEAST = 0.95
# Its filter takes seconds for a thousand queries.
BATCHES = (1, 32)
SAMPLED = 200
# Queries that are timed together, each another: about as many as in `graph/hnsw`. Of fewer, what a round begins with
# (caches that the rival filled, threads that sleep) is a part of it: of 32 half, of 320 a fifth. Few where the rival's
# filter takes seconds for a thousand.
TIMED, TIMED_OF_FEW, FEW = 992, 32, 0.05
# At every share, the half too, where its filter keeps it from least.
REACH = {rivals.HNSWLIB: 10.0}

# How often the sample was searched with a filter before anything is measured.
CAME_BEFORE = 5


def masks(made: data.Data) -> list[tuple[str, NDArray[np.bool_]]]:
    """Of every share, rows at random, and all rows of some topics."""
    drawn = np.random.default_rng(1).random(data.rows())
    found = [(f"{share:.1%} at random", drawn < share) for share in SHARES]
    found += [(f"{share:.1%}, whole topics", made.topics < max(1, share * data.topics())) for share in SHARES]
    return found


def case(named: str, mask: NDArray[np.bool_], made: data.Data, graphs: list[rivals.Rival]) -> None:
    titles = {size: f"mask of {named}, {data.rows():,} x {data.DIMENSION}, batch {size}" for size in BATCHES}
    if not any(session().wants(title) for title in titles.values()):
        return
    some = made.queries[: min(SAMPLED, data.queries())]
    exact = top_k(some, made.rows, data.K, metric="ip", mask=mask).indices
    searches: dict[str, Callable[[data.Floats], object]] = {}
    efs: dict[str, int] = {}
    reached: dict[str, float] = {}
    for graph in graphs:
        search = searching(graph, graph.filter_of(mask))
        if graph.name == OURS:
            # What is laid side by side for a filter that comes again is laid before: recall is that of what is timed.
            for _ in range(CAME_BEFORE):
                search(some, data.K)
        ef = rivals.ef_for(lambda ef, search=search: search(some, ef), exact, LEAST)  # type: ignore[misc]
        found = None if ef is None else search(some, ef)
        if ef is None or found is None:
            if graph.name == OURS:
                raise SystemExit(f"R@{data.K} {LEAST} is not reached under a mask of {named}")
            skip(f"{graph.name}, mask of {named}", f"R@{data.K} {LEAST} is not reached with ef {rivals.MOST_EF}")
            continue
        if graph.name == OURS and (found.shape != exact.shape or (found < 0).any()):
            raise SystemExit(f"fewer rows were found than there are: {found.shape} of {exact.shape}, mask of {named}")
        efs[graph.name], reached[graph.name] = ef, rivals.recall(found, exact)
        searches[graph.name] = lambda queries, search=search, ef=ef: search(queries, ef)  # type: ignore[misc]
    title = f"R@{data.K}, mask of {named}, {data.rows():,} x {data.DIMENSION}, aimed at {LEAST}"
    report_values(title, f"R@{data.K}", reached, {OURS: LEAST}, details=efs)
    for size, title in titles.items():
        if session().wants(title):
            count = TIMED if mask.mean() > FEW else TIMED_OF_FEW
            timed(title, size, made.queries[: max(count, size)], searches)


def searching(graph: rivals.Rival, prepared: object) -> Callable[[data.Floats, int], NDArray[np.int64] | None]:
    return lambda queries, ef: graph.filtered(queries, ef, prepared)


def timed(title: str, size: int, queries: data.Floats, searches: dict[str, Callable[[data.Floats], object]]) -> None:
    batches = [queries[i : i + size] for i in range(0, len(queries), size)]

    def calling(search: Callable[[data.Floats], object]) -> Callable[[], object]:
        return lambda: [search(batch) for batch in batches]

    calls = {name: calling(search) for name, search in searches.items()}
    rounds = 2 * data.rounds() + 1
    measure(title, calls, unit="queries", amount=len(queries), reach=REACH, rounds=rounds, budget=data.budget())


def main() -> int:
    made = data.make()
    graphs = rivals.build(made.rows, filtered=True)
    for named, mask in masks(made):
        case(named, mask, made, graphs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
