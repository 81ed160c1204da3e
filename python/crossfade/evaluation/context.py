"""What a reader should know beside the verdict. None of it decides here."""

from __future__ import annotations

from crossfade.evaluation.dataset import Qrels, Rankings
from crossfade.evaluation.judged import judged_at
from crossfade.evaluation.results import Evaluation, Retrieval

_JUDGED_AT = 10
_NOTEWORTHY_GAP = 0.05


def judged_shares(qrels: Qrels, base_run: Rankings, candidate_run: Rankings) -> tuple[float, float]:
    """Of each query's first ten results, the share that somebody judged: mean over the queries, base and candidate."""
    base, candidate = (judged_at(qrels, run, _JUDGED_AT) for run in (base_run, candidate_run))
    return float(base.mean()), float(candidate.mean())


def accompanying_facts(
    base: Evaluation, candidate: Evaluation, shares: tuple[float, float], *, latency_decides: bool = False
) -> list[str]:
    """Sentences on unjudged documents, unanswered queries, latency and what shipping would take. `latency_decides`:
    whether a gate looks at it."""
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
    if base.retrieval != candidate.retrieval:
        facts.append(
            f"Queries are answered {described(base.retrieval)} by the base, and {described(candidate.retrieval)} by "
            "the candidate."
        )
    elif not base.retrieval.plain:
        facts.append(f"Both answer queries {described(base.retrieval)}.")
    facts.append(
        f"A single query takes {_latency(base)} with the base and {_latency(candidate)} with the candidate"
        + ("." if latency_decides else "; latency does not enter the verdict.")
    )
    facts.append(_shipping(base, candidate))
    return facts


def _latency(evaluation: Evaluation) -> str:
    return f"{evaluation.latency_ms.p50:.1f} ms (median; 99th percentile {evaluation.latency_ms.p99:.1f} ms)"


def described(found: Retrieval) -> str:
    """How queries were answered, in words that follow "answered"."""
    words = {
        "dense": "by vectors" if found.exact else "by graphs over vectors",
        "lexical": "by words (BM25)",
        "hybrid": "by vectors and words together",
    }[found.mode]
    if found.chunking:
        words += f" of chunks ({_chunks(found)})"
        if found.best_chunks > 1:
            words += f", a document by the mean of its best {found.best_chunks}"
    if found.reranker is not None:
        words += f", the first {found.reranker.depth:,} reranked by {found.reranker.name}"
    return words + (f", in collection {found.collection}" if found.collection else "")


def _chunks(found: Retrieval) -> str:
    said = [str(found.chunking.get("method", "cut"))]
    said += [f"{name} {found.chunking[name]}" for name in ("size", "overlap") if found.chunking.get(name)]
    return ", ".join(said + (["with headings"] if found.chunking.get("heading_prefix") else []))


def _shipping(base: Evaluation, candidate: Evaluation) -> str:
    before, after = base.retrieval, candidate.retrieval
    new_model = base.model.document_fingerprint != candidate.model.document_fingerprint
    if after.mode != "lexical" and (new_model or before.mode == "lexical"):
        again = "" if before.mode == "lexical" else " again: vectors of the two models do not mix"
        return f"Shipping the candidate means embedding all {candidate.documents:,} documents{again}."
    if before.chunking != after.chunking:
        return f"Shipping the candidate means cutting and indexing all {candidate.documents:,} documents again."
    if after.mode == "lexical" != before.mode:
        return "The candidate searches by words alone: shipping it needs no model and no vectors."
    if base.model.fingerprint != candidate.model.fingerprint:
        return (
            "Both models embed documents alike: shipping the candidate changes the query side only, and the index "
            "stays as it is."
        )
    if before != after:
        return "Both search the same index: shipping the candidate changes how queries are answered, and no document."
    return "Base and candidate are the same model: they have the same fingerprints."
