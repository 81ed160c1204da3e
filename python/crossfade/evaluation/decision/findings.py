"""What the values of one measure show about the difference, over all queries, a slice or a guard set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.decision.bounded import lower_bound
from crossfade.evaluation.decision.causes import Chosen, chosen_by
from crossfade.evaluation.decision.evidence import Evidence, Values, check_evidence
from crossfade.evaluation.decision.protocol import Protocol, Requirement
from crossfade.evaluation.record import LATER
from crossfade.evaluation.stages import Tell, untold
from crossfade.evaluation.verdict import decides
from crossfade.intervals import Bootstrap, difference_interval
from crossfade.power import minimum_detectable_effect
from crossfade.significance import holm, randomisation_test

POWER = 0.8
_EQUAL = 1e-9  # values of one measure on one query that are nearer than this are a tie

Subject = Literal["measure", "slice", "guard"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The mean difference, candidate minus base, of one measure over `n` queries.

    `low`, `high`: its percentile bootstrap interval of confidence 1 - alpha. The p values are one-sided and of a paired
    randomisation test: `p_gain` of no true gain above the superiority margin (the primary measure over all queries
    only), `p_harm` of no true loss greater than `margin`, `p_harm_holm` the same corrected over all hypotheses of harm,
    `p_inferior` of a true loss of `margin` or more (where non-inferiority is required). None: not tested.
    `minimum_detectable`: the true difference that a t test at this level finds with probability 0.8.

    `bound`: where non-inferiority is required, what the true difference lies above at confidence 1 - alpha / 2 whatever
    the distribution (`bounded.lower_bound`); None too for a measure whose differences leave -1 to 1.

    `gained`, `harmed`, `non_inferior`: what is shown; `non_inferior` is None where it is not asked. It needs
    `least_guard_queries`, and interval, p and bound to agree. `chosen`: by what of the base's results the queries were
    chosen, see `causes`; then no harm is tested. `shown_only`: nothing is required of the slice.
    """

    subject: Subject
    name: str
    measure: str
    n: int
    base: float
    candidate: float
    delta: float
    low: float
    high: float
    margin: float
    wins: int
    losses: int
    ties: int
    minimum_detectable: float
    p_gain: float | None = None
    p_harm: float | None = None
    p_harm_holm: float | None = None
    p_inferior: float | None = None
    bound: float | None = None
    gained: bool = False
    harmed: bool = False
    non_inferior: bool | None = None
    chosen: Chosen = field(default="", metadata=LATER)
    shown_only: bool = field(default=False, metadata=LATER)

    @property
    def label(self) -> str:
        """The name that a waiver gives."""
        return self.name if self.subject == "measure" else f"{self.subject}:{self.name}"


def find(protocol: Protocol, evidence: Evidence, *, tell: Tell = untold) -> list[Finding]:
    """Every finding: measures (the primary first, then as the protocol names them), slices, guard sets. `tell`: told of
    values that were tested.

    Raises InvalidInput where the evidence lacks what the protocol names, its parts do not belong together, or the
    hypotheses are too many for `protocol.permutations`.
    """
    check_evidence(evidence)
    if protocol.primary not in evidence.values:
        raise InvalidInput(f"the primary measure, {protocol.primary}, was not measured: evaluate with it")
    measures = protocol.tested_measures(evidence.values)
    lacking = [name for name in measures if name not in evidence.values]
    if lacking:
        raise InvalidInput(f"the protocol names {', '.join(lacking)}, which was not measured: evaluate with it")
    found = []

    def add(finding: Finding) -> None:
        found.append(finding)
        tell(finding.n)

    for name in measures:
        if decides(name):
            add(_measure(protocol, name, evidence.values[name]))
    for each in _slices(protocol, evidence):
        add(each)
    guards = {guard.name: guard for guard in evidence.guards}
    for guard in protocol.guards:
        if guard.name not in guards:
            raise InvalidInput(f"guard set {guard.name!r} was not measured: evaluate both models on {guard.dataset}")
        held = guards[guard.name].values
        add(_examine(protocol, "guard", guard.name, protocol.measure_of(guard), held, guard.margin, "non_inferiority"))
    return _corrected(protocol, found)


def _measure(protocol: Protocol, name: str, values: Values) -> Finding:
    finding = _examine(protocol, "measure", name, name, values, 0.0, "no_harm")
    if name != protocol.primary:
        return finding
    margin = protocol.superiority_margin
    p = _one_sided(protocol, _change(values) - margin)[0]
    return replace(finding, p_gain=p, gained=finding.low > margin and p <= protocol.alpha / 2)


