"""Slices and guard sets: where the candidate falls, where it is shown to hold, and what nobody can tell."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.plots import Axis, difference_axis
from crossfade.report.records.decision import Churn, Decision, Finding
from crossfade.report.sections.differences import findings_table
from crossfade.report.shapes import SIGNS, IntervalRow, Span, Table
from crossfade.report.text import count, interval, signed, value

_SHOWN = 100  # slices may be one a value of a field


@dataclass(frozen=True, slots=True)
class Slices:
    """`blocking`: findings that fall and are not waived, as sentences; `waived`: those that somebody said may."""

    axis: Axis
    rows: list[IntervalRow]
    table: Table
    confidence: str
    blocking: list[str]
    waived: list[str]
    left_out: str


def slices(decision: Decision) -> Slices | None:
    """None where the protocol declares neither slices nor guard sets."""
    found = decision.of("slice", "guard")
    if not found:
        return None
    fallen = [row for row in found if row.harmed or row.non_inferior is False]
    left_out = len(found) - _SHOWN
    if left_out > 0:
        first = sorted(range(len(found)), key=lambda at: (found[at] not in fallen, -_loss(found[at]), at))[:_SHOWN]
        found = [found[at] for at in sorted(first)]
    margins = [-row.margin for row in found]
    axis = difference_axis([*margins, *(end for row in found for end in (row.low, row.high, row.delta))])
    confidence = f"{100 * (1 - decision.alpha):.4g}%"
    return Slices(
        axis=axis,
        rows=[_row(row, axis, confidence) for row in found],
        table=findings_table(found, confidence, "Slice or guard set"),
        confidence=confidence,
        blocking=[_sentence(row) for row in fallen if not row.waived][:_SHOWN],
        waived=[f"{_sentence(row)} Waived: {row.waived}" for row in fallen if row.waived][:_SHOWN],
        left_out=f"{left_out:,} of them that lose less are in the record alone." if left_out > 0 else "",
    )


def _loss(found: Finding) -> float:
    """How much of its margin it loses, so to say; guard sets before slices that lose the same."""
    return -found.delta - found.margin + (1e-6 if found.subject == "guard" else 0.0)


def _row(found: Finding, axis: Axis, confidence: str) -> IntervalRow:
    outcome, words = _outcome(found)
    margin = f" Margin {found.margin:g}." if found.margin else ""
    return IntervalRow(
        name=found.name,
        gloss=f"{found.measure} over {count(found.n, 'query', 'queries')}."
        f"{f' May lose less than {found.margin:g}.' if found.margin else ''}",
        tag={"slice": "slice", "guard": "guard set"}[found.subject],
        outcome=outcome,
        sign=SIGNS[outcome],
        value=signed(found.delta),
        words=f"{words}, waived" if found.waived else words,
        span=Span(
            axis.at(found.low),
            axis.at(found.delta),
            axis.at(found.high),
            axis.at(-found.margin) if found.margin else None,
        ),
        alt=f"{found.subject} {found.name}: {words}; {found.measure} {signed(found.delta)}, {confidence} interval "
        f"{interval(found.low, found.high)}.{margin}",
    )


def _outcome(found: Finding) -> tuple[str, str]:
    if found.harmed:
        return "worse", "falls"
    if found.non_inferior is not None:
        return ("better", "shown to hold") if found.non_inferior else ("unclear", "not shown to hold")
    return ("unclear", "no harm is shown") if found.p_harm is not None else ("unclear", "too small to test")


def _sentence(found: Finding) -> str:
    what = f"{ {'slice': 'Slice', 'guard': 'Guard set'}[found.subject] } {found.name}"
    moved = f"{found.measure} went from {value(found.base)} to {value(found.candidate)}"
    over = f"over {count(found.n, 'query', 'queries')}"
    if found.harmed:
        return f"{what} falls: {moved} {over}."
    return f"{what} is not shown to lose less than {found.margin:g}: {moved} {over}."


def churn_sentences(found: Churn | None) -> list[str]:
    """What users will see change."""
    if found is None:
        return []
    said = [
        f"{found.first:.0%} of the queries get another first result.",
        f"{found.documents:.0%} of the first {found.depth} results are other documents.",
    ]
    if found.positions is not None:
        said.append(f"A document that stays among them moves by {found.positions:.1f} places on average.")
    if found.overlap is not None:
        said.append(f"Rank-biased overlap is {found.overlap:.2f}, where 1 is no change.")
    return said
