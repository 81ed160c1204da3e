"""The verdict's rule, case by case, and the sentences that carry it."""

from __future__ import annotations

import pytest

from crossfade.evaluation.results import Difference, Evaluation, Latency, ModelRef
from crossfade.evaluation.verdict import Decision, decide

BASE = 0.4


def difference(
    delta: float, low: float, high: float, p: float, *, p_holm: float | None = None, same: bool = False
) -> Difference:
    counts = (0, 0, 100) if same else (40, 30, 30)
    return Difference(delta, (low, high), p, p if p_holm is None else p_holm, *counts, 0.0 if same else 0.03)


GAIN = difference(0.05, 0.02, 0.08, 0.001)
LOSS = difference(-0.05, -0.08, -0.02, 0.001)
FLAT = difference(0.004, -0.01, 0.018, 0.6)
SAME = difference(0.0, 0.0, 0.0, 1.0, same=True)


def decided(
    *differences: Difference, queries: int = 100, names: tuple[str, ...] = ("nDCG@10", "R@100", "AP")
) -> Decision:
    table = dict(zip(names, differences, strict=False))

    def side(name: str, moved: bool) -> Evaluation:
        values = {measure: BASE + (found.delta if moved else 0.0) for measure, found in table.items()}
        model = ModelRef(name, "cf1-q", "cf1-d")
        return Evaluation("toy", "test", queries, 10, model, values, Latency(1, 2, 3, 4), {})

    return decide(side("base", False), side("tuned", True), table)


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([GAIN], "ship"),
        ([GAIN, FLAT, FLAT], "ship"),
        ([GAIN, GAIN, SAME], "ship"),
        ([LOSS], "do_not_ship"),
        ([LOSS, GAIN, GAIN], "do_not_ship"),
        ([GAIN, LOSS, GAIN], "do_not_ship"),
        ([FLAT, LOSS], "do_not_ship"),
        ([FLAT], "inconclusive"),
        ([FLAT, GAIN, GAIN], "inconclusive"),  # the primary decides, not the measure that happens to look best
        ([SAME, SAME, SAME], "inconclusive"),
        # The two tests disagree: neither alone is enough.
        ([difference(0.05, 0.001, 0.1, 0.06)], "inconclusive"),
        ([difference(0.05, -0.001, 0.1, 0.04)], "inconclusive"),
        ([difference(-0.05, -0.1, -0.001, 0.06)], "inconclusive"),
        # An interval that touches zero does not lie above it.
        ([difference(0.05, 0.0, 0.1, 0.01)], "inconclusive"),
        # The level itself counts as significant, on both sides.
        ([difference(0.05, 0.001, 0.1, 0.05)], "ship"),
        ([GAIN, difference(-0.05, -0.1, -0.01, 0.01, p_holm=0.05)], "do_not_ship"),
        # Harm is judged by the corrected p, the primary's gain by its own.
        ([GAIN, difference(-0.05, -0.1, -0.01, 0.02, p_holm=0.06)], "ship"),
        ([difference(0.05, 0.02, 0.08, 0.04, p_holm=0.12), FLAT, FLAT], "ship"),
    ],
)
def test_the_rule(differences: list[Difference], verdict: str) -> None:
    assert decided(*differences).verdict == verdict


def test_too_few_queries_decide_nothing() -> None:
    assert decided(GAIN, queries=20).verdict == "ship"
    for queries, differences in ((19, [GAIN]), (19, [LOSS]), (1, [GAIN, LOSS])):
        decision = decided(*differences, queries=queries)
        assert decision.verdict == "inconclusive"
        assert "a verdict needs at least 20" in decision.reasons[0]
    assert decided(GAIN, queries=1).reasons[0].startswith("Only 1 query of this split is judged;")
    assert decided(GAIN, queries=5).reasons[0].startswith("Only 5 queries of this split are judged;")


def test_judged_never_decides() -> None:
    decision = decided(GAIN, LOSS, names=("nDCG@10", "Judged@10"))
    assert decision.verdict == "ship"
    assert not any("Judged" in reason for reason in decision.reasons)


def test_ship_says_why() -> None:
    first, second, third = decided(GAIN, FLAT, FLAT).reasons
    assert first == (
        "nDCG@10, the primary measure, rose from 0.400 to 0.450 over 100 queries: the 95% interval of the difference, "
        "+0.020 to +0.080, lies above zero (p = 0.001), so chance does not explain it."
    )
    assert second == "None of the other 2 declared measures is significantly worse (Holm's correction, 5% level)."
    assert third == "Query by query, nDCG@10 is better with the candidate on 40, worse on 30 and equal on 30."
    assert "The other declared measure, R@100, is not" in decided(GAIN, FLAT).reasons[1]
    assert not any("other" in reason for reason in decided(GAIN).reasons)


def test_do_not_ship_says_which_measure_fell() -> None:
    assert "fell from 0.400 to 0.350 over 100 queries" in decided(LOSS).reasons[0]
    assert "lies below zero" in decided(LOSS).reasons[0]
    reasons = decided(GAIN, LOSS, FLAT).reasons
    assert "rose from 0.400 to 0.450" in reasons[0]
    assert reasons[1] == (
        "R@100 is significantly worse: it fell from 0.400 to 0.350 (p = 0.001 after Holm's correction)."
    )
    assert reasons[2] == "The gain in nDCG@10 does not make up for a proven loss elsewhere."
    assert "includes zero" in decided(FLAT, LOSS).reasons[0]


def test_inconclusive_says_what_could_be_seen_and_what_it_would_take() -> None:
    first, second, third, _ = decided(FLAT).reasons
    assert first == (
        "nDCG@10, the primary measure, rose from 0.400 to 0.404 over 100 queries, but the 95% interval of the "
        "difference, -0.010 to +0.018, includes zero (p = 0.600): chance alone may explain it."
    )
    assert second == (
        "With 100 queries a difference of about 0.030 would be found four times out of five; smaller ones mostly stay "
        "hidden."
    )
    # 100 * (0.03 / 0.004)^2 = 5,625
    assert third == "If the difference seen here is the true one, about 5,700 queries would show it."


def test_no_difference_at_all_is_said_plainly() -> None:
    reasons = decided(SAME, SAME).reasons
    assert reasons[0] == "nDCG@10, the primary measure, is the same for both models on every one of the 100 queries."
    assert len(reasons) == 2


def test_a_change_too_small_to_print_is_not_called_a_rise() -> None:
    reasons = decided(difference(0.0001, -0.01, 0.01, 0.9)).reasons
    assert "stayed at 0.400 (+0.0001)" in reasons[0]
    assert not any("queries would show it" in reason for reason in reasons)  # nine million: no use to anybody


def test_tests_that_disagree_are_named() -> None:
    reasons = decided(difference(0.05, 0.001, 0.1, 0.06)).reasons
    assert (
        "leaves out zero, but the randomisation test does not confirm it (p = 0.060, needed: at most 0.05)"
        in reasons[0]
    )


@pytest.mark.parametrize("differences", [[GAIN], [LOSS, LOSS], [FLAT, LOSS], [SAME], [FLAT, GAIN]])
@pytest.mark.parametrize("queries", [3, 1000])
def test_reasons_are_sentences(differences: list[Difference], queries: int) -> None:
    for reason in decided(*differences, queries=queries).reasons:
        assert reason[0].isupper() or reason.startswith("nDCG")
        assert reason.endswith(".")
        assert "  " not in reason
        assert "nan" not in reason.lower()
