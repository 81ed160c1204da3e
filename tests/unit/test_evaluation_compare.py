"""Two models on the same queries: figures against outside oracles, refusals, and how often chance gets a verdict."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from scipy import stats

from crossfade.errors import InvalidInput
from crossfade.evaluation.compare import (
    ComparisonSettings,
    compare,
    compare_runs,
    minimum_detectable,
    paired_differences,
)
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.evaluate import Evaluated, EvaluationSettings, evaluate_all
from crossfade.evaluation.results import Comparison, Evaluation, Latency, ModelRef
from crossfade.evaluation.showcase import snippet
from crossfade.evaluation.verdict import ALPHA, decide
from crossfade.store.types import Document

POOR = FakeEncoder(FakeBundle("poor", query_fingerprint="cf1-poor"), noise=1.5)
GOOD = FakeEncoder(FakeBundle("good", query_fingerprint="cf1-good"), noise=0.1)
OTHER = FakeEncoder(FakeBundle("other", "cf1-other", "cf1-other"), noise=1.5)
QUICK = ComparisonSettings(resamples=2000, permutations=2000)


def pair(dataset: Dataset, *encoders: FakeEncoder, settings: EvaluationSettings | None = None) -> list[Evaluated]:
    return evaluate_all(dataset, encoders, settings or EvaluationSettings())


def test_a_better_model_ships_and_the_reverse_does_not() -> None:
    dataset = toy_dataset()
    forth = compare(dataset, POOR, GOOD, settings=QUICK)
    back = compare(dataset, GOOD, POOR, settings=QUICK)
    assert (forth.verdict, back.verdict) == ("ship", "do_not_ship")
    assert forth.primary == "nDCG@10"
    gain, loss = forth.difference["nDCG@10"], back.difference["nDCG@10"]
    assert (
        gain.delta
        == pytest.approx(-loss.delta)
        == pytest.approx(forth.candidate.measures["nDCG@10"] - forth.base.measures["nDCG@10"])
    )
    assert (gain.wins, gain.losses, gain.ties) == (loss.losses, loss.wins, loss.ties)
    changes = [
        forth.candidate.per_query["nDCG@10"][query] - forth.base.per_query["nDCG@10"][query]
        for query in dataset.queries
    ]
    assert gain.wins == sum(change > 0 for change in changes)
    assert gain.losses == sum(change < 0 for change in changes)
    assert gain.wins > gain.losses
    assert gain.wins + gain.losses + gain.ties == 30
    assert gain.ci95[0] > 0 > loss.ci95[1]
    assert forth.reasons[-2].startswith("Both models embed documents alike")
    assert forth.reasons[-1].startswith("What users will see change: another first result for ")
    assert 0 < forth.settings["churn"]["documents"] < 1 > forth.settings["rank_overlap"]


def test_a_model_against_itself_is_inconclusive() -> None:
    result = compare(toy_dataset(), POOR, POOR, settings=QUICK)
    assert result.verdict == "inconclusive"
    for found in result.difference.values():
        assert (found.delta, found.ci95, found.p, found.p_holm, found.ties) == (0.0, (0.0, 0.0), 1.0, 1.0, 30)
        assert found.minimum_detectable == 0.0
    assert result.reasons[-2:] == [
        "Base and candidate are the same model: they have the same fingerprints.",
        "Users see no change: the first 10 results are the same for every query.",
    ]
    assert result.settings["rank_overlap"] == pytest.approx(1, abs=1e-12)


def test_another_document_encoder_means_embedding_again() -> None:
    result = compare(toy_dataset(), POOR, OTHER, settings=QUICK)
    assert result.reasons[-2].startswith("Shipping the candidate means embedding all 40 documents again")


def test_figures_agree_with_scipy() -> None:
    dataset = toy_dataset(queries=40)
    measures = EvaluationSettings(["nDCG@10", "RR", "R@5"])
    result = compare(dataset, POOR, OTHER, measures, ComparisonSettings())
    for name, found in result.difference.items():
        base = np.array([result.base.per_query[name][query] for query in dataset.queries])
        candidate = np.array([result.candidate.per_query[name][query] for query in dataset.queries])
        oracle = stats.bootstrap((candidate - base,), np.mean, n_resamples=9999, method="percentile", rng=1)
        assert found.delta == pytest.approx((candidate - base).mean())
        assert found.ci95 == pytest.approx(tuple(oracle.confidence_interval), abs=0.03)
        exact = stats.permutation_test(
            (base, candidate),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=9999,
            rng=1,
        )
        assert found.p == pytest.approx(exact.pvalue, abs=0.03)
    # Holm (1979) by hand: the smallest p times three, the next times two, never falling.
    ordered = sorted(result.difference.values(), key=lambda row: row.p)
    expected = np.maximum.accumulate([min(1.0, row.p * (3 - rank)) for rank, row in enumerate(ordered)])
    assert [row.p_holm for row in ordered] == pytest.approx(expected.tolist())


def test_judged_is_outside_the_family() -> None:
    values = {f"q{number}": number / 20 for number in range(12)}
    moved = {query: value + 0.1 for query, value in values.items()}
    alone = paired_differences({"RR": values}, {"RR": moved}, QUICK)
    both = paired_differences({"RR": values, "Judged@10": values}, {"RR": moved, "Judged@10": moved}, QUICK)
    assert both["RR"].p_holm == alone["RR"].p_holm == alone["RR"].p < 0.01
    assert both["Judged@10"].p_holm == both["Judged@10"].p
    with pytest.raises(InvalidInput, match="Judged@10 describes the judgments only"):
        compare(toy_dataset(), POOR, GOOD, EvaluationSettings(["Judged@10", "RR"]))


def test_the_minimum_detectable_difference_is_found_four_times_out_of_five() -> None:
    """By simulation: a true difference of that size, tested by t at the same level."""
    generator = np.random.default_rng(5)
    size, spread = 100, 0.2
    effect = minimum_detectable(generator.normal(0, spread, 100_000)) * math.sqrt(100_000 / size)
    samples = generator.normal(effect, spread, (4000, size))
    found = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue <= ALPHA)
    assert 0.77 < found < 0.83
    assert minimum_detectable(np.zeros(9)) == minimum_detectable(np.array([0.3])) == 0.0


def test_chance_alone_seldom_gets_a_verdict() -> None:
    """A/A: two models of equal quality on fresh queries, six correlated measures, 400 times (seeded).

    The rule allows 5% on the primary and, rarely beside it, harm elsewhere; 400 rounds leave a margin of two points.
    """
    generator = np.random.default_rng(11)
    measures, queries, rounds = 6, 50, 400
    settings = ComparisonSettings(resamples=500, permutations=500)
    names = [f"P@{cut}" for cut in range(1, measures + 1)]
    query_ids = [f"q{number}" for number in range(queries)]
    verdicts = {"ship": 0, "do_not_ship": 0, "inconclusive": 0}
    for _ in range(rounds):
        difficulty = generator.normal(0.5, 0.2, queries)
        sides = []
        for _ in range(2):
            luck = generator.normal(0, 0.1, queries)
            values = np.clip([difficulty + luck + generator.normal(0, 0.05, queries) for _ in names], 0, 1).round(2)
            sides.append(
                {name: dict(zip(query_ids, row, strict=True)) for name, row in zip(names, values, strict=True)}
            )
        evaluations = [
            Evaluation(
                "toy", "test", queries, 1, ModelRef("m", "f", "f"),
                {name: float(np.mean(list(row.values()))) for name, row in side.items()}, Latency(1, 1, 1, 1), side,
            )
            for side in sides
        ]  # fmt: skip
        verdicts[decide(*evaluations, paired_differences(*sides, settings)).verdict] += 1
    assert verdicts["inconclusive"] / rounds > 0.92
    assert verdicts["ship"] / rounds < 0.045  # half of the level, and its margin
    assert verdicts["ship"] + verdicts["do_not_ship"] > 0  # a rule that never speaks would pass too


def test_the_same_seed_gives_the_same_record() -> None:
    dataset = toy_dataset()
    first, second = pair(dataset, POOR, OTHER)
    runs = (dataset, first.evaluation, first.run, second.evaluation, second.run)
    assert compare_runs(*runs, QUICK) == compare_runs(*runs, QUICK)
    assert compare_runs(*runs, QUICK).difference != compare_runs(*runs, replace(QUICK, seed=18)).difference


def test_queries_are_shown_by_gain_with_grades_titles_and_snippets() -> None:
    dataset = toy_dataset()
    result = compare(dataset, POOR, GOOD, settings=replace(QUICK, results_shown=3))
    deltas = [query.delta for query in result.queries]
    assert deltas == sorted(deltas, reverse=True)
    ties = [query.query_id for query in result.queries if query.delta == 0.0]
    assert ties == sorted(ties)
    assert len(ties) > 1
    for query in result.queries:
        number = int(query.query_id[1:])
        assert query.base_value == result.base.per_query["nDCG@10"][query.query_id]
        assert len(query.base_results) == len(query.candidate_results) == 3
        assert query.candidate_results[0].id == f"d{number}"
        assert query.candidate_results[0].title == f"title {number}"
        assert query.candidate_results[0].snippet == f"text {number}"
        assert [shown.id for shown in query.relevant] == [f"d{number}"]
        assert query.relevant_total == 1
        for shown in query.base_results + query.candidate_results:
            assert shown.grade == dataset.qrels[query.query_id].get(shown.id)
        assert {shown.grade for shown in query.candidate_results} <= {2, 0, None}


def test_relevant_documents_are_shown_best_first_and_counted_in_full() -> None:
    dataset = toy_dataset(queries=25)
    grades = {f"d{number}": 1 + number % 3 for number in range(30)}
    dataset = replace(dataset, qrels={**dataset.qrels, "q0": {**grades, "gone": 9}}, absent_judgments=1)
    result = compare(dataset, POOR, GOOD, settings=replace(QUICK, relevant_shown=4))
    query = next(query for query in result.queries if query.query_id == "q0")
    assert [(shown.id, shown.grade) for shown in query.relevant] == [("gone", 9), ("d11", 3), ("d14", 3), ("d17", 3)]
    assert query.relevant[0].title == ""
    assert query.relevant_total == 31


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("  two\n\twords ", "two words"),
        ("x" * 12, "xxxxxxxxxx ..."),
        ("aaaa bbbb cccc", "aaaa bbbb ..."),
        ("aaaa bbbbb", "aaaa bbbbb"),
        ("aaaa bbbbb c", "aaaa bbbbb ..."),
        ("a" + " " * 50 + "b", "a ..."),
    ],
)
def test_snippets(text: str, shown: str) -> None:
    assert snippet(text, 10) == shown


def test_the_record_is_complete_json() -> None:
    result = compare(toy_dataset(), POOR, GOOD, settings=QUICK)
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert record["settings"]["seed"] == QUICK.seed
    assert record["settings"]["alpha"] == ALPHA
    assert set(record["settings"]["judged_at_10"]) == {"base", "candidate"}
    assert record["base"]["settings"]["corpus_hash"]
    assert Comparison.from_json(record) == result


def test_a_corpus_is_embedded_once_for_both_and_kept_in_the_cache(tmp_path: Path) -> None:
    dataset = toy_dataset()
    base = FakeEncoder(FakeBundle("base"))
    tuned = FakeEncoder(FakeBundle("tuned", query_fingerprint="cf1-t"))
    compare(dataset, base, tuned, settings=QUICK, cache=tmp_path)
    assert (base.documents_embedded, tuned.documents_embedded) == (40, 0)
    again = FakeEncoder(FakeBundle("base"))
    compare(dataset, again, tuned, settings=QUICK, cache=tmp_path)
    assert again.documents_embedded == 0


def test_unjudged_results_are_pointed_out() -> None:
    dataset = toy_dataset()
    judged_all = {
        query: {f"d{n}": grades.get(f"d{n}", 0) for n in range(40)} for query, grades in dataset.qrels.items()
    }
    dataset = replace(dataset, documents=[*dataset.documents, *(Document(f"new{n}", "n") for n in range(40))],
                      qrels=judged_all)  # fmt: skip
    first, second = pair(dataset, POOR, GOOD)
    only_old = {q: {d: s for d, s in row.items() if d.startswith("d")} for q, row in first.run.items()}
    result = compare_runs(dataset, first.evaluation, only_old, second.evaluation, second.run, QUICK)
    (note,) = [reason for reason in result.reasons if "judged" in reason]
    assert note.startswith("Of the candidate's first 10 results ")
    assert "of the base's 100%" in note


def spoiled(evaluation: Evaluation, **changes: object) -> Evaluation:
    return replace(evaluation, **changes)  # type: ignore[arg-type]  # fields by name


def test_what_cannot_be_compared_is_refused() -> None:
    dataset = toy_dataset()
    first, second = pair(dataset, POOR, GOOD)
    base, candidate = first.evaluation, second.evaluation
    some = {name: dict(list(row.items())[1:]) for name, row in candidate.per_query.items()}
    others = {name: {f"x{query}": value for query, value in row.items()} for name, row in candidate.per_query.items()}
    reordered = dict(reversed(candidate.measures.items()))
    for changed, message in (
        (spoiled(candidate, split="train"), "the candidate was evaluated on toy/train, not on toy/test"),
        (spoiled(candidate, dataset="b"), "the candidate was evaluated on b/test"),
        (spoiled(candidate, per_query=some), "29 queries that are not the 30 of toy/test"),
        (spoiled(candidate, per_query=others), "30 queries that are not the 30 of toy/test"),
        (spoiled(candidate, per_query={}), "lacks the values by query"),
        (
            spoiled(candidate, measures=reordered, per_query={name: candidate.per_query[name] for name in reordered}),
            "with the same, in the same order",
        ),
        (spoiled(candidate, settings={**candidate.settings, "qrels_hash": "0"}), "qrels_hash"),
        (spoiled(candidate, settings={**candidate.settings, "depth": 10}), "depth 100, the candidate with 10"),
    ):
        with pytest.raises(InvalidInput, match=message):
            compare_runs(dataset, base, first.run, changed, second.run, QUICK)
    with pytest.raises(InvalidInput, match="the base was evaluated on"):
        compare_runs(dataset, spoiled(base, split="dev"), first.run, candidate, second.run, QUICK)
