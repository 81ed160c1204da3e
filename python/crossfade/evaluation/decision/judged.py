"""Unjudged results in the top k: how many, what they could change, and the pool that would tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade import measures as ir
from crossfade import tables
from crossfade.evaluation.array_run import pieces
from crossfade.evaluation.dataset import Dataset, Rankings
from crossfade.evaluation.decision.evidence import Bounds, JudgedShares
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.judged import made
from crossfade.evaluation.stages import TOLD_AFTER, Tell, untold
from crossfade.evaluation.trec import ordered

Order = list[tuple[str, float]]
"""(document id, score) in trec_eval's order."""

Judged = Mapping[str, int]

# These look at documents that were judged irrelevant, so that an unjudged one is not the same as an irrelevant one.
_UNBOUNDED = ("Bpref", "infAP")

_PIECE = 2048  # queries at once: what is made for each judgment of them is not there for all

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
    dataset: Dataset, base_run: Rankings, candidate_run: Rankings, measure: str, k: int, *, tell: Tell = untold
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

    `tell`: told of queries. Raises InvalidInput for a measure that is not known.
    """
    grade = _greatest_grade(dataset)
    parts = []
    for queries in pieces(list(dataset.queries), _PIECE):
        both = _orders(base_run, queries), _orders(candidate_run, queries)
        parts.append(_part(_Part(dataset, queries, *both, grade), measure, k))
        tell(len(queries))
    base, candidate = (np.concatenate(shares) for shares in zip(*(part.shares for part in parts), strict=True))
    held = JudgedShares(
        k=k,
        base=base.tolist(),
        candidate=candidate.tolist(),
        greatest_grade=grade,
        pool=sum(part.pool for part in parts),
        measure=measure,
    )
    if measure.startswith(_UNBOUNDED):
        return held
    ours, theirs = (
        _Ends(*map(np.concatenate, zip(*sides, strict=True))) for sides in zip(*(p.ends for p in parts), strict=True)
    )
    return replace(
        held,
        base_bounds=ours.means(),
        candidate_bounds=theirs.means(),
        difference_low=float((theirs.low - ours.high).mean()),
        difference_high=float((theirs.high - ours.low).mean()),
    )


def pool_to_judge(
    dataset: Dataset, base_run: Rankings, candidate_run: Rankings, k: int, *, tell: Tell = untold
) -> list[PoolEntry]:
    """Every result in the top k of either that nobody judged, by query, those that both found first. `tell`: told of
    queries."""
    entries = []
    for done, (query, text) in enumerate(dataset.queries.items(), start=1):
        if done % TOLD_AFTER == 0:
            tell(TOLD_AFTER)
        both = [ordered(run, query, TIES) if query in run else [] for run in (base_run, candidate_run)]
        ranks = [{document: rank for rank, (document, _) in enumerate(each[:k], start=1)} for each in both]
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


def _unjudged(grades: Judged, orders: Iterable[Order], k: int) -> list[str]:
    heads = [document for order in orders for document, _ in order[:k]]
    return [document for document in dict.fromkeys(heads) if grades.get(document, -1) < 0]


class _Ends(NamedTuple):
    """By query, shape (queries,)."""

    as_judged: NDArray[np.float64]
    every: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def means(self) -> Bounds:
        return Bounds(*(float(values.mean()) for values in self))


class _Found(NamedTuple):
    """Of some queries. `shares`, `ends`: of both sides; no ends where the measure has no bounds."""

    shares: list[NDArray[np.float64]]
    ends: list[_Ends]
    pool: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Some queries of a data set, and both rankings of each in trec_eval's order. `grade`: the split's greatest."""

    dataset: Dataset
    queries: Sequence[str]
    base: dict[str, Order]
    candidate: dict[str, Order]
    grade: int


def _orders(run: Rankings, queries: Sequence[str]) -> dict[str, Order]:
    return {query: ordered(run, query, TIES) if query in run else [] for query in queries}


