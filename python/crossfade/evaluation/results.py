"""Result types of evaluation: what the JSON files, the terminal and the HTML report are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["ship", "do_not_ship", "inconclusive"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model a figure belongs to. `fingerprint` is the query encoder's, `document_fingerprint` the index's."""

    name: str
    fingerprint: str
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one query alone through the whole pipeline (encode and search)."""

    p50: float
    p95: float
    p99: float
    samples: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one split. `per_query[measure][query_id]` holds every value that `measures` averages."""

    dataset: str
    split: str
    queries: int
    documents: int
    model: ModelRef
    measures: dict[str, float]
    latency_ms: Latency
    per_query: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus base on one measure, paired by query."""

    delta: float
    ci95: tuple[float, float]
    p: float
    p_holm: float
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class RankedDocument:
    id: str
    score: float
    title: str
    snippet: str
    grade: int | None  # None: nobody judged it


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """One query, both rankings, and the primary measure of each."""

    query_id: str
    text: str
    base_value: float
    candidate_value: float
    base_results: list[RankedDocument]
    candidate_results: list[RankedDocument]
    relevant: list[RankedDocument]  # judged relevant, best grade first; score is NaN-free: 0.0

    @property
    def delta(self) -> float:
        return self.candidate_value - self.base_value


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same queries, and what follows from it."""

    base: Evaluation
    candidate: Evaluation
    primary: str
    difference: dict[str, Difference]
    verdict: Verdict
    reasons: list[str]
    queries: list[QueryComparison]  # by delta, largest gain first, then by query id
    settings: dict[str, Any] = field(default_factory=dict)  # seed, resamples, permutations, alpha, ties, versions
