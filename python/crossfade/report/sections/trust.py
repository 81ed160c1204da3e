"""How far the figures may be trusted: leaks of training data, unjudged results, and what so few queries can show."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.record import Record
from crossfade.report.records.decision import Decision
from crossfade.report.records.judged import Bounds, Judged
from crossfade.report.records.leakage import Copy, Leakage
from crossfade.report.records.trained import Touched
from crossfade.report.sections.differences import power_sentence
from crossfade.report.shapes import WORDS, Column, Table, table, without_empty
from crossfade.report.text import count, signed, value
from crossfade.report.wording import LEAK_WORDS

_KIND_HEADS = ("Exact", "Normalised", "Near", "Semantic")


@dataclass(frozen=True, slots=True)
class LeakView:
    """`sign` and `tone` follow the verdict. `files`: path, rows and hash of what was read."""

    title: str
    tone: str
    reasons: list[str]
    thresholds: str
    table: Table
    files: Table | None
    examples: list[Copy]


@dataclass(frozen=True, slots=True)
class JudgedView:
    """Shares in percent; `bounds`: what judging the rest could change."""

    k: int
    base: float
    candidate: float
    words: list[str]
    bounds: Table | None


@dataclass(frozen=True, slots=True)
class Trust:
    leak: LeakView | None
    judged: JudgedView | None
    power: list[str]


def trust(record: Record | None, decision: Decision | None, leakage: Leakage | None) -> Trust | None:
    """None where nothing of it is known."""
    leak = _leak(leakage) if leakage is not None else None
    if leak is None and decision is not None and decision.touched is not None:
        leak = _touched(decision.touched, decision)
    judged = _judged(decision.judged) if decision is not None else None
    power = _power(record, decision)
    return Trust(leak, judged, power) if leak or judged or power else None


def _thresholds(given: dict[str, str], limit: float) -> str:
    said = ", ".join(f"{name.replace('_', ' ')} {shown}" for name, shown in given.items())
    allowed = f"At most {limit:.2%} of the queries may be touched." if limit else "No query may be touched."
    return f"From when on a text is a copy: {said}. {allowed}"


def _leak(found: Leakage) -> LeakView:
    tone = LEAK_WORDS[found.verdict].tone
    by_vectors = "cosine" in found.thresholds
    rows = [
        [
            pair.name,
            *(f"{rows:,}" if kind != "semantic" or by_vectors else "" for kind, rows in pair.rows.items()),
            f"{pair.queries:,}",
            "counts" if pair.counts else "does not count",
        ]
        for pair in found.pairs
    ]
    heads: list[str | Column] = ["Training rows", *_KIND_HEADS, "Of evaluation queries", Column("", WORDS)]
    files = [
        [each.path, f"{each.rows:,}", f"{each.leaking_rows:,}", f"{each.skipped:,}", each.sha256]
        for each in found.files
    ]
    if found.files_left_out:
        files.append([f"{count(found.files_left_out, 'more file')} in the record", "", "", "", ""])
    return LeakView(
        title=LEAK_WORDS[found.verdict].short,
        tone=tone,
        reasons=found.reasons,
        thresholds=_thresholds(found.thresholds, found.limit),
        table=without_empty(table("Copies by pair of sides and kind", heads, rows)),
        files=table(
            "Training files", ["File", "Rows", "Leaking", "Skipped", Column("SHA-256 of its content", WORDS)], files
        )
        if files
        else None,
        examples=found.examples,
    )


def _touched(found: Touched, decision: Decision) -> LeakView:
    gate = next((gate for gate in decision.gates if gate.name == "leakage"), None)
    tone = "good" if gate is None or gate.passed else "open" if gate.waived else "bad"
    words = f"{found.touched:,} of {count(found.queries, 'evaluation query', 'evaluation queries')} are touched by "
    return LeakView(
        title={"good": "no leak that counts", "open": "a leak, waived", "bad": "a leak"}[tone],
        tone=tone,
        reasons=[words + f"{count(found.rows, 'training row')}{_skipped(found.skipped)}."],
        thresholds=_thresholds(found.thresholds, found.limit),
        table=table(
            "Leaking rows by pair of sides",
            ["Training rows", "Leaking", Column("", WORDS)],
            [
                [pair, f"{rows:,}", "counts" if pair in found.counted else "does not count"]
                for pair, rows in found.leaking_rows.items()
            ],
        ),
        files=None,
        examples=[],
    )


def _skipped(skipped: int) -> str:
    return f"; {count(skipped, 'line was', 'lines were')} skipped" if skipped else ""


def _judged(found: Judged) -> JudgedView:
    words = [
        f"Of the first {found.k} results, {found.base:.0%} of the base’s and {found.candidate:.0%} of the candidate’s "
        f"were judged. The other {count(found.pool, 'result')} count as not relevant."
    ]
    if found.difference is not None:
        low, high = found.difference
        words.append(
            f"However they were judged, the difference in {found.measure} would lie between {signed(low)} and "
            f"{signed(high)}."
        )
    elif found.base_bounds is None:
        words.append(f"How far they could move {found.measure} has no bound.")
    return JudgedView(found.k, round(100 * found.base, 2), round(100 * found.candidate, 2), words, _bounds(found))


def _bounds(found: Judged) -> Table | None:
    if found.base_bounds is None or found.candidate_bounds is None:
        return None
    return table(
        f"{found.measure} by how the unjudged results are judged",
        [found.measure, "As judged", "All relevant", "Least", "Greatest"],
        [_bound("Base", found.base_bounds), _bound("Candidate", found.candidate_bounds)],
    )


def _bound(name: str, found: Bounds) -> list[str]:
    return [name, value(found.as_judged), value(found.all_relevant), value(found.low), value(found.high)]


def _power(record: Record | None, decision: Decision | None) -> list[str]:
    if decision is not None:
        first = decision.findings[0]
        said = [power_sentence(first.n, first.minimum_detectable, first.measure)]
        small = sum(each.p_harm is None for each in decision.of("slice"))
        if small:
            said.append(f"{count(small, 'slice is', 'slices are')} too small to be tested.")
    elif record is not None:
        primary = record.differences[0]
        said = [power_sentence(record.base.queries, primary.minimum_detectable, primary.measure)]
    else:
        said = []
    return [each for each in said if each]
