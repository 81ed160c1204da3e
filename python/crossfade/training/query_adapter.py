"""A linear query adapter in closed form: the cheapest fine-tuning there is, and it leaves the index alone.

The adapter is a matrix W that moves query vectors towards the documents judged relevant to them; document vectors stay
as they are, so no re-embedding and no new index. W minimises

    sum_i |W q_i - t_i|^2  +  ridge * |W - I|_F^2

with q_i the unit vector of training query i and t_i the unit mean, weighted by grade, of its relevant documents. It is
ridge regression shrunk towards the identity (Hoerl and Kennard, Technometrics 12(1), 1970, with a prior mean), so few
examples move W little. With Q (n, d) and T (n, d) as rows the solution is

    W = (T'Q + ridge I)(Q'Q + ridge I)^-1

The ridge is chosen by cross-validation over the training queries: each query is judged by a W that saw neither it nor
any query that shares a relevant document with it, directly or through others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Imported here and not when it is first named, which NumPy would do amid the work: a Ctrl-C just then is lost.
from numpy.random import default_rng
from numpy.typing import NDArray

from crossfade import kernels, measures
from crossfade.errors import InvalidInput

RIDGES: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SELECTION_MEASURE = "nDCG@10"
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Queries, the corpus they were judged against, and the judgments of the training split.

    `query_vectors` is float32 (len(query_ids), d), `document_vectors` float32 (len(document_ids), d). Only directions
    count: rows are brought to unit length, and a query or target without one is left out.
    """

    query_ids: Sequence[str]
    query_vectors: NDArray[np.float32]
    document_ids: Sequence[str]
    document_vectors: NDArray[np.float32]
    qrels: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class AdapterFit:
    """A fitted adapter and how its ridge was chosen.

    `weight` is float32 (d, d), applied as `weight @ query`. `cross_validation` maps each ridge to the mean of
    `SELECTION_MEASURE` over held-out training queries; `base` is the same figure without an adapter.
    """

    weight: NDArray[np.float32]
    ridge: float
    examples: int
    cross_validation: dict[float, float]
    base: float


def fit_query_adapter(
    data: TrainingSet, *, ridges: Sequence[float] = RIDGES, folds: int = 5, seed: int = 20_240_229
) -> AdapterFit:
    """Choose the ridge by cross-validation, then fit on every query that has a relevant document.

    O(len(ridges) * folds * (d^3 + queries * documents * d)) time.

    Raises InvalidInput when shapes disagree, or fewer than two queries a fold have a relevant document in the corpus.
    """
    queries, targets, used = _examples(data)
    if len(used) < 2 * folds:
        raise InvalidInput(
            f"{len(used)} training queries have a relevant document in the corpus; an adapter needs at least "
            f"{2 * folds}: judge more queries or take another split"
        )
    fold_of = joined_folds([data.qrels[query_id] for query_id in used], folds, seed)
    scores = {
        float(ridge): _held_out_score(data, queries, targets, used, fold_of, folds, float(ridge)) for ridge in ridges
    }
    best = max(scores, key=lambda ridge: (scores[ridge], ridge))
    base = _score(data, used, queries)
    weight = _solve(queries, targets, best).astype(np.float32)
    return AdapterFit(weight=weight, ridge=best, examples=len(used), cross_validation=scores, base=base)


def _examples(data: TrainingSet) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Query rows, target rows, and the ids of the queries that have both."""
    dimension = data.query_vectors.shape[1]
    if data.query_vectors.shape[0] != len(data.query_ids) or data.document_vectors.shape != (
        len(data.document_ids),
        dimension,
    ):
        raise InvalidInput(
            f"training vectors do not fit: {len(data.query_ids)} queries with {data.query_vectors.shape}, "
            f"{len(data.document_ids)} documents with {data.document_vectors.shape}"
        )
    row_of = {document_id: row for row, document_id in enumerate(data.document_ids)}
    used: list[str] = []
    rows: list[int] = []
    targets: list[NDArray[np.float64]] = []
    for row, query_id in enumerate(data.query_ids):
        judged = data.qrels.get(query_id, {})
        relevant = [(row_of[document], grade) for document, grade in judged.items() if grade > 0 and document in row_of]
        if not relevant:
            continue
        weights = np.array([grade for _, grade in relevant], dtype=np.float64)
        target = weights @ _unit(data.document_vectors[[document for document, _ in relevant]])
        norm = float(np.linalg.norm(target))
        if norm == 0.0 or not data.query_vectors[row].any():
            continue
        used.append(query_id)
        rows.append(row)
        targets.append(target / norm)
    queries = _unit(data.query_vectors[rows])
    return queries, np.array(targets).reshape(len(used), dimension), used


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(np.divide(exact, norms, out=np.zeros_like(exact), where=norms > 0))


def joined_folds(judged: Sequence[Mapping[str, int]], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold, from 0, for each query, int64, shape (len(judged),); queries joined by relevant documents they share,
    however far, are in one fold.

    `judged[i]`: grades of query i by document. Groups are dealt in a shuffled order, larger ones first, each to the
    fold that holds the fewest queries.
    """
    group = list(range(len(judged)))

    def root(query: int) -> int:
        while group[query] != query:
            group[query] = group[group[query]]
            query = group[query]
        return query

    owner: dict[str, int] = {}
    for query, grades in enumerate(judged):
        for document in (document for document, grade in grades.items() if grade > 0):
            group[root(query)] = root(owner.setdefault(document, query))
    members: dict[int, list[int]] = {}
    for query in range(len(judged)):
        members.setdefault(root(query), []).append(query)
    groups = list(members.values())
    shuffled = [groups[position] for position in default_rng(seed).permutation(len(groups))]
    fold_of = np.zeros(len(judged), dtype=np.int64)
    sizes = [0] * folds
    for queries in sorted(shuffled, key=len, reverse=True):
        smallest = sizes.index(min(sizes))
        fold_of[queries] = smallest
        sizes[smallest] += len(queries)
    return fold_of


def _solve(queries: NDArray[np.float64], targets: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    identity = np.eye(queries.shape[1])
    gram = queries.T @ queries + ridge * identity
    # W gram = T'Q + ridge I, and gram is symmetric: solve for W' instead of inverting.
    return np.asarray(np.linalg.solve(gram, queries.T @ targets + ridge * identity).T)


def _held_out_score(
    data: TrainingSet,
    queries: NDArray[np.float64],
    targets: NDArray[np.float64],
    used: list[str],
    fold_of: NDArray[np.int64],
    folds: int,
    ridge: float,
) -> float:
    adapted = np.empty_like(queries)
    for fold in range(folds):
        held_out = fold_of == fold
        weight = _solve(queries[~held_out], targets[~held_out], ridge)
        adapted[held_out] = queries[held_out] @ weight.T
    return _score(data, used, adapted)


def _score(data: TrainingSet, used: Sequence[str], queries: NDArray[np.float64]) -> float:
    found = kernels.top_k(queries.astype(np.float32), data.document_vectors, _DEPTH, metric="cosine")
    run = {
        query_id: {
            data.document_ids[int(row)]: float(score)
            for row, score in zip(found.indices[position], found.scores[position], strict=True)
        }
        for position, query_id in enumerate(used)
    }
    qrels = {query_id: data.qrels[query_id] for query_id in used}
    return measures.evaluate(qrels, run, [SELECTION_MEASURE]).mean(SELECTION_MEASURE)
