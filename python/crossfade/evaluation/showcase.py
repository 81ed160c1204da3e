"""Query by query: both rankings with titles, snippets and grades, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from crossfade.evaluation.dataset import Dataset, Rankings
from crossfade.evaluation.results import QueryComparison, RankedDocument
from crossfade.evaluation.texts import spread
from crossfade.evaluation.trec import ordered
from crossfade.store.types import Document

Side = Literal["base", "candidate"]

_SNIPPET = 240  # characters


def query_comparisons(
    dataset: Dataset,
    runs: Mapping[Side, Rankings],
    values: Mapping[Side, Mapping[str, float]],
    *,
    results_shown: int,
    relevant_shown: int,
    only: Iterable[str] | None = None,
) -> list[QueryComparison]:
    """Queries of the split, the largest gain first, then by query id. `values`: the primary measure by query. `only`:
    these queries; None: every one."""
    comparisons = []
    for query_id in dataset.queries if only is None else only:
        text = dataset.queries[query_id]
        relevant = sorted(
            ((grade, document_id) for document_id, grade in dataset.qrels[query_id].items() if grade > 0),
            key=lambda judged: (-judged[0], judged[1]),
        )
        comparisons.append(
            QueryComparison(
                query_id=query_id,
                text=text,
                base_value=values["base"][query_id],
                candidate_value=values["candidate"][query_id],
                base_results=_head(dataset, query_id, runs["base"], results_shown),
                candidate_results=_head(dataset, query_id, runs["candidate"], results_shown),
                relevant=[
                    _ranked(dataset.documents_by_id.get(document_id), document_id, 0.0, grade)
                    for grade, document_id in relevant[:relevant_shown]
                ],
                relevant_total=len(relevant),
            )
        )
    return sorted(comparisons, key=lambda comparison: (-comparison.delta, comparison.query_id))


def chosen_queries(values: Mapping[Side, Mapping[str, float]], most: int) -> list[str]:
    """All queries, or of more than `most` that many: a third that lost most, a third that gained most, and the rest
    evenly spread over those between, by change. In order of change, the greatest gain first, then by query id.
    """
    base, candidate = values["base"], values["candidate"]
    queries = sorted(base, key=lambda query: (base[query] - candidate[query], query))
    if len(queries) <= most:
        return queries
    end = most // 3
    between = queries[end : len(queries) - end]
    return [*queries[:end], *spread(between, most - 2 * end), *queries[len(queries) - end :]]


def snippet(text: str, limit: int = _SNIPPET) -> str:
    """The beginning of a text on one line, cut between words where it can be."""
    line = " ".join(text[: limit * 4].split())
    if len(line) <= limit:
        return line if len(text) <= limit * 4 else f"{line} ..."
    head = line[: limit + 1].rsplit(" ", 1)[0]
    return f"{head[:limit]} ..."


def _head(dataset: Dataset, query_id: str, run: Rankings, shown: int) -> list[RankedDocument]:
    """The first of a ranking, in the order the measures use."""
    grades = dataset.qrels[query_id]
    ranking = ordered(run, query_id) if query_id in run else []
    return [
        _ranked(dataset.documents_by_id.get(document_id), document_id, score, grades.get(document_id))
        for document_id, score in ranking[:shown]
    ]


def _ranked(document: Document | None, document_id: str, score: float, grade: int | None) -> RankedDocument:
    if document is None:  # judged, but absent from the corpus
        return RankedDocument(document_id, score, "", "", grade)
    return RankedDocument(document_id, score, document.title, snippet(document.text), grade)
