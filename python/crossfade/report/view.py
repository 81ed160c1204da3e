"""From checked records to what the templates draw, section by section."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.pair import pair_of
from crossfade.report.plots import Waterfall, outcome, waterfall
from crossfade.report.queries import QueryGroups, group_queries
from crossfade.report.record import Difference, Record
from crossfade.report.sections.causes import Causes, causes
from crossfade.report.sections.differences import Differences, compared, decided
from crossfade.report.sections.facts import Fact, missing, more_facts, pair_facts
from crossfade.report.sections.fix_first import FixFirst, fix_first
from crossfade.report.sections.frontier import FrontierView, LatencyView, frontier, latency
from crossfade.report.sections.ladder import Ladder, ladder
from crossfade.report.sections.lead import Lead, lead
from crossfade.report.sections.slices import Slices, churn_sentences, slices
from crossfade.report.sections.trust import Trust, trust
from crossfade.report.shapes import Facts
from crossfade.report.text import percent_change
from crossfade.report.together import Records


@dataclass(frozen=True, slots=True)
class Balance:
    """Wins, losses and ties of the primary measure, and their shares in percent."""

    wins: int
    losses: int
    ties: int

    @property
    def total(self) -> int:
        return self.wins + self.losses + self.ties

    def share(self, part: int) -> float:
        return round(100 * part / self.total, 3)


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of base and candidate beside the verdict. `confidence`: of the primary measure's interval."""

    record: Record
    primary: Difference
    confidence: str
    differences: Differences
    balance: Balance | None
    change: str | None
    reindex: bool | None
    latency: LatencyView | None
    waterfall: Waterfall | None
    groups: QueryGroups
    facts: list[Fact]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the templates draw; None or empty is left out. `sections`: ids and names, for the way there."""

    lead: Lead
    pair: Pair | None
    fix_first: FixFirst | None
    ladder: Ladder | None
    causes: Causes | None
    slices: Slices | None
    churn: list[str]
    frontier: FrontierView | None
    trust: Trust | None
    facts: list[Facts]
    missing: list[tuple[str, str]]

    @property
    def sections(self) -> list[tuple[str, str]]:
        pair = self.pair
        there = (
            ("fix", "What to fix first", self.fix_first),
            ("measures", "Measures", pair),
            ("ladder", "Ladder", self.ladder),
            ("causes", "Causes", self.causes),
            ("slices", "Slices", self.slices or self.churn),
            ("balance", "Wins and losses", pair and pair.waterfall),
            ("queries", "Queries", pair and pair.groups.groups),
            ("latency", "Latency and cost", pair and pair.latency),
            ("frontier", "Frontier", self.frontier),
            ("trust", "Trust", self.trust),
            ("facts", "The record", True),
        )
        return [(key, name) for key, name, shown in there if shown]


def build(given: Records) -> Page:
    """Raises nothing: the records were checked."""
    decision, diagnosis = given.decision, given.diagnosis
    record = given.comparison or (pair_of(decision) if decision is not None else None)
    return Page(
        lead=lead(given, record),
        pair=_pair(record, given) if record is not None else None,
        fix_first=fix_first(decision, diagnosis, lead=record is None),
        ladder=ladder(diagnosis) if diagnosis is not None else None,
        causes=causes(diagnosis) if diagnosis is not None else None,
        slices=slices(decision) if decision is not None else None,
        churn=churn_sentences(decision.churn) if decision is not None else [],
        frontier=frontier(given.frontier) if given.frontier is not None else None,
        trust=trust(record, decision, given.leakage),
        facts=more_facts(given),
        missing=missing(given),
    )


def _pair(record: Record, given: Records) -> Pair:
    decision, primary = given.decision, record.differences[0]
    tags = {loss.query.id: loss.slices for loss in decision.losses} if decision is not None else {}
    fallen = (
        frozenset(each.name for each in decision.of("slice") if each.harmed) if decision is not None else frozenset()
    )
    known = {loss.query.id: loss.query for loss in decision.losses} if decision is not None else {}
    queries = [each if each.base_results or each.id not in known else known[each.id] for each in record.queries]
    groups = group_queries(queries, tags, fallen, whole=given.comparison is not None)
    ours, theirs = record.base.model.document_fingerprint, record.candidate.model.document_fingerprint
    differences = decided(decision) if decision is not None else compared(record)
    return Pair(
        record=record,
        primary=primary,
        confidence=differences.confidence,
        differences=differences,
        balance=_balance(record),
        change=percent_change(primary.base, primary.candidate),
        reindex=None if ours is None or theirs is None else ours != theirs,
        latency=latency(record, decision),
        waterfall=waterfall(_deltas(record, groups)),
        groups=groups,
        facts=pair_facts(record),
    )


def _pairs(record: Record) -> dict[str, float]:
    """Difference of the primary measure by query id: all of them where the record has them, else those listed."""
    base, candidate = record.base.per_query, record.candidate.per_query
    if base and base.keys() == candidate.keys():
        return {query: candidate[query] - value for query, value in base.items()}
    return {query.id: query.delta for query in record.queries}


def _balance(record: Record) -> Balance | None:
    primary = record.differences[0]
    if primary.wins is not None and primary.losses is not None and primary.ties is not None:
        found = Balance(primary.wins, primary.losses, primary.ties)
    else:
        kinds = [outcome(delta) for delta in _pairs(record).values()]
        found = Balance(kinds.count("win"), kinds.count("loss"), kinds.count("tie"))
    return found if found.total else None


def _deltas(record: Record, groups: QueryGroups) -> list[tuple[float, str, int | None]]:
    entries = {entry.query.id: entry for group in groups.groups for entry in group.entries}
    deltas: list[tuple[float, str, int | None]] = []
    for query, delta in _pairs(record).items():
        entry = entries.get(query)
        deltas.append((delta, entry.query.text if entry else query, entry.number if entry else None))
    return deltas
