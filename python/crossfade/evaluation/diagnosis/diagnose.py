"""The whole diagnosis: ladder, causes, what recurs among the failures, checklist, recommendation."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.diagnosis.answers import GivenAnswer, judge_answers
from crossfade.evaluation.diagnosis.causes import explain
from crossfade.evaluation.diagnosis.checklist import Known, OtherSplit, checklist
from crossfade.evaluation.diagnosis.clusters import MOST, cluster
from crossfade.evaluation.diagnosis.evidence import Facts, Look, unit
from crossfade.evaluation.diagnosis.failures import misses, unanswerable
from crossfade.evaluation.diagnosis.inputs import Case, DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import Climber, Ladder, climbing
from crossfade.evaluation.diagnosis.plan import Plan, by_vectors_alone, make_plan
from crossfade.evaluation.diagnosis.recommendation import recommend
from crossfade.evaluation.diagnosis.terms import naming_terms, recurring_terms
from crossfade.evaluation.diagnosis.types import (
    CAUSES,
    CauseCount,
    Diagnosis,
    FailedQuery,
    FailureCluster,
    Term,
)
from crossfade.evaluation.judged import judged_at
from crossfade.evaluation.results import RankedDocument
from crossfade.evaluation.showcase import snippet
from crossfade.evaluation.verdict import ALPHA
from crossfade.models.types import InputType
from crossfade.versions import own

_RELEVANT_SHOWN = 5


def diagnose(
    case: Case,
    settings: DiagnosisSettings | None = None,
    *,
    cache: Path | None = None,
    answers: Sequence[GivenAnswer] | None = None,
    others: Sequence[OtherSplit] = (),
) -> Diagnosis:
    """Measure every arm on the same queries, explain every failure of the baseline, and say what to do first.

    `cache`: a directory that keeps vectors and finished arms, so that a second run measures only what has changed.
    `answers`: what a generator made of the contexts it was given. `others`: further splits of the same data.

    Raises InvalidInput for an empty split, or what a filter does not fit; and what encoders, rerankers and the store
    raise.
    """
    settings = settings or DiagnosisSettings()
    if not case.dataset.queries:
        raise InvalidInput(f"{case.dataset.name}/{case.dataset.split} judges no query: there is nothing to diagnose")
    plan = make_plan(case)
    with climbing(case, settings, cache) as climber:
        ladder = climber.climb(plan)
        facts = _facts(case, settings, ladder, climber)
    failures = _failures(facts)
    causes = _counts(failures, settings.examples)
    answerable = len(case.dataset.queries) - unanswerable(case.dataset)
    dataset = case.dataset
    recommendation = recommend(ladder.figures, causes, answerable=answerable, settings=settings)
    known = Known(
        dataset=dataset.name,
        split=dataset.split,
        primary=settings.primary,
        k=settings.k,
        documents=len(dataset.documents),
        answerable=answerable,
        arms=ladder.figures,
        left_out=ladder.left_out,
        causes=causes,
        others=others,
        recommendation=recommendation,
    )
    run = ladder.runs[ladder.figures[0].name]
    return Diagnosis(
        dataset=dataset.name,
        split=dataset.split,
        queries=len(dataset.queries),
        documents=len(dataset.documents),
        primary=settings.primary,
        k=settings.k,
        arms=ladder.figures,
        left_out=ladder.left_out,
        failed=len(failures),
        unanswerable=len(dataset.queries) - answerable,
        causes=causes,
        failures=failures,
        terms=_terms(facts, failures),
        clusters=_clusters(facts, failures),
        checklist=checklist(known),
        recommendation=recommendation,
        answers=None if answers is None else judge_answers(answers, dataset, dict(run), settings.k, settings.examples),
        notes=_notes(facts, plan),
        settings={
            **asdict(settings),
            "alpha": ALPHA,
            "interval": "percentile bootstrap, of each mean and of the paired difference",
            "test": "paired randomisation (sign flips), two-sided",
            "correction": "Holm over all arms",
            "corpus_hash": dataset.corpus_hash,
            "queries_hash": dataset.queries_hash,
            "qrels_hash": dataset.qrels_hash,
            "filters_hash": case.filters.hash,
            "computed": ladder.computed,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"python": platform.python_version(), "crossfade": own()},
        },
    )


def _facts(case: Case, settings: DiagnosisSettings, ladder: Ladder, climber: Climber) -> Facts:
    dataset = case.dataset
    run = ladder.runs[ladder.figures[0].name]
    judged = float(judged_at(dataset.qrels, run, settings.k).mean())
    ranks_by_vectors = by_vectors_alone(case.baseline) and case.baseline.whole
    documents = unit(climber.indexes.vectors(case.base).vectors) if ranks_by_vectors else None
    wanted = sorted({each for grades in dataset.qrels.values() for each in grades if each in dataset.documents_by_id})
    shown = {document_id for query_id in case.filters.filters for document_id in run.get(query_id, {})}
    kept = case.filters.kept(sorted({*wanted, *shown})) if case.filters else {}
    return Facts(case, settings, ladder, documents, kept, judged)


def _failures(facts: Facts) -> list[FailedQuery]:
    dataset, case = facts.dataset, facts.case
    failed = misses(dataset, facts.ladder.runs[facts.ladder.figures[0].name], facts.settings.k)
    vectors = _query_vectors(facts, failed)
    found = []
    for done, (query_id, vector) in enumerate(zip(failed, vectors, strict=True), start=1):
        look = Look(facts, query_id, dataset.queries[query_id], vector)
        cause, evidence = explain(look)
        found.append(
            FailedQuery(
                query_id=query_id,
                text=look.text,
                cause=cause,
                evidence=evidence,
                best_rank=None if look.best is None else look.best[0],
                margin=look.margin,
                mended_by=look.mended_by,
                results=[_shown(facts, look, each, score) for each, score in look.head[: facts.settings.results_shown]],
                relevant=[_shown(facts, look, each, 0.0) for each in list(look.relevant)[:_RELEVANT_SHOWN]],
            )
        )
        if case.progress:
            case.progress("explaining failures", done, len(failed))
    return found


def _shown(facts: Facts, look: Look, document_id: str, score: float) -> RankedDocument:
    document = facts.dataset.documents_by_id.get(document_id)
    grade = facts.dataset.qrels[look.query_id].get(document_id)
    if document is None:
        return RankedDocument(document_id, score, "", "", grade)
    return RankedDocument(document_id, score, document.title, snippet(document.text), grade)


def _query_vectors(facts: Facts, query_ids: Sequence[str]) -> NDArray[np.float32]:
    texts = [facts.dataset.queries[query_id] for query_id in query_ids]
    return unit(facts.case.base.encode(texts, InputType.QUERY).vectors)


def _counts(failures: Sequence[FailedQuery], examples: int) -> list[CauseCount]:
    """Most frequent first; of equally frequent ones, the one that is asked for first."""
    counts = Counter(each.cause for each in failures)
    ordered = sorted(counts, key=lambda cause: (-counts[cause], CAUSES.index(cause)))
    return [
        CauseCount(
            cause,
            counts[cause],
            counts[cause] / len(failures),
            [each.query_id for each in failures if each.cause == cause][:examples],
        )
        for cause in ordered
    ]


def _terms(facts: Facts, failures: Sequence[FailedQuery]) -> list[Term]:
    mismatched = {each.query_id for each in failures if each.cause == "semantic_mismatch"}
    queries = facts.dataset.queries
    return recurring_terms(
        [text for query_id, text in queries.items() if query_id in mismatched],
        [text for query_id, text in queries.items() if query_id not in mismatched],
    )


def _clusters(facts: Facts, failures: Sequence[FailedQuery]) -> list[FailureCluster]:
    some = failures[:MOST]
    if len(some) < 2:
        return []
    found = []
    for rows in cluster(_query_vectors(facts, [each.query_id for each in some])):
        inside = [some[row] for row in rows]
        ids = {each.query_id for each in inside}
        outside = [text for query_id, text in facts.dataset.queries.items() if query_id not in ids]
        names = naming_terms([each.text for each in inside], outside)
        causes = Counter(each.cause for each in inside)
        found.append(FailureCluster(names, [each.query_id for each in inside], dict(causes.most_common())))
    return found


def _notes(facts: Facts, plan: Plan) -> list[str]:
    dataset, settings = facts.dataset, facts.settings
    notes = []
    if plan.unread:
        notes.append(f"{plan.unread:,} of {len(dataset.documents):,} documents are longer than the model reads.")
    if dataset.absent_judgments:
        notes.append(f"{dataset.absent_judgments:,} judgments name documents that the corpus lacks.")
    if not facts.pooled:
        notes.append(
            f"Of the first {settings.k} results {facts.judged_share:.0%} are judged: an unjudged result counts as "
            "irrelevant, and some failures may be relevant documents that nobody has judged."
        )
    if facts.words is None:
        notes.append("Words were not searched: exact match cannot be told from semantic mismatch.")
    return notes
