"""Coefficients of agreement against their definitions in fractions, and what must hold of them whatever the grades."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from crossfade.evaluation.judgments.coefficients import (
    UndefinedCoefficient,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)
from crossfade.evaluation.judgments.patterns import Cells, Counts
from crossfade.evaluation.judgments.resampling import coefficient
from crossfade.intervals import Bootstrap

GRADE = st.integers(0, 4) | st.sampled_from([7, 100, 2**31 - 1])
PAIRS = st.lists(st.tuples(GRADE, GRADE), min_size=1, max_size=12)
TABLES = st.integers(2, 4).flatmap(lambda judges: st.lists(st.tuples(*[GRADE] * judges), min_size=1, max_size=8))
HOLES = st.integers(2, 4).flatmap(
    lambda judges: st.lists(st.tuples(*[st.none() | st.integers(0, 4)] * judges), min_size=1, max_size=8)
)
WEIGHTS = st.sampled_from(["none", "linear", "quadratic"])
LEVELS = st.sampled_from(["nominal", "ordinal", "interval"])

# Figures are 1 - observed / expected. Both are sums of at most some hundreds of terms that are not negative and are not
# subtracted from one another, but for the quadratic distances, where grades up to 2^31 cancel; the bound covers those.
CLOSE = 1e-9


def distance(kind: str, a: int, b: int) -> int:
    return {"none": int(a != b), "nominal": int(a != b), "linear": abs(a - b)}.get(kind, (a - b) ** 2)


def naive_kappa(pairs: list[tuple[int, int]], kind: str) -> Fraction | None:
    n = len(pairs)
    expected = sum(distance(kind, a, b) for (a, _), (_, b) in product(pairs, pairs))
    return 1 - Fraction(n * sum(distance(kind, a, b) for a, b in pairs), expected) if expected else None


def naive_fleiss(table: list[tuple[int, ...]]) -> Fraction | None:
    n = len(table[0])
    agreement = [Fraction(sum(c * (c - 1) for c in Counter(row).values()), n * (n - 1)) for row in table]
    shares = [Fraction(count, n * len(table)) for count in Counter(grade for row in table for grade in row).values()]
    chance = sum(share**2 for share in shares)
    return (sum(agreement) / len(table) - chance) / (1 - chance) if chance != 1 else None


def naive_alpha(table: list[tuple[int | None, ...]], level: str) -> Fraction | None:
    """By the coincidence matrix of Krippendorff 2011, section C."""
    coincidences: Counter[tuple[int, int]] = Counter()
    for row in table:
        there = [grade for grade in row if grade is not None]
        for c, k in permutations(there, 2):
            coincidences[c, k] += Fraction(1, len(there) - 1)
    totals: Counter[int] = Counter()
    for (c, _), count in coincidences.items():
        totals[c] += count
    n = sum(totals.values())

    def delta(c: int, k: int) -> Fraction:
        if level != "ordinal":
            return Fraction(distance(level, c, k))
        low, high = min(c, k), max(c, k)
        between = sum(count for grade, count in totals.items() if low <= grade <= high)
        return (between - Fraction(totals[c] + totals[k], 2)) ** 2

    observed = sum(count * delta(c, k) for (c, k), count in coincidences.items())
    expected = sum(totals[c] * totals[k] * delta(c, k) for c, k in product(totals, totals))
    return 1 - (n - 1) * Fraction(observed) / expected if expected else None


def as_matrix(table: list[tuple[int | None, ...]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[np.nan if grade is None else grade for grade in row] for row in table], dtype=np.float64)


def counted(table: list[tuple[int, ...]]) -> list[list[int]]:
    grades = sorted({grade for row in table for grade in row})
    return [[row.count(grade) for grade in grades] for row in table]


@given(pairs=PAIRS, weights=WEIGHTS)
def test_kappa_by_definition(pairs: list[tuple[int, int]], weights: str) -> None:
    wanted = naive_kappa(pairs, weights)
    first, second = zip(*pairs, strict=True)
    if wanted is None:
        with pytest.raises(UndefinedCoefficient):
            cohen_kappa(first, second, weights=weights)  # type: ignore[arg-type]
        return
    found = cohen_kappa(first, second, weights=weights)  # type: ignore[arg-type]
    assert found == pytest.approx(float(wanted), rel=CLOSE, abs=CLOSE)
    assert cohen_kappa(second, first, weights=weights) == pytest.approx(found, rel=CLOSE, abs=CLOSE)  # type: ignore[arg-type]


@given(table=TABLES)
def test_fleiss_by_definition(table: list[tuple[int, ...]]) -> None:
    wanted = naive_fleiss(table)
    if wanted is None:
        with pytest.raises(UndefinedCoefficient):
            fleiss_kappa(counted(table))
    else:
        assert fleiss_kappa(counted(table)) == pytest.approx(float(wanted), rel=CLOSE, abs=CLOSE)


@given(table=HOLES, level=LEVELS)
def test_alpha_by_definition(table: list[tuple[int | None, ...]], level: str) -> None:
    wanted = naive_alpha(table, level)
    if wanted is None:
        with pytest.raises(UndefinedCoefficient):
            krippendorff_alpha(as_matrix(table), level=level)  # type: ignore[arg-type]
    else:
        found = krippendorff_alpha(as_matrix(table), level=level)  # type: ignore[arg-type]
        assert found == pytest.approx(float(wanted), rel=CLOSE, abs=CLOSE)


@given(table=HOLES, level=LEVELS, data=st.data())
def test_neither_the_order_of_units_nor_of_judges_matters(
    table: list[tuple[int | None, ...]], level: str, data: st.DataObject
) -> None:
    assume(naive_alpha(table, level) is not None)
    matrix = as_matrix(table)
    rows = data.draw(st.permutations(range(matrix.shape[0])))
    columns = data.draw(st.permutations(range(matrix.shape[1])))
    shuffled = matrix[rows][:, columns]
    found, again = (krippendorff_alpha(each, level=level) for each in (matrix, shuffled))  # type: ignore[arg-type]
    assert again == pytest.approx(found, rel=CLOSE, abs=CLOSE)


@given(table=TABLES, data=st.data())
def test_grades_of_a_nominal_scale_may_be_renamed(table: list[tuple[int, ...]], data: st.DataObject) -> None:
    assume(naive_fleiss(table) is not None)
    grades = sorted({grade for row in table for grade in row})
    names = dict(zip(grades, data.draw(st.permutations(range(len(grades)))), strict=True))
    renamed = [tuple(names[grade] for grade in row) for row in table]
    assert fleiss_kappa(counted(renamed)) == pytest.approx(fleiss_kappa(counted(table)), abs=CLOSE)
    first, second = (np.array(each)[:, :2].T for each in (table, renamed))
    if naive_kappa([(a, b) for a, b, *_ in table], "none") is not None:
        assert cohen_kappa(*first) == pytest.approx(cohen_kappa(*second), abs=CLOSE)


@given(grades=st.lists(GRADE, min_size=2, max_size=20), judges=st.integers(2, 4))
def test_perfect_agreement_is_one(grades: list[int], judges: int) -> None:
    assume(len(set(grades)) > 1)
    table = [(grade,) * judges for grade in grades]
    for weights in ("none", "linear", "quadratic"):
        assert cohen_kappa(grades, grades, weights=weights) == 1  # type: ignore[arg-type]
    assert fleiss_kappa(counted(table)) == 1
    for level in ("nominal", "ordinal"):
        assert krippendorff_alpha(as_matrix(list(table)), level=level) == pytest.approx(1, abs=CLOSE)  # type: ignore[arg-type]


def test_chance_is_about_zero() -> None:
    """The standard error of kappa under chance is about sqrt(P_e / (n (1 - P_e))): 0.005 here; five of them."""
    random = np.random.default_rng(1)
    table = random.choice(3, size=(20_000, 3), p=[0.5, 0.3, 0.2])
    for weights in ("none", "linear", "quadratic"):
        assert cohen_kappa(table[:, 0], table[:, 1], weights=weights) == pytest.approx(0, abs=0.04)  # type: ignore[arg-type]
    assert fleiss_kappa(counted([tuple(row) for row in table.tolist()])) == pytest.approx(0, abs=0.03)
    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha(table, level=level) == pytest.approx(0, abs=0.03)  # type: ignore[arg-type]


@given(table=TABLES, data=st.data())
def test_a_weight_for_a_pattern_is_its_units_said_so_often(table: list[tuple[int, ...]], data: st.DataObject) -> None:
    """The batch that the bootstrap computes is what each resample would give by itself."""
    drawn = data.draw(st.lists(st.integers(0, len(table) - 1), min_size=len(table), max_size=len(table)))
    resample = [table[at] for at in drawn]

    def check(found: float, wanted: Fraction | None) -> None:
        assert np.isnan(found) if wanted is None else found == pytest.approx(float(wanted), rel=1e-6, abs=1e-6)

    array = np.array(table)
    cells = Cells.of(array[:, 0], array[:, 1])
    grades = np.unique(array[:, :2])
    places = {
        (int(grades[i]), int(grades[j])): at for at, (i, j) in enumerate(zip(cells.first, cells.second, strict=True))
    }
    weights = np.zeros((2, len(places)))
    for a, b, *_ in resample:
        weights[1, places[a, b]] += 1
    weights[0] = cells.frequency
    for kind in ("none", "linear", "quadratic"):
        check(cells.kappa(weights, kind)[1], naive_kappa([(a, b) for a, b, *_ in resample], kind))  # type: ignore[arg-type]
    counts = Counts.of_grades(array)
    patterns = {tuple(row): at for at, row in enumerate(counts.counts.astype(int).tolist())}
    columns = np.unique(array).tolist()
    weights = np.zeros((2, len(patterns)))
    for row in resample:
        weights[1, patterns[tuple(row.count(grade) for grade in columns)]] += 1
    weights[0] = counts.frequency
    check(counts.fleiss(weights)[1], naive_fleiss(resample))
    for level in ("nominal", "ordinal", "interval"):
        check(counts.alpha(weights, level)[1], naive_alpha(list(resample), level))  # type: ignore[arg-type]


def test_the_interval_of_a_share_is_that_of_a_binomial() -> None:
    """Units drawn with replacement agree as often as a binomial variable says; its quantiles lie on a grid of 1/100,
    and those of 20,000 draws may be one step off."""
    cells = Cells.of([0] * 70 + [0] * 30, [0] * 70 + [1] * 30)
    found = coefficient(cells.agreement, cells.frequency, Bootstrap(resamples=20_000, seed=5), otherwise="")
    assert found.value == 0.7
    assert found.ci is not None
    wanted = [stats.binom.ppf(tail, 100, 0.7) / 100 for tail in (0.025, 0.975)]
    assert found.ci == pytest.approx(wanted, abs=0.0101)
