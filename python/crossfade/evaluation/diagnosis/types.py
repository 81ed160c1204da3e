"""Result types of a diagnosis: what its JSON record, the printed tables and a report are drawn from.

The `to_json` form is public: its keys are the fields' names and `schema`. Fields are added with defaults; none is
renamed or removed within a schema version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crossfade.errors import InvalidInput
from crossfade.evaluation.record import decode, encode
from crossfade.evaluation.results import Difference, Latency, ModelRef, RankedDocument, Retrieval

SCHEMA = 1
"""Version of the record. It rises when a reader of the old one would misread the new; new keys do not raise it."""

ArmKind = Literal[
    "baseline",
    "chunking",
    "filters",
    "no_reranker",
    "dense",
    "lexical",
    "hybrid",
    "reranking",
    "base_model",
    "quantised",
    "adapter",
    "tuned",
    "combination",
]

Cause = Literal[
    "missing_document",
    "filter",
    "duplicate_or_stale",
    "unjudged",
    "truncated",
    "chunk_border",
    "exact_match",
    "ranked_low",
    "semantic_mismatch",
]
"""In the order in which they are asked for: the first that fits is the cause (`causes.py` beside)."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

Action = Literal[
    "fix_data",
    "chunking",
    "filters",
    "no_reranker",
    "dense",
    "lexical",
    "hybrid",
    "reranking",
    "base_model",
    "fine_tune",
    "nothing_is_wrong",
]
"""`no_reranker`, `dense` (vectors alone), `lexical` (words alone): where the baseline has more, and is the worse for
it; `dense` also where it has words alone."""

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A measure's mean over the queries, and its 95% bootstrap interval."""

    mean: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """What an arm asks for, as measured. `query_cpu_ms`: CPU time of one query on all cores together, mean.
    `corpus_tokens`: that the model reads to embed the corpus once; 0 where no vector is searched. `index_bytes`: of
    vectors in float32, and of the word index on the disk where words are searched. `rows`: of the index.
    """

    query_cpu_ms: float
    corpus_tokens: int
    index_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One rung of the ladder.

    `parts`: the arms that a combination is made of. `filtered`: each query's own filter was applied. `difference`: arm
    minus baseline on the primary measure, `p_holm` over all arms; None of the baseline. `latency_ms` and
    `baseline_latency_ms` were timed in turns, query by query, so that their ratio holds whatever else the machine did;
    the latter is None of the baseline. `per_query`: the primary measure. `misses`: queries with a relevant document,
    and none of them in the first k.
    """

    name: str
    kind: ArmKind
    model: ModelRef
    retrieval: Retrieval
    measures: dict[str, Mean]
    difference: Difference | None
    latency_ms: Latency
    baseline_latency_ms: Latency | None
    cost: Cost
    per_query: dict[str, float]
    misses: int = 0
    parts: list[str] = field(default_factory=list)
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An arm that was not measured, and why."""

    name: str
    kind: ArmKind
    reason: str
    inapplicable: bool = False  # the data give nothing to measure, as against: it was not asked for


@dataclass(frozen=True, slots=True)
class FailedQuery:
    """A query of the baseline without a relevant document in the first k.

    `evidence`: what the cause was told by; its keys depend on the cause (docs/diagnosis.md). `best_rank`: of the best
    relevant document, from 1; None when it is not in the corpus, or beyond what was searched. `margin`: its score minus
    that of the k-th result. `mended_by`: arms that have a relevant document in their first k.
    """

    query_id: str
    text: str
    cause: Cause
    evidence: dict[str, Any]
    best_rank: int | None
    margin: float | None
    mended_by: list[str]
    results: list[RankedDocument]
    relevant: list[RankedDocument]


@dataclass(frozen=True, slots=True)
class CauseCount:
    """`share`: of all failed queries. `examples`: query ids."""

    cause: Cause
    count: int
    share: float
    examples: list[str]


@dataclass(frozen=True, slots=True)
class Term:
    """A word that the queries of semantic mismatches have more often than the others do.

    `mismatched` and `others`: queries that have it. `log_odds`, `z`: over-representation with a smoothing prior, and
    the same in standard errors. `acronym`: it is written in capitals.
    """

    term: str
    mismatched: int
    others: int
    log_odds: float
    z: float
    acronym: bool = False


@dataclass(frozen=True, slots=True)
class FailureCluster:
    """Failed queries that lie together, named by the words that they have more often than all others."""

    terms: list[str]
    queries: list[str]
    causes: dict[str, int]


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """`relevant_used`: relevant documents among the contexts. `retrievable`: the baseline has one in its first k."""

    query_id: str
    text: str
    answer: str
    relevant_used: list[str]
    retrievable: bool


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """Answers by what was wrong. `not_retrieved`: wrong, and no context was relevant: retrieval failed.
    `not_used`: wrong, though a relevant context was there: generation failed. `unknown`: wrong, and nobody judged the
    question, or a context could not be told to be a document's. `right_without`: right without a relevant context.
    """

    answers: int
    right: int
    right_without: int
    not_retrieved: int
    not_used: int
    unknown: int
    not_retrieved_examples: list[FailedAnswer]
    not_used_examples: list[FailedAnswer]


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One question of the checklist. `figure`: what answers it; `source`: the file or arm behind that; `how`: how to
    find out, where it is unknown, or what to do."""

    question: str
    answer: Answer
    figure: str
    source: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do first. `arm`: the one that proves it; None when no arm does. `reasons`: sentences with figures."""

    action: Action
    arm: str | None
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A baseline, what the simpler remedies give, why queries fail, and what to do first.

    `failed`: queries without a relevant document in the first `k`. `unanswerable`: queries that nobody judged a
    document relevant for; they cannot fail. `notes`: what a reader should know beside.
    """

    dataset: str
    split: str
    queries: int
    documents: int
    primary: str
    k: int
    arms: list[ArmFigures]  # the baseline first
    left_out: list[LeftOut]
    failed: int
    unanswerable: int
    causes: list[CauseCount]  # most frequent first
    failures: list[FailedQuery]  # in the order of the queries
    terms: list[Term]
    clusters: list[FailureCluster]
    checklist: list[CheckItem]
    recommendation: Recommendation
    answers: AnswerReport | None = None
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def baseline(self) -> ArmFigures:
        return self.arms[0]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values. Raises InvalidInput when a figure is NaN or infinite."""
        return {"schema": SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Diagnosis:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong, or for a record that is
        newer than this reader."""
        version = data.get("schema", SCHEMA) if isinstance(data, Mapping) else SCHEMA
        if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= SCHEMA:
            raise InvalidInput(
                f"schema: {version!r} is no version of a diagnosis that this crossfade reads (1 to {SCHEMA}): "
                "upgrade crossfade, or run the diagnosis again"
            )
        found = decode(cls, data)
        if not found.arms:
            raise InvalidInput("arms: empty; expected the baseline at least")
        return found
