"""The record of a decision (docs/decision.md) as the page takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from crossfade.evaluation.results import Verdict
from crossfade.report.flat import flat, retrieval
from crossfade.report.limits import LONG_LIST, NAME, REASON, REASONS
from crossfade.report.parse import VERDICTS, read_latency, read_query
from crossfade.report.reader import Fields, HasRecord, Place, as_json
from crossfade.report.record import Model, Query, Side
from crossfade.report.records.judged import Judged, read_judged
from crossfade.report.records.trained import Touched, read_touched

FORMAT, SCHEMA = "crossfade-decision", 1


@dataclass(frozen=True, slots=True)
class Gate:
    """`waived`: why it may fail; empty where nobody said so."""

    name: str
    kind: str
    passed: bool
    reason: str
    remedy: str
    waived: str

    @property
    def state(self) -> str:
        return "passed" if self.passed else "waived" if self.waived else "blocks"


@dataclass(frozen=True, slots=True)
class Finding:
    """Candidate minus base over all queries, a slice or a guard set; as `evaluation.decision.findings` has it."""

    subject: str
    name: str
    measure: str
    n: int
    base: float
    candidate: float
    delta: float
    low: float
    high: float
    margin: float
    wins: int
    losses: int
    ties: int
    minimum_detectable: float | None
    p_gain: float | None
    p_harm: float | None
    p_harm_holm: float | None
    gained: bool
    harmed: bool
    non_inferior: bool | None
    waived: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a million, in `currency`. `documents` is None where nothing is embedded."""

    queries: float
    documents: float | None
    queries_per_second: float
    documents_per_second: float | None
    currency: str


@dataclass(frozen=True, slots=True)
class Data:
    """`hashes`: corpus, queries and judgments by the names that an evaluation's settings have for them."""

    dataset: str
    split: str
    documents: int
    hashes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Loss:
    """A query that lost much, and the slices it is in."""

    slices: list[str]
    query: Query


@dataclass(frozen=True, slots=True)
class Churn:
    """What users see change: shares of the first `depth` results, of first results; mean rank-biased overlap."""

    depth: int
    documents: float
    first: float
    any: float
    positions: float | None
    overlap: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """`deltas`: of the primary measure by query. `findings` begin with the primary measure. `facts`: names and values
    for the last section."""

    verdict: Verdict
    reasons: list[str]
    gates: list[Gate]
    findings: list[Finding]
    alpha: float
    superiority_margin: float
    primary: str
    protocol_sha256: str
    data: Data
    queries: int
    base: Side
    candidate: Side
    base_cost: Cost | None
    candidate_cost: Cost | None
    judged: Judged
    touched: Touched | None
    losses: list[Loss]
    churn: Churn | None
    signed: bool
    facts: dict[str, str]

    def of(self, *subjects: str) -> list[Finding]:
        return [each for each in self.findings if each.subject in subjects]


