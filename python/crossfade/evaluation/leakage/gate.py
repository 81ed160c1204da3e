"""What a search for leaks means for a decision."""

from __future__ import annotations

from collections.abc import Mapping

from crossfade.evaluation.leakage.results import KINDS, LeakageReport, PairCounts
from crossfade.evaluation.leakage.settings import LeakageSettings, Pair

_SAID: Mapping[Pair, str] = {
    "query-query": "the query is an evaluation query",
    "positive-relevant": "a positive is relevant to an evaluation query",
    "query-relevant": "the query is a document relevant to an evaluation query",
    "positive-query": "a positive is an evaluation query",
    "negative-relevant": "a negative is relevant to an evaluation query",
    "contradiction": "a negative is relevant to the very evaluation query that is asked",
}


def gate(report: LeakageReport) -> list[str]:
    """Why a decision that stands on this split is blocked; empty when it is not. Sentences with figures in them."""
    return [] if report.verdict == "clean" else list(report.reasons)


def reasons(
    pairs: Mapping[Pair, PairCounts], touched: int, queries: int, settings: LeakageSettings, skipped: int = 0
) -> list[str]:
    """The verdict in sentences, the counted pairs first."""
    share = touched / queries
    limit = f"the limit is {settings.limit:.2%}" if settings.limit else "none may be"
    what = "query is" if queries == 1 else "queries are"
    found = [f"{touched:,} of {queries:,} evaluation {what} touched by the training data ({share:.2%}); {limit}."]
    if skipped:
        lines = "1 line was" if skipped == 1 else f"{skipped:,} lines were"
        found.append(f"{lines} skipped, and held against nothing.")
    for pair, counts in pairs.items():
        if not counts.total:
            continue
        kinds = ", ".join(f"{counts.rows[kind]:,} {kind}" for kind in KINDS if counts.rows[kind])
        rows = "1 row" if counts.total == 1 else f"{counts.total:,} rows"
        aside = "" if pair in settings.counted else " This does not count."
        found.append(f"In {rows} {_SAID[pair]} ({kinds}); {_queries(counts.evaluation_queries)}.{aside}")
    return found


def _queries(count: int) -> str:
    return "1 evaluation query is concerned" if count == 1 else f"{count:,} evaluation queries are concerned"
