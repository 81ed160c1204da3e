"""Which queries have failed: those without a relevant document in the first k of their ranking."""

from __future__ import annotations

from collections.abc import Mapping

from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.order import trec_order


def relevant(dataset: Dataset, query_id: str) -> dict[str, int]:
    """The documents judged relevant for a query, with their grades, the best grade first, then by id."""
    grades = dataset.qrels.get(query_id, {})
    ordered = sorted(grades.items(), key=lambda judged: (-judged[1], judged[0]))
    return {document_id: grade for document_id, grade in ordered if grade > 0}


def misses(dataset: Dataset, run: Mapping[str, Mapping[str, float]], k: int) -> list[str]:
    """The queries with a relevant document, and none in the first `k`; in the order of the queries. The order of a
    ranking is the measures' own."""
    found = []
    for query_id in dataset.queries:
        wanted = relevant(dataset, query_id)
        head = [document_id for document_id, _ in trec_order(run.get(query_id, {}), TIES)[:k]]
        if wanted and not wanted.keys() & set(head):
            found.append(query_id)
    return found


def unanswerable(dataset: Dataset) -> int:
    """Queries that nobody judged a document relevant for: they cannot fail."""
    return sum(1 for query_id in dataset.queries if not relevant(dataset, query_id))
