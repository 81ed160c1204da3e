"""Paired tests, bootstrap intervals and Kendall's tau of 10,000 queries.

The randomisation test, 10,000 permutations of 10,000 queries, runs beside ranx's at the full size, with its code
compiled before; the others run beside SciPy's. `--quick` takes a tenth of the queries and of the permutations and
records nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.harness import OURS, installed, interleaved, report, save
from crossfade.correlation import kendall_tau
from crossfade.intervals import Bootstrap, difference_interval, mean_intervals
from crossfade.significance import bootstrap_test, randomisation_test, t_test, wilcoxon_test

stats: Any = importlib.import_module("scipy.stats")  # it has no type stubs

SIZE = 10_000
MEASURES = 5
Rivals = dict[str, Callable[[], object]]


def agree(base: Any, candidate: Any, peer: Callable[[], Any] | None) -> None:
    ours, theirs = t_test(base, candidate).p, stats.ttest_rel(base, candidate).pvalue
    drawn = [randomisation_test(base, candidate, permutations=len(base)).p]
    if peer is not None:
        drawn.append(peer()[0])
    # On so many values all tests give one p, up to the error of as many draws.
    if abs(ours - theirs) > 1e-9 or any(abs(p - ours) > 6 * np.sqrt(0.25 / len(base)) for p in drawn):
        raise SystemExit("the tests do not agree: the figures would mean nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    versions = installed("ranx", "scipy", "numpy")
    n = SIZE // 10 if quick else SIZE
    random = np.random.default_rng(1)
    base, candidate = random.random(n), random.random(n)

    fisher: Rivals = {OURS: lambda: randomisation_test(base, candidate, permutations=n)}
    if versions["ranx"] is not None:
        from ranx.statistical_tests import fisher_randomization_test

        fisher["ranx"] = lambda: fisher_randomization_test(base, candidate, n_permutations=n)
    agree(base, candidate, fisher.get("ranx"))
    cases = [
        report(
            f"paired randomisation test, {n:,} permutations of {n:,} queries",
            interleaved(fisher, rounds=3),
            "permutations",
            n,
        )
    ]

    def against_scipy(case: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 5) -> None:
        cases.append(report(case, interleaved({OURS: ours, "scipy": theirs}, rounds), "calls", 1))

    table = random.random((n, MEASURES))
    scores = random.random((2, 10 * n))
    against_scipy(
        f"bootstrap interval, 1,000 resamples of {n:,} queries",
        lambda: difference_interval(base, candidate, Bootstrap(1_000)),
        lambda: stats.bootstrap((candidate - base,), np.mean, n_resamples=1_000, method="percentile", batch=100),
    )
    against_scipy(
        f"BCa intervals of {MEASURES} measures, 1,000 resamples of {n:,} queries",
        lambda: mean_intervals(table, Bootstrap(1_000, method="bca")),
        lambda: [stats.bootstrap((column,), np.mean, n_resamples=1_000, batch=100) for column in table.T],
        rounds=3,
    )
    against_scipy(
        f"Wilcoxon, {n:,} queries",
        lambda: wilcoxon_test(base, candidate),
        lambda: stats.wilcoxon(base, candidate),
    )
    against_scipy(
        f"Kendall's tau-b, {10 * n:,} items",
        lambda: kendall_tau(*scores),
        lambda: stats.kendalltau(*scores),
    )
    alone = interleaved({OURS: lambda: bootstrap_test(base, candidate, resamples=1_000)}, rounds=5)
    cases.append(report(f"paired bootstrap test, 1,000 resamples of {n:,} queries", alone, "resamples", 1_000))
    if not quick:
        save("significance", cases, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
