"""A/A: two equal systems get a verdict at most at the declared rate. Over 1,000 comparisons, with slices and guards.

Each comparison goes through the whole rule (`conclude`), not through an approximation of it. Fewer resamples and
permutations than by default: a p value of few permutations is as valid, it is coarser.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from decision_samples import equal_systems, evidence
from scipy import stats

from crossfade.evaluation.decision.protocol import Gates, GuardSet, Protocol, SliceRule
from crossfade.evaluation.decision.rule import conclude

COMPARISONS, QUERIES = 1000, 80
NAMES = ("nDCG@10", "AP", "RR", "R@10")
SLICES = {
    "short": range(30),
    "long": range(30, 80),
    "codes": range(0, 80, 5),
    "legal": range(5, 45),
    "sales": range(60, 75),
}


def most(rate: float) -> int:
    """What a true rate of this size stays below, but for one time out of a thousand."""
    return int(stats.binom.ppf(0.999, COMPARISONS, rate))


def comparisons(protocol: Protocol, seed: int) -> Iterator[str]:
    generator = np.random.default_rng(seed)
    for _ in range(COMPARISONS):
        base, candidate = equal_systems(generator, QUERIES, len(NAMES))
        guards = {}
        for guard in protocol.guards:
            first, second = equal_systems(generator, QUERIES, 1)
            guards[guard.name] = (first[0].tolist(), second[0].tolist())
        held = evidence(
            {name: (base[row].tolist(), candidate[row].tolist()) for row, name in enumerate(NAMES)},
            slices=SLICES if protocol.slices else {},
            guards=guards,
        )
        yield conclude(protocol, held).verdict


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("sliced", [False, True])
def test_chance_gets_a_verdict_at_most_at_the_declared_rate(alpha: float, sliced: bool) -> None:
    protocol = Protocol(
        alpha=alpha,
        resamples=400,
        permutations=499,
        slices=[SliceRule(name, identifiers=True) for name in SLICES] if sliced else [],
        gates=Gates(least_slice_queries=10),
    )
    verdicts = Counter(comparisons(protocol, seed=int(1000 * alpha) + sliced))
    print(f"alpha {alpha}, slices {sliced}: {dict(verdicts)}")
    assert verdicts["ship"] <= most(alpha / 2)
    assert verdicts["do_not_ship"] <= most(alpha / 2)
    assert verdicts["ship"] + verdicts["do_not_ship"] <= most(alpha)
    # A rule that never speaks would pass too: gain is one hypothesis, tested at nearly its whole half of the level.
    assert verdicts["ship"] >= stats.binom.ppf(0.001, COMPARISONS, 0.6 * alpha / 2)
    assert verdicts["do_not_ship"] > 0


def test_guard_sets_take_verdicts_away_and_add_none() -> None:
    protocol = Protocol(
        alpha=0.2, resamples=400, permutations=499, guards=[GuardSet("general", "x", 0.05), GuardSet("old", "y", 0.05)]
    )
    verdicts = Counter(comparisons(protocol, seed=7))
    assert verdicts["ship"] <= most(0.1)
    assert verdicts["do_not_ship"] <= most(0.1)


def test_a_guard_set_that_truly_loses_its_margin_is_shipped_past_at_most_at_half_the_rate() -> None:
    """The primary gains beyond doubt, and the guard set's true loss is its margin exactly."""
    protocol = Protocol(alpha=0.1, resamples=400, permutations=499, guards=[GuardSet("general", "x", 0.05)])
    generator = np.random.default_rng(23)
    shipped = {-0.05: 0, 0.0: 0}
    gain = (np.zeros(30).tolist(), np.ones(30).tolist())
    for _ in range(COMPARISONS):
        for change in shipped:
            base = generator.uniform(0.2, 0.8, 200)
            candidate = base + change + generator.normal(0, 0.1, 200)
            held = evidence({"nDCG@10": gain}, guards={"general": (base.tolist(), candidate.tolist())})
            shipped[change] += conclude(protocol, held).verdict == "ship"
    assert shipped[-0.05] <= most(0.05)
    assert shipped[0.0] > 0.9 * COMPARISONS  # a bound that never speaks would pass too


@pytest.mark.parametrize(("queries", "margin"), [(20, 0.05), (50, 0.03), (100, 0.05), (200, 0.02), (300, 0.05)])
def test_few_large_losses_are_called_none_at_most_at_half_the_rate(queries: int, margin: float) -> None:
    """0/1 losses at the margin exactly, through the whole finding: a sample often holds none of them."""
    protocol = Protocol(alpha=0.2, resamples=200, permutations=499, guards=[GuardSet("general", "x", margin)])
    generator = np.random.default_rng(31)
    gain = (np.zeros(30).tolist(), np.ones(30).tolist())
    shown = 0
    for _ in range(COMPARISONS):
        candidate = (generator.random(queries) >= margin).astype(float)
        held = evidence({"nDCG@10": gain}, guards={"general": (np.ones(queries).tolist(), candidate.tolist())})
        shown += bool(conclude(protocol, held).findings[-1].non_inferior)
    assert shown <= most(0.1)


def test_a_true_difference_is_found() -> None:
    """At the size that is said to be found four times out of five, for a normal difference."""
    generator = np.random.default_rng(29)
    protocol = Protocol(resamples=400, permutations=999)
    found, rounds, spread = 0, 400, 0.2
    effect = None
    for _ in range(rounds):
        change = generator.normal(0 if effect is None else effect, spread, 100)
        outcome = conclude(protocol, evidence({"nDCG@10": (np.zeros(100).tolist(), change.tolist())}))
        if effect is None:
            effect = outcome.findings[0].minimum_detectable * spread / float(change.std(ddof=1))
            continue
        found += outcome.verdict == "ship"
    assert 0.8 - 4 * np.sqrt(0.16 / rounds) < found / rounds < 0.8 + 4 * np.sqrt(0.16 / rounds)
