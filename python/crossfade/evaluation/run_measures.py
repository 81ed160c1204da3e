"""Measures of a run of any size: a few thousand queries are a table at a time, so memory does not grow with all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crossfade import measures as ir
from crossfade.evaluation.array_run import PIECE, ArrayRun, as_table, pieces
from crossfade.evaluation.dataset import Rankings
from crossfade.evaluation.order import Ties


def measure_run(
    qrels: Mapping[str, Mapping[str, int]], run: Rankings, measures: Sequence[str], *, ties: Ties = "float32"
) -> ir.MeasureTable:
    """`crossfade.measures.evaluate` with `missing="zero"`, the same to the bit. Raises as it does."""
    if not isinstance(run, ArrayRun) or len(qrels) <= PIECE:
        return ir.evaluate(qrels, as_table(run), measures, ties=ties, missing="zero")
    tables = [
        ir.evaluate({query: qrels[query] for query in some}, run.of(some).table(), measures, ties=ties, missing="zero")
        for some in pieces(list(qrels))
        if any(qrels[query] for query in some)
    ]
    if len(tables) < 2:
        return tables[0] if tables else ir.evaluate(qrels, as_table(run), measures, ties=ties, missing="zero")
    values = np.concatenate([table.values for table in tables])
    values.flags.writeable = False
    first = tables[0]
    return ir.MeasureTable(
        first.measures,
        tuple(query for table in tables for query in table.query_ids),
        values,
        tuple(query for table in tables for query in table.missing),
        first.mode,
    )
