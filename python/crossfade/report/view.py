"""From a checked record to what the templates draw: the verdict, the figures and the facts."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.plots import Axis, Waterfall, difference_axis, outcome, waterfall
from crossfade.report.queries import QueryGroups, group_queries
from crossfade.report.record import Difference, Latency, Record
from crossfade.report.text import clean, count, percent_change, sentence_list
from crossfade.report.wording import VERDICT_WORDS, VerdictWords, describes_judgments, gloss

_SIGNS = {"better": "▲", "worse": "▼", "unclear": "○", "judged": "–"}
_WORDS = {
    "better": "better",
    "worse": "worse",
    "unclear": "no clear difference",
    "judged": "describes the judgments",
}


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure; `left`, `point` and `right` in percent of the plot's width."""

    difference: Difference
    gloss: str
    outcome: str
    sign: str
    words: str
    left: float
    point: float
    right: float


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
class LatencyRow:
    """One percentile of both models in milliseconds, with bars in percent of the longest."""

    name: str
    words: str
    base: float
    candidate: float
    change: str | None
    base_bar: float
    candidate_bar: float


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what was compared: one value for both, or one each."""

    name: str
    base: str
    candidate: str

    @property
    def shared(self) -> bool:
        return self.base == self.candidate


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the templates draw. `has`: which optional columns any measure fills."""

    record: Record
    verdict: VerdictWords
    advice: str
    scope: str
    axis: Axis
    rows: list[MeasureRow]
    balance: Balance | None
    change: str | None
    latency: list[LatencyRow]
    latency_samples: str
    reindex: bool | None
    waterfall: Waterfall | None
    groups: QueryGroups
    facts: list[Fact]
    has: dict[str, bool]

    @property
    def primary(self) -> MeasureRow:
        return self.rows[0]


def build(record: Record) -> Page:
    base, candidate = record.base, record.candidate
    words = VERDICT_WORDS[record.verdict]
    axis = difference_axis([bound for row in record.differences for bound in (row.low, row.high, row.delta)])
    groups = group_queries(record.queries)
    primary = record.differences[0]
    documents = f" over {count(base.documents, 'document')}" if base.documents is not None else ""
    ours, theirs = base.model.document_fingerprint, candidate.model.document_fingerprint
    return Page(
        record=record,
        verdict=words,
        advice=words.advice.format(base=base.model.name, candidate=candidate.model.name),
        scope=f"{count(base.queries, 'query', 'queries')}{documents}, data set {base.dataset}, split {base.split}",
        axis=axis,
        rows=[_row(row, row is primary, axis, record.alpha) for row in record.differences],
        balance=_balance(record),
        change=percent_change(primary.base, primary.candidate),
        latency=_latency(base.latency, candidate.latency) if base.latency and candidate.latency else [],
        latency_samples=_samples(base.latency, candidate.latency),
        reindex=None if ours is None or theirs is None else ours != theirs,
        waterfall=waterfall(_deltas(record, groups)),
        groups=groups,
        facts=_facts(record),
        has={
            name: any(getattr(row, name) is not None for row in record.differences)
            for name in ("p_holm", "wins", "minimum_detectable")
        },
    )


def _row(difference: Difference, primary: bool, axis: Axis, alpha: float) -> MeasureRow:
    found = _outcome(difference, primary, alpha)
    return MeasureRow(
        difference=difference,
        gloss=gloss(difference.measure),
        outcome=found,
        sign=_SIGNS[found],
        words=_WORDS[found],
        left=axis.at(difference.low),
        point=axis.at(difference.delta),
        right=axis.at(difference.high),
    )


def _outcome(difference: Difference, primary: bool, alpha: float) -> str:
    """As the verdict's rule has it: the primary measure by its interval and its own p, the others by Holm's p."""
    if describes_judgments(difference.measure):
        return "judged"
    if primary:
        proven = difference.p <= alpha and not difference.low <= 0 <= difference.high
    else:
        proven = (difference.p if difference.p_holm is None else difference.p_holm) <= alpha
    if not proven or difference.delta == 0:
        return "unclear"
    return "better" if difference.delta > 0 else "worse"


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


def _latency(base: Latency, candidate: Latency) -> list[LatencyRow]:
    longest = max(base.p50, base.p95, base.p99, candidate.p50, candidate.p95, candidate.p99) or 1.0
    rows = []
    for name, words in (
        ("p50", "half of the queries"),
        ("p95", "19 of 20 queries"),
        ("p99", "99 of 100 queries"),
    ):
        before, after = getattr(base, name), getattr(candidate, name)
        bars = round(100 * before / longest, 2), round(100 * after / longest, 2)
        rows.append(LatencyRow(name, words, before, after, percent_change(before, after), *bars))
    return rows


def _samples(base: Latency | None, candidate: Latency | None) -> str:
    if base is None or candidate is None or base.samples is None or candidate.samples is None:
        return ""
    if base.samples == candidate.samples:
        return f"{count(base.samples, 'query', 'queries')} timed for each model"
    return f"{count(base.samples, 'query', 'queries')} timed for the base, {candidate.samples:,} for the candidate"


def _facts(record: Record) -> list[Fact]:
    base, candidate = record.base, record.candidate
    facts = [
        Fact("model", base.model.name, candidate.model.name),
        Fact("fingerprint of the query encoder", base.model.fingerprint, candidate.model.fingerprint),
    ]
    if base.model.document_fingerprint is not None and candidate.model.document_fingerprint is not None:
        ours, theirs = base.model.document_fingerprint, candidate.model.document_fingerprint
        facts.append(Fact("fingerprint of the document encoder", ours, theirs))
    facts += [
        Fact(name, shown, shown)
        for name, shown in (
            ("data set", base.dataset),
            ("split", base.split),
            ("queries", f"{base.queries:,}"),
            ("documents", "" if base.documents is None else f"{base.documents:,}"),
            ("measures", clean(sentence_list([row.measure for row in record.differences]), 1000)),
        )
        if shown
    ]
    for name in dict.fromkeys([*base.settings, *candidate.settings]):
        facts.append(Fact(name, base.settings.get(name, "–"), candidate.settings.get(name, "–")))
    facts += [Fact(name, shown, shown) for name, shown in record.settings.items()]
    return facts
