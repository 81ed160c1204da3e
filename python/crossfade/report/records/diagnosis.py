"""A diagnosis (docs/diagnosis.md) as the page takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.report.flat import flat, retrieval
from crossfade.report.limits import LONG_LIST, NAME, QUERY, REASON, REASONS
from crossfade.report.parse import read_latency, read_ranking
from crossfade.report.reader import Fields, HasRecord, Place, as_json
from crossfade.report.record import Latency, Model, Ranked
from crossfade.report.records.answers import Answers, read_answers

SCHEMA = 1
ACTIONS = (
    "fix_data",
    "chunking",
    "filters",
    "hybrid",
    "reranking",
    "base_model",
    "fine_tune",
    "nothing_is_wrong",
)
ANSWERS = ("yes", "no", "unknown")
EXAMPLES = 3  # of each cause
ARMS = 60
_TERMS, _CLUSTERS = 20, 10
_ALPHA = 0.05  # of `crossfade diagnose`


@dataclass(frozen=True, slots=True)
class Change:
    """Arm minus baseline on the primary measure."""

    delta: float
    low: float
    high: float
    p_holm: float
    wins: int | None
    losses: int | None


@dataclass(frozen=True, slots=True)
class Arm:
    """One rung. `change` and `baseline_latency` are None of the baseline."""

    name: str
    kind: str
    model: Model
    value: float
    low: float
    high: float
    change: Change | None
    latency: Latency
    baseline_latency: Latency | None
    cpu_ms: float
    index_bytes: int
    misses: int
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class LeftOut:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A query that failed, what told its cause, and what the baseline found instead."""

    query: str
    text: str
    evidence: dict[str, str]
    best_rank: int | None
    mended_by: list[str]
    results: list[Ranked]
    relevant: list[Ranked]


@dataclass(frozen=True, slots=True)
class CauseCount:
    cause: str
    count: int
    share: float
    examples: list[Failure]


@dataclass(frozen=True, slots=True)
class Term:
    """A word, and in how many queries of mismatches and of others it is; `z`: how far from chance."""

    term: str
    mismatched: int
    others: int
    z: float


@dataclass(frozen=True, slots=True)
class Cluster:
    terms: list[str]
    count: int
    causes: dict[str, int]
    example: str


