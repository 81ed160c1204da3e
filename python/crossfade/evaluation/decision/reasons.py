"""The sentences of a decision: figures to three decimals, what decided first, and what would clear what blocks."""

from __future__ import annotations

from collections.abc import Iterator

from crossfade.evaluation.decision.causes import EXPECTED
from crossfade.evaluation.decision.findings import Finding
from crossfade.evaluation.decision.gates import Gate
from crossfade.evaluation.decision.protocol import Protocol
from crossfade.evaluation.results import Verdict


def explain(protocol: Protocol, verdict: Verdict, gates: list[Gate], findings: list[Finding]) -> list[str]:
    """All reasons of a verdict. `findings`: the primary measure first."""
    waivers = {waiver.name: waiver.reason for waiver in protocol.waivers}
    primary = findings[0]
    harmed = [finding for finding in findings if finding.harmed]
    counted = [each for each in harmed if each.subject == "measure" or each.label not in waivers]
    reasons: list[str] = []
    if verdict == "blocked":
        reasons += [f"Blocked by {gate.name}: {gate.reason} {gate.remedy}" for gate in gates if gate.blocks]
        reasons += [f"Beside that: {_harm(finding)}" for finding in counted]
    if verdict == "do_not_ship":
        reasons += [_harm(finding) for finding in counted]
        reasons += [f"Beside that, {gate.name}: {gate.reason}" for gate in gates if gate.blocks]
    reasons.append(_primary(protocol, primary))
    if verdict == "do_not_ship" and primary.gained:
        reasons.append(f"The gain in {primary.measure} does not make up for a proven loss elsewhere.")
    if not counted:
        reasons.append(_no_harm(protocol, findings))
    reasons += _chosen(findings)
    reasons += _waived(waivers, gates, harmed)
    reasons += _power(protocol, primary)
    reasons.append(
        f"Query by query, {primary.measure} is better with the candidate on {primary.wins:,}, worse on "
        f"{primary.losses:,} and equal on {primary.ties:,}."
    )
    return reasons


def _primary(protocol: Protocol, found: Finding) -> str:
    start = f"{found.measure}, the primary measure, {_moved(found)} over {found.n:,} queries: "
    interval = f"the interval of the difference (confidence {1 - protocol.alpha:.4g}), {_interval(found)},"
    margin = protocol.superiority_margin
    bar = f"the superiority margin of {margin:g}" if margin else "zero"
    p = _p(found.p_gain)
    if found.wins == found.losses == 0:
        return f"{found.measure}, the primary measure, is the same for both on every one of the {found.n:,} queries."
    if found.gained:
        return f"{start}{interval} lies above {bar} ({p}, one-sided), so chance does not explain it."
    if found.high < 0:
        return f"{start}{interval} lies below zero ({_p(found.p_harm)} of no loss, one-sided)."
    if found.low > margin:
        return (
            f"{start}{interval} lies above {bar}, but the randomisation test does not confirm it ({p}, one-sided; "
            f"needed: at most {protocol.alpha / 2:g})."
        )
    return f"{start}{interval} does not lie above {bar} ({p}, one-sided): a gain is not shown."


def _harm(found: Finding) -> str:
    where = {"measure": "", "slice": f"Slice {found.name}: ", "guard": f"Guard set {found.name}: "}[found.subject]
    more = f", by more than the margin of {found.margin:g}" if found.margin else ""
    return (
        f"{where}{found.measure} is significantly worse{more}: it {_moved(found)} over {found.n:,} queries "
        f"({_p(found.p_harm_holm)} after Holm's correction, one-sided)."
    )


def _no_harm(protocol: Protocol, findings: list[Finding]) -> str:
    kinds = [("measure", "measure", "measures"), ("slice", "slice", "slices"), ("guard", "guard set", "guard sets")]
    counts = [
        f"{number:,} {one if number == 1 else many}"
        for subject, one, many in kinds
        if (number := sum(each.subject == subject and each.p_harm is not None for each in findings))
    ]
    text = f"Harm was looked for in {' and '.join([', '.join(counts[:-1]), counts[-1]] if len(counts) > 1 else counts)}"
    small = sum(each.p_harm is None and not each.chosen and not each.shown_only for each in findings)
    left = f"; {small:,} smaller {'slice was' if small == 1 else 'slices were'} not tested" if small else ""
    return f"{text} (Holm's correction, one-sided level {protocol.alpha / 2:g}): none that counts is shown{left}."


def _chosen(findings: list[Finding]) -> Iterator[str]:
    """One sentence of the slices that the base failed, and one of what it answered."""
    for chosen in ("failed", "answered"):
        held = [each for each in findings if each.chosen == chosen]
        if held:
            moved = "; ".join(f"slice {each.name}, {each.n:,} queries, {each.measure} {_moved(each)}" for each in held)
            yield f"{moved[0].upper()}{moved[1:]}: {EXPECTED[held[0].chosen]}, and none of it is evidence."


def _waived(waivers: dict[str, str], gates: list[Gate], harmed: list[Finding]) -> Iterator[str]:
    failed = {gate.name: gate.reason for gate in gates if not gate.passed}
    fallen = {finding.label: _harm(finding) for finding in harmed if finding.subject != "measure"}
    for name, why in waivers.items():
        what = " ".join(text for text in (fallen.get(name), failed.get(name)) if text)
        if what:
            yield f"Waived, {name}: {what} Reason given: {why.rstrip('.')}."


def _power(protocol: Protocol, found: Finding) -> Iterator[str]:
    if found.minimum_detectable:
        beyond = " beyond the superiority margin" if protocol.superiority_margin else ""
        yield (
            f"With {found.n:,} queries a true difference of about {found.minimum_detectable:.3f}{beyond} would be "
            "found four times out of five; smaller ones mostly stay hidden."
        )


def _moved(found: Finding) -> str:
    if f"{found.base:.3f}" == f"{found.candidate:.3f}":
        return f"stayed at {found.base:.3f} ({found.delta:+.4f})"
    return f"{'rose' if found.delta > 0 else 'fell'} from {found.base:.3f} to {found.candidate:.3f}"


def _interval(found: Finding) -> str:
    return f"{found.low:+.3f} to {found.high:+.3f}"


def _p(value: float | None) -> str:
    return "not tested" if value is None else "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
