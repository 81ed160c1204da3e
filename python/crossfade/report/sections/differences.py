"""How far apart the two sides are, measure by measure: by a decision's rule where there is one, else a comparison's."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.plots import Axis, difference_axis
from crossfade.report.record import Difference, Record
from crossfade.report.records.decision import Decision, Finding
from crossfade.report.shapes import SIGNS, IntervalRow, Span, Table, table, without_empty
from crossfade.report.text import count, interval, p_value, signed, value
from crossfade.report.wording import describes_judgments, gloss

_WORDS = {
    "better": "better",
    "worse": "worse",
    "unclear": "no clear difference",
    "judged": "describes the judgments",
}


@dataclass(frozen=True, slots=True)
class Differences:
    """`margin`: the gain that had to be exceeded, as words; empty where it was zero."""

    axis: Axis
    rows: list[IntervalRow]
    table: Table
    confidence: str
    rule: str
    margin: str


def outcome_of(difference: Difference, primary: bool, alpha: float) -> str:
    """As the verdict's rule has it: the primary measure by its interval and its own p, the others by Holm's p."""
    if describes_judgments(difference.measure):
        return "judged"
    corrected = difference.p if primary or difference.p_holm is None else difference.p_holm
    proven = corrected is not None and corrected <= alpha
    if primary and difference.low <= 0 <= difference.high:
        proven = False
    if not proven or difference.delta == 0:
        return "unclear"
    return "better" if difference.delta > 0 else "worse"


def compared(record: Record) -> Differences:
    """Of a comparison alone."""
    axis = difference_axis([bound for row in record.differences for bound in (row.low, row.high, row.delta)])
    rows = [
        _row(row, outcome_of(row, index == 0, record.alpha), axis, index == 0 and len(record.differences) > 1)
        for index, row in enumerate(record.differences)
    ]
    has_holm = any(row.p_holm is not None for row in record.differences)
    rule = (
        "▲ and ▼ mark a difference that chance hardly explains: for the primary measure, interval beyond zero and p "
        f"at most {record.alpha:g}; for every other, p at most {record.alpha:g}"
        f"{' after Holm’s correction for having looked at several' if has_holm else ''}. ○ is everything else."
    )
    return Differences(axis, rows, _table(record), "95%", rule + _detectable(record), "")


def _detectable(record: Record) -> str:
    if all(row.minimum_detectable is None for row in record.differences):
        return ""
    return " “Detectable” is the true difference that this many queries would reveal four times out of five."


def _row(found: Difference, outcome: str, axis: Axis, tagged: bool) -> IntervalRow:
    words = _WORDS[outcome]
    return IntervalRow(
        name=found.measure,
        gloss=gloss(found.measure),
        tag="primary" if tagged else "",
        outcome=outcome,
        sign=SIGNS[outcome],
        value=signed(found.delta),
        words=words,
        span=Span(axis.at(found.low), axis.at(found.delta), axis.at(found.high)),
        alt=f"{found.measure}: {words}; difference {signed(found.delta)}, 95% interval "
        f"{interval(found.low, found.high)}",
    )


def _table(record: Record) -> Table:
    rows = [
        [
            row.measure,
            value(row.base),
            value(row.candidate),
            signed(row.delta),
            interval(row.low, row.high),
            "–" if row.p is None else p_value(row.p),
            "–" if row.p_holm is None else p_value(row.p_holm),
            _balance(row.wins, row.ties, row.losses),
            "–" if row.minimum_detectable is None else value(row.minimum_detectable),
        ]
        for row in record.differences
    ]
    heads = ("Measure", "Base", "Candidate", "Difference", "95% interval", "p", "p, Holm", "Better / same / worse")
    return without_empty(table("Differences by measure", [*heads, "Detectable"], rows))


def _balance(wins: int | None, ties: int | None, losses: int | None) -> str:
    if wins is None or ties is None or losses is None:
        return "–"
    return f"{wins:,} / {ties:,} / {losses:,}"


def decided(decision: Decision) -> Differences:
    """Of a decision: gain is asked of the primary measure, harm of every one."""
    found, margin = decision.of("measure"), decision.superiority_margin
    ends = [end for row in found for end in (row.low, row.high, row.delta)]
    axis = difference_axis([*ends, margin])
    confidence = f"{100 * (1 - decision.alpha):.4g}%"
    rows = [_decided_row(row, index == 0, axis, confidence, margin) for index, row in enumerate(found)]
    level = f"{decision.alpha / 2:g}"
    rule = (
        f"▲ marks a gain in the primary measure that is shown: its interval lies above "
        f"{f'the margin of {margin:g}' if margin else 'zero'}, and p (one-sided) is at most {level}. ▼ marks harm "
        f"that is shown: p after Holm’s correction over all measures, slices and guard sets at most {level}. Gain is "
        "asked of the primary measure alone; ○ is everything else. “Detectable” is the true difference that this many "
        "queries would reveal four times out of five."
    )
    shown = f"┆ marks the gain that had to be exceeded, {signed(margin)}." if margin else ""
    return Differences(axis, rows, findings_table(found, confidence, "Measure"), confidence, rule, shown)


def _decided_row(found: Finding, primary: bool, axis: Axis, confidence: str, margin: float) -> IntervalRow:
    outcome = "worse" if found.harmed else "better" if found.gained else "unclear"
    words = {"better": "gain is shown", "worse": "harm is shown"}.get(
        outcome, "gain is not shown" if primary else "no harm is shown"
    )
    return IntervalRow(
        name=found.measure,
        gloss=gloss(found.measure),
        tag="primary" if primary else "",
        outcome=outcome,
        sign=SIGNS[outcome],
        value=signed(found.delta),
        words=words,
        span=Span(
            axis.at(found.low),
            axis.at(found.delta),
            axis.at(found.high),
            axis.at(margin) if primary and margin else None,
        ),
        alt=f"{found.measure}: {words}; difference {signed(found.delta)}, {confidence} interval "
        f"{interval(found.low, found.high)}",
    )


def findings_table(found: list[Finding], confidence: str, what: str) -> Table:
    """The figures behind an interval plot of findings."""
    rows = [
        [
            row.name if row.subject == "measure" else f"{row.subject} {row.name}",
            "" if row.subject == "measure" else row.measure,
            "" if row.subject == "measure" else f"{row.n:,}",
            value(row.base),
            value(row.candidate),
            signed(row.delta),
            interval(row.low, row.high),
            "–" if row.margin == 0 else f"{row.margin:g}",
            "–" if row.p_gain is None else p_value(row.p_gain),
            "–" if row.p_harm_holm is None else p_value(row.p_harm_holm),
            _balance(row.wins, row.ties, row.losses),
            "–" if row.minimum_detectable is None else value(row.minimum_detectable),
        ]
        for row in found
    ]
    heads = [what, "Of", "Queries", "Base", "Candidate", "Difference", f"{confidence} interval", "Margin"]
    heads += ["p, no gain", "p, no harm", "Better / same / worse", "Detectable"]
    return without_empty(table(f"Differences by {what.lower()}", heads, rows))


def power_sentence(n: int, detectable: float | None, measure: str) -> str:
    """What so many queries can show; empty where that was not computed."""
    if detectable is None:
        return ""
    return (
        f"With {count(n, 'query', 'queries')}, a true difference of {value(detectable)} in {measure} would be found "
        "four times out of five. Smaller ones mostly stay hidden, in either direction."
    )
