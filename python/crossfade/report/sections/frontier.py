"""Quality against latency and cost: of several models, and of the two sides of a decision."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.record import Latency, Record
from crossfade.report.records.decision import Decision
from crossfade.report.records.frontier import Frontier, Point
from crossfade.report.scatter import Dot, Scatter, scatter
from crossfade.report.shapes import WORDS, Column, Table, table, without_empty
from crossfade.report.text import count, milliseconds, percent_change, sentence_list, signed, value


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
class LatencyView:
    base: str
    candidate: str
    rows: list[LatencyRow]
    samples: str
    costs: Table | None


@dataclass(frozen=True, slots=True)
class FrontierView:
    lead: str
    plots: list[Scatter]
    table: Table
    prices: str
    left_out: str


def latency(record: Record, decision: Decision | None) -> LatencyView | None:
    """None where the record has no latency of both."""
    base, candidate = record.base.latency, record.candidate.latency
    if base is None or candidate is None:
        return None
    return LatencyView(
        base=record.base.model.name,
        candidate=record.candidate.model.name,
        rows=_rows(base, candidate),
        samples=_samples(base, candidate),
        costs=_costs(decision) if decision is not None else None,
    )


def _rows(base: Latency, candidate: Latency) -> list[LatencyRow]:
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


def _samples(base: Latency, candidate: Latency) -> str:
    if base.samples is None or candidate.samples is None:
        return ""
    if base.samples == candidate.samples:
        return f"{count(base.samples, 'query', 'queries')} timed for each model"
    return f"{count(base.samples, 'query', 'queries')} timed for the base, {candidate.samples:,} for the candidate"


def money(amount: float | None, currency: str) -> str:
    """Three figures, no exponent."""
    if amount is None:
        return "–"
    shown = (
        f"{amount:,.0f}" if amount >= 1000 else f"{amount:.3g}" if amount >= 0.001 or not amount else f"{amount:.6f}"
    )
    return f"{shown} {currency}"


def _costs(decision: Decision) -> Table | None:
    base, candidate = decision.base_cost, decision.candidate_cost
    if base is None and candidate is None:
        return None
    rows = []
    for name, key in (("A million queries", "queries"), ("A million documents, embedded", "documents")):
        before, after = (None if side is None else getattr(side, key) for side in (base, candidate))
        change = None if before is None or after is None else percent_change(before, after)
        currency = (base or candidate).currency if base or candidate else ""  # type: ignore[union-attr]
        rows.append([name, money(before, currency), money(after, currency), change or "–"])
    return table("Cost of base and candidate", ["Cost", "Base", "Candidate", "Change"], rows)


def frontier(found: Frontier) -> FrontierView:
    currency = found.points[0].cost.currency
    best = [point.name for point in found.points if point.pareto]
    plots = [
        scatter("p99 of a query, ms", "ms", found.measure, [_dot(each, each.latency.p99) for each in found.points]),
        scatter(
            f"{currency} for a million queries",
            currency,
            found.measure,
            [_dot(each, each.cost.queries) for each in found.points],
        ),
        scatter(
            f"{currency} to embed a million documents",
            currency,
            found.measure,
            [_dot(each, each.cost.documents or 0.0) for each in found.points],
        ),
    ]
    drawn = [plot for plot in plots if plot is not None]
    beaten = len(found.points) - len(best)
    lead = (
        f"{sentence_list(best[:6])}{f' and {len(best) - 6} more' if len(best) > 6 else ''} "
        f"{'is' if len(best) == 1 else 'are'} on the frontier: no other of the {len(found.points)} is as good in "
        f"{found.measure}, p99 and both costs, and better in one."
    )
    return FrontierView(
        lead=lead if best else f"{count(beaten, 'model')}.",
        plots=drawn,
        table=_table(found, currency),
        prices=found.prices,
        left_out=f"{count(found.left_out, 'more model')} in the record." if found.left_out else "",
    )


def _dot(point: Point, x: float) -> Dot:
    return Dot(point.name, x, point.value, point.low, point.high, point.pareto)


def _table(found: Frontier, currency: str) -> Table:
    rows = [
        [
            each.name,
            value(each.value),
            f"{value(each.low)} to {value(each.high)}",
            "–" if not each.behind else f"{signed(each.behind)}",
            milliseconds(each.latency.p50),
            milliseconds(each.latency.p99),
            money(each.cost.queries, ""),
            money(each.cost.documents, ""),
            "◆ on the frontier" if each.pareto else f"○ beaten by {sentence_list(each.dominated_by)}",
        ]
        for each in found.points
    ]
    heads: list[str | Column] = ["Model", found.measure, "95% interval", "To the best", "p50 ms", "p99 ms"]
    heads += [f"{currency} / M queries", f"{currency} / M documents", Column("Frontier", WORDS)]
    return without_empty(table("The frontier in figures", heads, rows))
