"""Comparisons as evaluation writes them, for the report's tests: plausible texts, rankings and figures, from a seed.

Documents are docstrings of a few modules of the interpreter that runs the tests. Every query has one document of
grade 2; each model ranks it somewhere among others, and every figure follows from the ranks.
"""

from __future__ import annotations

import calendar
import inspect
import json
import math
import random
import shutil
import statistics
import textwrap
from functools import cache
from typing import Any

SHIFT = {"ship": 1.4, "do_not_ship": -1.2, "inconclusive": 0.15}
MEASURES = ["nDCG@10", "AP", "RR", "R@10", "R@100", "P@10"]
WORDS = ["how do I", "what is the way to", "python", "function that can", "best way to", "need to"]


@cache
def documents() -> list[dict[str, str]]:
    found = {}
    for module in (calendar, inspect, json, math, random, shutil, statistics, textwrap):
        for name, member in inspect.getmembers(module, callable):
            text = inspect.getdoc(member)
            if text and not name.startswith("_") and len(text) > 40:
                title = f"{module.__name__}.{name}"
                found[title] = {"id": f"py:{title}", "title": title, "text": " ".join(text.split())}
    return [found[title] for title in sorted(found)]


def _value(measure: str, rank: int) -> float:
    cut = int(measure.partition("@")[2] or 100)
    if rank > cut:
        return 0.0
    kind = measure.partition("@")[0]
    return {"nDCG": 1 / math.log2(rank + 1), "AP": 1 / rank, "RR": 1 / rank, "R": 1.0, "P": 1 / cut}[kind]


def _rank(dice: random.Random, level: float) -> int:
    return max(1, min(150, round(math.exp(dice.gauss(1.1 - level, 1.0)))))


def _ranking(
    dice: random.Random, target: dict[str, str], rank: int, pool: list[dict[str, str]]
) -> list[dict[str, Any]]:
    others = [document for document in pool if document is not target][:10]
    if rank <= 10:
        others.insert(rank - 1, target)
    score, rows = 0.83, []
    for document in others[:10]:
        score -= dice.uniform(0.002, 0.03)
        grade = 2 if document is target else dice.choice([None, None, None, 0, 0, 1])
        rows.append(row(document, score, grade))
    return rows


def row(document: dict[str, str], score: float, grade: int | None) -> dict[str, Any]:
    text = document["text"]
    return {
        "id": document["id"],
        "score": round(score, 6),
        "title": document["title"],
        "snippet": text if len(text) <= 240 else text[:236] + " ...",
        "grade": grade,
    }


def _difference(dice: random.Random, base: list[float], candidate: list[float]) -> dict[str, Any]:
    change = [after - before for before, after in zip(base, candidate, strict=True)]
    mean = statistics.fmean(change)
    means = sorted(statistics.fmean(dice.choices(change, k=len(change))) for _ in range(200))
    flips = [abs(statistics.fmean(value * dice.choice((-1, 1)) for value in change)) for _ in range(300)]
    p = (1 + sum(flip >= abs(mean) - 1e-12 for flip in flips)) / 301
    return {
        "delta": mean,
        "ci95": [means[4], means[195]],
        "p": p,
        "p_holm": min(1.0, p * 3),
        "wins": sum(value > 1e-9 for value in change),
        "losses": sum(value < -1e-9 for value in change),
        "ties": sum(abs(value) <= 1e-9 for value in change),
        "minimum_detectable": 2.8 * statistics.stdev(change) / math.sqrt(len(change)),
    }


def _side(name: str, fingerprint: str, count: int, p50: float) -> dict[str, Any]:
    return {
        "dataset": "python-docs",
        "split": "test",
        "queries": count,
        "documents": 4312,
        "model": {"name": name, "fingerprint": fingerprint * 8, "document_fingerprint": "4be0c1d27a95f318" * 4},
        "measures": {},
        "latency_ms": {"p50": p50, "p95": p50 * 1.31, "p99": p50 * 1.94, "samples": count},
        "per_query": {measure: {} for measure in MEASURES},
        "missing_queries": 0,
        "settings": {
            "depth": 100,
            "ties": "float64",
            "corpus_hash": "sha256:" + "90ab12cd" * 8,
            "qrels_hash": "sha256:" + "77e1f0aa" * 8,
            "created": "2025-11-20T10:14:0" + ("2" if name == "minilm" else "9") + "+00:00",
            "versions": {"python": "3.11.7", "numpy": "2.4.6", "onnxruntime": "1.32.0"},
        },
    }


def comparison(verdict: str = "ship", count: int = 120, seed: int = 7) -> dict[str, Any]:
    """A whole record as JSON. `verdict` also says which way the figures lean."""
    dice = random.Random(seed)
    base, candidate = _side("minilm", "a31f09bc", count, 3.84), _side("minilm-python-docs", "c7d2e8f1", count, 3.97)
    queries, corpus = [], documents()
    for index in range(count):
        target = dice.choice(corpus)
        pool = dice.sample(corpus, 14)
        first = _rank(dice, 0.0)
        second = first if dice.random() < 0.2 else _rank(dice, SHIFT[verdict] * 0.6)
        after = pool[4:10] + pool[:4] + pool[10:]
        query_id = f"q{index:03d}"
        for side, rank in ((base, first), (candidate, second)):
            for measure in MEASURES:
                side["per_query"][measure][query_id] = _value(measure, rank)
        words = target["text"].split(".")[0].lower().split()[: dice.randint(4, 12)]
        queries.append(
            {
                "query_id": query_id,
                "text": " ".join([dice.choice(WORDS), *words]),
                "base_value": _value("nDCG@10", first),
                "candidate_value": _value("nDCG@10", second),
                "base_results": _ranking(dice, target, first, pool),
                "candidate_results": _ranking(dice, target, second, after),
                "relevant": [row(target, 0.0, 2)],
                "relevant_total": 1,
                "delta": _value("nDCG@10", second) - _value("nDCG@10", first),
            }
        )
    for side in (base, candidate):
        side["measures"] = {measure: statistics.fmean(values.values()) for measure, values in side["per_query"].items()}
    difference = {
        measure: _difference(
            dice, list(base["per_query"][measure].values()), list(candidate["per_query"][measure].values())
        )
        for measure in MEASURES
    }
    return {
        "schema": 1,
        "base": base,
        "candidate": candidate,
        "primary": "nDCG@10",
        "difference": difference,
        "verdict": verdict,
        "reasons": _reasons(base, candidate, difference["nDCG@10"]),
        "queries": sorted(queries, key=lambda query: (-query["delta"], query["query_id"])),
        "settings": {
            "resamples": 10_000,
            "permutations": 10_000,
            "seed": 17,
            "min_queries": 20,
            "alpha": 0.05,
            "interval": "paired percentile bootstrap of the mean difference",
            "judged_at_10": {"base": 0.4316666666666667, "candidate": 0.4025},
        },
    }


def _reasons(base: dict[str, Any], candidate: dict[str, Any], found: dict[str, Any]) -> list[str]:
    before, after = base["measures"]["nDCG@10"], candidate["measures"]["nDCG@10"]
    low, high = found["ci95"]
    return [
        f"nDCG@10, the primary measure, moved from {before:.3f} to {after:.3f} over {base['queries']} queries: the 95% "
        f"interval of the difference is {low:+.3f} to {high:+.3f} (p = {found['p']:.3f}).",
        f"Query by query, nDCG@10 is better with the candidate on {found['wins']}, worse on {found['losses']} and "
        f"equal on {found['ties']}.",
        "Both models embed documents alike: shipping the candidate changes the query side only, and the index stays "
        "as it is.",
    ]
