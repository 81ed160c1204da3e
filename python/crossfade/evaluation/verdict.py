"""From figures to a verdict. A pure function, and the rule in full:

1. Fewer judged queries than `min_queries`: inconclusive, whatever the figures say.
2. Do not ship when the primary measure is significantly worse (its 95% interval lies below zero and its own p is at
   most alpha), or when any declared measure is worse with Holm's corrected p at most alpha.
3. Ship when the primary measure is significantly better: its 95% interval lies above zero and its own p is at most
   alpha. The primary is one hypothesis, named before the figures were seen, so its p stands uncorrected; the search
   for harm looks at every declared measure, so Holm's correction applies there.
4. Otherwise inconclusive.

This is the rule of a plain comparison. Under a protocol `decision.rule` concludes instead, which also looks at slices,
guard sets and gates, and may block.

The primary measure is the first declared. Judged@k describes the judgments, not the model: it is reported and never
decides. Latency is reported and never decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.evaluation.results import Comparison, Difference, Evaluation, Verdict

ALPHA = 0.05
MIN_QUERIES = 20
_QUERIES_WORTH_NAMING = 1_000_000


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons`: complete sentences with figures, the deciding one first."""

    verdict: Verdict
    reasons: list[str]


def decides(measure: str) -> bool:
    """Whether a measure says how good a ranking is (Judged@k says how well it was judged)."""
    return not measure.startswith("Judged")


def decide(
    base: Evaluation,
    candidate: Evaluation,
    difference: Mapping[str, Difference],
    *,
    min_queries: int = MIN_QUERIES,
) -> Decision:
    """Apply the rule above. `difference` is in declared order, its first key the primary measure."""
    primary, *others = difference
    guards = [measure for measure in others if decides(measure)]
    harmed = [measure for measure in guards if difference[measure].delta < 0 and difference[measure].p_holm <= ALPHA]
    story = _Story(base, candidate, difference)
    gained, lost = _is_better(difference[primary]), _is_worse(difference[primary])
    reasons: list[str] = []
    if base.queries < min_queries:
        verdict: Verdict = "inconclusive"
        reasons.append(
            f"Only {_count(base.queries, 'query', 'queries')} of this split {'is' if base.queries == 1 else 'are'} "
            f"judged; a verdict needs at least {min_queries}, because a handful of queries does not speak for the rest."
        )
        reasons.append(story.change(primary))
    elif lost or harmed:
        verdict = "do_not_ship"
        reasons.append(story.significant(primary) if lost or gained else story.unproven(primary))
        reasons.extend(story.harm(measure) for measure in harmed)
        if gained:
            reasons.append(f"The gain in {primary} does not make up for a proven loss elsewhere.")
    elif gained:
        verdict = "ship"
        reasons.append(story.significant(primary))
        if guards:
            reasons.append(
                f"None of the other {len(guards)} declared measures is significantly worse "
                f"(Holm's correction, {ALPHA:.0%} level)."
                if len(guards) > 1
                else f"The other declared measure, {guards[0]}, is not significantly worse ({ALPHA:.0%} level)."
            )
    else:
        verdict = "inconclusive"
        reasons.append(story.unproven(primary))
    if verdict == "inconclusive":
        reasons.extend(story.power(primary))
    reasons.append(story.balance(primary))
    return Decision(verdict, reasons)


def direction(comparison: Comparison, measure: str) -> int:
    """1 where the candidate is proven better, -1 where proven worse, 0 otherwise.

    The primary measure by its interval and its own p, the others by Holm's p; what describes the judgments, never.
    """
    found = comparison.difference[measure]
    if not decides(measure):
        return 0
    if measure == comparison.primary:
        return int(_is_better(found)) - int(_is_worse(found))
    if found.p_holm > ALPHA:
        return 0
    return (found.delta > 0) - (found.delta < 0)


def _is_better(difference: Difference) -> bool:
    return difference.ci95[0] > 0 and difference.p <= ALPHA


def _is_worse(difference: Difference) -> bool:
    return difference.ci95[1] < 0 and difference.p <= ALPHA


@dataclass(frozen=True, slots=True)
class _Story:
    """The sentences. Figures to three decimals: what a reader can act on."""

    base: Evaluation
    candidate: Evaluation
    difference: Mapping[str, Difference]

    def change(self, measure: str) -> str:
        return f"{measure} {self._moved(measure)} ({self._evidence(measure)})."

    def significant(self, measure: str) -> str:
        found = self.difference[measure]
        direction = "above" if found.delta > 0 else "below"
        return (
            f"{measure}, the primary measure, {self._moved(measure)} over {self.base.queries:,} queries: the 95% "
            f"interval of the difference, {_interval(found)}, lies {direction} zero ({_p(found.p)}), so chance does "
            "not explain it."
        )

    def unproven(self, measure: str) -> str:
        found = self.difference[measure]
        start = f"{measure}, the primary measure, "
        if found.wins == found.losses == 0:
            return f"{start}is the same for both models on every one of the {self.base.queries:,} queries."
        start += f"{self._moved(measure)} over {self.base.queries:,} queries, "
        if found.ci95[0] <= 0 <= found.ci95[1]:
            return (
                f"{start}but the 95% interval of the difference, {_interval(found)}, includes zero ({_p(found.p)}): "
                "chance alone may explain it."
            )
        return (
            f"{start}and the 95% interval of the difference, {_interval(found)}, leaves out zero, but the "
            f"randomisation test does not confirm it ({_p(found.p)}, needed: at most {ALPHA})."
        )

    def harm(self, measure: str) -> str:
        corrected = f"{_p(self.difference[measure].p_holm)} after Holm's correction"
        return f"{measure} is significantly worse: it {self._moved(measure)} ({corrected})."

    def power(self, measure: str) -> list[str]:
        found = self.difference[measure]
        if not found.minimum_detectable:
            return []
        sentences = [
            f"With {_count(self.base.queries, 'query', 'queries')} a difference of about "
            f"{found.minimum_detectable:.3f} would be found four times out of five; smaller ones mostly stay hidden."
        ]
        if 0 < abs(found.delta) < found.minimum_detectable:
            needed = self.base.queries * (found.minimum_detectable / abs(found.delta)) ** 2
            if needed <= _QUERIES_WORTH_NAMING:
                sentences.append(
                    f"If the difference seen here is the true one, about {_round_up(needed):,} queries would show it."
                )
        return sentences

    def balance(self, measure: str) -> str:
        found = self.difference[measure]
        return (
            f"Query by query, {measure} is better with the candidate on {found.wins:,}, worse on {found.losses:,} "
            f"and equal on {found.ties:,}."
        )

    def _moved(self, measure: str) -> str:
        before, after = self.base.measures[measure], self.candidate.measures[measure]
        found = self.difference[measure]
        if f"{before:.3f}" == f"{after:.3f}":
            return f"stayed at {before:.3f} ({found.delta:+.4f})"
        return f"{'rose' if after > before else 'fell'} from {before:.3f} to {after:.3f}"

    def _evidence(self, measure: str) -> str:
        found = self.difference[measure]
        return f"95% interval of the difference {_interval(found)}, {_p(found.p)}"


def _interval(difference: Difference) -> str:
    low, high = difference.ci95
    return f"{low:+.3f} to {high:+.3f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _round_up(number: float) -> int:
    """To two leading digits: an estimate should not look like a count."""
    step = 10 ** max(len(str(int(number))) - 2, 0)
    return int(-(-number // step) * step)
