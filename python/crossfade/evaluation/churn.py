"""Churn: what users would see change if one run took the place of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossfade.evaluation.aligned import AlignedRuns, align
from crossfade.evaluation.array_run import RunLike
from crossfade.evaluation.order import Ties


@dataclass(frozen=True, slots=True)
class Churn:
    """Changes within the first `depth` documents, over `queries` queries.

    `documents`: the share of documents that change, mean over queries: 1 - |both| / the longer ranking's length.
    `positions`: by how many ranks a document moves that is in both, mean over all such documents; None where there is
    none. `first`: the share of queries whose first result changes. `any`: that of queries where anything does, order
    included. A query that one run alone answers (`only_base`, `only_candidate`) changes altogether. `tied` counts the
    queries in which ties of scores were ordered by id.
    """

    queries: int
    depth: int
    documents: float
    positions: float | None
    first: float
    any: float
    tied: int
    only_base: int
    only_candidate: int


def churn(base: RunLike, candidate: RunLike, *, depth: int = 10, ties: Ties = "float32") -> Churn:
    """How much of the first `depth` documents changes from one run to the other. Symmetric. Raises as `align` does."""
    return churn_of(align(base, candidate, depth=depth, ties=ties))


def churn_of(aligned: AlignedRuns, *, depth: int | None = None) -> Churn:
    """The same of runs that are aligned, to their depth or a lesser one."""
    runs = aligned if depth is None else aligned.cut(depth)
    shared = runs.positions >= 0
    longer = np.maximum(runs.base_lengths, runs.candidate_lengths)
    kept = shared.sum(axis=1)
    ranks = np.arange(runs.positions.shape[1], dtype=np.int32)
    moved = np.abs(runs.positions - ranks)[shared]
    alike = (runs.base_lengths == runs.candidate_lengths) & (kept == longer)
    alike &= ((runs.positions == ranks) | ~shared).all(axis=1)
    return Churn(
        queries=len(runs.query_ids),
        depth=runs.depth,
        documents=float(np.mean(1 - np.where(longer > 0, kept / np.maximum(longer, 1), 1))),
        positions=float(moved.mean()) if moved.size else None,
        first=float(np.mean((runs.positions[:, 0] != 0) & (longer > 0))),
        any=float(np.mean(~alike)),
        tied=int(runs.tied.sum()),
        only_base=runs.only_base,
        only_candidate=runs.only_candidate,
    )