def _part(part: _Part, measure: str, k: int) -> _Found:
    qrels = {query: part.dataset.qrels[query] for query in part.queries}
    judged = made(qrels)
    row = {query: place for place, query in enumerate(part.queries)}
    sides = (part.base, part.candidate)
    name = f"Judged@{k}"
    shares = [_values(judged, _table(side, k), name, row) for side in sides]
    pools = {
        query: found for query in part.queries if (found := _unjudged(qrels[query], [each[query] for each in sides], k))
    }
    pool = sum(map(len, pools.values()))
    if measure.startswith(_UNBOUNDED):
        return _Found(shares, [], pool)
    return _Found(shares, [_bounds(qrels, side, pools, measure, part.grade) for side in sides], pool)


def _table(orders: Mapping[str, Order], cut: int | None) -> tables.Run:
    return tables.Run.from_dict({query: dict(order[:cut]) for query, order in orders.items() if order})


def _bounds(
    judged: Mapping[str, Judged],
    orders: Mapping[str, Order],
    pools: Mapping[str, list[str]],
    measure: str,
    greatest_grade: int,
) -> _Ends:
    row = {query: place for place, query in enumerate(judged)}
    weighed = measure.startswith(_WEIGHED)
    grade = greatest_grade if weighed else _relevant_grade(measure)
    depth = None if measure.startswith("IPrec") else re.search(r"@([0-9]+)$", measure)
    # What a measure does not look at need not be looked at again and again.
    cut = int(depth[1]) if depth else None
    table = _table(orders, cut)
    places = {query: {document: rank for rank, (document, _) in enumerate(orders[query][:cut])} for query in pools}
    as_judged = _values(judged, table, measure, row)
    by_rank = {query: _by_rank(pool, places[query]) for query, pool in pools.items()}
    low, high, every = as_judged.copy(), as_judged.copy(), as_judged.copy()
    for number in range(1, max(map(len, by_rank.values()), default=0) + 1):
        some = {query: pool for query, pool in by_rank.items() if len(pool) >= number}
        rows = [row[query] for query in some]
        first = {query: {**judged[query], **dict.fromkeys(pool[:number], grade)} for query, pool in some.items()}
        last = {query: {**judged[query], **dict.fromkeys(pool[-number:], grade)} for query, pool in some.items()}
        best, worst = (_values(qrels, table, measure, row)[rows] for qrels in (first, last))
        high[rows], low[rows] = np.maximum(high[rows], best), np.minimum(low[rows], worst)
        whole = [place for place, pool in enumerate(some.values()) if len(pool) == number]
        every[[rows[place] for place in whole]] = best[whole]
    if weighed and grade > 1 and measure.startswith("nDCG"):
        movable = [row[query] for query, pool in pools.items() if any(document in places[query] for document in pool)]
        high[movable] = 1.0
    return _Ends(as_judged, every, low, high)


def _by_rank(pool: list[str], place: Mapping[str, int]) -> list[str]:
    """As they stand in the ranking, whose ranks are given; those that it lacks last."""
    return sorted(pool, key=lambda document: place.get(document, len(place)))


def _values(qrels: Mapping[str, Judged], run: tables.Run, measure: str, row: Mapping[str, int]) -> NDArray[np.float64]:
    """Shape (queries,); 0 where `qrels` or the run lacks the query."""
    found = np.zeros(len(row))
    if not any(qrels.values()) or not len(run):
        return found
    measured = ir.evaluate(qrels, run, [measure], ties=TIES, missing="zero")
    found[[row[query] for query in measured.query_ids]] = measured.column(measure)
    return found


def _greatest_grade(dataset: Dataset) -> int:
    """Of the split's judgments, at least 1."""
    return max([1, *(grade for grades in dataset.qrels.values() for grade in grades.values())])


def _relevant_grade(measure: str) -> int:
    least = re.search(r"rel=([0-9]+)", measure)
    return max(1, int(least[1])) if least else 1
