"""Result types of evaluation: what the JSON files, the terminal and the HTML report are drawn from.

The `to_json` forms are public: their keys are the fields' names, plus `schema` and, for a query, `delta`. Fields are
added with defaults; none is renamed or removed within a schema version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crossfade.evaluation.record import LATER, SCHEMA, check_schema, decode, encode

Verdict = Literal["ship", "do_not_ship", "inconclusive", "blocked"]
"""`blocked`: only where a protocol was declared (`evaluation.decision`), when a gate holds the verdict up."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model a figure belongs to. `fingerprint` is the query encoder's, `document_fingerprint` the index's."""

    name: str
    fingerprint: str
    document_fingerprint: str


@dataclass(frozen=True, slots=True)
class RerankerRef:
    """What put the first `depth` candidates of each query into another order."""

    name: str
    fingerprint: str
    depth: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How queries were answered. By default, and in records of version 1: by exact search of whole documents' vectors.

    `chunking`: how documents were cut, as `ChunkingSettings.to_json` says it; empty: not at all. `best_chunks`: a
    document's score was the mean of its so many best chunks'. `analyser`: how texts became words, where words were
    searched. `fusion`: how two lists became one, where there were two. `candidates`: how many documents of each query
    the stages gave on, where there are several. `collection`: of a store, where one was searched and not the corpus of
    the data set.
    """

    mode: Literal["dense", "lexical", "hybrid"] = "dense"
    exact: bool = True
    chunking: dict[str, Any] = field(default_factory=dict)
    analyser: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] = field(default_factory=dict)
    candidates: int = 0
    reranker: RerankerRef | None = None
    collection: str = ""
    best_chunks: int = field(default=1, metadata=LATER)

    @property
    def plain(self) -> bool:
        """As records of version 1 have it, wherever the documents lay."""
        return replace(self, collection="") == Retrieval()


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one query alone through the whole pipeline (encode and search)."""

    p50: float
    p95: float
    p99: float
    samples: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one split. `per_query[measure][query_id]` holds every value that `measures` averages.

    `missing_queries` counts judged queries that the run does not answer; they are in the averages as 0.
    `settings` records how the figures came about: depth, ties, hashes of the data, versions.
    """

    dataset: str
    split: str
    queries: int
    documents: int
    model: ModelRef
    measures: dict[str, float]
    latency_ms: Latency
    per_query: dict[str, dict[str, float]]
    missing_queries: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    retrieval: Retrieval = field(default_factory=Retrieval)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values. Raises InvalidInput when a figure is NaN or infinite."""
        return {"schema": 1 if self.retrieval.plain else SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        check_schema(data)
        return decode(cls, data)


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus base on one measure, paired by query.

    `p` is the randomisation test's, `p_holm` the same corrected over the declared measures. `minimum_detectable` is
    the size that a true difference needs to be found in four tests out of five with this many queries.
    """

    delta: float
    ci95: tuple[float, float]
    p: float
    p_holm: float
    wins: int
    losses: int
    ties: int
    minimum_detectable: float = 0.0


@dataclass(frozen=True, slots=True)
class RankedDocument:
    id: str
    score: float
    title: str
    snippet: str
    grade: int | None  # None: nobody judged it


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """One query, both rankings (their heads), and the primary measure of each.

    `relevant_total` counts the documents judged relevant; `relevant` shows the first of them.
    """

    query_id: str
    text: str
    base_value: float
    candidate_value: float
    base_results: list[RankedDocument]
    candidate_results: list[RankedDocument]
    relevant: list[RankedDocument]  # judged relevant, best grade first; score is NaN-free: 0.0
    relevant_total: int = 0

    @property
    def delta(self) -> float:
        return self.candidate_value - self.base_value


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models, or two ways to answer queries, on the same queries, and what follows from it."""

    base: Evaluation
    candidate: Evaluation
    primary: str
    difference: dict[str, Difference]
    verdict: Verdict
    reasons: list[str]
    queries: list[QueryComparison]  # by delta, largest gain first, then by query id
    settings: dict[str, Any] = field(default_factory=dict)  # seed, resamples, permutations, alpha, ties, versions

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values. Raises InvalidInput when a figure is NaN or infinite."""
        plain = self.base.retrieval.plain and self.candidate.retrieval.plain
        record = {"schema": 1 if plain else SCHEMA, **encode(self)}
        for query, encoded in zip(self.queries, record["queries"], strict=True):
            encoded["delta"] = query.delta
        return record

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        check_schema(data)
        return decode(cls, data)
