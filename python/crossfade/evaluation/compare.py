"""Two models on the same queries: differences with their intervals and tests, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.changes import changes
from crossfade.evaluation.context import accompanying_facts, judged_shares
from crossfade.evaluation.dataset import Dataset, Progress, Rankings
from crossfade.evaluation.evaluate import EvaluationSettings, evaluate_all
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.evaluation.record import encode
from crossfade.evaluation.results import Comparison, Difference, Evaluation
from crossfade.evaluation.showcase import Side, chosen_queries, query_comparisons
from crossfade.evaluation.stages import stage
from crossfade.evaluation.verdict import ALPHA, MIN_QUERIES, decide, decides
from crossfade.intervals import Bootstrap, difference_interval
from crossfade.power import minimum_detectable_effect
from crossfade.significance import PairedTest, holm, randomisation_test

POWER = 0.8
_EQUAL = 1e-9  # values of one measure on one query that are nearer than this are a tie

# What must be alike in two records for their figures to be comparable, beside data set, split, queries and measures.
_SAME_SETTINGS = ("depth", "ties", "corpus_hash", "queries_hash", "qrels_hash")


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How the two are held against each other.

    `resamples` of the bootstrap and `permutations` of the randomisation test, one `seed` for both. `min_queries`: with
    fewer there is no verdict. `results_shown`: documents of each ranking kept in the record for each query, and
    `relevant_shown`: of those judged relevant. `queries_shown`: queries in the record with their rankings, of more
    (`showcase.chosen_queries`); values by query are kept of all.
    """

    resamples: int = 10_000
    permutations: int = 10_000
    seed: int = 17
    min_queries: int = MIN_QUERIES
    results_shown: int = 10
    relevant_shown: int = 20
    queries_shown: int = 1000

    def __post_init__(self) -> None:
        if self.queries_shown < 1:
            raise InvalidInput(f"queries_shown is {self.queries_shown}; expected at least 1")


def compare(
    dataset: Dataset,
    base: ModelEncoder | None,
    candidate: ModelEncoder | None,
    evaluation: EvaluationSettings | None = None,
    settings: ComparisonSettings | None = None,
    *,
    arms: tuple[Arm, Arm] | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Evaluate both models in this process, under the same conditions, and compare them.

    `arms`: how the base and the candidate answer queries, None: both by exact search of whole documents' vectors. So
    two models are compared, or two arms of one. A corpus that both embed alike (equal document fingerprints) is
    embedded once. `cache`: a directory that keeps document vectors between runs.

    Raises InvalidInput, or what encoder and store raise.
    """
    evaluation = evaluation or EvaluationSettings()
    check_primary(evaluation.measures[0])
    first, second = evaluate_all(
        dataset,
        [base, candidate],
        evaluation,
        arms=arms,
        # Not by a name: the vectors are not needed any more when this returns.
        indexes=CorpusIndexes(dataset, cache=cache, progress=progress),
        progress=progress,
    )
    return compare_runs(
        dataset, first.evaluation, first.run, second.evaluation, second.run, settings, progress=progress
    )


def compare_runs(
    dataset: Dataset,
    base: Evaluation,
    base_run: Rankings,
    candidate: Evaluation,
    candidate_run: Rankings,
    settings: ComparisonSettings | None = None,
    *,
    same_settings: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two evaluations with the runs they were measured on, wherever those were gathered.

    The primary measure is the first of `base.measures`. Raises InvalidInput unless both evaluations are of this data
    set and split, with the same queries, measures and settings; `same_settings` false: settings and the hashes of data
    among them may differ, which a decision's gate looks at instead.
    """
    settings = settings or ComparisonSettings()
    _check_same(dataset, base, candidate, same_settings=same_settings)
    primary = next(iter(base.measures))
    check_primary(primary)
    difference = paired_differences(base.per_query, candidate.per_query, settings, progress=progress)
    decision = decide(base, candidate, difference, min_queries=settings.min_queries)
    with stage("comparing rankings", progress):
        shares = judged_shares(dataset.qrels, base_run, candidate_run)
        seen = changes(base_run, candidate_run)
    values: dict[Side, Mapping[str, float]] = {
        "base": base.per_query[primary],
        "candidate": candidate.per_query[primary],
    }
    shown = chosen_queries(values, settings.queries_shown)
    return Comparison(
        base=base,
        candidate=candidate,
        primary=primary,
        difference=difference,
        verdict=decision.verdict,
        reasons=[*decision.reasons, *accompanying_facts(base, candidate, shares), seen.sentence()],
        queries=query_comparisons(
            dataset,
            {"base": base_run, "candidate": candidate_run},
            values,
            results_shown=settings.results_shown,
            relevant_shown=settings.relevant_shown,
            only=shown,
        ),
        settings={
            **asdict(settings),
            "queries_left_out": len(dataset.queries) - len(shown),
            "alpha": ALPHA,
            "confidence": 1 - ALPHA,
            "power": POWER,
            "interval": "paired percentile bootstrap of the mean difference",
            "test": "paired randomisation (sign flips), two-sided",
            "correction": "Holm over the declared measures",
            "judged_at_10": {"base": shares[0], "candidate": shares[1]},
            "rank_overlap": seen.rank_overlap.mean,
            "churn": encode(seen.churn),
        },
    )


def paired_differences(
    base: Mapping[str, Mapping[str, float]],
    candidate: Mapping[str, Mapping[str, float]],
    settings: ComparisonSettings,
    *,
    progress: Progress | None = None,
) -> dict[str, Difference]:
    """Candidate minus base for each measure; both map measure -> query id -> value, over the same queries.

    Holm's correction runs over the measures that describe the ranking; one that describes the judgments (Judged@k)
    keeps its own p, because it decides nothing.
    """
    rows: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], PairedTest]] = {}
    steps = 2 * len(base)
    for done, (measure, values) in enumerate(base.items(), start=1):
        first = np.array(list(values.values()), dtype=np.float64)
        second = np.array([candidate[measure][query_id] for query_id in values], dtype=np.float64)
        test = randomisation_test(first, second, permutations=settings.permutations, seed=settings.seed)
        rows[measure] = (first, second, test)
        if progress:
            progress("testing differences", done, steps)
    family = [measure for measure in rows if decides(measure)]
    corrected = dict(zip(family, holm(rows[measure][2].p for measure in family), strict=True))
    differences = {}
    bootstrap = Bootstrap(settings.resamples, confidence=1 - ALPHA, seed=settings.seed)
    for done, (measure, (first, second, test)) in enumerate(rows.items(), start=len(base) + 1):
        change = second - first
        interval = difference_interval(first, second, bootstrap)
        wins, losses = int((change > _EQUAL).sum()), int((change < -_EQUAL).sum())
        differences[measure] = Difference(
            delta=interval.estimate,
            ci95=(interval.low, interval.high),
            p=test.p,
            p_holm=corrected.get(measure, test.p),
            wins=wins,
            losses=losses,
            ties=change.size - wins - losses,
            minimum_detectable=minimum_detectable(change),
        )
        if progress:
            progress("testing differences", done, steps)
    return differences


