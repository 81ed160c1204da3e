"""The ladder: every arm on the same queries, each held against the baseline, Holm's correction over all of them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossfade import measures as ir
from crossfade.errors import InvalidInput
from crossfade.evaluation.compare import minimum_detectable
from crossfade.evaluation.corpora import ArmCorpora
from crossfade.evaluation.dataset import Progress, Run
from crossfade.evaluation.diagnosis.adapting import AdaptedEncoder, adapted_bundle, adapted_encoder
from crossfade.evaluation.diagnosis.arm_cache import ArmCache
from crossfade.evaluation.diagnosis.failures import misses
from crossfade.evaluation.diagnosis.inputs import Case, DiagnosisSettings
from crossfade.evaluation.diagnosis.measuring import Answerer, Measured, answerer, cost_of, search, time_in_turns
from crossfade.evaluation.diagnosis.plan import Plan, Rung
from crossfade.evaluation.diagnosis.types import ArmFigures, ArmKind, LeftOut, Mean
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.index import CorpusIndexes
from crossfade.evaluation.order import trec_order
from crossfade.evaluation.results import Difference, ModelRef
from crossfade.evaluation.verdict import ALPHA
from crossfade.intervals import Bootstrap, difference_interval, mean_interval
from crossfade.significance import holm, randomisation_test

_EQUAL = 1e-9  # values of one query that are nearer than this are a tie
_MOST_COMBINATIONS = 6
_ANY_DEPTH = 100
# What an arm changes; two of one slot cannot be combined.
_SLOTS: dict[ArmKind, str] = {
    "filters": "filters",
    "chunking": "chunking",
    "no_reranker": "reranker",
    "dense": "mode",
    "lexical": "mode",
    "hybrid": "mode",
    "reranking": "reranker",
    "base_model": "model",
    "adapter": "model",
    "tuned": "model",
}


@dataclass(frozen=True)
class Ladder:
    """`figures`: the baseline first, then as measured. `runs`: by arm's name, of the queries where the baseline failed:
    nothing else is asked of them; the baseline's own has the others too, down to the k-th result. `computed`: arms that
    were not cached."""

    figures: list[ArmFigures]
    runs: Mapping[str, Run] = field(repr=False)
    left_out: list[LeftOut]
    computed: list[str]


@contextmanager
def climbing(case: Case, settings: DiagnosisSettings, cache: Path | None) -> Iterator[Climber]:
    """A climber, whose indexes on the disk go at the end; without a cache, vectors too."""
    with tempfile.TemporaryDirectory(prefix="crossfade-diagnosis-") as place:
        told = _Told(case.progress)
        dataset = case.filters.applied(case.dataset)
        indexes = CorpusIndexes(dataset, cache=cache or Path(place) / "vectors", progress=told)
        with ArmCorpora(indexes, progress=told) as corpora:
            arms = ArmCache(None if cache is None else cache / "arms")
            yield Climber(case, settings, indexes, corpora, arms, told)


class _Told:
    """Says of which arm a stage is."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.arm = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._progress:
            self._progress(f"{self.arm}{stage}", done, total)