@dataclass(frozen=True, slots=True)
class Check:
    """One of the nine questions."""

    question: str
    answer: str
    figure: str
    source: str
    how: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`arms`: the baseline first. `hashes`: of the data, where the record has them."""

    dataset: str
    split: str
    queries: int
    documents: int
    primary: str
    k: int
    arms: list[Arm]
    left_out: list[LeftOut]
    failed: int
    unanswerable: int
    causes: list[CauseCount]
    terms: list[Term]
    clusters: list[Cluster]
    checklist: list[Check]
    action: str
    proof: str | None
    reasons: list[str]
    answers: Answers | None
    notes: list[str]
    alpha: float
    hashes: dict[str, str]
    facts: dict[str, str]

    @property
    def baseline(self) -> Arm:
        return self.arms[0]


def read(record: Mapping[str, Any] | HasRecord) -> Diagnosis:
    """Check and clean a diagnosis. Raises InvalidInput, naming the field by path."""
    fields = Fields(as_json(record), Place("diagnosis"))
    fields.get("arms")  # the wrong kind of record is told before its version
    if "schema" in fields and fields.whole("schema") != SCHEMA:
        raise fields.place("schema").wrong(f"{SCHEMA}: another version is another crossfade's", fields.get("schema"))
    primary = fields.get("primary")
    arms = [_arm(each, primary) for each in fields.objects("arms", ARMS)]
    if not arms or arms[0].change is not None:
        raise fields.place("arms").wrong("a list that begins with the baseline", fields.get("arms"))
    advice, settings = fields.fields("recommendation"), fields.optional_fields("settings")
    return Diagnosis(
        dataset=fields.text("dataset", NAME),
        split=fields.text("split", NAME),
        queries=fields.whole("queries"),
        documents=fields.whole("documents"),
        primary=fields.text("primary", NAME),
        k=fields.whole("k"),
        arms=arms,
        left_out=[
            LeftOut(each.text("name", NAME), each.text("reason", REASON))
            for each in fields.objects("left_out", LONG_LIST)
        ],
        failed=fields.whole("failed"),
        unanswerable=fields.whole("unanswerable"),
        causes=_causes(fields),
        terms=[_term(each) for each in fields.objects("terms", _TERMS)],
        clusters=list(_clusters(fields)),
        checklist=[_check(each) for each in fields.objects("checklist", LONG_LIST)],
        action=advice.one_of("action", ACTIONS),
        proof=advice.optional_text("arm", NAME),
        reasons=advice.sentences("reasons", REASON, REASONS),
        answers=read_answers(fields.optional_fields("answers")),
        notes=fields.sentences("notes", REASON, REASONS) if "notes" in fields else [],
        alpha=settings.probability("alpha") if settings and "alpha" in settings else _ALPHA,
        hashes=read_hashes(settings),
        facts=flat(settings),
    )


def read_hashes(settings: Fields | None) -> dict[str, str]:
    """Of corpus, queries and judgments, where settings hold them."""
    if settings is None:
        return {}
    return {
        name: settings.text(name, NAME) for name in ("corpus_hash", "queries_hash", "qrels_hash") if name in settings
    }


def read_model(fields: Fields) -> Model:
    """Name and fingerprints."""
    return Model(
        name=fields.text("name", NAME),
        fingerprint=fields.text("fingerprint", NAME),
        document_fingerprint=fields.optional_text("document_fingerprint", NAME),
    )


def _arm(fields: Fields, primary: Any) -> Arm:
    measures = fields.fields("measures")
    if not isinstance(primary, str) or primary not in measures:
        raise fields.place("measures").wrong("an object that holds the primary measure", measures.values)
    mean, cost = measures.fields(primary), fields.fields("cost")
    low, high = mean.interval("ci95")
    difference, beside = fields.optional_fields("difference"), fields.optional_fields("baseline_latency_ms")
    return Arm(
        name=fields.text("name", NAME),
        kind=fields.text("kind", NAME),
        model=read_model(fields.fields("model")),
        value=mean.number("mean"),
        low=low,
        high=high,
        change=_change(difference) if difference else None,
        latency=read_latency(fields.fields("latency_ms")),
        baseline_latency=read_latency(beside) if beside else None,
        cpu_ms=cost.at_least_zero("query_cpu_ms"),
        index_bytes=cost.whole("index_bytes"),
        misses=fields.optional_whole("misses") or 0,
        settings=retrieval(fields.optional_fields("retrieval")),
    )


def _change(fields: Fields) -> Change:
    low, high = fields.interval("ci95")
    return Change(
        delta=fields.number("delta"),
        low=low,
        high=high,
        p_holm=fields.probability("p_holm"),
        wins=fields.optional_whole("wins"),
        losses=fields.optional_whole("losses"),
    )


def _causes(fields: Fields) -> list[CauseCount]:
    """With the failures that are their examples; a hundred thousand others are not looked at."""
    failures: dict[Any, Fields] = {}
    for each in fields.objects("failures"):
        key = each.get("query_id")
        if not isinstance(key, str):
            raise each.place("query_id").wrong("a text", key)
        failures[key] = each
    found = []
    for each in fields.objects("causes", LONG_LIST):
        share = each.probability("share")
        examples = []
        place = each.place("examples")
        for index, query in enumerate(each.items("examples")[:EXAMPLES]):
            if not isinstance(query, str) or query not in failures:
                raise place.item(index).wrong("the id of a query among the failures", query)
            examples.append(_failure(failures[query]))
        found.append(CauseCount(each.text("cause", NAME), each.whole("count"), share, examples))
    return found


def _failure(fields: Fields) -> Failure:
    return Failure(
        query=fields.text("query_id", NAME),
        text=fields.text("text", QUERY),
        evidence=flat(fields.fields("evidence")),
        best_rank=fields.optional_whole("best_rank"),
        mended_by=fields.texts("mended_by", NAME, ARMS),
        results=read_ranking(fields, "results"),
        relevant=read_ranking(fields, "relevant"),
    )


def _term(fields: Fields) -> Term:
    return Term(fields.text("term", NAME), fields.whole("mismatched"), fields.whole("others"), fields.number("z"))


def _clusters(fields: Fields) -> Iterator[Cluster]:
    for each in fields.objects("clusters", _CLUSTERS):
        causes = each.fields("causes")
        queries = each.texts("queries", NAME, LONG_LIST)
        yield Cluster(
            terms=each.texts("terms", NAME, 10),
            count=len(each.items("queries")),
            causes={name: causes.whole(name) for name in list(causes.values)[:LONG_LIST]},
            example=queries[0] if queries else "",
        )


def _check(fields: Fields) -> Check:
    return Check(
        question=fields.text("question", QUERY),
        answer=fields.one_of("answer", ANSWERS),
        figure=fields.text("figure", REASON),
        source=fields.text("source", REASON),
        how=fields.optional_text("how", REASON) or "",
    )
