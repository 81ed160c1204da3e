"""Coefficients of agreement against worked examples of the literature, and the report made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from judgment_samples import judged

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.evaluation.judgments.agreement import MAJORITY, agreement
from crossfade.evaluation.judgments.coefficients import (
    UndefinedCoefficient,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    percent_agreement,
)
from crossfade.evaluation.judgments.results import AgreementReport
from crossfade.intervals import Bootstrap

# Fleiss 1971, table 1: 30 patients, 6 psychiatrists each, 5 diagnoses. Kappa 0.430 there; R's irr gives 0.4302445.
FLEISS = [
    (0, 0, 0, 6, 0), (0, 3, 0, 0, 3), (0, 1, 4, 0, 1), (0, 0, 0, 0, 6), (0, 3, 0, 3, 0), (2, 0, 4, 0, 0),
    (0, 0, 4, 0, 2), (2, 0, 3, 1, 0), (2, 0, 0, 4, 0), (0, 0, 0, 0, 6), (1, 0, 0, 5, 0), (1, 1, 0, 4, 0),
    (0, 3, 3, 0, 0), (1, 0, 0, 5, 0), (0, 2, 0, 3, 1), (0, 0, 5, 0, 1), (3, 0, 0, 1, 2), (5, 1, 0, 0, 0),
    (0, 2, 0, 4, 0), (1, 0, 2, 0, 3), (0, 0, 0, 0, 6), (0, 1, 0, 5, 0), (0, 2, 0, 1, 3), (2, 0, 0, 4, 0),
    (1, 0, 0, 4, 1), (0, 5, 0, 1, 0), (4, 0, 0, 0, 2), (0, 2, 0, 4, 0), (1, 0, 5, 0, 0), (0, 0, 0, 0, 6),
]  # fmt: skip

# Cohen 1968, table 1, times 200: two psychiatrists, three diagnoses. Kappa 0.492 there; without weights.
COHEN = [(88, 10, 2), (14, 40, 6), (18, 10, 12)]

# Krippendorff 2011, sections A (binary, two observers), B (nominal, two observers) and C (four observers, missing).
MEG, OWEN = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
BEN, GERRY = "aabbdcccedda", "babbbccceddd"
FOUR = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def units(table: list[tuple[int, ...]]) -> tuple[list[int], list[int]]:
    """A table of counts as the grades of either judge."""
    cells = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [i for i, _ in cells], [j for _, j in cells]


def matrix(rows: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Shape (units, observers)."""
    return np.array([[np.nan if sign == "." else float(int(sign)) for sign in row] for row in rows]).T


def test_fleiss_1971() -> None:
    assert np.sum(FLEISS, axis=0).tolist() == [26, 26, 30, 55, 43]
    assert fleiss_kappa(FLEISS) == pytest.approx(0.4302445, abs=5e-8)


def test_cohen_1968() -> None:
    assert cohen_kappa(*units(COHEN)) == pytest.approx(0.492, abs=5e-4)
    assert percent_agreement(*units(COHEN)) == pytest.approx(0.70)
    # Weighted by hand, from the marginals .5 .3 .2 and .6 .3 .1: 1 - .40 / .76 and 1 - .60 / 1.10 of distances.
    assert cohen_kappa(*units(COHEN), weights="linear") == pytest.approx(1 - 0.40 / 0.76)
    assert cohen_kappa(*units(COHEN), weights="quadratic") == pytest.approx(1 - 0.60 / 1.10)


def test_krippendorff_2011() -> None:
    assert krippendorff_alpha(np.array([MEG, OWEN]).T) == pytest.approx(0.095, abs=5e-4)
    letters = np.array([[ord(sign) for sign in row] for row in (BEN, GERRY)]).T
    assert krippendorff_alpha(letters) == pytest.approx(0.692, abs=5e-4)
    four = matrix(FOUR)
    assert krippendorff_alpha(four) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(four, level="ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(four, level="interval") == pytest.approx(0.849, abs=5e-4)


def test_what_is_not_defined_says_so() -> None:
    with pytest.raises(UndefinedCoefficient, match="no pair was judged by both"):
        cohen_kappa([], [])
    with pytest.raises(UndefinedCoefficient, match="one and the same grade throughout"):
        cohen_kappa([1, 1], [1, 1], weights="quadratic")
    assert cohen_kappa([1, 1], [0, 0]) == 0  # each has one grade, and chance would have them disagree as they do
    with pytest.raises(UndefinedCoefficient, match="no pair was judged by both"):
        percent_agreement([], [])
    with pytest.raises(UndefinedCoefficient, match="one grade is all"):
        fleiss_kappa([[0, 2], [0, 2]])
    with pytest.raises(UndefinedCoefficient, match="no pair was judged twice"):
        krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2.0]]))
    for level in ("nominal", "ordinal", "interval"):
        with pytest.raises(UndefinedCoefficient, match="one grade is all"):
            krippendorff_alpha(np.full((100_003, 2), 7.0), level=level)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cohen_kappa([1], [1, 2]), "first has 1 grades, second 2"),
        (lambda: cohen_kappa([1.5], [1]), "first must be whole numbers"),
        (lambda: cohen_kappa([[1]], [[1]]), "first must be whole numbers of shape"),
        (lambda: cohen_kappa([1], [1], weights="cubic"), "weights 'cubic' is not known"),  # type: ignore[arg-type]
        (lambda: fleiss_kappa([[2, 0], [1, 0]]), "the rows of counts sum to 1 to 2"),
        (lambda: fleiss_kappa([[1, 0], [0, 1]]), "the rows of counts sum to 1 to 1"),
        (lambda: fleiss_kappa([2, 0]), "counts must be integers of shape"),
        (lambda: fleiss_kappa([[3, -1]]), "counts must be 0 or more, not -1"),
        (lambda: krippendorff_alpha([1, 2]), "must have the axes"),
        (lambda: krippendorff_alpha([[1, 1.5]]), "grades must be whole numbers"),
        (lambda: krippendorff_alpha([[1, np.inf]]), "grades must be whole numbers"),
        (lambda: krippendorff_alpha([[1, 2]], level="ratio"), "level 'ratio' is not known"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call()  # type: ignore[operator]


def test_too_many_grades_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="there are 1,001 different grades, the limit is 1,000"):
        cohen_kappa(np.arange(1001), np.arange(1001))


