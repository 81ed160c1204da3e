"""The rule of a declared decision, case by case, against scipy where a figure is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from decision_samples import DATA, LEAKAGE, evidence, moved, side
from scipy import stats

from crossfade.errors import InvalidInput
from crossfade.evaluation.decision.evidence import Cost, Evidence
from crossfade.evaluation.decision.gates import Gate
from crossfade.evaluation.decision.protocol import Expected, Gates, GuardSet, Prices, Protocol, SliceRule, Waiver
from crossfade.evaluation.decision.rule import Outcome, conclude
from crossfade.evaluation.results import Latency
from crossfade.overlap import OverlapSettings

N = 120
GAIN, LOSS, FLAT = moved(N, 0.05), moved(N, -0.05, seed=4), moved(N, 0.002, seed=5)
SAME = ([0.5] * N, [0.5] * N)
QUICK = Protocol(resamples=1000, permutations=2000)
GUARD = GuardSet("general", "elsewhere", 0.02)


def decided(primary: Any = GAIN, *, protocol: Protocol = QUICK, others: Any = None, **rest: Any) -> Outcome:
    return conclude(protocol, evidence({"nDCG@10": primary, **(others or {})}, **rest))


def gate(outcome: Outcome, name: str) -> Gate:
    return next(gate for gate in outcome.gates if gate.name == name)


@pytest.mark.parametrize(
    ("primary", "others", "verdict"),
    [
        (GAIN, {}, "ship"),
        (GAIN, {"AP": FLAT, "R@100": SAME}, "ship"),
        (GAIN, {"AP": LOSS}, "do_not_ship"),
        (LOSS, {}, "do_not_ship"),
        (LOSS, {"AP": GAIN}, "do_not_ship"),
        (FLAT, {"AP": GAIN}, "inconclusive"),
        (SAME, {"AP": SAME}, "inconclusive"),
        (GAIN, {"Judged@10": LOSS}, "ship"),
    ],
)
def test_measures(primary: Any, others: Any, verdict: str) -> None:
    assert decided(primary, others=others).verdict == verdict


def test_figures_agree_with_scipy() -> None:
    outcome = decided(GAIN, others={"AP": FLAT}, protocol=replace(QUICK, permutations=20_000, resamples=10_000))
    for found, (base, candidate) in zip(outcome.findings, (GAIN, FLAT), strict=True):
        change = np.subtract(candidate, base)
        assert found.delta == pytest.approx(change.mean())
        assert (found.wins, found.losses) == ((change > 0).sum(), (change < 0).sum())
        low, high = stats.bootstrap(
            (change,), np.mean, n_resamples=9999, method="percentile", rng=1
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)
        for p, way in ((found.p_gain, "greater"), (found.p_harm, "less")):
            if p is not None:
                oracle = stats.permutation_test(
                    (change,), np.mean, permutation_type="samples", alternative=way, n_resamples=19_999, rng=1
                ).pvalue
                assert p == pytest.approx(oracle, abs=0.02)
    assert outcome.findings[1].p_gain is None


def test_the_superiority_margin_is_a_bar() -> None:
    assert decided(GAIN, protocol=replace(QUICK, superiority_margin=0.02)).verdict == "ship"
    outcome = decided(GAIN, protocol=replace(QUICK, superiority_margin=0.045))
    assert outcome.verdict == "inconclusive"
    assert "does not lie above the superiority margin of 0.045" in outcome.reasons[0]
    assert any("beyond the superiority margin" in reason for reason in outcome.reasons)


def with_slice(**changes: Any) -> Protocol:
    return replace(QUICK, slices=[SliceRule("short", most_words=2, **changes)])


def falling(delta: float = -0.3) -> tuple[Any, dict[str, list[int]]]:
    """A gain over all, and a loss on the first 20 queries."""
    base, candidate = map(np.array, moved(N, 0.1))
    candidate[:20] += delta
    return (base.tolist(), candidate.tolist()), {"short": list(range(20))}


def test_a_slice_that_falls_blocks_the_release_unless_it_is_waived() -> None:
    values, slices = falling()
    assert decided(values).verdict == "ship"
    outcome = decided(values, protocol=with_slice(), slices=slices)
    assert outcome.verdict == "do_not_ship"
    assert outcome.reasons[0].startswith("Slice short: nDCG@10 is significantly worse: it fell from")
    assert "does not make up for a proven loss" in outcome.reasons[2]
    found = outcome.findings[-1]
    assert (found.subject, found.name, found.n, found.harmed) == ("slice", "short", 20, True)
    assert found.wins + found.losses + found.ties == 20
    waived = replace(with_slice(), waivers=[Waiver("slice:short", "short queries go to another index.")])
    outcome = decided(values, protocol=waived, slices=slices)
    assert outcome.verdict == "ship"
    assert outcome.findings[-1].harmed
    (said,) = [reason for reason in outcome.reasons if reason.startswith("Waived, slice:short:")]
    assert said.endswith("Reason given: short queries go to another index.")


def test_a_waiver_leaves_the_family_as_it_is() -> None:
    values, slices = falling()
    plain = decided(values, protocol=with_slice(), slices=slices)
    waived = decided(values, protocol=replace(with_slice(), waivers=[Waiver("slice:short", "x")]), slices=slices)
    assert plain.findings == waived.findings


def test_a_slice_may_fall_by_its_margin() -> None:
    values, slices = falling(-0.25)
    assert decided(values, protocol=with_slice(), slices=slices).verdict == "do_not_ship"
    assert decided(values, protocol=with_slice(margin=0.2), slices=slices).verdict == "ship"
    asked = with_slice(margin=0.2, require="non_inferiority")
    outcome = decided(values, protocol=asked, slices=slices)
    assert outcome.verdict == "blocked"
    assert not gate(outcome, "slice:short").passed
    assert outcome.reasons[0].startswith("Blocked by slice:short: Slice short is not shown to lose less than 0.2")


def test_small_slices_are_reported_and_not_tested() -> None:
    values, _ = falling()
    outcome = decided(values, protocol=with_slice(), slices={"short": range(9)})
    assert outcome.findings[-1].p_harm is None
    assert outcome.findings[-1].n == 9
    assert outcome.verdict == "ship"
    assert any("1 smaller slice was not tested" in reason for reason in outcome.reasons)
    assert decided(values, protocol=with_slice(), slices={"short": []}).verdict == "ship"
    outcome = decided(values, protocol=with_slice(margin=0.1, require="non_inferiority"), slices={"short": []})
    assert outcome.verdict == "blocked"


def test_holm_runs_over_measures_slices_and_guards_together() -> None:
    values, slices = falling(-0.12)
    protocol = replace(with_slice(), guards=[GUARD])
    outcome = decided(values, others={"AP": FLAT}, protocol=protocol, slices=slices, guards={"general": FLAT})
    assert [found.subject for found in outcome.findings] == ["measure", "measure", "slice", "guard"]
    ps = [found.p_harm for found in outcome.findings]
    ordered = sorted(p for p in ps if p is not None)
    expected = np.maximum.accumulate([min(1.0, p * (4 - rank)) for rank, p in enumerate(ordered)])
    assert sorted(found.p_harm_holm for found in outcome.findings) == pytest.approx(expected.tolist())  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("guard", "verdict"),
    [
        (moved(300, 0.0, 0.02), "ship"),
        (moved(300, 0.03), "ship"),
        (([0.5] * 300, [0.5] * 300), "ship"),
        (SAME, "blocked"),  # so few ties show no less than a loss of 0.05
        (([1.0] * 50, [1.0] * 49 + [0.0]), "blocked"),  # one large loss: the interval ends at -0.06
        (moved(N, -0.01, 0.1), "blocked"),  # neither shown to fall nor shown not to
        (moved(12, 0.0, 0.1), "blocked"),  # too few to show it
        (moved(N, -0.2), "do_not_ship"),
    ],
)
def test_a_guard_set_must_be_shown_not_to_degrade(guard: Any, verdict: str) -> None:
    protocol = replace(QUICK, guards=[GUARD])
    outcome = decided(protocol=protocol, guards={"general": guard})
    assert outcome.verdict == verdict
    assert gate(outcome, "guard:general").passed == (verdict == "ship")
    waived = replace(protocol, waivers=[Waiver("guard:general", "replaced next week")])
    assert decided(protocol=waived, guards={"general": guard}).verdict == "ship"


def test_a_guard_set_of_fewer_queries_than_declared_shows_nothing() -> None:
    same = ([0.5] * 30, [0.5] * 30)
    protocol = replace(QUICK, guards=[GuardSet("general", "elsewhere", 0.3)])
    assert decided(protocol=protocol, guards={"general": same}).verdict == "ship"
    more = replace(protocol, gates=replace(protocol.gates, least_guard_queries=31))
    outcome = decided(protocol=more, guards={"general": same})
    assert outcome.verdict == "blocked"
    assert "fewer than 31 queries show nothing" in gate(outcome, "guard:general").reason


def test_differences_beyond_1_have_no_bound_and_show_nothing() -> None:
    wide = ([0.0] * 300, [1.5] * 300)
    outcome = decided(protocol=replace(QUICK, guards=[GUARD]), guards={"general": wide})
    assert outcome.findings[-1].bound is None
    assert outcome.verdict == "blocked"
    assert "has no bound, for it leaves the range from 0 to 1" in gate(outcome, "guard:general").reason


def test_a_guard_set_that_was_not_measured_is_refused() -> None:
    with pytest.raises(InvalidInput, match="guard set 'general' was not measured: evaluate both models on elsewhere"):
        decided(protocol=replace(QUICK, guards=[GUARD]))


COST = Cost(100.0, 50.0, 2, 0, 5.0, 9.0, "USD")


def leaked(**changes: Any) -> dict[str, Any]:
    return {"leakage": replace(LEAKAGE, **changes)}


PRICED = replace(QUICK, prices=Prices(0.1))


@pytest.mark.parametrize(
    ("name", "protocol", "changes", "words"),
    [
        ("queries", replace(QUICK, gates=Gates(least_queries=121)), {}, "Judge 1 more."),
        ("match", replace(QUICK, expected=Expected(base="cf1-other")), {}, "expects base cf1-other"),
        ("match", replace(QUICK, expected=Expected(qrels="1" * 64)), {}, "expects judgments 1111"),
        ("match", QUICK, {"candidate": side("tuned", settings={"depth": 10})}, "depth is 100 for the base and 10"),
        ("judged", replace(QUICK, gates=Gates(least_judged=0.9)), {"judged": 0.5}, "the difference between -0.300"),
        ("leakage", replace(QUICK, gates=Gates(leakage="required")), {}, "none was given"),
        ("leakage", QUICK, leaked(queries_touched=12), "12 of 40 evaluation queries are touched by the training"),
        ("leakage", replace(QUICK, gates=Gates(leakage_limit=0.1)), leaked(queries_touched=5), "at most 10.00% may be"),
        ("leakage", QUICK, leaked(limit=1.0, queries_touched=1), "(2.50%); none may be."),
        ("leakage", QUICK, leaked(corpus_sha256="1"), "of other documents"),
        ("leakage", QUICK, leaked(counted=["query-query"]), "does not count positive-relevant, query-relevant,"),
        ("leakage", QUICK, leaked(counted=[]), "does not count query-query,"),
        ("leakage", QUICK, leaked(overlap=OverlapSettings(phrases=1.0)), "phrases 1 (usual: 0.7)"),
        ("leakage", QUICK, leaked(overlap=OverlapSettings(short_words=3)), "short_words 3 (usual: 500)"),
        ("leakage", QUICK, leaked(cosine=0.99), "cosine 0.99 (usual: 0.95)"),
        ("leakage", QUICK, leaked(skipped=2), "2 rows were skipped"),
        ("leakage", QUICK, leaked(rows=0), "of no training row"),
        (
            "baseline",
            QUICK,
            {"data": replace(DATA, modified="2026-02-01T10:00:00")},
            "before the data were last changed",
        ),
        ("baseline", replace(QUICK, gates=Gates(baseline_max_age_days=0.5)), {}, "1.0 days ago, and at most 0.5"),
        ("latency", replace(QUICK, gates=Gates(latency_p99_ms=2.5)), {}, "3.0 ms; at most 2.5 ms"),
        (
            "latency_ratio",
            replace(QUICK, gates=Gates(latency_p99_ratio=1.5)),
            {"candidate": side("tuned", latency_ms=Latency(1, 2, 4.6, 9))},
            "at most 1.5 times",
        ),
        ("cost_queries", replace(PRICED, gates=Gates(cost_per_million_queries=4.0)), {}, "was not measured"),
        (
            "cost_queries",
            replace(PRICED, gates=Gates(cost_per_million_queries=4.0)),
            {"candidate": side("tuned", cost=COST)},
            "cost 5 USD with the candidate; at most 4",
        ),
        (
            "cost_documents",
            replace(PRICED, gates=Gates(cost_per_million_documents=4.0)),
            {"candidate": side("tuned", cost=COST)},
            "cost 9 USD",
        ),
    ],
)
def test_gates_block_say_why_and_how_to_clear_them(
    name: str, protocol: Protocol, changes: dict[str, Any], words: str
) -> None:
    outcome = decided(protocol=protocol, **changes)
    failed = gate(outcome, name)
    assert outcome.verdict == "blocked"
    assert not failed.passed
    assert failed.remedy.endswith(".")
    assert outcome.reasons[0].startswith(f"Blocked by {name}: ")
    assert words in outcome.reasons[0]
    assert failed.reason in outcome.reasons[0]
    assert failed.remedy in outcome.reasons[0]
    if name != "match":
        waived = decided(protocol=replace(protocol, waivers=[Waiver(name, "known")]), **changes)
        assert waived.verdict == "ship"
        assert any(reason.startswith(f"Waived, {name}: ") for reason in waived.reasons)


def test_evidence_gates_come_before_harm_and_release_gates_after() -> None:
    few = replace(QUICK, gates=Gates(least_queries=500))
    slow = replace(QUICK, gates=Gates(latency_p99_ms=1.0))
    outcome = decided(LOSS, protocol=few)
    assert outcome.verdict == "blocked"
    assert outcome.reasons[1].startswith("Beside that: nDCG@10 is significantly worse")
    outcome = decided(LOSS, protocol=slow)
    assert outcome.verdict == "do_not_ship"
    assert any(reason.startswith("Beside that, latency: ") for reason in outcome.reasons)
    assert decided(FLAT, protocol=slow).verdict == "blocked"


def test_gates_that_pass_are_recorded() -> None:
    protocol = replace(
        PRICED,
        gates=Gates(
            latency_p99_ms=9, latency_p99_ratio=2, cost_per_million_queries=6, cost_per_million_documents=10,
            least_judged=0.5, leakage="required", baseline_max_age_days=3,
        ),
    )  # fmt: skip
    outcome = decided(protocol=protocol, candidate=side("tuned", cost=COST), leakage=LEAKAGE)
    assert outcome.verdict == "ship"
    assert [each.name for each in outcome.gates] == [
        "match", "queries", "baseline", "judged", "leakage", "latency", "latency_ratio", "cost_queries",
        "cost_documents",
    ]  # fmt: skip
    assert all(each.passed and not each.remedy for each in outcome.gates)


@pytest.mark.parametrize(
    ("protocol", "changes", "message"),
    [
        (replace(QUICK, waivers=[Waiver("slice:none", "x")]), {}, "names no gate, slice or guard set; there are: "),
        (QUICK, {"slices": {"short": [1]}}, "comes from no rule"),
        (with_slice(measure="RR"), {"slices": {"short": [1]}}, "is of RR, which was not evaluated"),
        (replace(QUICK, permutations=10), {}, "are too many for 10 permutations"),
        (QUICK, {"base": side("base", created="yesterday")}, "'yesterday' is no date"),
    ],
)
def test_what_does_not_belong_together_is_refused(protocol: Protocol, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        decided(protocol=protocol, **changes)


def test_the_outcome_is_a_function_of_its_input() -> None:
    values, slices = falling()
    held: Evidence = evidence({"nDCG@10": values}, slices=slices)
    assert conclude(with_slice(), held) == conclude(with_slice(), held)


def test_reasons_are_sentences() -> None:
    values, slices = falling()
    for outcome in (
        decided(values, protocol=with_slice(), slices=slices),
        decided(FLAT),
        decided(SAME),
        decided(LOSS),
        decided(protocol=replace(QUICK, gates=Gates(least_queries=500))),
    ):
        for reason in outcome.reasons:
            assert reason.endswith(".")
            assert "  " not in reason
            assert ".." not in reason
            assert "nan" not in reason
