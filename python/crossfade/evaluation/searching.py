"""The rankings of all queries of a data set: by rows where every vector of the corpus is looked at, else by hits."""

from __future__ import annotations

import numpy as np

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Answering, Arm, ArmRetriever
from crossfade.evaluation.array_run import ArrayRun
from crossfade.evaluation.corpus_collection import CorpusCollection
from crossfade.evaluation.dataset import Dataset, Progress, Rankings, Run
from crossfade.retrieval.retriever import Retriever

_BATCH = 64
_ROWS_BATCH = 512
"""Queries scanned together: fewer read the corpus too often, more fall out of the cache (docs/evaluation.md)."""


def search_queries(dataset: Dataset, retriever: Answering, depth: int, *, progress: Progress | None = None) -> Rankings:
    """The run of every judged query: the best `depth` documents of each, in batches.

    An exact search of whole documents gives an `ArrayRun`; any other, dictionaries. Both are what `search_texts` says.
    """
    if isinstance(retriever, ArmRetriever) and _by_rows(retriever.arm):
        collection = retriever.retriever.collection
        if isinstance(collection, CorpusCollection) and len(collection):
            return _search_rows(dataset, retriever.retriever, collection, depth, progress)
    query_ids = list(dataset.queries)
    run: Run = {}
    for start in range(0, len(query_ids), _BATCH):
        batch = query_ids[start : start + _BATCH]
        found = retriever.search_texts([dataset.queries[query_id] for query_id in batch], depth)
        for query_id, hits in zip(batch, found.hits, strict=True):
            run[query_id] = {hit.id: hit.score for hit in hits}
        if progress:
            progress("searching", len(run), len(query_ids))
    return run


def _by_rows(arm: Arm) -> bool:
    return arm.mode == "dense" and arm.exact and arm.whole and arm.reranker is None


def _search_rows(
    dataset: Dataset, retriever: Retriever, collection: CorpusCollection, depth: int, progress: Progress | None
) -> ArrayRun:
    if depth < 1:
        raise InvalidInput(f"depth is {depth}; expected at least 1 result a query")
    query_ids = list(dataset.queries)
    shape = len(query_ids), min(depth, len(collection))
    rows, scores = np.empty(shape, dtype=np.int32), np.empty(shape, dtype=np.float32)
    for start in range(0, len(query_ids), _ROWS_BATCH):
        batch = query_ids[start : start + _ROWS_BATCH]
        found = retriever.search_rows([dataset.queries[query_id] for query_id in batch], depth, collection.places)
        rows[start : start + len(batch)], scores[start : start + len(batch)] = found
        if progress:
            progress("searching", start + len(batch), len(query_ids))
    return ArrayRun(query_ids, dataset.document_ids, rows, scores)
