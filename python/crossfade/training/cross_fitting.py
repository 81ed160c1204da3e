"""Query adapters judged on the queries they were fitted on, without having seen them: cross-fitting.

The queries are parted into folds; the adapter of a fold is fitted, its ridge chosen among them too, on the queries of
all other folds. So each query passes through an adapter that saw neither it, nor another of the same words, nor one
that shares a relevant document with it, directly or through others (Stone, JRSS B 36(2), 1974, by groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.training.query_adapter import TrainingSet, fit_query_adapter, joined_folds

FOLDS = 5
_SEED = 20_261_126
_FEWEST = 10  # two a fold of the ridge's own cross-validation


@dataclass(frozen=True, slots=True)
class CrossFit:
    """`weights`: float32, shape (folds, d, d), each applied as `weight @ query`. `fold_of`: of each query's text, whose
    adapter never saw it. `ridges`: one a fold."""

    weights: NDArray[np.float32]
    fold_of: Mapping[str, int]
    ridges: Sequence[float]


def cross_fit(data: TrainingSet, texts: Sequence[str], *, folds: int = FOLDS, seed: int = _SEED) -> CrossFit:
    """Fit one adapter a fold. `texts`: of the queries of `data`, in their order; equal ones stay together.

    `folds` times the time of `fit_query_adapter`. Raises InvalidInput as that does, when what is left of the queries
    without a fold is too few.
    """
    judged: list[Mapping[str, int]] = []
    for query_id, text in zip(data.query_ids, texts, strict=True):
        # A document that only queries of these words have: it joins them, and no id of the corpus is like it.
        own = {f"\0{text}": 1}
        judged.append({**data.qrels.get(query_id, {}), **own})
    fold_of = joined_folds(judged, folds, seed)
    _check_left(data, fold_of, folds)
    fits = [fit_query_adapter(_others(data, fold_of != fold)) for fold in range(folds)]
    weights = np.stack([fit.weight for fit in fits])
    return CrossFit(weights, dict(zip(texts, fold_of.tolist(), strict=True)), [fit.ridge for fit in fits])


def _check_left(data: TrainingSet, fold_of: NDArray[np.int64], folds: int) -> None:
    known = set(data.document_ids)
    usable = np.array(
        [
            any(grade > 0 and each in known for each, grade in data.qrels.get(query_id, {}).items())
            for query_id in data.query_ids
        ],
        dtype=np.bool_,
    )
    left = min(int((usable & (fold_of != fold)).sum()) for fold in range(folds))
    if left < _FEWEST:
        raise InvalidInput(
            f"of {int(usable.sum())} queries with a relevant document, {left} are left to learn from when one of "
            f"{folds} folds is held out, and an adapter needs at least {_FEWEST}: queries that share a document "
            "stay together; judge more queries"
        )


def _others(data: TrainingSet, kept: NDArray[np.bool_]) -> TrainingSet:
    ids = [query_id for query_id, keep in zip(data.query_ids, kept.tolist(), strict=True) if keep]
    return TrainingSet(
        ids,
        data.query_vectors[kept],
        data.document_ids,
        data.document_vectors,
        {query_id: data.qrels[query_id] for query_id in ids if query_id in data.qrels},
    )
