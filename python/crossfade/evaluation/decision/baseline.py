"""A base that was measured before: its record and its rankings, as `crossfade evaluate` wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crossfade import measures as ir
from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.record import read_json
from crossfade.evaluation.evaluate import TIES, Evaluated
from crossfade.evaluation.results import Evaluation
from crossfade.evaluation.trec import read_run

_NEAR = 1e-9


def read_baseline(record: Path, run: Path, dataset: Dataset, measures: Sequence[str]) -> Evaluated:
    """The evaluation with the rankings measured again, by these measures, against today's judgments.

    Where the record's data are today's its own values must come out again, or the two files do not belong together.
    Where they are not, the hashes in its settings say so, and a decision's gate blocks. Raises DataError when a file
    cannot be read or the two do not belong together.
    """
    try:
        evaluation = Evaluation.from_json(read_json(record))
    except DataError:
        raise
    except InvalidInput as error:
        raise DataError(record, f"no record of `crossfade evaluate`: {error}") from None
    rankings = read_run(run)
    unknown = next((query for query in rankings if query not in dataset.queries), None)
    if unknown is not None:
        raise DataError(run, f"query {unknown!r} is none that {dataset.name}/{dataset.split} judges: of other data")
    kept = [name for name in evaluation.per_query if name not in measures]
    table = ir.evaluate(dataset.qrels, rankings, [*measures, *kept], ties=TIES, missing="zero")
    if evaluation.settings.get("qrels_hash") == dataset.qrels_hash:
        for name, values in evaluation.per_query.items():
            again = table.per_query(name)
            other = next((query for query in again if abs(again[query] - values.get(query, -1.0)) > _NEAR), None)
            if other is not None:
                raise DataError(
                    run, f"{name} of query {other!r} is not what {record} says: give the run of that record"
                )
    return Evaluated(
        replace(
            evaluation,
            dataset=dataset.name,  # a directory may have been renamed: hashes tell data apart
            measures={name: table.mean(name) for name in measures},
            per_query={name: table.per_query(name) for name in measures},
        ),
        rankings,
    )
