"""Building a graph, and searching it at the same recall: against hnswlib and faiss."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.graph import data, rivals
from bench.harness import OURS, measure, report, report_values, session
from crossfade.kernels import top_k

TARGETS = (0.95, 0.99)
BUILD_REACH = {rivals.HNSWLIB: 0.95}
REACH = {rivals.HNSWLIB: 1.0, rivals.FAISS: 1.3}
SINGLES = 200


def main() -> int:
    made = data.make()
    shape = f"{data.rows():,} x {data.DIMENSION}"
    graphs = rivals.build(made.rows)
    report(
        f"build, {shape}, m {data.M}, ef_construction {data.EF_CONSTRUCTION}",
        {graph.name: graph.seconds for graph in graphs},
        "rows",
        data.rows(),
        reach=BUILD_REACH,
    )
    exact = top_k(made.queries, made.rows, data.K, metric="ip").indices
    for target in TARGETS:
        efs = {graph.name: least_ef(graph, made, exact, target) for graph in graphs}
        reached = {g.name: rivals.recall(g.search(made.queries, efs[g.name]), exact) for g in graphs}
        report_values(f"R@{data.K}, {shape}, aimed at {target}", f"R@{data.K}", reached, {OURS: target}, details=efs)
        batch(f"batch of {data.queries():,}, R@{data.K} {target}, {shape}", graphs, made, efs)
        single(f"1 query at a time, R@{data.K} {target}, {shape}", graphs, made, efs)
    return 0


def least_ef(graph: rivals.Rival, made: data.Data, exact: NDArray[np.int64], target: float) -> int:
    found = rivals.ef_for(lambda ef: graph.search(made.queries, ef), exact, target)
    return rivals.MOST_EF if found is None else found


def batch(title: str, graphs: list[rivals.Rival], made: data.Data, efs: dict[str, int]) -> None:
    if not session().wants(title):
        return

    def searching(graph: rivals.Rival) -> Callable[[], object]:
        return lambda: graph.search(made.queries, efs[graph.name])

    calls = {graph.name: searching(graph) for graph in graphs}
    measure(
        title, calls, unit="queries", amount=data.queries(), reach=REACH, rounds=data.rounds(), budget=data.budget()
    )  # fmt: skip


def single(title: str, graphs: list[rivals.Rival], made: data.Data, efs: dict[str, int]) -> None:
    if not session().wants(title):
        return
    some = [made.queries[i : i + 1] for i in range(min(SINGLES, data.queries()))]

    def searching(graph: rivals.Rival) -> Callable[[], object]:
        return lambda: [graph.search(query, efs[graph.name]) for query in some]

    calls = {graph.name: searching(graph) for graph in graphs}
    measure(title, calls, unit="queries", amount=len(some), reach=REACH, rounds=data.rounds(), budget=data.budget())


if __name__ == "__main__":
    sys.exit(main())