@dataclass
class Climber:
    """Measures arms, or takes them from the cache, and holds them against the baseline."""

    case: Case
    settings: DiagnosisSettings
    indexes: CorpusIndexes
    corpora: ArmCorpora
    cache: ArmCache
    told: _Told
    _figures: dict[str, ArmFigures] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)
    _failed: frozenset[str] = frozenset()
    _computed: list[str] = field(default_factory=list)
    _adapted: AdaptedEncoder | None = None

    def climb(self, plan: Plan) -> Ladder:
        """Every rung of the plan, then combinations of those that helped. What is finished is kept at once."""
        rungs, left_out = list(plan.rungs), list(plan.left_out)
        rungs = self._climb(rungs, left_out, "arm")
        singles = self._compared(rungs)
        rungs += self._climb(combinations(rungs, singles), left_out, "combination")
        return Ladder(self._compared(rungs), dict(self._runs), left_out, list(self._computed))

    def _climb(self, rungs: Sequence[Rung], left_out: list[LeftOut], what: str) -> list[Rung]:
        done = []
        for number, rung in enumerate(rungs, start=1):
            self.told.arm = f"{what} {number} of {len(rungs)}, {rung.name}: "
            try:
                self._keep(rung, self._one(rung))
            except InvalidInput as error:
                if not rung.adapted:
                    raise
                left_out.append(LeftOut(rung.name, rung.kind, str(error), inapplicable=True))
                continue
            done.append(rung)
        self.told.arm = ""
        return done

    def _one(self, rung: Rung) -> Measured:
        content = self._content(rung)
        found = self.cache.load(content)
        if found is not None and found.run.keys() == self.case.dataset.queries.keys():
            return found
        found = self._measure(rung)
        self.cache.save(content, found)
        self._computed.append(rung.name)
        return found

    def _measure(self, rung: Rung) -> Measured:
        dataset, settings = self.case.dataset, self.settings
        source, tokens = self._answerer(rung)
        run = search(dataset, source, settings.depth, self.told)
        sources = [source]
        if rung.kind != "baseline":
            sources.append(self._answerer(Rung("baseline", "baseline", self.case.baseline, self.case.base))[0])
        times = time_in_turns(dataset, sources, settings.depth, settings.latency_samples, self.told)
        beside = times[1].latency if len(times) > 1 else None
        return Measured(run, times[0].latency, beside, cost_of(source, tokens, times[0].cpu_ms))

    def _answerer(self, rung: Rung) -> tuple[Answerer, int]:
        adapted = None
        if rung.adapted:
            self._adapted = self._adapted or adapted_encoder(self.case, self.indexes)
            adapted = self._adapted
        return answerer(rung, self.corpora, self.case.filters.filters, self.settings.threads, adapted)

    def _content(self, rung: Rung) -> dict[str, Any]:
        """Everything that moves the arm's figures, as JSON."""
        dataset, settings, base = self.case.dataset, self.settings, self.case.base.bundle
        return {
            "corpus": dataset.corpus_hash,
            "queries": dataset.queries_hash,
            "qrels": dataset.qrels_hash if rung.adapted else "",  # of the others, no ranking depends on judgments
            "filters": self.case.filters.hash if rung.filtered else "",
            "retrieval": rung.arm.record(settings.depth),
            "model": self._model(rung),
            "depth": settings.depth,
            "latency_samples": settings.latency_samples,
            "baseline": [self.case.baseline.record(settings.depth), base.query_fingerprint, base.document_fingerprint],
        }

    def _model(self, rung: Rung) -> ModelRef:
        if rung.encoder is None or rung.arm.mode == "lexical":
            return rung.arm.words()
        bundle = rung.encoder.bundle
        if rung.adapted and self.case.remedies.adapter is not None:
            bundle = adapted_bundle(self.case, self.case.remedies.adapter.name)
        return ModelRef(bundle.name, bundle.query_fingerprint, bundle.document_fingerprint)

    def _keep(self, rung: Rung, measured: Measured) -> None:
        """What is asked of an arm later. Its run goes with the next one: of 100,000 queries each takes a gigabyte."""
        dataset, settings = self.case.dataset, self.settings
        table = ir.evaluate(dataset.qrels, measured.run, settings.measures, ties=TIES, missing="zero")
        values = {name: table.per_query(name) for name in settings.measures}
        bootstrap = Bootstrap(settings.resamples, confidence=1 - ALPHA, seed=settings.seed)
        means = {}
        for name, each in values.items():
            interval = mean_interval(list(each.values()), bootstrap)
            means[name] = Mean(interval.estimate, (interval.low, interval.high))
        failed = misses(dataset, measured.run, settings.k)
        self._figures[rung.name] = ArmFigures(
            name=rung.name,
            kind=rung.kind,
            model=self._model(rung),
            retrieval=rung.arm.record(settings.depth),
            measures=means,
            difference=None,
            latency_ms=measured.latency,
            baseline_latency_ms=measured.baseline_latency,
            cost=measured.cost,
            per_query=values[settings.primary],
            misses=len(failed),
            parts=list(rung.parts),
            filtered=rung.filtered,
        )
        if rung.kind == "baseline":
            self._failed = frozenset(failed)
        self._runs[rung.name] = {
            query: ranking if query in self._failed else dict(trec_order(ranking, TIES)[: settings.k])
            for query, ranking in measured.run.items()
            if query in self._failed or rung.kind == "baseline"
        }

    def _compared(self, rungs: Sequence[Rung]) -> list[ArmFigures]:
        first, *others = [self._figures[rung.name] for rung in rungs]
        differences = against(first, others, self.settings)
        return [first, *(replace(each, difference=found) for each, found in zip(others, differences, strict=True))]


