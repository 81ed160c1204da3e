"""A decision, a diagnosis, a frontier and a leakage report about the comparison of `report_samples`, as JSON.

Made with evaluation's own types: what they write is what the report must read.
"""

from __future__ import annotations

from typing import Any

from crossfade.evaluation.decision.evidence import (
    Bounds,
    Cost,
    DataRef,
    Evidence,
    GuardValues,
    JudgedShares,
    SideRef,
    SliceMembers,
    Values,
)
from crossfade.evaluation.decision.protocol import Gates, GuardSet, Prices, Protocol, SliceRule, Waiver
from crossfade.evaluation.decision.record import Regression, make_record
from crossfade.evaluation.diagnosis.types import (
    AnswerReport,
    ArmFigures,
    CauseCount,
    CheckItem,
    Diagnosis,
    FailedAnswer,
    FailedQuery,
    FailureCluster,
    LeftOut,
    Mean,
    Recommendation,
    Term,
)
from crossfade.evaluation.diagnosis.types import Cost as ArmCost
from crossfade.evaluation.frontier import Frontier, FrontierPoint
from crossfade.evaluation.leakage import COUNTED, PAIRS
from crossfade.evaluation.leakage.results import Example, FileSummary, LeakageReport, PairCounts
from crossfade.evaluation.results import (
    Comparison,
    Difference,
    Latency,
    ModelRef,
    QueryComparison,
    Retrieval,
)

HASH = "ab" * 32
HASHES = {"corpus_hash": "90ab12cd" * 8, "queries_hash": HASH, "qrels_hash": "77e1f0aa" * 8}
DATE = "2026-02-01T00:00:00+00:00"
QUESTIONS = (
    "Have real query failures been collected?",
    "Is the baseline measured?",
    "Were chunking, metadata, hybrid search and reranking tested?",
    "Does the model fail domain-specific semantic relationships?",
    "Is there enough training data?",
    "Is there a separate evaluation set?",
    "Can the corpus be re-embedded and re-indexed safely?",
    "Is there a rollback plan?",
    "Does the expected gain justify cost and latency?",
)


