"""Two models evaluated, compared and decided on under a protocol, guard sets and costs included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.beir import read_query_fields
from crossfade.evaluation.changes import changes
from crossfade.evaluation.compare import ComparisonSettings, compare_runs
from crossfade.evaluation.context import accompanying_facts, judged_shares
from crossfade.evaluation.costs import measure_cost
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.decision.evidence import Cost, DiagnosisRef, Evidence, Leakage
from crossfade.evaluation.decision.gather import HASHED, JUDGED, Extras, GuardRuns, check_guard, gather
from crossfade.evaluation.decision.losses import greatest_losses
from crossfade.evaluation.decision.protocol import Protocol
from crossfade.evaluation.decision.record import DecisionRecord, Regression, make_record
from crossfade.evaluation.decision.rule import Outcome, conclude
from crossfade.evaluation.evaluate import Evaluated, EvaluationSettings, evaluate_all, measure_subjects, open_subjects
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.evaluation.record import encode
from crossfade.evaluation.results import Comparison
from crossfade.evaluation.showcase import query_comparisons
from crossfade.evaluation.stages import stage, steps

# What is told of a query, in parts of what testing one value takes: its rankings held side by side, the record, and the
# shares that were judged.
_SEEN, _RECORDED, _SHARED = 2, 1, 2


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where the data of a decision lie. `directory`: of the data set; `folder`: what the protocol's files are relative
    to; `guards`: the protocol's guard sets by name, with their directories; `gpus`: that answer queries, for costs.
    `diagnosis`: of the base (`read_diagnosis`), for slices by cause. `baseline`: a base that was measured before
    (`read_baseline`), in the place of a model.
    """

    directory: Path | None = None
    folder: Path | None = None
    guards: Mapping[str, tuple[Dataset, Path | None]] = field(default_factory=dict)
    leakage: Leakage | None = None
    diagnosis: DiagnosisRef | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    cache: Path | None = None
    gpus: int = 0
    baseline: Evaluated | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """`comparison` has the record's verdict and reasons; the runs are those on the data set itself."""

    comparison: Comparison
    record: DecisionRecord
    base: Evaluated
    candidate: Evaluated


def compare_and_decide(
    dataset: Dataset,
    base: ModelEncoder | None,
    candidate: ModelEncoder | None,
    protocol: Protocol,
    evaluation: EvaluationSettings | None = None,
    *,
    arms: tuple[Arm, Arm] | None = None,
    conditions: Conditions | None = None,
    progress: Progress | None = None,
) -> Decided:
    """Evaluate both on the data set and on every guard set, compare, and conclude.

    The measures are the protocol's, or `evaluation`'s where it names none, the primary first. Raises InvalidInput where
    a guard set's data are not given, and what `compare`, `gather` and `conclude` raise.
    """
    conditions = conditions or Conditions()
    evaluation = evaluation or EvaluationSettings()
    protocol = replace(protocol, measures=protocol.measures or list(evaluation.measures))
    evaluation = replace(evaluation, measures=protocol.needed_measures())
    if protocol.gates.judged_at > evaluation.depth:
        raise InvalidInput(
            f"gates.judged_at is {protocol.gates.judged_at}, and {evaluation.depth} results are taken of each query: "
            "raise the depth (--depth), or look at fewer"
        )
    if protocol.guards and conditions.baseline is not None:
        raise InvalidInput("guard sets are measured with both models: give the base model, not a record of it")
    for guard in protocol.guards:
        if guard.name not in conditions.guards:
            raise InvalidInput(f"guard set {guard.name!r} ({guard.dataset}) was not given: read its data set too")
        check_guard(guard.name, conditions.guards[guard.name][0], dataset)
    encoders, both = [base, candidate], list(arms or (Arm(), Arm()))
    new = slice(1, 2) if conditions.baseline is not None else slice(0, 2)
    indexes: CorpusIndexes | None = CorpusIndexes(dataset, cache=conditions.cache, progress=progress)
    costs: list[Cost | None] = [None, None]
    with open_subjects(dataset, encoders[new], arms=both[new], indexes=indexes, progress=progress) as subjects:
        measured = measure_subjects(dataset, subjects, evaluation, progress=progress)
        if (prices := protocol.prices) is not None:
            depth, threads = evaluation.depth, evaluation.threads
            with stage("measuring throughput", progress):
                costs[new] = [
                    measure_cost(dataset, each, prices, depth=depth, threads=threads, gpus=conditions.gpus)
                    for each in subjects
                ]
    del indexes, subjects  # and with them the vectors
    first, second = measured if conditions.baseline is None else (conditions.baseline, *measured)
    guards = []
    for guard in protocol.guards:
        data, directory = conditions.guards[guard.name]
        settings = replace(evaluation, measures=(protocol.measure_of(guard),))
        held = CorpusIndexes(data, cache=conditions.cache, progress=progress)
        ours, theirs = evaluate_all(data, encoders, settings, arms=both, indexes=held, progress=progress)
        guards.append(GuardRuns(guard.name, data, ours, theirs, directory))
    by_field = any(rule.field for rule in protocol.slices)
    extras = Extras(
        guards=guards,
        directory=conditions.directory,
        fields=read_query_fields(conditions.directory) if by_field and conditions.directory else None,
        folder=conditions.folder,
        leakage=conditions.leakage,
        diagnosis=conditions.diagnosis,
        costs=(costs[0], costs[1]),
        files=conditions.files,
    )
    return decide_runs(dataset, first, second, protocol, extras, progress=progress)


