"""Gates: what holds a verdict up whatever the figures say, each with its reason and how to clear it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from crossfade.errors import InvalidInput
from crossfade.evaluation.decision.evidence import Cost, Evidence, JudgedShares
from crossfade.evaluation.decision.findings import Finding
from crossfade.evaluation.decision.leakage_gate import objections
from crossfade.evaluation.decision.protocol import Protocol

Kind = Literal["evidence", "release"]

_SAME_SETTINGS = ("corpus_hash", "queries_hash", "qrels_hash", "depth", "ties")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Gate:
    """`kind`: an evidence gate says whether the figures may be relied on, a release gate whether what they belong to
    may go out. `limit` and `found` are in the gate's own unit, None where it has none. `waived`: why it may fail,
    empty where nobody said so. `reason` and `remedy` are sentences; `remedy` is empty where it passed.
    """

    name: str
    kind: Kind
    passed: bool
    reason: str
    remedy: str = ""
    limit: float | None = None
    found: float | None = None
    waived: str = ""

    @property
    def blocks(self) -> bool:
        return not self.passed and not self.waived


def check_gates(protocol: Protocol, evidence: Evidence, findings: list[Finding]) -> list[Gate]:
    """Every gate that the protocol sets, evidence gates first.

    Raises InvalidInput when a waiver names neither one of them nor a slice or guard set, or when the evidence holds a
    date that is none.
    """
    waivers = {waiver.name: waiver.reason for waiver in protocol.waivers}
    gates = [
        Gate(gate.name, gate.kind, gate.passed, gate.reason, gate.remedy, gate.limit, gate.found,
             waivers.get(gate.name, ""))
        for gate in (*_evidence_gates(protocol, evidence), *_release_gates(protocol, evidence, findings))
    ]  # fmt: skip
    known = {gate.name for gate in gates} | {each.label for each in findings if each.subject != "measure"}
    for name in waivers:
        if name not in known:
            there = ", ".join(sorted(known))
            raise InvalidInput(f"the waiver of {name!r} names no gate, slice or guard set; there are: {there}")
    return gates


def _evidence_gates(protocol: Protocol, evidence: Evidence) -> Iterator[Gate]:
    yield _match(protocol, evidence)
    yield _queries(protocol, evidence)
    yield _baseline(protocol, evidence)
    if protocol.gates.least_judged is not None:
        yield _judged(protocol.gates.least_judged, evidence)
    if evidence.leakage is not None or protocol.gates.leakage == "required":
        yield _leakage(protocol, evidence)


def _release_gates(protocol: Protocol, evidence: Evidence, findings: list[Finding]) -> Iterator[Gate]:
    yield from _latency(protocol, evidence)
    for name, limit in (
        ("cost_queries", protocol.gates.cost_per_million_queries),
        ("cost_documents", protocol.gates.cost_per_million_documents),
    ):
        if limit is not None:
            yield _cost(name, limit, evidence.candidate.cost)
    for finding in findings:
        if finding.non_inferior is not None:
            yield _non_inferiority(protocol, finding)
    tested = {finding.name for finding in findings if finding.subject == "slice"}
    asking = {rule.name for rule in protocol.slices if rule.require == "non_inferiority"}
    for members in evidence.slices:
        if members.rule in asking and members.name not in tested:
            yield Gate(
                f"slice:{members.name}", "release", False, f"Slice {members.name} holds no query, so nothing is shown.",
                "Add judged queries to it, or take it out of the protocol before the figures are seen.",
            )  # fmt: skip


def _match(protocol: Protocol, evidence: Evidence) -> Gate:
    base, candidate, data, expected = evidence.base, evidence.candidate, evidence.data, protocol.expected
    unlike = [
        f"{name} is {base.settings[name]} for the base and {candidate.settings[name]} for the candidate"
        for name in _SAME_SETTINGS
        if name in base.settings and name in candidate.settings and base.settings[name] != candidate.settings[name]
    ]
    for what, wanted, there in (
        ("base", expected.base, base.fingerprint),
        ("candidate", expected.candidate, candidate.fingerprint),
        ("corpus", expected.corpus, data.corpus_sha256),
        ("queries", expected.queries, data.queries_sha256),
        ("judgments", expected.qrels, data.qrels_sha256),
    ):
        if wanted and wanted != there:
            unlike.append(f"the protocol expects {what} {wanted}, and {there} was evaluated")
    if unlike:
        return Gate(
            "match", "evidence", False, f"What was compared is not what was declared: {'; '.join(unlike)}.",
            "Evaluate both models on the same data, and the models that the protocol names.",
        )  # fmt: skip
    return Gate("match", "evidence", True, "Both sides were measured on the same data with the same settings.")


def _queries(protocol: Protocol, evidence: Evidence) -> Gate:
    least, n = protocol.gates.least_queries, len(evidence.queries)
    what = f"{n:,} {'query is' if n == 1 else 'queries are'} judged, at least {least:,} were declared"
    if n < least:
        return Gate(
            "queries", "evidence", False, f"Too few queries: {what}; a handful does not speak for the rest.",
            f"Judge {least - n:,} more.", least, n,
        )  # fmt: skip
    return Gate("queries", "evidence", True, f"{what[0].upper()}{what[1:]}.", "", least, n)


def _judged(least: float, evidence: Evidence) -> Gate:
    judged = evidence.judged
    base, candidate = float(np.mean(judged.base)), float(np.mean(judged.candidate))
    found = min(base, candidate)
    what = f"Of the first {judged.k} results {base:.0%} of the base's and {candidate:.0%} of the candidate's are judged"
    if found >= least:
        return Gate("judged", "evidence", True, f"{what}; at least {least:.0%} was declared.", "", least, found)
    return Gate(
        "judged",
        "evidence",
        False,
        f"{what}, and at least {least:.0%} was declared.{_bounded(judged)}",
        "Judge the results that --pool writes out, and compare again.",
        least,
        found,
    )


def _bounded(judged: JudgedShares) -> str:
    base, candidate = judged.base_bounds, judged.candidate_bounds
    low, high = judged.difference_low, judged.difference_high
    if base is None or candidate is None or low is None or high is None:
        return (
            f" How far the other {judged.pool:,} results could move {judged.measure} has no bound here: it leaves out "
            "what nobody judged, so its figure is no end of a range, as that of a measure is to which unjudged means "
            "irrelevant; the other measures' bounds say how much is open."
        )
    return (
        f" By how the other {judged.pool:,} results are judged, {judged.measure} lies between {base.low:.3f} and "
        f"{base.high:.3f} for the base, between {candidate.low:.3f} and {candidate.high:.3f} for the candidate, and "
        f"the difference between {low:+.3f} and {high:+.3f}."
    )


def _leakage(protocol: Protocol, evidence: Evidence) -> Gate:
    found, limit = evidence.leakage, protocol.gates.leakage_limit
    if found is None:
        return Gate(
            "leakage", "evidence", False, "The protocol requires a leakage report, and none was given.",
            "Look for overlap of training and evaluation data, and give the report with --leakage.", limit,
        )  # fmt: skip
    share = found.queries_touched / found.queries if found.queries else None
    if against := objections(found, evidence.data, limit):
        return Gate(
            "leakage", "evidence", False, f"The leakage report does not clear these data: {' '.join(against)}",
            "Train without the rows that the report names, or evaluate on queries that were not trained on; and look "
            "with the usual settings, at every row.", limit, share,
        )  # fmt: skip
    reason = (
        f"In {found.rows:,} training rows the leakage report finds {found.queries_touched:,} of {found.queries:,} "
        f"evaluation queries touched; at most {limit:.2%} may be."
    )
    return Gate("leakage", "evidence", True, reason, "", limit, share)


def _baseline(protocol: Protocol, evidence: Evidence) -> Gate:
    limit = protocol.gates.baseline_max_age_days
    measured, decided = _date(evidence.base.created, "base.created"), _date(evidence.decided, "decided")
    age = (decided - measured).total_seconds() / _DAY
    if evidence.data.modified and measured < _date(evidence.data.modified, "data.modified"):
        reason = f"The base was measured at {evidence.base.created}, before the data were last changed."
    elif limit is not None and age > limit:
        reason = f"The base was measured {age:.1f} days ago, and at most {limit:g} were declared."
    else:
        reason = "The base was measured after the data were last changed."
        return Gate("baseline", "evidence", True, reason, "", limit, age)
    return Gate("baseline", "evidence", False, reason, "Evaluate the base again.", limit, age)


def _latency(protocol: Protocol, evidence: Evidence) -> Iterator[Gate]:
    before, after = evidence.base.latency_ms.p99, evidence.candidate.latency_ms.p99
    if (limit := protocol.gates.latency_p99_ms) is not None:
        reason = (
            f"The candidate's 99th percentile of a single query is {after:.1f} ms; at most {limit:g} ms was declared."
        )
        remedy = "" if after <= limit else "Make it faster (a smaller or quantised model), or declare another budget."
        yield Gate("latency", "release", after <= limit, reason, remedy, limit, after)
    if (limit := protocol.gates.latency_p99_ratio) is not None:
        passed = after <= limit * before
        ratio = after / before if before else None
        reason = (
            f"The candidate's 99th percentile of a single query, {after:.1f} ms, is held against the base's, "
            f"{before:.1f} ms: at most {limit:g} times as much was declared."
        )
        remedy = "" if passed else "Make it faster (a smaller or quantised model), or declare another budget."
        yield Gate("latency_ratio", "release", passed, reason, remedy, limit, ratio)


def _cost(name: str, limit: float, cost: Cost | None) -> Gate:
    what = "queries" if name == "cost_queries" else "documents"
    found = None if cost is None else cost.per_million_queries if what == "queries" else cost.per_million_documents
    if cost is None or (found is None and what == "queries"):
        remedy = "Measure the candidate's throughput at the stated prices."
        return Gate(name, "release", False, f"What a million {what} cost was not measured.", remedy, limit)
    if found is None:
        return Gate(name, "release", True, "The candidate embeds no documents.", "", limit)
    reason = f"A million {what} cost {found:.4g} {cost.currency} with the candidate; at most {limit:g} was declared."
    remedy = "" if found <= limit else "Make it cheaper (a smaller or quantised model), or declare another budget."
    return Gate(name, "release", found <= limit, reason, remedy, limit, found)


def _non_inferiority(protocol: Protocol, finding: Finding) -> Gate:
    what = "Guard set" if finding.subject == "guard" else "Slice"
    confidence, least = f"{1 - protocol.alpha:.4g}", protocol.gates.least_guard_queries
    figures = (
        f"{finding.measure} went from {finding.base:.3f} to {finding.candidate:.3f} over {finding.n:,} queries, "
        f"the interval of the difference (confidence {confidence}) from {finding.low:+.3f} to {finding.high:+.3f}"
    )
    lowest = finding.low
    if finding.bound is None:
        figures += f", and {finding.measure} has no bound, for it leaves the range from 0 to 1"
    else:
        lowest = min(lowest, finding.bound)
        figures += f", and whatever the distribution it lies above {finding.bound:+.3f}"
    if finding.non_inferior:
        reason = f"{what} {finding.name} is shown to lose less than {finding.margin:g}: {figures}."
        return Gate(finding.label, "release", True, reason, "", -finding.margin, lowest)
    if finding.n < least:
        figures += f"; fewer than {least:,} queries show nothing"
    return Gate(
        finding.label,
        "release",
        False,
        f"{what} {finding.name} is not shown to lose less than {finding.margin:g}: {figures}.",
        "Judge more queries of it (that narrows the interval), or mend what falls.",
        -finding.margin,
        lowest,
    )


def _date(text: str, what: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{what}: {text!r} is no date: expected ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