def records(compared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All four by the names that `crossfade.report.render` gives them. `compared` gets the hashes that it lacks."""
    for side in ("base", "candidate"):
        compared[side]["settings"].update(HASHES)
    comparison = Comparison.from_json(compared)
    return {
        "decision": decision(comparison),
        "diagnosis": diagnosis(comparison),
        "frontier": frontier(comparison),
        "leakage": leakage(comparison),
    }


def protocol(**changes: Any) -> Protocol:
    """Two slices, a guard set, a waiver; fewer draws than in earnest."""
    given: dict[str, Any] = {
        "primary": "nDCG@10",
        "measures": ["nDCG@10", "R@10"],
        "resamples": 400,
        "permutations": 999,
        "guards": [GuardSet("general", "data/general", 0.3)],
        "slices": [SliceRule("even", least_words=1, margin=0.01, require="non_inferiority"), SliceRule("odd", 1)],
        "gates": Gates(least_queries=10, least_judged=0.2, latency_p99_ms=1.0),
        "waivers": [Waiver("slice:even", "it moves to another index")],
    }
    return Protocol(**{**given, **changes})


def evidence(comparison: Comparison) -> Evidence:
    base, candidate = comparison.base, comparison.candidate
    queries = list(base.per_query["nDCG@10"])
    values = {
        measure: Values(
            [base.per_query[measure][query] for query in queries],
            [candidate.per_query[measure][query] for query in queries],
        )
        for measure in ("nDCG@10", "R@10")
    }
    data = DataRef(
        base.dataset, base.split, base.documents, HASHES["corpus_hash"], HASH, HASHES["qrels_hash"],
        modified="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    shares, bounds = [0.4] * len(queries), Bounds(0.4, 0.7, 0.3, 0.9)
    general = [0.2 + 0.01 * (row % 50) for row in range(80)]
    return Evidence(
        decided="2026-02-02T00:00:00+00:00",
        data=data,
        base=side(base),
        candidate=side(candidate),
        queries=queries,
        values=values,
        judged=JudgedShares(10, shares, shares, 700, "nDCG@10", bounds, bounds, -0.4, 0.5),
        slices=[SliceMembers("even", "even", queries[::2]), SliceMembers("odd", "odd", queries[1::2])],
        guards=[
            GuardValues(
                "general",
                DataRef("general", "test", 900, HASH, HASH, HASH),
                HASH,
                HASH,
                [f"g{row}" for row in range(80)],
                Values(general, [value + 0.01 for value in general]),
            )
        ],
    )


def side(evaluation: Any) -> SideRef:
    return SideRef(
        evaluation.model.name, evaluation.model.fingerprint, evaluation.model.document_fingerprint, {},
        evaluation.settings, evaluation.latency_ms, 0, HASH, DATE,
        Cost(600.0, 80.0, 2, 0, 0.037, 0.28, "USD"),
    )  # fmt: skip


def decision(comparison: Comparison, **changes: Any) -> dict[str, Any]:
    lost = [query for query in reversed(comparison.queries) if query.delta < 0][:10]
    churn = {
        "queries": 5, "depth": 10, "documents": 0.32, "positions": 1.9, "first": 0.43, "any": 1.0, "tied": 0,
        "only_base": 0, "only_candidate": 0,
    }  # fmt: skip
    return make_record(
        protocol(**changes),
        evidence(comparison),
        regressions=[Regression(["odd"], query) for query in lost],
        rank_overlap={"mean": 0.66, "p": 0.9, "depth": 100},
        churn=churn,
    ).to_json()


ARMS = [
    ("baseline", "baseline", 0.401, None),
    ("chunks: sentences", "chunking", 0.398, (-0.003, -0.015, 0.009, 1.0)),
    ("BM25", "lexical", 0.33, (-0.071, -0.11, -0.03, 0.004)),
    ("hybrid", "hybrid", 0.45, (0.049, 0.018, 0.079, 0.011)),
]


def arm(name: str, kind: Any, mean: float, change: tuple[float, ...] | None, model: ModelRef) -> ArmFigures:
    difference = None
    if change is not None:
        delta, low, high, p = change
        difference = Difference(delta, (low, high), p, p, 50, 30, 20, 0.04)
    latency = Latency(3.0, 4.0, 5.0, 99)
    return ArmFigures(
        name, kind, model, Retrieval(), {"nDCG@10": Mean(mean, (mean - 0.05, mean + 0.05))}, difference, latency,
        None if change is None else latency, ArmCost(7.5, 246_800, 2_150_400, 4312), {}, 11,
    )  # fmt: skip


def failure(query: QueryComparison, cause: Any) -> FailedQuery:
    return FailedQuery(
        query.query_id, query.text, cause, {"document": query.relevant[0].id, "rank": 41, "mended_by": ["hybrid"]}, 41,
        -0.06, ["hybrid"], query.base_results, query.relevant,
    )  # fmt: skip


def diagnosis(comparison: Comparison, **changes: Any) -> dict[str, Any]:
    base = comparison.base
    failed = comparison.queries[:12]
    causes: list[Any] = ["ranked_low"] * 5 + ["semantic_mismatch"] * 5 + ["truncated"] * 2
    failures = [failure(query, cause) for query, cause in zip(failed, causes, strict=False)]
    counts = []
    for cause in dict.fromkeys(causes[: len(failures)]):
        of = [each.query_id for each in failures if each.cause == cause]
        counts.append(CauseCount(cause, len(of), len(of) / len(failures), of[:5]))
    wrong = FailedAnswer(
        failed[0].query_id, failed[0].text, "an answer that is wrong", [failed[0].relevant[0].id], True
    )
    made = Diagnosis(
        dataset=base.dataset,
        split=base.split,
        queries=base.queries,
        documents=base.documents,
        primary="nDCG@10",
        k=10,
        arms=[arm(*each, base.model) for each in ARMS],
        left_out=[LeftOut("filters", "filters", "no query carries a filter", True)],
        failed=len(failures),
        unanswerable=0,
        causes=counts,
        failures=failures,
        terms=[Term("wing", 2, 2, 2.6, 2.64)],
        clusters=[FailureCluster(["wing", "pressure"], [failed[0].query_id, failed[1].query_id], {"ranked_low": 2})],
        checklist=[
            CheckItem(question, ("yes", "no", "unknown")[row % 3], f"figure {row}", "arm baseline", "judge more")  # type: ignore[arg-type]
            for row, question in enumerate(QUESTIONS)
        ],
        recommendation=Recommendation("hybrid", "hybrid", ["hybrid: nDCG@10 +0.049 over the baseline."]),
        answers=AnswerReport(99, 66, 3, 17, 15, 1, [wrong], [wrong]),
        notes=["350 of 4,312 documents are longer than the model reads."],
        settings={"k": 10, "alpha": 0.05, **HASHES},
    )
    return {**made.to_json(), **changes}


def frontier(comparison: Comparison, count: int = 3, **changes: Any) -> dict[str, Any]:
    """`count` models, the base and the candidate the first of them; each is slower, dearer and better than the last."""
    models = [comparison.base.model, comparison.candidate.model]
    points = []
    for row in range(count):
        model = models[row] if row < 2 else ModelRef(f"model-{row}", f"cf1-{row}", f"cf1-{row}")
        value, p99, cost = 0.4 + 0.3 * row / count, 2.0 * 1.6**row, 0.01 * 1.4**row
        pareto = row % 3 != 1
        points.append(
            FrontierPoint(
                model.name,
                model,
                Retrieval(),
                value,
                value - 0.05,
                value + 0.05,
                0.0,
                (0.0, 0.0),
                Latency(p99 / 2, p99 * 0.8, p99, 99),
                Cost(600.0, 80.0, 2, 0, cost, 0.1 * row, "USD"),
                pareto,
                [] if pareto else [models[0].name],
            )
        )
    made = Frontier(
        comparison.base.dataset, comparison.base.split, comparison.base.queries, comparison.base.documents, "nDCG@10",
        Prices(0.04, 0.0, "USD"), points, dict(HASHES),
    )  # fmt: skip
    return {**made.to_json(), **changes}


def leakage(comparison: Comparison, **changes: Any) -> dict[str, Any]:
    kinds = {"exact": 2, "normalised": 0, "near": 9, "semantic": 0}
    made = LeakageReport(
        dataset=comparison.base.dataset,
        split=comparison.base.split,
        queries=comparison.base.queries,
        relevant_documents=100,
        rows=931,
        skipped=1,
        leaking_rows=11,
        queries_touched=3,
        share_touched=0.03,
        verdict="leak",
        reasons=["3 evaluation queries are touched by the training data; none may be."],
        pairs={pair: PairCounts(kinds, 3, 3) for pair in PAIRS},
        files=[FileSummary("train.jsonl", HASH, 931, 1, 11, {"query": ["query"]}, [])],
        touched=["q001"],
        examples=[
            Example("query-query", "near", "characters", 0.91, "train.jsonl", 7, "how to fold a map", "q001",
                    "how do I fold a map", ["q001"])
        ],
        settings={
            "overlap": {"characters": 0.85, "phrases": 0.7, "containment": 0.9},
            "model": None,
            "counted": list(COUNTED),
            "limit": 0.0,
            **HASHES,
        },
    )  # fmt: skip
    return {**made.to_json(), **changes}
