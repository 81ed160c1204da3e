"""The comparison as the report takes it: checked, cleaned, and with whatever is optional marked as such.

The types mirror `evaluation.results`. They are apart from them because a report is also drawn from records that other
programs wrote or trimmed: per-query values, rankings, Holm's p and settings may be missing there and never are here.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.evaluation.results import Verdict


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    fingerprint: str
    document_fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one query."""

    p50: float
    p95: float
    p99: float
    samples: int | None


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models, measured.

    `per_query` is of the primary measure, by query id; empty when not recorded. `settings` are names and values,
    flattened to lines.
    """

    dataset: str
    split: str
    queries: int
    documents: int | None
    model: Model
    latency: Latency | None
    per_query: dict[str, float]
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus base on one measure; `low` to `high` is the 95% interval. `p` is None where a decision's
    one-sided tests take its place."""

    measure: str
    base: float
    candidate: float
    delta: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    wins: int | None
    losses: int | None
    ties: int | None
    minimum_detectable: float | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One document of a ranking. `id` tells documents apart; `label` is what is shown of it."""

    id: str
    label: str
    score: float
    title: str
    snippet: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class Query:
    """One query, both rankings and the primary measure of each.

    `id` pairs it with per-query values. Of `relevant_total` documents judged relevant, `relevant` are the first.
    """

    id: str
    label: str
    text: str
    base_value: float
    candidate_value: float
    base_results: list[Ranked]
    candidate_results: list[Ranked]
    relevant: list[Ranked]
    relevant_total: int

    @property
    def delta(self) -> float:
        return self.candidate_value - self.base_value


@dataclass(frozen=True, slots=True)
class Record:
    """`differences` begins with the primary measure; `settings` are as a `Side`'s, of the comparison itself.
    `protocol_sha256`: of the protocol that its verdict follows, if any."""

    verdict: Verdict
    reasons: list[str]
    primary: str
    base: Side
    candidate: Side
    differences: list[Difference]
    queries: list[Query]
    settings: dict[str, str]
    alpha: float
    protocol_sha256: str | None = None
