"""A base that was measured before: its record and its rankings, as `crossfade evaluate` wrote them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
_HASHES = ("corpus_hash", "queries_hash", "qrels_hash")


def read_baseline(record: Path, run: Path, dataset: Dataset, measures: Sequence[str]) -> Evaluated:
    """The evaluation with the rankings measured again, by these measures, against today's judgments.

    The record must hold values by query and say which data they are of. Where its judgments are today's, every value
    of every judged query must come out again, or the two files do not belong together. Where they are not, the hashes
    in its settings say so, and a decision's gate blocks. Raises DataError when a file cannot be read or the two do not
    belong together.
    """
    try:
        evaluation = Evaluation.from_json(read_json(record))
    except DataError:
        raise
    except InvalidInput as error:
        raise DataError(record, f"no record of `crossfade evaluate`: {error}") from None
    _check_whole(record, evaluation)
    rankings = read_run(run)
    unknown = next((query for query in rankings if query not in dataset.queries), None)
    if unknown is not None:
        raise DataError(run, f"query {unknown!r} is none that {dataset.name}/{dataset.split} judges: of other data")
    kept = [name for name in evaluation.per_query if name not in measures]
    try:
        table = ir.evaluate(dataset.qrels, rankings, [*measures, *kept], ties=TIES, missing="zero")
    except InvalidInput as error:
        raise DataError(record, f"what it says was measured cannot be measured again: {error}") from None
    if evaluation.settings["qrels_hash"] == dataset.qrels_hash:
        for name, values in evaluation.per_query.items():
            _check_values(record, run, name, values, table.per_query(name), evaluation.measures.get(name))
    return Evaluated(
        replace(
            evaluation,
            dataset=dataset.name,  # a directory may have been renamed: hashes tell data apart
            measures={name: table.mean(name) for name in measures},
            per_query={name: table.per_query(name) for name in measures},
        ),
        rankings,
    )


def _check_whole(record: Path, evaluation: Evaluation) -> None:
    """Without values or hashes any rankings would do."""
    lacking = [name for name in _HASHES if not isinstance(evaluation.settings.get(name), str)]
    if lacking:
        raise DataError(record, f"settings lack {', '.join(lacking)}: it does not say its data; evaluate again")
    if not evaluation.per_query:
        raise DataError(record, "per_query is empty: no value says that the rankings are its own; evaluate again")
    bare = next((name for name in evaluation.measures if name not in evaluation.per_query), None)
    if bare is not None:
        raise DataError(record, f"per_query lacks {bare}, which has a mean: evaluate again")


def _check_values(
    record: Path, run: Path, name: str, values: Mapping[str, float], again: Mapping[str, float], mean: float | None
) -> None:
    """Raises DataError where values are of other queries than are measured, or other values."""
    if values.keys() != again.keys():
        missing, more = sorted(again.keys() - values.keys()), sorted(values.keys() - again.keys())
        what = (
            f"lacks query {missing[0]!r}, which is judged" if missing else f"has query {more[0]!r}, which is not judged"
        )
        raise DataError(record, f"per_query.{name} {what} judged: evaluate again")
    other = next((query for query, value in again.items() if abs(value - values[query]) > _NEAR), None)
    if other is not None:
        raise DataError(run, f"{name} of query {other!r} is not what {record} says: give the run of that record")
    if mean is not None and abs(mean - math.fsum(again.values()) / len(again)) > _NEAR:
        raise DataError(record, f"measures.{name} is {mean}, which is not the mean of its values: evaluate again")
