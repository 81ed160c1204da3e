"""Fusing two runs of 10,000 queries x 100 documents, from dictionaries and from arrays, beside ranx.

ranx is timed from dictionaries, beside dictionaries, and over its own objects once they are built, beside arrays. All
must agree on every score before.
`--quick` takes a tenth of the queries and records nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, installed, interleaved, report, save
from crossfade.fusion import Fusion, fuse, fuse_arrays

DEPTH = 100
# Ours, and ranx's names of the method and the norm.
CASES: list[tuple[Fusion, str, str | None]] = [
    (Fusion("rrf"), "rrf", None),
    (Fusion("sum", "min-max"), "sum", "min-max"),
    (Fusion("sum", "z-score"), "sum", "zmuv"),
    (Fusion("mnz", "min-max"), "mnz", "min-max"),
]

Rivals = dict[str, Callable[[], object]]
Run = dict[str, dict[str, float]]
Arrays = tuple[NDArray[np.int64], NDArray[np.float64]]


def data(queries: int, seed: int) -> tuple[Run, Arrays]:
    """One run twice: both models look at the same 200 documents of a query and find half of them."""
    random = np.random.default_rng(seed)
    pools = np.random.default_rng(0).integers(0, 1_000, (queries, 1)) * 200
    ids = pools + np.argsort(random.random((queries, 200)), axis=1)[:, :DEPTH]
    scores = np.sort(random.random((queries, DEPTH)), axis=1)[:, ::-1].copy()
    rows = zip(ids.tolist(), scores.tolist(), strict=True)
    run = {
        f"q{query}": {f"d{document}": score for document, score in zip(*row, strict=True)}
        for query, row in enumerate(rows)
    }
    return run, (ids, scores)


def agree(runs: list[Run], arrays: list[Arrays], fusion: Fusion, theirs: Any) -> None:
    ours = fuse(runs, fusion)
    found = fuse_arrays(arrays, fusion)
    for row, (query, ranking) in enumerate(ours.items()):
        other = {f"d{i}": score for i, score in zip(found.ids[row], found.scores[row], strict=True) if i >= 0}
        peer = theirs.run[query] if theirs is not None else ranking
        if other != ranking or any(abs(peer[document] - score) > 1e-9 for document, score in ranking.items()):
            raise SystemExit(f"{fusion.rule}, {fusion.normalisation}: {query} differs; the figures would mean nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    versions = installed("ranx", "numpy")
    ranx: Any = importlib.import_module("ranx") if versions["ranx"] is not None else None
    queries = 1_000 if quick else 10_000
    runs, arrays = map(list, zip(*(data(queries, seed) for seed in (1, 2)), strict=True))
    built = [ranx.Run(run) for run in runs] if ranx is not None else []
    cases = []
    for fusion, method, norm in CASES:
        agree(runs, arrays, fusion, ranx.fuse(built, norm=norm, method=method) if ranx is not None else None)
        dictionaries: Rivals = {OURS: partial(fuse, runs, fusion)}
        objects: Rivals = {OURS: partial(fuse_arrays, arrays, fusion)}
        if ranx is not None:
            options = {"norm": norm, "method": method}
            dictionaries["ranx"] = lambda o=options: ranx.fuse([ranx.Run(run) for run in runs], **o)  # type: ignore[misc]
            objects["ranx, objects built"] = partial(ranx.fuse, built, **options)
        case = f"{fusion.rule}, {fusion.normalisation}: 2 runs x {queries:,} queries x {DEPTH} documents"
        cases.append(report(f"{case}, from dictionaries", interleaved(dictionaries, rounds=3), "queries", queries))
        cases.append(report(f"{case}, from arrays", interleaved(objects, rounds=3), "queries", queries))
    if not quick:
        save("fusion", cases, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
