"""What to do first: what holds the verdict up, the recommendation of a diagnosis, and its nine questions."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.limits import LONG_LIST
from crossfade.report.records.decision import Decision, Gate
from crossfade.report.records.diagnosis import Check, Diagnosis
from crossfade.report.wording import ACTION_WORDS, ActionWords

_SIGNS = {"blocks": "✕", "waived": "○", "passed": "✓"}
_STATES = {"blocks": "blocks", "waived": "waived", "passed": "passed"}


@dataclass(frozen=True, slots=True)
class GateRow:
    gate: Gate
    name: str
    sign: str
    state: str


@dataclass(frozen=True, slots=True)
class FixFirst:
    """`action` to `reasons` are None or empty where the recommendation is the page's verdict already. `open_gates`
    (those that block first) and `passed_gates`: at most 200 of each."""

    action: ActionWords | None
    proof: str | None
    reasons: list[str]
    notes: list[str]
    checklist: list[Check]
    counts: str
    open_gates: list[GateRow]
    passed_gates: list[GateRow]
    open_total: int
    passed_total: int


def fix_first(decision: Decision | None, diagnosis: Diagnosis | None, lead: bool) -> FixFirst | None:
    """`lead`: the diagnosis is the page's verdict already, so that its reasons are not said again."""
    gates = [] if decision is None else [_gate(gate) for gate in decision.gates]
    if diagnosis is None and not gates:
        return None
    order = {"blocks": 0, "waived": 1, "passed": 2}
    gates.sort(key=lambda row: order[row.state])
    shown = diagnosis is not None and not lead
    unpassed = [row for row in gates if row.state != "passed"]
    passed = [row for row in gates if row.state == "passed"]
    return FixFirst(
        action=ACTION_WORDS[diagnosis.action] if diagnosis is not None and shown else None,
        proof=diagnosis.proof if diagnosis is not None and shown else None,
        reasons=diagnosis.reasons if diagnosis is not None and shown else [],
        notes=diagnosis.notes if diagnosis is not None else [],
        checklist=diagnosis.checklist if diagnosis is not None else [],
        counts=_counts(diagnosis.checklist) if diagnosis is not None else "",
        open_gates=unpassed[:LONG_LIST],
        passed_gates=passed[:LONG_LIST],
        open_total=len(unpassed),
        passed_total=len(passed),
    )


def _gate(gate: Gate) -> GateRow:
    return GateRow(gate, gate.name.replace("_", " "), _SIGNS[gate.state], _STATES[gate.state])


def _counts(checklist: list[Check]) -> str:
    numbers = {answer: sum(each.answer == answer for each in checklist) for answer in ("yes", "no", "unknown")}
    return ", ".join(f"{number} {answer}" for answer, number in numbers.items() if number)
