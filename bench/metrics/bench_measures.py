"""10,000 queries x 100 results x 5 measures, over objects built beforehand and from dictionaries.

Each rival is timed to per-query values. "objects built" is what it does again for every evaluation: this project's over
Qrels and Run, pytrec_eval's over its evaluator (it takes the run as a dictionary, always), ranx's over its objects with
its code compiled. `--quick` takes a tenth of the queries and records nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytrec_eval

from bench.harness import OURS, installed, interleaved, report, save
from crossfade.measures import evaluate, tie_sensitivity
from crossfade.tables import Qrels, Run

MEASURES = ["nDCG@10", "AP", "RR", "R@100", "P@10"]
TREC_EVAL = {"nDCG@10": "ndcg_cut_10", "AP": "map", "RR": "recip_rank", "R@100": "recall_100", "P@10": "P_10"}
RANX = ["ndcg@10", "map", "mrr", "recall@100", "precision@10"]
DEPTH = 100

QrelsDict = dict[str, dict[str, int]]
RunDict = dict[str, dict[str, float]]
Entrants = dict[str, Callable[[], object]]


def data(queries: int) -> tuple[QrelsDict, RunDict]:
    random = np.random.default_rng(0)
    qrels: QrelsDict = {}
    run: RunDict = {}
    for query in range(queries):
        found = random.choice(300_000, DEPTH, replace=False).tolist()
        scores = random.random(DEPTH).tolist()
        run[f"q{query}"] = {f"d{document}": score for document, score in zip(found, scores, strict=True)}
        judged = found[:10] + random.choice(300_000, 10).tolist()
        grades = random.integers(0, 4, len(judged)).tolist()
        qrels[f"q{query}"] = {f"d{document}": grade for document, grade in zip(judged, grades, strict=True)}
    return qrels, run


def from_objects(qrels: QrelsDict, run: RunDict, ranx: Any) -> Entrants:
    tables = Qrels.from_dict(qrels), Run.from_dict(run)
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL.values()))
    found: Entrants = {OURS: lambda: evaluate(*tables, MEASURES), "pytrec_eval": lambda: evaluator.evaluate(run)}
    if ranx is not None:
        built = ranx.Qrels(qrels), ranx.Run(run)
        found["ranx"] = lambda: ranx.evaluate(*built, RANX)
    found["crossfade, with tie bounds"] = lambda: tie_sensitivity(*tables, MEASURES)
    return found


def from_dictionaries(qrels: QrelsDict, run: RunDict, ranx: Any) -> Entrants:
    found: Entrants = {
        OURS: lambda: evaluate(qrels, run, MEASURES),
        "pytrec_eval": lambda: pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL.values())).evaluate(run),
    }
    if ranx is not None:
        found["ranx"] = lambda: ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), RANX)
    return found


def agree(qrels: QrelsDict, run: RunDict) -> None:
    ours = evaluate(qrels, run, MEASURES)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL.values())).evaluate(run)
    for measure, name in TREC_EVAL.items():
        values = ours.per_query(measure)
        if any(abs(values[query] - theirs[query][name]) > 1e-6 for query in values):
            raise SystemExit(f"pytrec_eval does not agree on {measure}: the figures would mean nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    versions = installed("pytrec-eval-terrier", "ranx")
    ranx: Any = importlib.import_module("ranx") if versions["ranx"] is not None else None
    queries = 1_000 if quick else 10_000
    qrels, run = data(queries)
    agree(qrels, run)
    size = f"{queries:,} queries x {DEPTH} results x {len(MEASURES)} measures"
    cases = []
    for source, entrants in (("objects built", from_objects), ("from dictionaries", from_dictionaries)):
        seconds = interleaved(entrants(qrels, run, ranx), rounds=3 if quick else 7)
        cases.append(report(f"{size}, {source}", seconds, "queries", queries))
    if not quick:
        save("measures", cases, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
