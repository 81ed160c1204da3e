"""What to do first: what holds the verdict up, the recommendation of a diagnosis, and its nine questions."""

from __future__ import annotations

from dataclasses import dataclass

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
    """`shown`: whether the recommendation is not already the page's verdict. `gates`: those that block first."""

    action: ActionWords | None
    proof: str | None
    reasons: list[str]
    notes: list[str]
    checklist: list[Check]
    counts: str
    open_gates: list[GateRow]
    passed_gates: list[GateRow]


def fix_first(decision: Decision | None, diagnosis: Diagnosis | None, lead: bool) -> FixFirst | None:
    """`lead`: the diagnosis is the page's verdict already, so that its reasons are not said again."""
    gates = [] if decision is None else [_gate(gate) for gate in decision.gates]
    if diagnosis is None and not gates:
        return None
    order = {"blocks": 0, "waived": 1, "passed": 2}
    gates.sort(key=lambda row: order[row.state])
    shown = diagnosis is not None and not lead
    return FixFirst(
        action=ACTION_WORDS[diagnosis.action] if diagnosis is not None and shown else None,
        proof=diagnosis.proof if diagnosis is not None and shown else None,
        reasons=diagnosis.reasons if diagnosis is not None and shown else [],
        notes=diagnosis.notes if diagnosis is not None else [],
        checklist=diagnosis.checklist if diagnosis is not None else [],
        counts=_counts(diagnosis.checklist) if diagnosis is not None else "",
        open_gates=[row for row in gates if row.state != "passed"],
        passed_gates=[row for row in gates if row.state == "passed"],
    )


def _gate(gate: Gate) -> GateRow:
    return GateRow(gate, gate.name.replace("_", " "), _SIGNS[gate.state], _STATES[gate.state])


def _counts(checklist: list[Check]) -> str:
    numbers = {answer: sum(each.answer == answer for each in checklist) for answer in ("yes", "no", "unknown")}
    return ", ".join(f"{number} {answer}" for answer, number in numbers.items() if number)