def read(record: Mapping[str, Any] | HasRecord) -> Decision:
    """Check and clean a decision's record. Raises InvalidInput, naming the field by path."""
    fields = Fields(_by_name(as_json(record)), Place("decision"))
    if fields.get("format") != FORMAT:
        raise fields.place("format").wrong(f'"{FORMAT}"', fields.get("format"))
    if fields.whole("schema") != SCHEMA:
        raise fields.place("schema").wrong(f"{SCHEMA}: another version is another crossfade's", fields.get("schema"))
    protocol, evidence, outcome = fields.fields("protocol"), fields.fields("evidence"), fields.fields("outcome")
    primary = protocol.text("primary", NAME)
    data, queries = _data(evidence.fields("data")), evidence.items("queries")
    waivers = {
        each.text("name", NAME): each.text("reason", REASON)
        for each in (protocol.objects("waivers") if "waivers" in protocol else ())
    }
    ids = _ids(evidence, queries)
    values = _values(evidence, protocol.get("primary"), len(queries))
    base, candidate = evidence.fields("base"), evidence.fields("candidate")
    findings = [_finding(each, waivers) for each in outcome.objects("findings")]
    if not findings or findings[0].subject != "measure" or findings[0].measure != primary:
        raise outcome.place("findings").wrong(f"a list that begins with {primary}, the primary measure", findings)
    alpha = protocol.number("alpha") if "alpha" in protocol else 0.05
    if not 0 < alpha < 1:
        raise protocol.place("alpha").wrong("between 0 and 1", alpha)
    return Decision(
        verdict=cast(Verdict, outcome.one_of("verdict", VERDICTS)),
        reasons=outcome.sentences("reasons", REASON, REASONS),
        gates=[_gate(each) for each in outcome.objects("gates")],
        findings=findings,
        alpha=alpha,
        superiority_margin=protocol.optional_number("superiority_margin") or 0.0,
        primary=primary,
        protocol_sha256=fields.text("protocol_sha256", NAME),
        data=data,
        queries=len(queries),
        base=_side(base, data, ids, values[0]),
        candidate=_side(candidate, data, ids, values[1]),
        base_cost=_cost(base.optional_fields("cost")),
        candidate_cost=_cost(candidate.optional_fields("cost")),
        judged=read_judged(evidence.fields("judged")),
        touched=read_touched(evidence.optional_fields("leakage")),
        losses=[
            Loss(each.texts("slices", NAME, 20), read_query(each.fields("query")))
            for each in (fields.objects("regressions", LONG_LIST) if "regressions" in fields else ())
        ],
        churn=_churn(fields),
        signed="signature" in fields,
        facts=_facts(fields, evidence),
    )


