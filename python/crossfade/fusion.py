"""Several rankings of the same queries made one: the door to the Rust fusion.

Rules: "rrf", reciprocal rank fusion, Σ w / (k + rank) (Cormack, Clarke and Büttcher 2009); "sum", CombSUM, Σ w · score;
"mnz", CombMNZ, the same times the number of runs that hold the document (Fox and Shaw 1994). With weights, "sum" is the
linear combination of scores (Vogt and Cottrell 1999). A run that lacks a document adds nothing to it.

Normalisations, of one query's scores in one run: "none"; "min-max", (s - min) / (max - min), where scores that are all
equal become 1; "z-score", (s - mean) / standard deviation, with n below the line, where scores that are all equal
become 0 (Montague and Aslam 2001).

Order, within a run and in the result, is score descending, then id ascending (strings by their UTF-8 bytes). Sums are
added in the order of the runs, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native, arguments
from crossfade.errors import InvalidInput

Rule = Literal["rrf", "sum", "mnz"]
Normalisation = Literal["none", "min-max", "z-score"]

_MOST_DOCUMENTS = 2**62

LEAST_WEIGHT, MOST_WEIGHT = 1e-30, 1e30
"""Of a weight that is not 0. Only how weights compare matters; within these, no sum of ranks or of normalised scores
overflows or vanishes, in float32 either, which is what scores travel as."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How runs are fused. `weights`: one a run, 0 or from 1e-30 to 1e30; None for 1 each. `k`: of reciprocal rank
    fusion. `depth`: how many documents of a query are kept; None for all."""

    rule: Rule = "rrf"
    normalisation: Normalisation = "none"
    weights: Sequence[float] | None = None
    k: float = 60.0
    depth: int | None = None


class FusedArrays(NamedTuple):
    """Rankings, best first. `ids`: int64, shape (queries, width), -1 where a query has fewer documents than the widest;
    `scores`: float64, the same shape, -inf in those places."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]


def fuse(
    runs: Sequence[Mapping[str, Mapping[str, float]]], fusion: Fusion | None = None
) -> dict[str, dict[str, float]]:
    """Fuse runs, each query id to document id to score. A query is fused when any run has it; documents come best
    first.

    Raises InvalidInput for a score that is not a finite number, an id that is not a str, weights that do not fit, a `k`
    that is not positive, reciprocal rank fusion with a normalisation, and fused scores that overflow.
    """
    if isinstance(runs, Mapping):
        raise InvalidInput("runs must be a list of runs, not one mapping: put the runs into a list")
    return _native.fuse_runs(list(runs), _settings(fusion or Fusion()))


def fuse_arrays(runs: Sequence[tuple[ArrayLike, ArrayLike]], fusion: Fusion | None = None) -> FusedArrays:
    """Fuse runs given as pairs of arrays, (ids, scores), each of shape (queries, k); k may differ from run to run.

    `ids`: integers that are not negative; -1 at a row's end marks places left empty, whose scores are not read.
    `scores`: real numbers. int64 and float64 in C order are used as they lie, and must not be written to until it
    returns.

    Raises InvalidInput for shapes that do not fit, a document twice in one row, and what `fuse` raises for.
    """
    arrays = [_arrays(run, number) for number, run in enumerate(runs)]
    return FusedArrays(*_native.fuse_arrays(arrays, _settings(fusion or Fusion())))


def check_weight(weight: float, name: str) -> float:
    """The weight as a float. Raises InvalidInput, calling it by `name`, for one that cannot be used."""
    expected = f"0, or from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; only how weights compare matters"
    found = arguments.real(weight, name, expected)
    if found != 0 and not LEAST_WEIGHT <= found <= MOST_WEIGHT:
        raise InvalidInput(f"{name} is {found!r}: it must be {expected}")
    return found


def _settings(fusion: Fusion) -> tuple[str, str, list[float], float, int]:
    if fusion.rule not in get_args(Rule):
        raise InvalidInput(f'rule {fusion.rule!r} is not known: use "rrf", "sum" or "mnz"')
    if fusion.normalisation not in get_args(Normalisation):
        raise InvalidInput(f'normalisation {fusion.normalisation!r} is not known: use "none", "min-max" or "z-score"')
    if fusion.rule == "rrf" and fusion.normalisation != "none":
        raise InvalidInput('reciprocal rank fusion takes ranks, not scores: leave the normalisation "none"')
    weights = [] if fusion.weights is None else arguments.sample(fusion.weights, "weights", "runs").tolist()
    if fusion.weights is not None and not weights:
        raise InvalidInput("weights are empty: give one weight a run, or None for 1 each")
    for number, weight in enumerate(weights):
        check_weight(weight, f"weights[{number}]")
    depth = _MOST_DOCUMENTS if fusion.depth is None else arguments.whole(fusion.depth, "depth", 1, _MOST_DOCUMENTS)
    return fusion.rule, fusion.normalisation, weights, arguments.real(fusion.k, "k", "a positive number"), depth


def _arrays(run: tuple[ArrayLike, ArrayLike], number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if not isinstance(run, tuple | list) or len(run) != 2:
        raise InvalidInput(f"run {number} must be a pair (ids, scores)")
    ids = arguments.array(run[0], f"ids of run {number}")
    scores = arguments.array(run[1], f"scores of run {number}")
    if ids.ndim != 2 or scores.ndim != 2:
        raise InvalidInput(
            f"run {number} has ids of shape {ids.shape} and scores of shape {scores.shape}: both must be (queries, k)"
        )
    if ids.dtype.kind not in "iu" and ids.size:
        raise InvalidInput(f"run {number} has ids of {ids.dtype}: they must be integers")
    if ids.dtype.kind == "u" and ids.size and int(ids.max()) > np.iinfo(np.int64).max:
        raise InvalidInput(f"run {number} has an id beyond 2**63 - 1")
    if scores.dtype.kind not in "fiu" and scores.size:
        raise InvalidInput(f"run {number} has scores of {scores.dtype}: they must be real numbers")
    return np.ascontiguousarray(ids, dtype=np.int64), np.ascontiguousarray(scores, dtype=np.float64)
