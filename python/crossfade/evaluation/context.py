"""What a reader should know beside the verdict. None of it decides."""

from __future__ import annotations

from collections.abc import Mapping

from crossfade import measures as ir
from crossfade.evaluation.dataset import Qrels
from crossfade.evaluation.results import Evaluation

_JUDGED_AT = 10
_NOTEWORTHY_GAP = 0.05


def judged_shares(
    qrels: Qrels, base_run: Mapping[str, Mapping[str, float]], candidate_run: Mapping[str, Mapping[str, float]]
) -> tuple[float, float]:
    """Of each query's first ten results, the share that somebody judged: mean over the queries, base and candidate."""
    name = f"Judged@{_JUDGED_AT}"
    base = ir.evaluate(qrels, base_run, [name], missing="zero").mean(name)
    candidate = ir.evaluate(qrels, candidate_run, [name], missing="zero").mean(name)
    return base, candidate


def accompanying_facts(base: Evaluation, candidate: Evaluation, shares: tuple[float, float]) -> list[str]:
    """Sentences on unjudged documents, unanswered queries, latency and what shipping would take."""
    facts = []
    if abs(shares[0] - shares[1]) >= _NOTEWORTHY_GAP:
        behind, ahead = ("candidate", "base") if shares[1] < shares[0] else ("base", "candidate")
        facts.append(
            f"Of the {behind}'s first {_JUDGED_AT} results {min(shares):.0%} are judged, of the {ahead}'s "
            f"{max(shares):.0%}: an unjudged document counts as irrelevant, so the {behind} may be better than its "
            "figures; judging what it found would tell."
        )
    for side, evaluation in (("base", base), ("candidate", candidate)):
        if evaluation.missing_queries:
            facts.append(
                f"The {side} left {evaluation.missing_queries:,} of {evaluation.queries:,} queries unanswered; "
                "they count as 0."
            )
    facts.append(
        f"A single query takes {_latency(base)} with the base and {_latency(candidate)} with the candidate; latency "
        "does not enter the verdict."
    )
    facts.append(_shipping(base, candidate))
    return facts


def _latency(evaluation: Evaluation) -> str:
    return f"{evaluation.latency_ms.p50:.1f} ms (median; 99th percentile {evaluation.latency_ms.p99:.1f} ms)"


def _shipping(base: Evaluation, candidate: Evaluation) -> str:
    if base.model.document_fingerprint != candidate.model.document_fingerprint:
        return (
            f"Shipping the candidate means embedding all {candidate.documents:,} documents again: vectors of the two "
            "models do not mix."
        )
    if base.model.fingerprint != candidate.model.fingerprint:
        return (
            "Both models embed documents alike: shipping the candidate changes the query side only, and the index "
            "stays as it is."
        )
    return "Base and candidate are the same model: they have the same fingerprints."