def decide_runs(
    dataset: Dataset,
    base: Evaluated,
    candidate: Evaluated,
    protocol: Protocol,
    extras: Extras | None = None,
    *,
    progress: Progress | None = None,
) -> Decided:
    """Decide by evaluations and runs, wherever they were gathered. A protocol that names no measures means all of them.

    Raises InvalidInput as `compare_runs`, `gather` and `conclude` do.
    """
    base, candidate = _primary_first(base, protocol), _primary_first(candidate, protocol)
    protocol = replace(protocol, measures=protocol.measures or list(base.evaluation.measures))
    settings = ComparisonSettings(protocol.resamples, protocol.permutations, protocol.seed)
    comparison = compare_runs(
        dataset,
        base.evaluation,
        base.run,
        candidate.evaluation,
        candidate.run,
        settings,
        same_settings=False,
        progress=progress,
    )
    with steps("deciding", _units(dataset, protocol, extras), progress) as tell:
        evidence = gather(dataset, base, candidate, protocol, extras, tell=tell)
        outcome = conclude(protocol, evidence, tell=tell)
        seen = changes(base.run, candidate.run)
        tell(_SEEN * len(dataset.queries))
        record = make_record(
            protocol,
            evidence,
            outcome=outcome,
            regressions=worst_regressions(dataset, base, candidate, comparison, evidence, outcome),
            rank_overlap=encode(seen.rank_overlap),
            churn=encode(seen.churn),
        )
        tell(_RECORDED * len(dataset.queries))
        shares = judged_shares(dataset.qrels, base.run, candidate.run)
    decides = protocol.gates.latency_p99_ms is not None or protocol.gates.latency_p99_ratio is not None
    facts = accompanying_facts(base.evaluation, candidate.evaluation, shares, latency_decides=decides)
    comparison = replace(
        comparison,
        verdict=outcome.verdict,
        reasons=[*outcome.reasons, *facts, seen.sentence()],
        settings={**comparison.settings, "decision": {"rule": outcome.rule, "protocol_sha256": record.protocol_sha256}},
    )
    return Decided(comparison, record, base, candidate)


def _units(dataset: Dataset, protocol: Protocol, extras: Extras | None) -> int:
    """What all parts of deciding tell. Of slices no more is known yet than that a rule puts a query into one."""
    queries, guards = len(dataset.queries), () if extras is None else extras.guards
    tested = len(protocol.measures) + len(protocol.slices)
    of_guards = sum(len(guard.dataset.queries) for guard in guards) * (2 * HASHED + 1)
    return queries * (2 * HASHED + JUDGED + tested + _SEEN + _RECORDED + _SHARED) + of_guards


def worst_regressions(
    dataset: Dataset,
    base: Evaluated,
    candidate: Evaluated,
    comparison: Comparison,
    evidence: Evidence,
    outcome: Outcome,
) -> list[Regression]:
    """The queries that lost most of the primary measure, the greatest loss first: ten of all, and three of every slice
    that is shown to fall.
    """
    primary, settings = comparison.primary, ComparisonSettings()
    before, after = comparison.base.per_query[primary], comparison.candidate.per_query[primary]
    lost = greatest_losses({query: (before[query], after[query]) for query in before}, evidence, outcome)
    found = query_comparisons(
        dataset,
        {"base": base.run, "candidate": candidate.run},
        {"base": before, "candidate": after},
        results_shown=settings.results_shown,
        relevant_shown=settings.relevant_shown,
        only=[query for query, _ in lost],
    )
    by_id = {query.query_id: query for query in found}
    return [Regression(slices, by_id[query]) for query, slices in lost]


def _primary_first(evaluated: Evaluated, protocol: Protocol) -> Evaluated:
    found = evaluated.evaluation
    if protocol.primary not in found.measures:
        raise InvalidInput(f"the protocol's primary measure, {protocol.primary}, was not measured: evaluate with it")
    names: Sequence[str] = list(dict.fromkeys([protocol.primary, *found.measures]))
    ordered = replace(
        found,
        measures={name: found.measures[name] for name in names},
        per_query={name: found.per_query[name] for name in names if name in found.per_query},
    )
    return replace(evaluated, evaluation=ordered)
