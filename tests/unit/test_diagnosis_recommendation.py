"""One recommendation by the documented rule, and the checklist that stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.evaluation.diagnosis.checklist import Known, OtherSplit, checklist, wilson
from crossfade.evaluation.diagnosis.inputs import DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import against, is_better
from crossfade.evaluation.diagnosis.recommendation import DATA_FAULTS, recommend
from crossfade.evaluation.diagnosis.types import (
    ArmFigures,
    ArmKind,
    Cause,
    CauseCount,
    Cost,
    LeftOut,
    Mean,
    Recommendation,
)
from crossfade.evaluation.results import Latency, ModelRef, Retrieval

QUERIES = 200
SETTINGS = DiagnosisSettings(resamples=300, permutations=300)
NOISE = np.random.default_rng(0).uniform(-0.05, 0.05, QUERIES)


def made(name: str, kind: ArmKind, gain: float, *, mixed: bool = False) -> ArmFigures:
    """An arm whose every query gains so much, or of `mixed` as many lose as much."""
    change = np.where(np.arange(QUERIES) % 2, gain, -gain) if mixed else np.full(QUERIES, gain)
    rolled = np.roll(NOISE, len(name)) if kind != "baseline" else NOISE * 0
    values = 0.4 + change + rolled
    return ArmFigures(
        name,
        kind,
        ModelRef("m", "f", "f"),
        Retrieval(),
        {"nDCG@10": Mean(float(values.mean()), (0.3, 0.5))},
        None,
        Latency(2.0, 3.0, 4.0, 5),
        None if kind == "baseline" else Latency(1.0, 2.0, 3.0, 5),
        Cost(1.0, 1000, 10, 10),
        {f"q{row}": float(value) for row, value in enumerate(values)},
    )


def ladder(*arms: ArmFigures) -> list[ArmFigures]:
    base = made("baseline", "baseline", 0.0)
    differences = against(base, arms, SETTINGS)
    return [base, *(replace(arm, difference=found) for arm, found in zip(arms, differences, strict=True))]


def counted(**causes: int) -> list[CauseCount]:
    total = sum(causes.values())
    found = [CauseCount(name, count, count / total, []) for name, count in causes.items()]  # type: ignore[arg-type]
    return sorted(found, key=lambda each: -each.count)


def advice(
    arms: Sequence[ArmFigures], causes: Sequence[CauseCount], answerable: int = QUERIES
) -> tuple[str, str | None]:
    found = recommend(arms, causes, answerable=answerable, settings=SETTINGS)
    assert found.reasons
    return found.action, found.arm


FAILED = counted(semantic_mismatch=20, exact_match=15, truncated=5)


def test_the_simplest_of_equals_wins() -> None:
    arms = ladder(made("tuned", "tuned", 0.1), made("rerank", "reranking", 0.1), made("hybrid", "hybrid", 0.1))
    assert all(is_better(arm.difference) for arm in arms[1:])
    assert advice(arms, FAILED) == ("hybrid", "hybrid")
    assert advice([*arms[:1], *arms[3:0:-1]], FAILED) == ("hybrid", "hybrid")


def test_a_less_simple_one_that_is_proven_better_wins() -> None:
    arms = ladder(made("hybrid", "hybrid", 0.05), made("rerank", "reranking", 0.05), made("tuned", "tuned", 0.25))
    assert advice(arms, FAILED) == ("fine_tune", "tuned")
    arms = ladder(made("cut", "chunking", 0.05), made("hybrid", "hybrid", 0.2), made("other", "base_model", 0.2))
    assert advice(arms, FAILED) == ("hybrid", "hybrid")


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("filters", "filters"),
        ("chunking", "chunking"),
        ("lexical", "hybrid"),
        ("hybrid", "hybrid"),
        ("reranking", "reranking"),
        ("base_model", "base_model"),
        ("adapter", "fine_tune"),
        ("tuned", "fine_tune"),
    ],
)
def test_each_remedy_has_its_action(kind: ArmKind, action: str) -> None:
    assert advice(ladder(made("it", kind, 0.1)), FAILED) == (action, "it")


def test_what_helps_is_not_recommended_where_it_is_no_remedy() -> None:
    arms = ladder(made("int8", "quantised", 0.1), made("a + b", "combination", 0.2))
    assert advice(arms, FAILED)[1] is None


def test_an_unproven_gain_is_none() -> None:
    arms = ladder(made("hybrid", "hybrid", 0.3, mixed=True))
    assert advice(arms, FAILED) == ("base_model", None)
    tried = ladder(made("hybrid", "hybrid", 0.3, mixed=True), made("other", "base_model", 0.0))
    assert advice(tried, FAILED) == ("fine_tune", None)
    assert advice(arms, counted(exact_match=20, semantic_mismatch=5)) == ("fix_data", None)


def test_no_other_model_is_recommended_beside_words_alone_as_if_one_were_in_use() -> None:
    arms = ladder(made("vectors", "dense", 0.0), made("hybrid", "hybrid", 0.0))
    words = [replace(arms[0], retrieval=Retrieval(mode="lexical")), *arms[1:]]
    found = recommend(words, FAILED, answerable=QUERIES, settings=SETTINGS)
    assert found.action == "base_model"
    assert "before any tuning" not in found.reasons[0]
    assert found.reasons[0].endswith("diagnose with another model (--model) beside them.")


def test_faults_of_the_data_come_first() -> None:
    arms = ladder(made("hybrid", "hybrid", 0.2))
    assert advice(arms, counted(missing_document=12, unjudged=8, exact_match=20)) == ("fix_data", None)
    assert advice(arms, counted(missing_document=12, unjudged=7, exact_match=20)) == ("hybrid", "hybrid")


def test_little_that_fails_is_nothing_wrong() -> None:
    idle = ladder(made("hybrid", "hybrid", 0.0))
    assert advice(idle, counted(semantic_mismatch=10)) == ("nothing_is_wrong", None)
    assert advice(idle, []) == ("nothing_is_wrong", None)
    assert advice(idle, counted(semantic_mismatch=11)) == ("fix_data", None)  # 3.1% to 9.6%
    assert advice(idle, counted(semantic_mismatch=18)) == ("base_model", None)  # 5.8% to 13.8%
    assert advice(ladder(made("hybrid", "hybrid", 0.1)), counted(exact_match=2)) == ("hybrid", "hybrid")


def test_few_queries_tell_nothing() -> None:
    assert advice(ladder(made("hybrid", "hybrid", 0.3)), FAILED, answerable=19) == ("fix_data", None)


@settings(max_examples=40, deadline=None)
@given(
    gains=st.lists(
        st.tuples(
            st.sampled_from(["filters", "chunking", "hybrid", "reranking", "base_model", "tuned"]),
            st.sampled_from([-0.1, 0.0, 0.02, 0.1, 0.2]),
            st.booleans(),
        ),
        max_size=5,
    ),
    causes=st.dictionaries(
        st.sampled_from(["missing_document", "exact_match", "semantic_mismatch", "unjudged"]), st.integers(1, 40)
    ),
)
def test_no_arm_is_recommended_that_is_not_proven_better(
    gains: list[tuple[ArmKind, float, bool]], causes: dict[str, int]
) -> None:
    arms = ladder(*(made(f"{kind} {row}", kind, gain, mixed=mixed) for row, (kind, gain, mixed) in enumerate(gains)))
    found = recommend(arms, counted(**causes), answerable=QUERIES, settings=SETTINGS)
    if found.arm is not None:
        chosen = next(arm for arm in arms if arm.name == found.arm)
        assert is_better(chosen.difference)
        faults: set[Cause] = set(DATA_FAULTS)
        assert sum(count for name, count in causes.items() if name in faults) * 2 < max(sum(causes.values()), 1)


def test_arms_that_are_no_better_are_seldom_called_so() -> None:
    """200 ladders of six arms, each as good as the baseline: Holm's correction holds the chance of calling any of them
    better to 2.5% a ladder (of 5% two-sided, the half that lies above zero). More than 12 of 200 would come with
    probability 0.002."""
    rng = np.random.default_rng(23)
    base = made("baseline", "baseline", 0.0)
    wrong = 0
    for _ in range(200):
        arms = []
        for number in range(6):
            values = np.array(list(base.per_query.values())) + rng.normal(0, 0.1, QUERIES)
            per_query = {f"q{row}": float(value) for row, value in enumerate(values)}
            arms.append(replace(base, name=f"arm {number}", kind="hybrid", per_query=per_query))
        wrong += any(is_better(found) for found in against(base, arms, SETTINGS))
    assert wrong <= 12


def known(**changes: object) -> Known:
    arms = ladder(made("hybrid", "hybrid", 0.1), made("rerank", "reranking", 0.0), made("adapter", "adapter", 0.05))
    left = [
        LeftOut("chunking", "chunking", "no text is longer", inapplicable=True),
        LeftOut("filters", "filters", "no query carries a filter", inapplicable=True),
    ]
    values: dict[str, object] = {
        "dataset": "set",
        "split": "test",
        "primary": "nDCG@10",
        "k": 10,
        "documents": 1000,
        "answerable": QUERIES,
        "arms": arms,
        "left_out": left,
        "causes": FAILED,
        "others": [OtherSplit("train", 900, 1200, 0)],
        "recommendation": Recommendation("hybrid", "hybrid", ["because"]),
    }
    return Known(**{**values, **changes})  # type: ignore[arg-type]


def answers(found: Known) -> list[str]:
    items = checklist(found)
    assert all(item.figure for item in items)
    assert all(item.how for item in items if item.answer == "unknown")
    return [item.answer for item in items]


def test_the_nine_questions() -> None:
    found = known()
    assert answers(found) == ["yes", "yes", "yes", "yes", "yes", "yes", "unknown", "unknown", "no"]
    questions = [item.question for item in checklist(found)]
    assert questions[0] == "Have real query failures been collected?"
    assert questions[-1] == "Does the expected gain justify cost and latency?"
    assert "hybrid, which is simpler, comes first" in checklist(found)[-1].figure


def test_what_the_inputs_do_not_say_is_unknown() -> None:
    found = known(others=[], arms=ladder(made("hybrid", "hybrid", 0.1)), causes=counted(semantic_mismatch=11))
    assert answers(found) == ["yes", "yes", "no", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown"]
    assert "not measured: reranking" in checklist(found)[2].figure


def test_what_speaks_against() -> None:
    shared = [OtherSplit("train", 90, 80, 3)]
    found = known(others=shared, answerable=12, causes=[])
    assert answers(found)[0] == "no"
    assert answers(found)[4:6] == ["no", "no"]
    assert answers(known(causes=counted(semantic_mismatch=1)))[3] == "no"


def test_a_tuned_model_that_comes_first() -> None:
    arms = ladder(made("adapter", "adapter", 0.1))
    assert answers(known(arms=arms, recommendation=Recommendation("fine_tune", "adapter", ["so"])))[-1] == "yes"
    arms = ladder(made("tuned", "tuned", 0.1))
    assert answers(known(arms=arms, recommendation=Recommendation("fine_tune", "tuned", ["so"])))[-1] == "unknown"
    assert answers(known(arms=ladder(made("tuned", "tuned", 0.0))))[-1] == "no"


def test_wilson_interval() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
