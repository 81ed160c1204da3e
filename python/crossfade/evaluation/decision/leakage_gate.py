"""What a leakage report says against a decision, derived from its counts: never from the verdict that it states."""

from __future__ import annotations

from collections.abc import Iterator

from crossfade.evaluation.decision.evidence import DataRef, Leakage
from crossfade.evaluation.leakage.settings import COUNTED, LeakageSettings
from crossfade.overlap import OverlapSettings

# A greater threshold, or a greater least length, finds less.
_LOOSER_ABOVE = ("characters", "phrases", "containment", "least_words")


def objections(leakage: Leakage, data: DataRef, limit: float) -> list[str]:
    """Sentences, none where the report clears the data. `limit`: the share of queries that may be touched."""
    return [*_of_other_data(leakage, data), *_looked_too_little(leakage), *_touched(leakage, limit)]


def _of_other_data(leakage: Leakage, data: DataRef) -> Iterator[str]:
    for what, reported, there in (
        ("queries", leakage.queries_sha256, data.queries_sha256),
        ("judgments", leakage.qrels_sha256, data.qrels_sha256),
        ("documents", leakage.corpus_sha256, data.corpus_sha256),
    ):
        if reported != there:
            yield f"The report is of other {what}: look for overlap with these."


def _looked_too_little(leakage: Leakage) -> Iterator[str]:
    if leakage.rows == 0:
        yield "The report is of no training row."
    if leakage.skipped:
        rows = "1 row was" if leakage.skipped == 1 else f"{leakage.skipped:,} rows were"
        yield f"{rows[0].upper()}{rows[1:]} skipped, and may be copies."
    if lacking := [pair for pair in COUNTED if pair not in leakage.counted]:
        yield f"The report does not count {', '.join(lacking)}."
    usual = OverlapSettings()
    looser = [
        f"{name} {getattr(leakage.overlap, name):g} (usual: {getattr(usual, name):g})"
        for name in _LOOSER_ABOVE
        if getattr(leakage.overlap, name) > getattr(usual, name)
    ]
    if leakage.overlap.short_words < usual.short_words:
        looser.append(f"short_words {leakage.overlap.short_words:g} (usual: {usual.short_words:g})")
    cosine = LeakageSettings().cosine
    if leakage.cosine is not None and leakage.cosine > cosine:
        looser.append(f"cosine {leakage.cosine:g} (usual: {cosine:g})")
    if looser:
        yield f"The report calls fewer texts copies than is usual: {', '.join(looser)}."


def _touched(leakage: Leakage, limit: float) -> Iterator[str]:
    if leakage.queries_touched <= limit * leakage.queries:
        return
    share = leakage.queries_touched / leakage.queries
    allowed = f"at most {limit:.2%} may be" if limit else "none may be"
    yield (
        f"{leakage.queries_touched:,} of {leakage.queries:,} evaluation queries are touched by the training data "
        f"({share:.2%}); {allowed}."
    )
