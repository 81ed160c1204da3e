"""Searching with a filter, at random and by topic: against hnswlib, whose filter is a Python function."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.graph import data, rivals
from bench.harness import OURS, measure, report_values, session
from crossfade.kernels import top_k

SHARES = (0.5, 0.1, 0.01, 0.001)
EF = 64
LEAST = 0.95
# Its filter takes seconds for a thousand queries.
BATCHES = (1, 32)
# At every share, the half too, where its filter keeps it from least.
REACH = {rivals.HNSWLIB: 10.0}


def masks(made: data.Data) -> list[tuple[str, NDArray[np.bool_]]]:
    """Of every share, rows at random, and all rows of some topics."""
    drawn = np.random.default_rng(1).random(data.rows())
    found = [(f"{share:.1%} at random", drawn < share) for share in SHARES]
    found += [(f"{share:.1%}, whole topics", made.topics < max(1, share * data.topics())) for share in SHARES]
    return found


def case(batch: int, named: str, mask: NDArray[np.bool_], made: data.Data, graphs: list[rivals.Rival]) -> None:
    title = f"mask of {named}, {data.rows():,} x {data.DIMENSION}, batch {batch}"
    if not session().wants(title):
        return
    queries = made.queries[:batch]
    many = made.queries[: min(200, data.queries())]
    exact = top_k(many, made.rows, data.K, metric="ip", mask=mask).indices
    calls: dict[str, Callable[[], object]] = {}
    values: dict[str, float] = {}
    for graph in graphs:
        found = graph.filtered(many[: len(many) if graph.name == OURS else 32], EF, mask)
        if found is None:
            print(f"{graph.name}: fewer than {data.K} found, or no filter offered: left out of {title}")
            continue
        if graph.name == OURS and (found.shape != exact.shape or (found < 0).any()):
            raise SystemExit(f"fewer rows were found than there are: {found.shape} of {exact.shape} in {title}")
        values[graph.name] = rivals.recall(found, exact[: len(found)])
        calls[graph.name] = lambda graph=graph: graph.filtered(queries, EF, mask)  # type: ignore[misc]
    report_values(f"R@{data.K}, {title}", f"R@{data.K}", values, {OURS: LEAST})
    measure(
        title, calls, unit="queries", amount=batch, reach=REACH, rounds=min(5, data.rounds()), budget=data.budget()
    )  # fmt: skip


def main() -> int:
    made = data.make()
    graphs = [graph for graph in rivals.build(made.rows) if graph.name != rivals.FAISS]
    for named, mask in masks(made):
        for batch in BATCHES:
            case(batch, named, mask, made, graphs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
