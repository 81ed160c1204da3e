"""Coefficients of agreement beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha.

All have one form, 1 - observed disagreement / expected disagreement, and differ in what they count as disagreement and
where they take chance from. None is defined where no disagreement is expected, which is where all grades are the same:
such data cannot tell judges who agree from judges who always say the same.

Grades are whole numbers, and distances between them are taken as they stand: 0 and 3 are farther apart than 0 and 1,
whether or not 1 and 2 were ever given.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.judgments.patterns import Cells, Counts, Floats, Level, Weights


class UndefinedCoefficient(InvalidInput):
    """The data have no such coefficient: nothing was judged twice, or one grade is all there is."""


def percent_agreement(first: ArrayLike, second: ArrayLike) -> float:
    """The share of units to which both judges gave the same grade. `first`, `second`: integers of shape (units,).

    Raises InvalidInput for other shapes and values, UndefinedCoefficient when there is no unit.
    """
    return _defined(Cells.of(first, second).agreement(None), "no pair was judged by both")


def cohen_kappa(first: ArrayLike, second: ArrayLike, *, weights: Weights = "none") -> float:
    """Cohen's kappa of two judges (Cohen 1960), or weighted kappa (Cohen 1968). From -1 to 1; 0 is what chance gives.

    `first`, `second`: integers of shape (units,), paired by unit. 1 - Σ v_ij o_ij / Σ v_ij e_ij over all pairs of
    grades, with o the shares observed, e_ij = o_i. o_.j those expected of two judges who keep their habits and choose
    at random, and v the disagreement: 1 for different grades ("none"), |i - j| ("linear") or (i - j)² ("quadratic").

    Raises InvalidInput for other shapes and values, UndefinedCoefficient when there is no unit, or both judges gave one
    and the same grade throughout.
    """
    if weights not in get_args(Weights):
        raise InvalidInput(f"weights {weights!r} is not known: use none, linear or quadratic")
    cells = Cells.of(first, second)
    if not cells.units:
        raise UndefinedCoefficient("no pair was judged by both")
    return _defined(cells.kappa(None, weights), "both judges gave one and the same grade throughout")


def fleiss_kappa(counts: ArrayLike) -> float:
    """Fleiss' kappa of several judges, not necessarily the same for each unit (Fleiss 1971). At most 1; 0 is chance.

    `counts`: integers of shape (units, grades): how many judges gave this grade to this unit; n >= 2 in every row.
    (P - P_e) / (1 - P_e), with P the mean over units of Σ n_j (n_j - 1) / (n (n - 1)) and P_e = Σ p_j², p_j being the
    share of grade j among all judgments. Grades are names: a near miss counts as any other.

    Raises InvalidInput for other shapes and values, UndefinedCoefficient when there is no unit, or one grade is all.
    """
    table = _counts(counts)
    if not len(table):
        raise UndefinedCoefficient("no pair was judged twice")
    judges = table.sum(axis=1)
    if judges.min() != judges.max() or judges[0] < 2:
        raise InvalidInput(
            f"the rows of counts sum to {judges.min()} to {judges.max()}: Fleiss' kappa takes units that all have the "
            "same number of judgments, 2 or more; Krippendorff's alpha takes any"
        )
    return _defined(Counts.of(table, np.arange(table.shape[1])).fleiss(None), "one grade is all that was given")


def krippendorff_alpha(grades: ArrayLike, *, level: Level = "nominal") -> float:
    """Krippendorff's alpha of any number of judges, judgments missing or not (Krippendorff 2011). At most 1; 0: chance.

    `grades`: shape (units, judges), whole numbers, NaN where a judge gave none. Units with fewer than two judgments
    play no part. 1 - D_o / D_e: D_o is the mean of δ² over all pairs of judgments of one unit, each unit weighted by
    its number of judgments, D_e that over all pairs of judgments whatever their unit. δ² is 1 for different grades
    ("nominal"), (c - k)² ("interval"), or the squared number of judgments that lie between the two grades, half of
    those of either grade counted ("ordinal").

    Raises InvalidInput for other shapes and values, UndefinedCoefficient when no unit was judged twice, or one grade is
    all.
    """
    if level not in get_args(Level):
        raise InvalidInput(f"level {level!r} is not known: use nominal, ordinal or interval")
    counts = Counts.of_grades(grades)
    if not counts.units:
        raise UndefinedCoefficient("no pair was judged twice")
    return _defined(counts.alpha(None, level), "one grade is all that was given")


def _defined(values: Floats, otherwise: str) -> float:
    value = float(values[0])
    if np.isnan(value):
        raise UndefinedCoefficient(otherwise)
    return value


def _counts(counts: ArrayLike) -> NDArray[np.int64]:
    table = np.asarray(counts)
    if table.ndim != 2 or (table.dtype.kind not in "iu" and table.size):
        raise InvalidInput(f"counts must be integers of shape (units, grades), not {table.dtype} of {table.shape}")
    if table.size and table.min() < 0:
        raise InvalidInput(f"counts must be 0 or more, not {table.min()}")
    return table.astype(np.int64)