def _slices(protocol: Protocol, evidence: Evidence) -> Iterator[Finding]:
    """Of those that have a query."""
    rules = {rule.name: rule for rule in protocol.slices}
    place = {query: row for row, query in enumerate(evidence.queries)}
    for members in evidence.slices:
        rule = rules.get(members.rule)
        if rule is None:
            raise InvalidInput(f"slice {members.name!r} comes from no rule of the protocol")
        measure = protocol.measure_of(rule)
        if measure not in evidence.values:
            raise InvalidInput(f"slice {members.name!r} is of {measure}, which was not evaluated: add it to measures")
        rows = [place[query] for query in members.queries]
        held = evidence.values[measure]
        values = Values([held.base[row] for row in rows], [held.candidate[row] for row in rows])
        if rows:
            finding = _examine(protocol, "slice", members.name, measure, values, rule.margin, rule.require)
            chosen = chosen_by(rule.cause, members.name, rule.name)
            # What an equal candidate loses by the choice alone must not be called harm, nor weigh on other hypotheses.
            p_harm = None if chosen else finding.p_harm
            yield replace(finding, p_harm=p_harm, chosen=chosen, shown_only=rule.require == "nothing")


def _examine(
    protocol: Protocol,
    subject: Subject,
    name: str,
    measure: str,
    values: Values,
    margin: float,
    require: Requirement,
) -> Finding:
    change = _change(values)
    confidence = 1 - protocol.alpha
    bootstrap = Bootstrap(protocol.resamples, confidence=confidence, seed=protocol.seed)
    interval = difference_interval(np.zeros_like(change), change, bootstrap)
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    p_above, p_below = _one_sided(protocol, change + margin)
    tested = subject != "slice" or (require != "nothing" and change.size >= protocol.gates.least_slice_queries)
    asked = require == "non_inferiority"
    deviation = float(change.std(ddof=1)) if change.size > 1 else 0.0
    bound = lower_bound(change, protocol.alpha / 2) if asked else None
    holds = (
        change.size >= protocol.gates.least_guard_queries
        and bound is not None
        and min(bound, interval.low) > -margin
        and p_above <= protocol.alpha / 2
    )
    return Finding(
        subject=subject,
        name=name,
        measure=measure,
        n=change.size,
        base=float(np.mean(values.base)),
        candidate=float(np.mean(values.candidate)),
        delta=interval.estimate,
        low=interval.low,
        high=interval.high,
        margin=margin,
        wins=wins,
        losses=losses,
        ties=change.size - wins - losses,
        minimum_detectable=minimum_detectable_effect(deviation, change.size, alpha=protocol.alpha, power=POWER)
        if deviation > 0
        else 0.0,
        p_harm=p_below if tested else None,
        p_inferior=p_above if asked else None,
        bound=bound,
        non_inferior=holds if asked else None,
    )


def _change(values: Values) -> NDArray[np.float64]:
    """Candidate minus base by query, shape (n,); what differs by rounding alone is 0."""
    change = np.asarray(values.candidate, dtype=np.float64) - np.asarray(values.base, dtype=np.float64)
    change[np.abs(change) <= _EQUAL] = 0.0
    return change


def _one_sided(protocol: Protocol, change: NDArray[np.float64]) -> tuple[float, float]:
    """p of the hypotheses that the true mean is at most zero, and that it is at least zero.

    Half of the two-sided p where the sum has the sign asked for: under sign symmetry the sign of the sum is independent
    of its size, so P(p2 <= 2u and sum > 0) = P(p2 <= 2u) / 2 <= u for u up to 1/2. Elsewhere 1 minus that half, which
    no level looks at.
    """
    two_sided = randomisation_test(
        np.zeros_like(change), change, permutations=protocol.permutations, seed=protocol.seed
    )
    if two_sided.effect == 0:
        return 1.0, 1.0
    half = two_sided.p / 2
    return (half, 1 - half) if two_sided.effect > 0 else (1 - half, half)


def _corrected(protocol: Protocol, found: Sequence[Finding]) -> list[Finding]:
    """With Holm's correction over every hypothesis of harm."""
    family = [row for row, finding in enumerate(found) if finding.p_harm is not None]
    needed = (
        len(family) / protocol.alpha - 1
    )  # the least p is 1 / (2 (permutations + 1)); Holm's first step asks alpha / 2m
    if protocol.permutations < needed:
        raise InvalidInput(
            f"{len(family):,} hypotheses of harm are too many for {protocol.permutations:,} permutations, with which "
            f"no loss could be shown: declare fewer slices, or permutations = {int(needed) + 1}"
        )
    corrected = holm(p for row in family if (p := found[row].p_harm) is not None)
    result = list(found)
    for row, p in zip(family, corrected, strict=True):
        result[row] = replace(found[row], p_harm_holm=p, harmed=p <= protocol.alpha / 2)
    return result
