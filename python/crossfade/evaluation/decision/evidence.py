"""All that the rule looks at, as it is recorded: values by query, slices, guard sets, what the sides are and cost.

Whoever has a `Protocol` and this can conclude again; `crossfade decision verify` does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.evaluation.record import LATER
from crossfade.evaluation.results import Latency
from crossfade.overlap import OverlapSettings


@dataclass(frozen=True, slots=True)
class DataRef:
    """What was evaluated. Hashes as `Dataset` has them, SHA-256 in hex. `modified`: when the newest of its files was
    last changed, ISO 8601 in UTC; empty where that is not known.
    """

    dataset: str
    split: str
    documents: int
    corpus_sha256: str
    queries_sha256: str
    qrels_sha256: str
    absent_judgments: int = 0
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """Measured throughput, and what follows at the stated prices: `cores` CPU cores and `gpus` GPUs, each taken to be
    wholly busy. Of a side without a model, `documents_per_second` is None.
    """

    queries_per_second: float
    documents_per_second: float | None
    cores: int
    gpus: int
    per_million_queries: float
    per_million_documents: float | None
    currency: str


@dataclass(frozen=True, slots=True)
class SideRef:
    """One side: which model, how it answered, how fast, and when it was measured (`created`, ISO 8601 in UTC).

    `run_sha256`: of its rankings, see `gather.run_sha256`. `settings`: those of the evaluation, hashes among them.
    """

    name: str
    fingerprint: str
    document_fingerprint: str
    retrieval: dict[str, Any]
    settings: dict[str, Any]
    latency_ms: Latency
    missing_queries: int
    run_sha256: str
    created: str
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """One measure by query, in the order of the queries they belong to."""

    base: list[float]
    candidate: list[float]


@dataclass(frozen=True, slots=True)
class SliceMembers:
    """The queries of one slice. `rule`: the name of that in the protocol which it comes from."""

    name: str
    rule: str
    queries: list[str]


@dataclass(frozen=True, slots=True)
class GuardValues:
    """A guard set, measured by both."""

    name: str
    data: DataRef
    base_run_sha256: str
    candidate_run_sha256: str
    queries: list[str]
    values: Values


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the mean of a measure would be for other judgments of the unjudged documents in the top k.

    `as_judged`: unjudged is irrelevant, as reported. `all_relevant`: every one relevant, those of both rankings, and
    of `JudgedShares.greatest_grade` for a measure that weighs grades. `low`, `high`: no judgments of them with grades
    up to that give less or more. Reached by judgments of each query's own, but for `high` of nDCG where grades go
    above 1.
    """

    as_judged: float
    all_relevant: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class JudgedShares:
    """Judged@k by query, in the order of the queries, and bounds of the primary measure by side.

    `difference_low`, `difference_high`: no judgments put candidate minus base outside; not all of it need be reachable.
    `pool`: unjudged documents in the top k of either, over all queries; a grade below 0 is no judgment.
    `greatest_grade`: of the split, which bounds of nDCG and ERR take no grade to exceed. Bounds are
    None for a measure that does not take unjudged documents for irrelevant (Bpref, infAP).
    """

    k: int
    base: list[float]
    candidate: list[float]
    pool: int
    measure: str
    base_bounds: Bounds | None = None
    candidate_bounds: Bounds | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    greatest_grade: int = 1


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file that a leakage report read. `sha256`: of its content, unpacked. `ignored`: fields passed over."""

    path: str
    sha256: str
    rows: int
    skipped: int
    ignored: list[str]


@dataclass(frozen=True, slots=True)
class Leakage:
    """What a leakage report counted. Hashes of the data that it is of, as `DataRef` has them.

    `queries_touched`: of `queries`, by the pairs of sides in `counted`. `leaking_rows`: by pair, counted or not.
    `limit`: the report's own, which the protocol's stands above. `overlap` and `cosine`: thresholds, the latter None
    where no model looked for paraphrases.
    """

    report_sha256: str
    corpus_sha256: str
    queries_sha256: str
    qrels_sha256: str
    queries: int
    queries_touched: int
    rows: int
    skipped: int
    leaking_rows: dict[str, int]
    limit: float
    counted: list[str]
    overlap: OverlapSettings
    cosine: float | None
    files: list[TrainingFile]


@dataclass(frozen=True, slots=True)
class DiagnosisRef:
    """What a decision keeps of a diagnosis. Hashes of the data that it is of, as `DataRef` has them; `base`, its
    `fingerprint` and `retrieval`: whose failures these are. `k`: a query without a relevant document in the first k had
    failed. `causes`: of each failed query, in the order of the queries.
    """

    report_sha256: str
    corpus_sha256: str
    queries_sha256: str
    qrels_sha256: str
    base: str
    fingerprint: str
    document_fingerprint: str
    retrieval: dict[str, Any]
    k: int
    causes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`decided`: when, ISO 8601 in UTC. `values`: measure -> values of `queries`. `files`: SHA-256 of files that were
    read beside the data, by the name they were given as. `diagnosis`: of the base, where a slice is by its causes.
    """

    decided: str
    data: DataRef
    base: SideRef
    candidate: SideRef
    queries: list[str]
    values: dict[str, Values]
    judged: JudgedShares
    slices: list[SliceMembers] = field(default_factory=list)
    guards: list[GuardValues] = field(default_factory=list)
    leakage: Leakage | None = None
    files: dict[str, str] = field(default_factory=dict)
    diagnosis: DiagnosisRef | None = field(default=None, metadata=LATER)


def check_evidence(evidence: Evidence) -> None:
    """Raises InvalidInput, naming the place, where values and queries do not belong together: another number of values
    than queries, a query or a name twice, or a slice's query that is none.
    """
    _check_queries("queries", evidence.queries, *evidence.values.items())
    judged = evidence.judged
    _check_queries("queries", evidence.queries, ("judged", Values(judged.base, judged.candidate)))
    for guard in evidence.guards:
        _check_queries(f"queries of guard set {guard.name!r}", guard.queries, (guard.name, guard.values))
    known = set(evidence.queries)
    for members in evidence.slices:
        _check_unique(f"queries of slice {members.name!r}", members.queries)
        unknown = next((query for query in members.queries if query not in known), None)
        if unknown is not None:
            raise InvalidInput(f"slice {members.name!r} holds query {unknown!r}, which was not evaluated")
    _check_unique("slices", [members.name for members in evidence.slices])
    _check_unique("guards", [guard.name for guard in evidence.guards])


def _check_queries(what: str, queries: list[str], *values: tuple[str, Values]) -> None:
    if not queries:
        raise InvalidInput(f"{what}: there is none, so there is nothing to decide by")
    _check_unique(what, queries)
    for name, held in values:
        for side, row in (("base", held.base), ("candidate", held.candidate)):
            if len(row) != len(queries):
                raise InvalidInput(f"{name} has {len(row):,} values of the {side} for {len(queries):,} {what}")


def _check_unique(what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise InvalidInput(f"{what}: {twice!r} is there twice")
