"""Unjudged results in the top k: how many, what they could change, and the pool that would tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossfade import measures as ir
from crossfade import tables
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.evidence import Bounds, JudgedShares
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.judged import judged_at
from crossfade.evaluation.order import trec_order

Ranking = Mapping[str, float]
Judged = Mapping[str, int]

# These look at documents that were judged irrelevant, so that an unjudged one is not the same as an irrelevant one.
_UNBOUNDED = ("Bpref", "infAP")

# To these a document of a greater grade is worth more.
_WEIGHED = ("nDCG", "ERR")


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A result that nobody judged. Ranks from 1; None where that side did not find it in its top k."""

    query_id: str
    query: str
    document_id: str
    title: str
    text: str
    base_rank: int | None
    candidate_rank: int | None


def judged_shares(
    dataset: Dataset, base_run: Mapping[str, Ranking], candidate_run: Mapping[str, Ranking], measure: str, k: int
) -> JudgedShares:
    """Judged@k of both runs by query, and how far judgments of the pool (`unjudged`) could move `measure`.

    A grade below 0 is no judgment ("in the pool, not judged"), as in `judgments.pool`.

    Values of retrieval measures depend on where relevant documents stand and how many there are. Of a fixed number of
    relevant ones among the pool a measure is greatest when they are those that stand first, and least when they are
    those that stand last or were not found: each query's bounds are the extremes over that number, 0 to the pool's
    size. Queries are independent, so bounds of the mean are means of bounds.

    To most measures a relevant document is relevant whatever its grade. ERR and nDCG weigh grades; for these a pool's
    grades go up to the greatest of the split. ERR rises with every grade, so the same extremes are its. nDCG is the
    quotient of a linear function of the gains and a convex one, the ideal ranking's: such a quotient is quasi-concave,
    so it is least at a corner, where every grade is 0 or the greatest. It need not be greatest at one; where grades go
    above 1 its upper bound is 1 for a query with an unjudged document in its ranking: none can be above, and it need
    not be reached.

    Raises InvalidInput for a measure that is not known.
    """
    runs = (base_run, candidate_run)
    qrels = {query: dataset.qrels[query] for query in dataset.queries}
    shares = [judged_at(qrels, run, k) for run in runs]
    pools = {
        query: found
        for query in dataset.queries
        if (found := _unjudged(dataset.qrels[query], [run.get(query, {}) for run in runs], k))
    }
    held = JudgedShares(
        k=k,
        base=shares[0].tolist(),
        candidate=shares[1].tolist(),
        greatest_grade=_greatest_grade(dataset),
        pool=sum(map(len, pools.values())),
        measure=measure,
    )
    if measure.startswith(_UNBOUNDED):
        return held
    (base, base_ends), (candidate, candidate_ends) = (_bounds(dataset, run, pools, measure) for run in runs)
    return replace(
        held,
        base_bounds=base,
        candidate_bounds=candidate,
        difference_low=float((candidate_ends[0] - base_ends[1]).mean()),
        difference_high=float((candidate_ends[1] - base_ends[0]).mean()),
    )


def pool_to_judge(
    dataset: Dataset, base_run: Mapping[str, Ranking], candidate_run: Mapping[str, Ranking], k: int
) -> list[PoolEntry]:
    """Every result in the top k of either that nobody judged, by query, those that both found first."""
    entries = []
    for query, text in dataset.queries.items():
        ranks = [_ranks(run.get(query, {}), k) for run in (base_run, candidate_run)]
        both = [run.get(query, {}) for run in (base_run, candidate_run)]
        found = [
            (document, ranks[0].get(document), ranks[1].get(document))
            for document in _unjudged(dataset.qrels[query], both, k)
        ]
        found.sort(key=lambda row: (None in row, min(rank for rank in row[1:] if rank is not None), row[0]))
        for document, first, second in found:
            known = dataset.documents_by_id.get(document)
            title, content = ("", "") if known is None else (known.title, known.text)
            entries.append(PoolEntry(query, text, document, title, content, first, second))
    return entries


def _ranks(ranking: Ranking, k: int) -> dict[str, int]:
    return {document: rank for rank, (document, _) in enumerate(trec_order(ranking, TIES)[:k], start=1)}


def _unjudged(grades: Judged, rankings: Iterable[Ranking], k: int) -> list[str]:
    heads = [document for ranking in rankings for document in _ranks(ranking, k)]
    return [document for document in dict.fromkeys(heads) if grades.get(document, -1) < 0]


def _bounds(
    dataset: Dataset, run: Mapping[str, Ranking], pools: Mapping[str, list[str]], measure: str
) -> tuple[Bounds, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Of the mean, and low and high by query, shape (queries,)."""
    row = {query: place for place, query in enumerate(dataset.queries)}
    weighed = measure.startswith(_WEIGHED)
    grade = _greatest_grade(dataset) if weighed else _relevant_grade(measure)
    cut = None if measure.startswith("IPrec") else re.search(r"@([0-9]+)$", measure)
    # What a measure does not look at need not be looked at again and again.
    runs = {
        query: dict(trec_order(run.get(query, {}), TIES)[: int(cut[1]) if cut else None]) for query in dataset.queries
    }
    table = tables.Run.from_dict({query: ranking for query, ranking in runs.items() if ranking})
    as_judged = _values(dataset.qrels, table, measure, row)
    ordered = {query: _by_rank(pool, runs[query]) for query, pool in pools.items()}
    low, high, every = as_judged.copy(), as_judged.copy(), as_judged.copy()
    for number in range(1, max(map(len, ordered.values()), default=0) + 1):
        some = {query: pool for query, pool in ordered.items() if len(pool) >= number}
        rows = [row[query] for query in some]
        first = {query: {**dataset.qrels[query], **dict.fromkeys(pool[:number], grade)} for query, pool in some.items()}
        last = {query: {**dataset.qrels[query], **dict.fromkeys(pool[-number:], grade)} for query, pool in some.items()}
        best, worst = (_values(qrels, table, measure, row)[rows] for qrels in (first, last))
        high[rows], low[rows] = np.maximum(high[rows], best), np.minimum(low[rows], worst)
        whole = [place for place, pool in enumerate(some.values()) if len(pool) == number]
        every[[rows[place] for place in whole]] = best[whole]
    if weighed and grade > 1 and measure.startswith("nDCG"):
        movable = [row[query] for query, pool in pools.items() if any(document in runs[query] for document in pool)]
        high[movable] = 1.0
    means = (float(values.mean()) for values in (as_judged, every, low, high))
    return Bounds(*means), (low, high)


def _by_rank(pool: list[str], ranking: Ranking) -> list[str]:
    """As they stand in the ranking, which is in order; those that it lacks last."""
    place = {document: rank for rank, document in enumerate(ranking)}
    return sorted(pool, key=lambda document: place.get(document, len(place)))


def _values(qrels: Mapping[str, Judged], run: tables.Run, measure: str, row: Mapping[str, int]) -> NDArray[np.float64]:
    """Shape (queries,); 0 where `qrels` or the run lacks the query."""
    found = np.zeros(len(row))
    measured = ir.evaluate(qrels, run, [measure], ties=TIES, missing="zero")
    found[[row[query] for query in measured.query_ids]] = measured.column(measure)
    return found


def _greatest_grade(dataset: Dataset) -> int:
    """Of the split's judgments, at least 1."""
    return max([1, *(grade for grades in dataset.qrels.values() for grade in grades.values())])


def _relevant_grade(measure: str) -> int:
    least = re.search(r"rel=([0-9]+)", measure)
    return max(1, int(least[1])) if least else 1