def _by_name(value: Any) -> Any:
    """Names in their order, as the canonical file has them: so a decision that was just made, and the same one read
    again, give the same page."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _by_name(value[key]) for key in sorted(value)}
    if isinstance(value, list) and value and not isinstance(value[0], int | float | str):
        return [_by_name(item) for item in value]
    return value


def _data(fields: Fields) -> Data:
    hashes = {
        name: fields.text(key, NAME)
        for name, key in (
            ("corpus_hash", "corpus_sha256"),
            ("queries_hash", "queries_sha256"),
            ("qrels_hash", "qrels_sha256"),
        )
    }
    return Data(fields.text("dataset", NAME), fields.text("split", NAME), fields.whole("documents"), hashes)


def _ids(evidence: Fields, queries: Any) -> list[str]:
    place = evidence.place("queries")
    for index, query in enumerate(queries):
        if not isinstance(query, str):
            raise place.item(index).wrong("a text", query)
    if not queries or len(set(queries)) < len(queries):
        raise place.wrong("a list of at least one query that holds each once", queries)
    return list(queries)


def _values(evidence: Fields, primary: Any, queries: int) -> tuple[list[float], list[float]]:
    values = evidence.fields("values")
    if not isinstance(primary, str) or primary not in values:
        raise evidence.place("values").wrong("an object that holds the primary measure", values.values)
    held = values.fields(primary)
    found = held.numbers("base"), held.numbers("candidate")
    for name, row in zip(("base", "candidate"), found, strict=True):
        if len(row) != queries:
            raise held.place(name).wrong(f"a list of {queries} numbers, one a query", row)
    return found


def _side(fields: Fields, data: Data, ids: list[str], values: list[float]) -> Side:
    return Side(
        dataset=data.dataset,
        split=data.split,
        queries=len(ids),
        documents=data.documents,
        model=Model(
            name=fields.text("name", NAME),
            fingerprint=fields.text("fingerprint", NAME),
            document_fingerprint=fields.text("document_fingerprint", NAME),
        ),
        latency=read_latency(fields.fields("latency_ms")),
        per_query=dict(zip(ids, values, strict=True)),
        settings=retrieval(fields.optional_fields("retrieval")) | flat(fields.optional_fields("settings")),
    )


def _cost(fields: Fields | None) -> Cost | None:
    if fields is None:
        return None
    return read_cost(fields)


def read_cost(fields: Fields) -> Cost:
    """As `evaluation.decision.evidence.Cost` has it."""
    return Cost(
        queries=fields.at_least_zero("per_million_queries"),
        documents=fields.at_least_zero("per_million_documents") if "per_million_documents" in fields else None,
        queries_per_second=fields.at_least_zero("queries_per_second"),
        documents_per_second=fields.optional_number("documents_per_second"),
        currency=fields.text("currency", 20),
    )


def _gate(fields: Fields) -> Gate:
    return Gate(
        name=fields.text("name", NAME),
        kind=fields.one_of("kind", ("evidence", "release")),
        passed=fields.flag("passed"),
        reason=fields.text("reason", REASON),
        remedy=fields.optional_text("remedy", REASON) or "",
        waived=fields.optional_text("waived", REASON) or "",
    )


def _finding(fields: Fields, waivers: Mapping[str, str]) -> Finding:
    subject, name = fields.one_of("subject", ("measure", "slice", "guard")), fields.text("name", NAME)
    low, high = fields.ends("low", "high")
    return Finding(
        subject=subject,
        name=name,
        measure=fields.text("measure", NAME),
        n=fields.whole("n"),
        base=fields.number("base"),
        candidate=fields.number("candidate"),
        delta=fields.number("delta"),
        low=low,
        high=high,
        margin=fields.at_least_zero("margin"),
        wins=fields.whole("wins"),
        losses=fields.whole("losses"),
        ties=fields.whole("ties"),
        minimum_detectable=fields.optional_number("minimum_detectable") or None,
        p_gain=fields.optional_probability("p_gain"),
        p_harm=fields.optional_probability("p_harm"),
        p_harm_holm=fields.optional_probability("p_harm_holm"),
        gained=fields.flag("gained"),
        harmed=fields.flag("harmed"),
        non_inferior=fields.flag("non_inferior") if "non_inferior" in fields else None,
        waived=waivers.get(f"{subject}:{name}", ""),
    )


def _churn(fields: Fields) -> Churn | None:
    found, overlap = fields.optional_fields("churn"), fields.optional_fields("rank_overlap")
    if found is None:
        return None
    return Churn(
        depth=found.whole("depth"),
        documents=found.probability("documents"),
        first=found.probability("first"),
        any=found.probability("any"),
        positions=found.optional_number("positions"),
        overlap=overlap.probability("mean") if overlap else None,
    )


def _facts(fields: Fields, evidence: Fields) -> dict[str, str]:
    signature = fields.optional_fields("signature")
    facts = {
        "decided": evidence.text("decided", NAME),
        "SHA-256 of the protocol": fields.text("protocol_sha256", NAME),
        "SHA-256 of the record's content": fields.text("content_sha256", NAME),
        "signature": f"{signature.text('algorithm', NAME)}, public key {signature.text('public_key', NAME)}"
        if signature
        else "none",
        "rankings of the base": evidence.fields("base").text("run_sha256", NAME),
        "rankings of the candidate": evidence.fields("candidate").text("run_sha256", NAME),
    }
    if (modified := evidence.fields("data").optional_text("modified", NAME)) is not None:
        facts["data last changed"] = modified
    for guard in islice(evidence.objects("guards") if "guards" in evidence else (), LONG_LIST):
        data = guard.fields("data")
        where = f"{data.text('dataset', NAME)}, split {data.text('split', NAME)}"
        facts[f"guard set {guard.text('name', NAME)}"] = f"{where}, judgments {data.text('qrels_sha256', NAME)}"
    facts |= flat(evidence.optional_fields("files"), "file")
    facts |= flat(fields.fields("protocol"), "protocol")
    return facts | flat(fields.optional_fields("environment"), "machine")
