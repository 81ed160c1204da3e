"""The doors to intervals, paired tests, equivalence and power: results, settings, refusals."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crossfade.equivalence import equivalence_test, non_inferiority_test
from crossfade.errors import InvalidInput
from crossfade.intervals import Bootstrap, Interval, difference_interval, mean_interval, mean_intervals
from crossfade.measures import evaluate
from crossfade.power import minimum_detectable_effect, power, queries_needed
from crossfade.significance import (
    PairedTest,
    benjamini_hochberg,
    bootstrap_test,
    holm,
    randomisation_test,
    t_test,
    wilcoxon_test,
)

TESTS: list[Callable[..., PairedTest]] = [randomisation_test, bootstrap_test, t_test, wilcoxon_test]


def pair() -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.random(300), random.random(300) + 0.02


def test_intervals_are_repeatable() -> None:
    base, candidate = pair()
    interval = difference_interval(base, candidate)
    assert isinstance(interval, Interval)
    assert interval == difference_interval(base.tolist(), candidate.tolist(), Bootstrap(10_000, 0.95, "percentile", 0))
    assert interval.estimate == pytest.approx((candidate - base).mean())
    assert interval.low < interval.estimate < interval.high
    assert (interval.n, interval.bootstrap.resamples) == (300, 10_000)
    assert interval != difference_interval(base, candidate, Bootstrap(seed=1))
    assert difference_interval(np.zeros(300), base) == mean_interval(base)


def test_intervals_of_a_table_share_their_resamples() -> None:
    run = {f"q{i}": {"a": 1.0, "b": float(i % 3)} for i in range(30)}
    qrels = {query: {"a": 1} for query in run}
    table = evaluate(qrels, run, ["RR", "P@1", "nDCG@10"])
    intervals = dict(zip(table.measures, mean_intervals(table.values), strict=True))
    for measure, interval in intervals.items():
        assert interval == mean_interval(list(table.per_query(measure).values()))
        assert interval.estimate == pytest.approx(table.mean(measure))
    moved = mean_intervals(table.values, Bootstrap(method="bca"))
    assert [round(i.estimate, 12) for i in moved] == [round(i.estimate, 12) for i in intervals.values()]
    assert all(i.high > plain.high for i, plain in zip(moved, intervals.values(), strict=True)), "skewed upwards"


def test_results_say_how_they_came_about() -> None:
    base, candidate = pair()
    drawn = randomisation_test(base, candidate, permutations=2_000, seed=4)
    assert (drawn.method, drawn.exact, drawn.draws, drawn.seed, drawn.n) == ("randomisation", False, 2_000, 4, 300)
    assert drawn == randomisation_test(list(base), list(candidate), permutations=2_000, seed=4)
    assert drawn.p != randomisation_test(base, candidate, permutations=2_000, seed=5).p
    few = randomisation_test(base[:10], candidate[:10])
    assert (few.exact, few.draws, few.seed) == (True, None, None)
    resampled = bootstrap_test(base, candidate, resamples=500, seed=9)
    assert (resampled.method, resampled.draws, resampled.seed) == ("bootstrap", 500, 9)
    student = t_test(base, candidate)
    assert (student.method, student.draws, student.seed, student.exact) == ("t", None, None, False)
    assert student.effect_size == drawn.effect_size == resampled.effect_size
    assert student.effect == drawn.statistic == pytest.approx((candidate - base).mean())
    assert wilcoxon_test(base[:20], candidate[:20]).exact
    assert wilcoxon_test(base, candidate, continuity=True).p > wilcoxon_test(base, candidate).p


def test_seeds_mean_the_same_on_every_machine() -> None:
    """Frozen: a record made elsewhere or last year must come out again. The sums are exact in binary."""
    candidate = [i * i / 64 for i in range(16)]
    interval = difference_interval([0] * 16, candidate, Bootstrap(97, seed=5))
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (1.2109375, 0.754296875, 1.7671875), abs=1e-12
    )
    mixed = [(i * 7 % 11 - 4) / 8 for i in range(100)]
    assert randomisation_test([0] * 100, mixed, permutations=2_999, seed=5).p == 20 / 3_000
    assert bootstrap_test([0] * 100, mixed, resamples=999, seed=5).p == 8 / 1_000


def test_one_core_finds_what_all_cores_find() -> None:
    base, candidate = pair()

    def everything() -> tuple[Interval, PairedTest, PairedTest]:
        return (
            difference_interval(base, candidate, Bootstrap(2_000)),
            randomisation_test(base, candidate, permutations=50_000),
            bootstrap_test(base, candidate, resamples=2_000),
        )

    cores = os.sched_getaffinity(0)
    together = everything()
    try:
        os.sched_setaffinity(0, {min(cores)})
        alone = everything()
    finally:
        os.sched_setaffinity(0, cores)
    assert alone == together


def test_equal_systems() -> None:
    for test in TESTS:
        found = test([0.5, 0.25, 1], [0.5, 0.25, 1])
        assert (found.p, found.effect, found.effect_size) == (1.0, 0.0, 0.0)
    assert equivalence_test([0.5, 0.25], [0.5, 0.25], 0.01).equivalent
    assert non_inferiority_test([0.5, 0.25], [0.5, 0.25], 0.01).non_inferior


def test_equivalence_is_not_the_absence_of_significance() -> None:
    random = np.random.default_rng(0)
    base = random.random(1_000)
    near = base + random.normal(0.001, 0.05, 1_000)
    assert equivalence_test(base, near, 0.02).equivalent
    few = equivalence_test(base[:8], near[:8], 0.02)
    assert t_test(base[:8], near[:8]).p > 0.05
    assert not few.equivalent
    wide = equivalence_test(base, near, (-0.5, 0.002))
    assert (wide.lower, wide.upper, wide.equivalent, wide.p) == (-0.5, 0.002, False, wide.p_upper)
    worse = non_inferiority_test(base, base - 0.01 + random.normal(0, 0.01, 1_000), 0.02)
    assert worse.non_inferior
    assert -0.02 < worse.low < worse.effect < 0
    assert not non_inferiority_test(base, base - 0.03 + random.normal(0, 0.01, 1_000), 0.02).non_inferior


def test_more_queries_show_smaller_effects() -> None:
    effects = [minimum_detectable_effect(0.3, n) for n in (10, 100, 1_000, 10_000)]
    assert effects == sorted(effects, reverse=True)
    # (z[0.975] + z[0.8]) s / sqrt(n), which t approaches.
    assert effects[-1] == pytest.approx(2.801585 * 0.3 / 100, rel=1e-3)
    assert power(effects[1], 0.3, np.int64(100)) == pytest.approx(0.8)
    assert queries_needed(0.03, 0.3) == 787
    assert minimum_detectable_effect(0.3, 100, alpha=0.01, power=0.9) > effects[1]


def test_corrections() -> None:
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
    assert benjamini_hochberg(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.04, 0.04])
    for correct in (holm, benjamini_hochberg):
        assert correct([]) == []
        assert correct(iter([0.6])) == [0.6]
        with pytest.raises(InvalidInput, match=r"p value 1 is 1\.5"):
            correct([0.5, 1.5])


@pytest.mark.parametrize(
    ("base", "candidate", "part"),
    [
        ([], [], "paired samples are empty"),
        ([1.0], [1.0, 2.0], "base has 1, candidate 2"),
        ([1.0], [math.nan], "value 0 of candidate is NaN"),
        ([[1.0]], [1.0], r"base must have one axis \(queries,\), not shape \(1, 1\)"),
        (["a"], [1.0], "base must hold real numbers"),
        ([[1.0], [1.0, 2.0]], [1.0], "base cannot be read as an array"),
        (np.ma.masked_greater([1.0, 9.0], 5), [1.0, 2.0], "base: some values are masked"),
    ],
)
def test_bad_samples_are_named(base: Any, candidate: Any, part: str) -> None:
    for call in [*TESTS, difference_interval, lambda *pair: equivalence_test(*pair, 0.1)]:
        with pytest.raises(InvalidInput, match=part):
            call(base, candidate)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: randomisation_test([1], [1], seed=-1), "seed must be at least 0"),
        (lambda: bootstrap_test([1], [1], seed=0.5), "seed must be a whole number"),  # type: ignore[arg-type]
        (lambda: randomisation_test([1], [1], permutations=0), "permutations must be at least 1"),
        (lambda: bootstrap_test([1], [1], resamples=0), "resamples must be at least 1"),
        (lambda: mean_interval([1.0], Bootstrap(resamples=0)), "resamples must be at least 1"),
        (lambda: mean_interval([1.0], Bootstrap(method="bcb")), "bcb.* is not known"),  # type: ignore[arg-type]
        (lambda: mean_interval([]), "empty"),
        (lambda: mean_interval([1.0, math.inf]), "value 1 of the sample is inf"),
        (lambda: mean_intervals([1.0]), r"axes \(queries, measures\), not shape \(1,\)"),
        (lambda: t_test([1.0], [2.0]), "at least two"),
        (lambda: t_test([1.0, 2.0], [2.0, 3.0]), "differences that vary; the randomisation test does not"),
        (lambda: equivalence_test([1, 2], [2, 2], 0), "margin must be a positive number"),
        (lambda: equivalence_test([1, 2], [2, 2], math.nan), "margin must be a positive number"),
        (lambda: equivalence_test([1, 2], [2, 2], (0.1, 0.2)), "surround zero"),
        (lambda: equivalence_test([1, 2], [2, 2], (-1, 1, 1)), "one number or two"),  # type: ignore[arg-type]
        (lambda: equivalence_test([1, 2], [2, 2], 1, alpha=0.6), "alpha must lie between 0 and 1/2, not 0.6"),
        (lambda: non_inferiority_test([1, 2], [2, 2], (1, 2)), "margin must be a pos"),  # type: ignore[arg-type]
        (lambda: power(0.1, 0.0, 10), "must be positive"),
        (lambda: power(0.1, 1.0, 1), "n must be at least 2"),
        (lambda: power("x", 1.0, 9), "effect must be a number"),  # type: ignore[arg-type]
        (lambda: minimum_detectable_effect(1.0, 10, power=0.01), "must be above alpha"),
        (lambda: minimum_detectable_effect(1.0, 10, alpha=1), "alpha must lie between"),
        (lambda: queries_needed(0.0, 1.0), "too small to be found"),
        (lambda: queries_needed(10**400, 1.0), "effect is an int beyond the greatest float"),
        (lambda: equivalence_test([1, 2], [2, 2], 10**400), "margin is an int beyond the greatest float"),
        (lambda: holm(0.5), "p_values must be the p values of one family"),  # type: ignore[arg-type]
        (lambda: holm(np.ones((1, 2))), r"p_values must have one axis \(tests,\), not shape \(1, 2\)"),
        (lambda: mean_intervals([[1e308], [1e308]]), "overflow"),
        (lambda: mean_intervals(np.zeros((1, 300)), Bootstrap(10_000_000)), "300 measures are more than memory"),
    ],
)
def test_what_cannot_be_used_is_refused(call: Callable[[], object], part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        call()


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan, "0.95", None, True])
def test_confidence_is_a_fraction(confidence: Any) -> None:
    with pytest.raises(InvalidInput, match="confidence must"):
        mean_interval([1.0], Bootstrap(confidence=confidence))