def grades(given: str) -> dict[str, int]:
    return {f"q{at}/d": int(grade) for at, grade in enumerate(given) if grade != "."}


def test_a_report(tmp_path: Path) -> None:
    people = {"a": "0120120101", "b": "0120110201", "c": "01..1.02.."}
    given = {judge: grades(row) for judge, row in {**people, "m": "0122222222"}.items()}
    judgments = judged(tmp_path, given, ("m",))
    told: list[tuple[str, int, int]] = []
    report = agreement(judgments, Bootstrap(resamples=500, seed=3), progress=lambda *now: told.append(now))
    assert [done for _, done, _ in told] == [*range(1, 8), 8]
    assert {total for _, _, total in told} == {8}
    assert [(judge.name, judge.kind, judge.used) for judge in report.judges][-1] == ("m", "model", False)
    assert (report.units, report.grades) == (10, [0, 1, 2])
    table = matrix(list(people.values()))
    humans = report.humans
    assert humans.alpha_ordinal.value == pytest.approx(krippendorff_alpha(table, level="ordinal"))
    assert humans.alpha_nominal.units == 10
    assert humans.fleiss_judgments == 3  # five pairs have three judgments, five have two: the greater
    assert humans.fleiss.units == 5
    assert [(pair.first, pair.second, pair.kappa.units) for pair in report.pairs] == [
        ("a", "b", 10),
        ("a", "c", 5),
        ("b", "c", 5),
    ]
    assert report.pairs[0].kappa.value == pytest.approx(cohen_kappa(*(table[:, :2].T.astype(int))))
    assert report.pairs[0].kappa.ci is not None
    (model,) = report.models
    assert (model.majority.second, [pair.second for pair in model.pairs]) == (MAJORITY, ["a", "b", "c"])
    assert model.majority.percent.units == 9  # on one pair people are tied
    written = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert AgreementReport.from_json(written) == report
    assert agreement(judgments, Bootstrap(resamples=500, seed=3)) == report
    assert agreement(judgments, Bootstrap(resamples=500, seed=4)).humans.percent.ci is not None


def test_degenerate_reports_hold_reasons_and_no_nan(tmp_path: Path) -> None:
    one = agreement(judged(tmp_path, {"a": {"q/d": 1, "q/e": 0}}))
    assert (one.humans.percent.value, one.humans.percent.undefined) == (None, "no pair was judged by two")
    assert (one.humans.fleiss_judgments, one.pairs, one.models) == (0, [], [])
    apart = agreement(judged(tmp_path, {"a": {"q/d": 1}, "b": {"q/e": 1}}))
    assert apart.pairs[0].kappa.undefined == "no pair was judged by two"
    same = agreement(judged(tmp_path, {"a": {"q/d": 1, "q/e": 1}, "b": {"q/d": 1, "q/e": 1}}))
    assert same.humans.percent.value == 1
    assert (same.pairs[0].kappa.value, same.pairs[0].kappa.ci) == (None, None)
    assert same.pairs[0].kappa.undefined == "both judges gave one and the same grade throughout"
    assert same.humans.alpha_interval.undefined == "one grade is all that was given"
    single = agreement(judged(tmp_path, {"a": {"q/d": 1}, "b": {"q/d": 2}}))
    assert (single.pairs[0].kappa.value, single.pairs[0].kappa.undefined) == (0, "one pair alone has no interval")
    few = agreement(judged(tmp_path, {"a": {"q/d": 1, "q/e": 0}, "b": {"q/d": 1, "q/e": 0}}))
    assert few.pairs[0].kappa.value == 1
    assert "of the resamples hold one grade only" in few.pairs[0].kappa.undefined
    models = agreement(judged(tmp_path, {"m": {"q/d": 1}}, models=("m",)))
    assert models.humans.percent.undefined == "no pair was judged by two"
    assert models.models[0].majority.percent.value is None
    for report in (one, apart, same, single, few, models):
        json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("bootstrap", "message"),
    [
        (Bootstrap(method="bca"), "method 'bca' is not there"),
        (Bootstrap(resamples=0), "resamples must be from 1"),
        (Bootstrap(confidence=1), "confidence must be between 0 and 1"),
        (Bootstrap(seed=-1), "seed must be 0 or more"),
    ],
)
def test_settings_out_of_range(tmp_path: Path, bootstrap: Bootstrap, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        agreement(judged(tmp_path, {"a": {"q/d": 1}}), bootstrap)
