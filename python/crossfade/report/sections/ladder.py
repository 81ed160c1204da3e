"""The ladder: what each simpler remedy gives on the same queries, against the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.plots import Axis, value_axis
from crossfade.report.records.diagnosis import Arm, Diagnosis, LeftOut
from crossfade.report.shapes import SIGNS, Table, table, without_empty
from crossfade.report.text import interval, milliseconds, p_value, signed, value

_KINDS = {
    "baseline": "the base model’s vectors of whole documents",
    "chunking": "documents cut before they are embedded",
    "filters": "each query’s own filter applied",
    "lexical": "by words alone",
    "hybrid": "by vectors and words together",
    "reranking": "the first results put into another order",
    "base_model": "another base model",
    "quantised": "the base model with smaller numbers",
    "adapter": "a linear map of query vectors",
    "tuned": "a tuned model",
    "combination": "several of these together",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One arm; `bar`, `left` and `right` in percent of the plot's width."""

    name: str
    gloss: str
    outcome: str
    sign: str
    value: str
    words: str
    bar: float
    left: float
    right: float
    alt: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """`base`: where the baseline's line stands, in percent."""

    measure: str
    axis: Axis
    base: float
    rungs: list[Rung]
    table: Table
    left_out: list[LeftOut]
    helped: int


def ladder(diagnosis: Diagnosis) -> Ladder:
    axis = value_axis([end for arm in diagnosis.arms for end in (arm.value, arm.high)])
    rungs = [_rung(arm, axis, diagnosis) for arm in diagnosis.arms]
    return Ladder(
        measure=diagnosis.primary,
        axis=axis,
        base=axis.at(diagnosis.baseline.value),
        rungs=rungs,
        table=_table(diagnosis),
        left_out=diagnosis.left_out,
        helped=sum(rung.outcome == "better" for rung in rungs),
    )


def outcome_of(arm: Arm, alpha: float) -> str:
    """Better or worse where the interval lies beyond zero and p, corrected over all arms, is at most alpha."""
    change = arm.change
    if change is None:
        return "base"
    if change.p_holm <= alpha and change.low > 0:
        return "better"
    return "worse" if change.p_holm <= alpha and change.high < 0 else "unclear"


def _rung(arm: Arm, axis: Axis, diagnosis: Diagnosis) -> Rung:
    outcome, measure = outcome_of(arm, diagnosis.alpha), diagnosis.primary
    words = {"better": "better", "worse": "worse", "unclear": "no clear difference", "base": "baseline"}[outcome]
    change = "" if arm.change is None else f" {signed(arm.change.delta)} against the baseline,"
    return Rung(
        name=arm.name,
        gloss=_KINDS.get(arm.kind, ""),
        outcome=outcome,
        sign=SIGNS.get(outcome, ""),
        value=value(arm.value) if arm.change is None else signed(arm.change.delta),
        words=words,
        bar=axis.at(arm.value),
        left=axis.at(arm.low),
        right=axis.at(arm.high),
        alt=f"{arm.name}: {measure} {value(arm.value)}, 95% interval {value(arm.low)} to {value(arm.high)},"
        f"{change} {words}",
    )


def _table(diagnosis: Diagnosis) -> Table:
    rows = []
    for arm in diagnosis.arms:
        change, beside = arm.change, arm.baseline_latency
        ratio = arm.latency.p50 / beside.p50 if beside is not None and beside.p50 else None
        rows.append(
            [
                arm.name,
                value(arm.value),
                "–" if change is None else signed(change.delta),
                "–" if change is None else interval(change.low, change.high),
                "–" if change is None else p_value(change.p_holm),
                "–"
                if change is None or change.wins is None or change.losses is None
                else f"{change.wins:,} / {change.losses:,}",
                f"{arm.misses:,}",
                milliseconds(arm.latency.p50),
                "–" if ratio is None else f"{ratio:.1f}",
                milliseconds(arm.latency.p99),
                milliseconds(arm.cpu_ms),
                f"{arm.index_bytes / 1e6:,.1f}",
            ]
        )
    heads = ["Arm", diagnosis.primary, "Change", "95% interval", "p, Holm", "Better / worse"]
    heads += [f"Without a hit in {diagnosis.k}", "p50 ms", "× base", "p99 ms", "CPU ms", "Index MB"]
    return without_empty(table("The ladder in figures", heads, rows))
