"""Several models at once: quality against latency and cost, and those that no other beats in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.compare import check_primary
from crossfade.evaluation.costs import measure_cost
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.decision.evidence import Cost
from crossfade.evaluation.decision.protocol import Prices
from crossfade.evaluation.evaluate import (
    Evaluated,
    EvaluationSettings,
    measure_subjects,
    open_subjects,
)
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.evaluation.record import decode, encode
from crossfade.evaluation.results import Latency, ModelRef, Retrieval
from crossfade.intervals import Bootstrap, difference_interval, mean_interval

SCHEMA = 1
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One model. `value`: its mean of the measure, `low` to `high` the 95% bootstrap interval. `behind`: what it lacks
    to the best mean there is, paired by query, with its interval; all 0 for the best itself. `dominated_by`: those that
    are as good in quality, p99 and both costs and better in one; `pareto`: there is none.
    """

    name: str
    model: ModelRef
    retrieval: Retrieval
    value: float
    low: float
    high: float
    behind: float
    behind_ci95: tuple[float, float]
    latency_ms: Latency
    cost: Cost
    pareto: bool
    dominated_by: list[str]


@dataclass(frozen=True, slots=True)
class Frontier:
    """`points`: the best mean first, then by name."""

    dataset: str
    split: str
    queries: int
    documents: int
    measure: str
    prices: Prices
    points: list[FrontierPoint]
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values. Raises InvalidInput when a figure is NaN or infinite."""
        return {"schema": SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Frontier:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        version = data.get("schema")
        if version != SCHEMA:
            raise InvalidInput(f"schema: this record has version {version!r}, this crossfade reads {SCHEMA}")
        return decode(cls, data)


@dataclass(frozen=True, slots=True)
class FrontierSettings:
    """`gpus`: that the models run on, for costs. `resamples` and `seed` of the intervals."""

    prices: Prices
    gpus: int = 0
    resamples: int = 10_000
    seed: int = 17


def measure_frontier(
    dataset: Dataset,
    models: Mapping[str, tuple[ModelEncoder | None, Arm]],
    settings: FrontierSettings,
    evaluation: EvaluationSettings | None = None,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Evaluate every model on the same queries, single queries timed in turn, and measure what they cost.

    `models`: name -> encoder (None where words alone are searched) and how it answers. The first of
    `evaluation.measures` is the quality. Raises InvalidInput with fewer than two models, or as `evaluate_all` does.
    """
    if len(models) < 2:
        raise InvalidInput("a frontier is of two models or more: name another")
    evaluation = evaluation or EvaluationSettings()
    check_primary(evaluation.measures[0])
    encoders, arms = [encoder for encoder, _ in models.values()], [arm for _, arm in models.values()]
    indexes = CorpusIndexes(dataset, cache=cache, progress=progress)
    with open_subjects(dataset, encoders, arms=arms, indexes=indexes, progress=progress) as subjects:
        found = measure_subjects(dataset, subjects, evaluation, progress=progress)
        costs = []
        for done, subject in enumerate(subjects, start=1):
            costs.append(
                measure_cost(
                    dataset,
                    subject,
                    settings.prices,
                    depth=evaluation.depth,
                    threads=evaluation.threads,
                    gpus=settings.gpus,
                )
            )
            if progress:
                progress("measuring throughput", done, len(subjects))
    return Frontier(
        dataset=dataset.name,
        split=dataset.split,
        queries=len(dataset.queries),
        documents=len(dataset.documents),
        measure=evaluation.measures[0],
        prices=settings.prices,
        points=_points(list(models), found, costs, evaluation.measures[0], settings),
        settings={
            **found[0].evaluation.settings,
            "resamples": settings.resamples,
            "seed": settings.seed,
            "confidence": _CONFIDENCE,
        },
    )


def dominated_by(figures: Sequence[Sequence[float]]) -> list[list[int]]:
    """Of each row the rows that dominate it: no figure greater, and one less.

    `figures`: shape (points, figures), less is better.
    """
    table = np.asarray(figures, dtype=np.float64)
    no_greater = (table[:, None, :] <= table[None, :, :]).all(axis=2)
    less = (table[:, None, :] < table[None, :, :]).any(axis=2)
    # dominates[a, b]: a dominates b
    dominates: NDArray[np.bool_] = np.logical_and(no_greater, less)
    return [np.flatnonzero(column).tolist() for column in dominates.T]


def _points(
    names: list[str], found: list[Evaluated], costs: list[Cost], measure: str, settings: FrontierSettings
) -> list[FrontierPoint]:
    evaluations = [each.evaluation for each in found]
    values = [np.array(list(each.per_query[measure].values())) for each in evaluations]
    means = [each.measures[measure] for each in evaluations]
    best = values[int(np.argmax(means))]
    bootstrap = Bootstrap(settings.resamples, confidence=_CONFIDENCE, seed=settings.seed)
    figures = [
        (-mean, each.latency_ms.p99, cost.per_million_queries, cost.per_million_documents or 0.0)
        for mean, each, cost in zip(means, evaluations, costs, strict=True)
    ]
    beaten = dominated_by(figures)
    points = []
    for row, (name, each, cost) in enumerate(zip(names, evaluations, costs, strict=True)):
        own = mean_interval(values[row], bootstrap)
        behind = difference_interval(best, values[row], bootstrap)
        points.append(
            FrontierPoint(
                name=name,
                model=each.model,
                retrieval=each.retrieval,
                value=means[row],
                low=own.low,
                high=own.high,
                behind=behind.estimate,
                behind_ci95=(behind.low, behind.high),
                latency_ms=each.latency_ms,
                cost=cost,
                pareto=not beaten[row],
                dominated_by=[names[other] for other in beaten[row]],
            )
        )
    return sorted(points, key=lambda point: (-point.value, point.name))