def minimum_detectable(change: NDArray[np.float64]) -> float:
    """The true mean difference that a two-sided paired t test at level alpha finds with probability `POWER`.

    `change`: differences by query, shape (n,). 0 with fewer than two values or none that differs.
    """
    deviation = float(change.std(ddof=1)) if change.size > 1 else 0.0
    return minimum_detectable_effect(deviation, change.size, alpha=ALPHA, power=POWER) if deviation > 0 else 0.0


def check_primary(measure: str) -> None:
    """Raises InvalidInput when the measure cannot carry a verdict."""
    if not decides(measure):
        raise InvalidInput(f"the first measure decides, and {measure} describes the judgments only: name another first")


def _check_same(dataset: Dataset, base: Evaluation, candidate: Evaluation, *, same_settings: bool) -> None:
    for side, evaluation in (("base", base), ("candidate", candidate)):
        if (evaluation.dataset, evaluation.split) != (dataset.name, dataset.split):
            raise InvalidInput(
                f"the {side} was evaluated on {evaluation.dataset}/{evaluation.split}, not on "
                f"{dataset.name}/{dataset.split}: evaluate both on the same data set and split"
            )
        if evaluation.per_query.keys() != evaluation.measures.keys():
            raise InvalidInput(f"the {side} lacks the values by query of some measure: evaluate it again")
        for measure, values in evaluation.per_query.items():
            if values.keys() != dataset.queries.keys():
                raise InvalidInput(
                    f"the {side} was measured ({measure}) on {len(values):,} queries that are not the "
                    f"{len(dataset.queries):,} of {dataset.name}/{dataset.split}: evaluate both on the same queries"
                )
    if list(base.measures) != list(candidate.measures):
        raise InvalidInput(
            f"the base has the measures {', '.join(base.measures)}, the candidate {', '.join(candidate.measures)}: "
            "evaluate both with the same, in the same order"
        )
    for name in _SAME_SETTINGS if same_settings else ():
        ours, theirs = base.settings.get(name), candidate.settings.get(name)
        if ours is not None and theirs is not None and ours != theirs:
            raise InvalidInput(f"the base was evaluated with {name} {ours}, the candidate with {theirs}: use the same")
