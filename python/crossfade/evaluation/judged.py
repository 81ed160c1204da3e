"""Which judgments are judgments: trec_eval takes a grade below 0 for "in the pool, not judged" (as infAP needs it).

`Judged@k` as a measure counts any document that the judgments name, as ir-measures does. Where a share decides, or says
how far figures can be trusted, only what somebody judged counts: here, in one place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crossfade.evaluation.dataset import Qrels, Rankings
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.run_measures import measure_run


def made(qrels: Mapping[str, Mapping[str, int]]) -> Qrels:
    """The judgments without grades below 0. Every query is there."""
    return {
        query: {document: grade for document, grade in grades.items() if grade >= 0} for query, grades in qrels.items()
    }


def judged_at(qrels: Mapping[str, Mapping[str, int]], run: Rankings, k: int) -> NDArray[np.float64]:
    """Of each query's first `k` results, the share that somebody judged: shape (queries of `qrels`,), in their order; 0
    of a query that the run leaves unanswered."""
    name = f"Judged@{k}"
    found = measure_run(made(qrels), run, [name], ties=TIES)
    row = {query: place for place, query in enumerate(qrels)}
    shares = np.zeros(len(row))
    shares[[row[query] for query in found.query_ids]] = found.column(name)
    return shares
