"""How far judges agree: people among themselves, and each model that judges with them, apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import combinations

import numpy as np

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Progress
from crossfade.evaluation.judgments.patterns import Cells, Counts, Level, Weights
from crossfade.evaluation.judgments.resampling import coefficient
from crossfade.evaluation.judgments.results import (
    AgreementReport,
    Coefficient,
    GroupAgreement,
    Judge,
    ModelAgreement,
    PairAgreement,
)
from crossfade.evaluation.judgments.rules import merge_grades
from crossfade.evaluation.judgments.types import Judgments, Pair
from crossfade.intervals import Bootstrap
from crossfade.versions import own

MAJORITY = "the people's majority"
_MOST_RESAMPLES = 1_000_000
_ONE_GRADE = "one grade is all that was given"
_BOTH_ONE_GRADE = "both judges gave one and the same grade throughout"


def agreement(
    judgments: Judgments, bootstrap: Bootstrap | None = None, *, progress: Progress | None = None
) -> AgreementReport:
    """Percent agreement, Cohen's kappa of each pair of people, Fleiss' kappa and Krippendorff's alpha of all of them,
    with bootstrap intervals over pairs of query and document; and each model against the people's majority and each
    of them. What the data do not define is None with the reason.

    `bootstrap`: 2,000 resamples with seed 17 unless said; its method is "percentile". Fleiss' kappa takes units with
    the same number of judgments: the number that most units have, 2 or more.

    Raises InvalidInput for settings out of range, LimitExceeded for more than 1,000 different grades.
    """
    bootstrap = _checked(bootstrap or Bootstrap(resamples=2000, seed=17))
    humans, models = judgments.of_kind("human"), judgments.of_kind("model")
    by_judge: dict[str, dict[Pair, int]] = {name: {} for name in judgments.judges}
    for row in judgments.rows:
        by_judge[row.judge][row.pair] = row.grade
    human_grades = judgments.grades(humans)
    majority = {
        pair: grade
        for pair, given in human_grades.items()
        if (grade := merge_grades(list(given.values()), "majority", "drop")) is not None
    }
    counts = Counter(row.judge for row in judgments.rows)
    total = 1 + len(humans) * (len(humans) - 1) // 2 + len(models) * (1 + len(humans))
    done = 0

    def pair(first: str, second: str, second_grades: Mapping[Pair, int]) -> PairAgreement:
        nonlocal done
        found = _pair(first, by_judge[first], second, second_grades, bootstrap)
        done += 1
        if progress:
            progress("measuring agreement", done, total)
        return found

    pairs = [pair(first, second, by_judge[second]) for first, second in combinations(humans, 2)]
    against = [
        ModelAgreement(
            model,
            pair(model, MAJORITY, majority),
            [pair(model, human, by_judge[human]) for human in humans],
        )
        for model in models
    ]
    group = _group(_counts(human_grades, humans), bootstrap)
    if progress:
        progress("measuring agreement", total, total)
    return AgreementReport(
        judges=[Judge(name, kind, counts[name], kind == "human") for name, kind in judgments.judges.items()],
        files=judgments.files,
        grades=sorted({row.grade for row in judgments.rows}),
        units=len({row.pair for row in judgments.rows}),
        humans=group,
        pairs=pairs,
        models=against,
        settings={**asdict(bootstrap), "unit": "pair of query and document", "crossfade": own()},
    )


def _checked(bootstrap: Bootstrap) -> Bootstrap:
    if bootstrap.method != "percentile":
        raise InvalidInput(f'method {bootstrap.method!r} is not there for agreement: use "percentile"')
    if not 1 <= bootstrap.resamples <= _MOST_RESAMPLES:
        raise InvalidInput(f"resamples must be from 1 to {_MOST_RESAMPLES:,}, not {bootstrap.resamples:,}")
    if not 0 < bootstrap.confidence < 1:
        raise InvalidInput(f"confidence must be between 0 and 1 (0.95 is usual), not {bootstrap.confidence}")
    if bootstrap.seed < 0:
        raise InvalidInput(f"seed must be 0 or more, not {bootstrap.seed}")
    return bootstrap


def _counts(grades: Mapping[Pair, Mapping[str, int]], judges: list[str]) -> Counts:
    column = {judge: place for place, judge in enumerate(judges)}
    table = np.full((len(grades), len(judges)), np.nan)
    for row, given in enumerate(grades.values()):
        for judge, grade in given.items():
            table[row, column[judge]] = grade
    return Counts.of_grades(table)


def _group(counts: Counts, bootstrap: Bootstrap) -> GroupAgreement:
    number = counts.commonest_number()
    same = counts.with_judgments(number)

    def alpha(level: Level) -> Coefficient:
        return coefficient(partial(counts.alpha, level=level), counts.frequency, bootstrap, otherwise=_ONE_GRADE)

    return GroupAgreement(
        percent=coefficient(counts.agreement, counts.frequency, bootstrap, otherwise=_ONE_GRADE),
        fleiss=coefficient(same.fleiss, same.frequency, bootstrap, otherwise=_ONE_GRADE),
        fleiss_judgments=number,
        alpha_nominal=alpha("nominal"),
        alpha_ordinal=alpha("ordinal"),
        alpha_interval=alpha("interval"),
    )


def _pair(
    first: str, first_grades: Mapping[Pair, int], second: str, second_grades: Mapping[Pair, int], bootstrap: Bootstrap
) -> PairAgreement:
    both = [pair for pair in first_grades if pair in second_grades]
    sides = [np.array([grades[pair] for pair in both], dtype=np.int64) for grades in (first_grades, second_grades)]
    cells = Cells.of(*sides)

    def kappa(weights: Weights) -> Coefficient:
        return coefficient(partial(cells.kappa, kind=weights), cells.frequency, bootstrap, otherwise=_BOTH_ONE_GRADE)

    return PairAgreement(
        first,
        second,
        percent=coefficient(cells.agreement, cells.frequency, bootstrap, otherwise=_BOTH_ONE_GRADE),
        kappa=kappa("none"),
        kappa_linear=kappa("linear"),
        kappa_quadratic=kappa("quadratic"),
    )