def against(first: ArmFigures, others: Sequence[ArmFigures], settings: DiagnosisSettings) -> list[Difference]:
    """Each of `others` minus `first` on the primary measure, paired by query; Holm's correction over all of them."""
    base = np.array(list(first.per_query.values()), dtype=np.float64)
    bootstrap = Bootstrap(settings.resamples, confidence=1 - ALPHA, seed=settings.seed)
    pairs = [np.array([each.per_query[query] for query in first.per_query], dtype=np.float64) for each in others]
    tests = [
        randomisation_test(base, values, permutations=settings.permutations, seed=settings.seed) for values in pairs
    ]
    corrected = holm(test.p for test in tests)
    found = []
    for values, test, p_holm in zip(pairs, tests, corrected, strict=True):
        change = values - base
        interval = difference_interval(base, values, bootstrap)
        wins, losses = int((change > _EQUAL).sum()), int((change < -_EQUAL).sum())
        found.append(
            Difference(
                delta=interval.estimate,
                ci95=(interval.low, interval.high),
                p=test.p,
                p_holm=p_holm,
                wins=wins,
                losses=losses,
                ties=change.size - wins - losses,
                minimum_detectable=minimum_detectable(change),
            )
        )
    return found


def is_better(difference: Difference | None) -> bool:
    """The only way in which an arm is called better: its interval lies above zero, and Holm's p is at most 0.05."""
    return difference is not None and difference.ci95[0] > 0 and difference.p_holm <= ALPHA


def is_worse(difference: Difference | None) -> bool:
    """As `is_better`, below zero."""
    return difference is not None and difference.ci95[1] < 0 and difference.p_holm <= ALPHA


def combinations(rungs: Sequence[Rung], figures: Sequence[ArmFigures]) -> list[Rung]:
    """Of the arms that are better than the baseline: the best of each slot, in pairs, then all of them together; none
    that answers as another arm does, as another model beside words alone."""
    best: dict[str, tuple[float, Rung]] = {}
    for rung, found in zip(rungs, figures, strict=True):
        slot = _SLOTS.get(rung.kind)
        if slot is None or found.difference is None or not is_better(found.difference):
            continue
        if slot not in best or found.difference.delta > best[slot][0]:
            best[slot] = found.difference.delta, rung
    helpers = [rung for _, rung in best.values()]
    groups: list[tuple[Rung, ...]] = list(itertools.combinations(helpers, 2))
    if len(helpers) > 2:
        groups.append(tuple(helpers))
    known = [_answers(rung) for rung in rungs]
    others: list[Rung] = []
    for combined in (_combined(rungs[0], group) for group in groups):
        if (answers := _answers(combined)) not in known:
            known.append(answers)
            others.append(combined)
    return others[-_MOST_COMBINATIONS:]


def _answers(rung: Rung) -> tuple[Any, ...]:
    """What tells two arms apart by their rankings. No model moves words alone; one reads for their chunks' borders."""
    reads = rung.arm.mode != "lexical"
    bundle = rung.encoder.bundle if reads and rung.encoder is not None else None
    model = None if bundle is None else (bundle.query_fingerprint, bundle.document_fingerprint)
    return rung.arm.record(_ANY_DEPTH), model, rung.filtered, reads and rung.adapted


def _combined(baseline: Rung, parts: Sequence[Rung]) -> Rung:
    """What each part changes, taken together. Words alone need no model, but chunks are cut by one's tokenizer."""
    # Vectors or words alone drop the baseline's reranker, words alone its chunks: a mode is taken as it was measured.
    arm = next((part.arm for part in parts if _SLOTS[part.kind] == "mode"), baseline.arm)
    encoder, adapted = baseline.encoder, False
    for part in parts:
        slot = _SLOTS[part.kind]
        if slot == "chunking":
            arm = replace(arm, chunking=part.arm.chunking)
        elif slot == "reranker":
            arm = replace(arm, reranker=part.arm.reranker, reranker_name=part.arm.reranker_name)
        elif slot == "model":
            encoder, adapted = part.encoder, part.adapted
    filtered = any(part.filtered for part in parts)
    names = tuple(part.name for part in parts)
    return Rung(" + ".join(names), "combination", arm, encoder, filtered, adapted, names)
