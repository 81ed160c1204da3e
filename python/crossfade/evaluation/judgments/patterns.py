"""Judgments counted by pattern, and coefficients of any number of resamples of them at once.

Units on which the judges said the same are one pattern, so that a resample of units is a weight for each pattern: drawn
from a multinomial distribution, it is what drawing units one by one would give. All sums of observed and expected
disagreement are linear in weights or in the marginal counts; no table of grade by grade is ever made.

`weights`: shape (resamples, patterns); None for the data as they are. Results: shape (resamples,), NaN where undefined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade.errors import InvalidInput, LimitExceeded

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_GRADES = 1000  # different ones: what is counted by grade has a column for each


@dataclass(frozen=True, slots=True)
class Cells:
    """Two judges: for each pair of grades, how many units got it.

    `first`, `second`: places in `values`, shape (patterns,); `values`: the grades, ascending; `frequency`: (patterns,).
    """

    first: Integers
    second: Integers
    values: Floats
    frequency: Integers

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike) -> Cells:
        """From grades, shape (units,) each. Raises InvalidInput for other shapes and for what is no whole number."""
        sides = [_grades(side, name) for side, name in ((first, "first"), (second, "second"))]
        if sides[0].shape != sides[1].shape:
            raise InvalidInput(f"first has {sides[0].size:,} grades, second {sides[1].size:,}: one each for every unit")
        values, places = np.unique(np.concatenate(sides), return_inverse=True)
        _check_values(values)
        units = np.stack(np.split(places.reshape(-1), 2), axis=1)
        cells, frequency = np.unique(units, axis=0, return_counts=True)
        return cls(cells[:, 0], cells[:, 1], values.astype(np.float64), frequency)

    @property
    def units(self) -> int:
        return int(self.frequency.sum())

    def agreement(self, weights: Floats | None) -> Floats:
        """The share of units with equal grades."""
        weights = self._weights(weights)
        return _ratio(weights @ (self.first == self.second), weights.sum(axis=1))

    def kappa(self, weights: Floats | None, kind: Weights) -> Floats:
        """See `coefficients.cohen_kappa`."""
        weights = self._weights(weights)
        total = weights.sum(axis=1)
        rows, columns = (weights @ _indicator(side, len(self.values)) for side in (self.first, self.second))
        apart = np.abs(self.values[self.first] - self.values[self.second])
        if kind == "none":
            distance = (apart > 0).astype(np.float64)
            expected = total**2 - (rows * columns).sum(axis=1)
        elif kind == "quadratic":
            distance, v = apart**2, self.values - self.values[:1]
            expected = total * (rows @ v**2 + columns @ v**2) - 2 * (rows @ v) * (columns @ v)
        else:
            # |i - j| is the sum of the gaps between: each is passed where one judge is below it and the other above.
            distance = apart
            below = np.cumsum(rows, axis=1)[:, :-1], np.cumsum(columns, axis=1)[:, :-1]
            passed = below[0] * (total[:, None] - below[1]) + below[1] * (total[:, None] - below[0])
            expected = passed @ np.diff(self.values)
        return 1 - _ratio(total * (weights @ distance), expected)

    def _weights(self, weights: Floats | None) -> Floats:
        return self.frequency[None, :].astype(np.float64) if weights is None else weights


@dataclass(frozen=True, slots=True)
class Counts:
    """Any number of judges: for each way in which a unit's judgments fall on the grades, how many units have it.

    `counts`: shape (patterns, grades), two judgments or more in each row; `values`: the grades, ascending;
    `frequency`: shape (patterns,).
    """

    counts: Floats
    values: Floats
    frequency: Integers

    @classmethod
    def of(cls, table: Integers, values: NDArray[np.integer]) -> Counts:
        """From counts, shape (units, grades); units with fewer than two judgments are left out."""
        kept = table[table.sum(axis=1) >= 2]
        patterns, frequency = np.unique(kept, axis=0, return_counts=True)
        return cls(patterns.astype(np.float64), values.astype(np.float64), frequency)

    @classmethod
    def of_grades(cls, grades: ArrayLike) -> Counts:
        """From grades, shape (units, judges), NaN where there is none. Raises InvalidInput for other values."""
        array = np.asarray(grades, dtype=np.float64)
        if array.ndim != 2:
            raise InvalidInput(f"grades must have the axes (units, judges), not shape {array.shape}")
        there = ~np.isnan(array)
        given = array[there]
        if not np.isfinite(given).all() or (given != np.floor(given)).any():
            raise InvalidInput("grades must be whole numbers, or NaN where a judge gave none")
        values, places = np.unique(given.astype(np.int64), return_inverse=True)
        _check_values(values)
        table = np.zeros((len(array), len(values)), dtype=np.int64)
        np.add.at(table, (np.nonzero(there)[0], places.reshape(-1)), 1)
        return cls.of(table, values)

    @property
    def units(self) -> int:
        return int(self.frequency.sum())

    def with_judgments(self, number: int) -> Counts:
        """Only the units with so many judgments."""
        kept = self.counts.sum(axis=1) == number
        return Counts(self.counts[kept], self.values, self.frequency[kept])

    def commonest_number(self) -> int:
        """The number of judgments that most units have, the greater of two equally common ones; 0 without units."""
        judgments = self.counts.sum(axis=1).astype(np.int64)
        units = np.bincount(judgments, weights=self.frequency)
        return len(units) - 1 - int(np.argmax(units[::-1])) if units.size else 0

    def agreement(self, weights: Floats | None) -> Floats:
        """The mean over units of the share of pairs of judges who gave the same grade."""
        weights = self._weights(weights)
        judges = self.counts.sum(axis=1)
        same = (self.counts * (self.counts - 1)).sum(axis=1) / (judges * (judges - 1))
        return _ratio(weights @ same, weights.sum(axis=1))

    def fleiss(self, weights: Floats | None) -> Floats:
        """See `coefficients.fleiss_kappa`; all rows must have the same sum."""
        weights = self._weights(weights)
        judges = self.counts[0].sum()
        totals = weights @ self.counts
        every = weights.sum(axis=1) * judges
        observed = weights @ (self.counts * (judges - self.counts)).sum(axis=1)
        return 1 - _ratio(observed * every, (judges - 1) * (every**2 - (totals**2).sum(axis=1)))

    def alpha(self, weights: Floats | None, level: Level) -> Floats:
        """See `coefficients.krippendorff_alpha`."""
        weights = self._weights(weights)
        judges = self.counts.sum(axis=1)
        totals = weights @ self.counts
        every = totals.sum(axis=1)
        if level == "nominal":
            within = (self.counts * (judges[:, None] - self.counts)).sum(axis=1)
            observed = weights @ (within / (judges - 1))
            expected = every**2 - (totals**2).sum(axis=1)
        else:
            # The number of judgments between two grades is the difference of their mid-ranks, so that "ordinal" is
            # "interval" on mid-ranks, which differ from resample to resample.
            middle = np.cumsum(totals, axis=1) - totals / 2
            points = middle if level == "ordinal" else np.broadcast_to(self.values, totals.shape)
            # About their mean, so that squares of large numbers do not cancel.
            points = points - (totals * points).sum(axis=1, keepdims=True) / every[:, None]
            within = judges * (points**2 @ self.counts.T) - (points @ self.counts.T) ** 2
            observed = 2 * (weights * (within / (judges - 1))).sum(axis=1)
            expected = 2 * every * (totals * points**2).sum(axis=1)
        several = (totals > 0).sum(axis=1) > 1
        return 1 - _ratio((every - 1) * observed, np.where(several, expected, 0))

    def _weights(self, weights: Floats | None) -> Floats:
        return self.frequency[None, :].astype(np.float64) if weights is None else weights


def _grades(grades: ArrayLike, name: str) -> Integers:
    array = np.asarray(grades)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise InvalidInput(f"{name} must be whole numbers of shape (units,), not {array.dtype} of {array.shape}")
    return array.astype(np.int64)


def _check_values(values: NDArray[np.integer]) -> None:
    if len(values) > MOST_GRADES:
        raise LimitExceeded(
            f"there are {len(values):,} different grades, the limit is {MOST_GRADES:,}: bring them to a coarser scale"
        )


def _indicator(places: Integers, size: int) -> Floats:
    """Shape (patterns, size): 1 at each pattern's place."""
    found: Floats = (places[:, None] == np.arange(size)).astype(np.float64)
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where the divisor is 0."""
    found: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return found
