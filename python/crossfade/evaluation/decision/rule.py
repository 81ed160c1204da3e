"""From a protocol and evidence to a verdict. A pure function, and the rule in full (rule 1):

1. **blocked** when an evidence gate fails that is not waived: data, settings or fingerprints that do not match; fewer
   judged queries than declared; a base measured before the data were changed, or too long ago; less of the top k judged
   than declared; a leakage report that finds overlap, looked too little, is of other data, or is required and missing.
   The figures are then not relied on, for harm as little as for gain.
2. **do_not_ship** when harm is shown that is not waived. One family of hypotheses: for each declared measure (the
   primary among them) that the candidate is not worse over all queries; for each slice of at least
   `least_slice_queries` queries, and for each guard set, that it is not worse by more than its margin; but for slices
   that require nothing, and those that a diagnosis chose by the base's results (`causes`), and measures that only the
   latter ask for, over all queries too. Harm is shown where Holm's
   adjusted one-sided p is at most alpha / 2. Waived slices and guard sets stay in the family, so that a waiver changes
   what is asked of no other.
3. **blocked** when a release gate fails that is not waived: a guard set, or a slice that requires it, that is not
   *shown* to lose less than its margin (it has `least_guard_queries`; the lower end of the interval of confidence
   1 - alpha and the bound of `bounded.lower_bound` at level alpha / 2 lie above -margin; and the one-sided p of a loss
   of the margin or more is at most alpha / 2); latency or cost above budget.
4. **ship** when gain is shown: the interval of confidence 1 - alpha of the primary measure's difference lies above the
   superiority margin, and the one-sided p of no gain above it is at most alpha / 2.
5. **inconclusive** otherwise.

Why a comparison of equals gets a false verdict at most at rate alpha. Where base and candidate are exchangeable, each
query's difference is as likely to have the other sign, given its size. All p values are of sign-flip tests on the
differences, and a one-sided one (half of the two-sided, where the sum has the sign asked for) is at most u with
probability at most u for u up to 1/2. Then

- P(ship) <= P(p_gain <= alpha / 2) <= alpha / 2, for no other condition can add to it;
- P(do_not_ship) <= P(some adjusted p_harm <= alpha / 2) <= alpha / 2, by Holm (1979) under any dependence between
  measures, slices and guard sets, as all these hypotheses are true (margins only widen them);
- together at most alpha, by Bonferroni; no correction couples the two halves.

A slice that was chosen by the base's results breaks the first sentence: given that the base failed there, the sign of a
difference is no longer a coin's. Of two equal systems, the one that was not looked at seems better where the other
failed, and worse where it did not. Such slices are in no family, so that the bounds above stand as they are. Asked for
non-inferiority, the queries that the base answered can only block; and what is shown there is shown in spite of the
choice, for it can only make the candidate seem worse.

Gates, and waivers given beforehand, only take verdicts away. Non-inferiority is demanded of every guard set at once, an
intersection-union test (Berger 1982), so that shipping past a guard set that truly loses its margin has probability at
most alpha / 2 without a correction, at any number of queries and whatever the distribution of the differences: the
bound alone sees to that (`bounded`). Where the two are not equal, the p values of gain ask that differences are
symmetric about their mean, as every paired randomisation test of a mean does; the bootstrap interval, which does not,
must agree on gain.

The rule has no clock and no randomness beyond the protocol's seed: equal input gives an equal outcome on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.evaluation.decision.evidence import Evidence
from crossfade.evaluation.decision.findings import Finding, find
from crossfade.evaluation.decision.gates import Gate, check_gates
from crossfade.evaluation.decision.protocol import Protocol
from crossfade.evaluation.decision.reasons import explain
from crossfade.evaluation.results import Verdict
from crossfade.evaluation.stages import Tell, untold

RULE = 1
"""Rises when equal input may give another verdict, gate or finding."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reasons`: sentences with figures, the deciding ones first. `findings`: measures (the primary first), slices,
    guard sets.
    """

    rule: int
    verdict: Verdict
    reasons: list[str]
    gates: list[Gate]
    findings: list[Finding]


def conclude(protocol: Protocol, evidence: Evidence, *, tell: Tell = untold) -> Outcome:
    """Apply the rule above. `tell`: told of values that were tested.

    Raises InvalidInput where evidence and protocol do not belong together: a measure, slice or guard set that was not
    measured, or a waiver that names nothing.
    """
    findings = find(protocol, evidence, tell=tell)
    gates = check_gates(protocol, evidence, findings)
    verdict = _verdict(protocol, gates, findings)
    return Outcome(RULE, verdict, explain(protocol, verdict, gates, findings), gates, findings)


def _verdict(protocol: Protocol, gates: list[Gate], findings: list[Finding]) -> Verdict:
    waived = {waiver.name for waiver in protocol.waivers}
    if any(gate.blocks for gate in gates if gate.kind == "evidence"):
        return "blocked"
    if any(finding.harmed and not is_waived(finding, waived) for finding in findings):
        return "do_not_ship"
    if any(gate.blocks for gate in gates):
        return "blocked"
    return "ship" if any(finding.gained for finding in findings) else "inconclusive"


def is_waived(finding: Finding, waived: set[str]) -> bool:
    """A measure over all queries cannot be: that would be another protocol."""
    return finding.subject != "measure" and finding.label in waived
