"""One model on one split: embed, search, measure, time. What is measured is what is served: the same Retriever."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from crossfade import measures as ir
from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Answering, Arm, ArmRetriever, check_model
from crossfade.evaluation.array_run import ArrayRun
from crossfade.evaluation.corpora import ArmCorpora, check_collection
from crossfade.evaluation.dataset import Dataset, Progress, Rankings
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.evaluation.order import Ties
from crossfade.evaluation.results import Evaluation, Latency, ModelRef, Retrieval
from crossfade.evaluation.run_measures import measure_run
from crossfade.evaluation.searching import search_queries
from crossfade.evaluation.stages import stage
from crossfade.models.cores import usable_cores
from crossfade.retrieval.retriever import Retriever
from crossfade.store import Collection
from crossfade.versions import installed

DEFAULT_MEASURES = ("nDCG@10", "AP", "RR", "R@10", "R@100", "P@10")
DEFAULT_DEPTH = 100
TIES: Ties = "float32"
"""Scores are compared at the precision that trec_eval 9.0.8 and pytrec_eval use."""

_WARM_UP = 10
_PACKAGES = ("crossfade", "numpy", "onnxruntime", "onnxruntime-gpu", "tokenizers")


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What an evaluation measures and how deep it looks.

    `depth`: results taken of each query. `latency_samples`: queries timed at most; of a larger set, every n-th.
    `threads`: CPU threads of the search, 0 = all cores.
    """

    measures: Sequence[str] = DEFAULT_MEASURES
    depth: int = DEFAULT_DEPTH
    latency_samples: int = 1000
    threads: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "measures", check_measures(self.measures, self.depth))
        if self.latency_samples < 1:
            raise InvalidInput(f"latency_samples is {self.latency_samples}; expected at least 1")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation and the rankings it was measured on: an `ArrayRun` of an exact search, else dictionaries."""

    evaluation: Evaluation
    run: Rankings = field(repr=False)


def check_measures(names: Sequence[str], depth: int = DEFAULT_DEPTH) -> tuple[str, ...]:
    """The measures by their canonical names, in the order given, each once.

    Raises InvalidInput when there is none, one is unknown, or one looks deeper than `depth`. Depth is not raised on
    its own: it would change AP and RR, which look at every result taken.
    """
    if depth < 1:
        raise InvalidInput(f"depth is {depth}; expected at least 1 result a query")
    canonical = tuple(dict.fromkeys(ir.canonical(name) for name in names))
    if not canonical:
        raise InvalidInput(f"no measure given: name at least one, such as {DEFAULT_MEASURES[0]}")
    for name in canonical:
        cut = re.search(r"@([0-9]+)$", name)
        if cut and int(cut[1]) > depth:
            raise InvalidInput(
                f"measure {name} looks at {int(cut[1]):,} results, but only {depth:,} are taken of each query: "
                f"set the depth to {int(cut[1])} or more (--depth)"
            )
    return canonical


def evaluate(
    dataset: Dataset,
    encoder: ModelEncoder | None,
    settings: EvaluationSettings | None = None,
    *,
    arm: Arm | None = None,
    indexes: CorpusIndexes | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """Embed the corpus, search every judged query, measure, and time single queries.

    `arm`: how queries are answered, None: by exact search of whole documents' vectors; one that searches by words alone
    needs no encoder. `indexes` (of the same data set) is given to share an embedded corpus or to keep it in a cache;
    without it the corpus is embedded here. Raises InvalidInput, or what encoder and store raise.
    """
    settings = settings or EvaluationSettings()
    (evaluated,) = evaluate_all(dataset, [encoder], settings, arms=[arm or Arm()], indexes=indexes, progress=progress)
    return evaluated


def evaluate_all(
    dataset: Dataset,
    encoders: Sequence[ModelEncoder | None],
    settings: EvaluationSettings,
    *,
    arms: Sequence[Arm] | None = None,
    indexes: CorpusIndexes | None = None,
    progress: Progress | None = None,
) -> list[Evaluated]:
    """Evaluate several models under the same conditions: single queries are timed in turn, model by model, so that
    what else the machine does in the meantime falls on all of them alike. `arms`: how each answers, one an encoder.
    """
    with open_subjects(dataset, encoders, arms=arms, indexes=indexes, progress=progress) as subjects:
        return measure_subjects(dataset, subjects, settings, progress=progress)


@contextmanager
def open_subjects(
    dataset: Dataset,
    encoders: Sequence[ModelEncoder | None],
    *,
    arms: Sequence[Arm] | None = None,
    indexes: CorpusIndexes | None = None,
    progress: Progress | None = None,
) -> Iterator[list[Subject]]:
    """The corpus as each arm and encoder searches it, embedded where it is not yet. Arguments as of `evaluate_all`."""
    arms = arms or [Arm()] * len(encoders)
    for arm, encoder in zip(arms, encoders, strict=True):
        check_model(arm, given=encoder is not None)
    if indexes is None:
        indexes = CorpusIndexes(dataset, progress=progress)
    elif indexes.dataset is not dataset:
        raise InvalidInput("the indexes given are of another data set: make CorpusIndexes of this one")
    with ArmCorpora(indexes, progress=progress) as corpora:
        subjects = []
        for arm, encoder in zip(arms, encoders, strict=True):
            collection, notes = corpora.collection(arm, encoder)
            subjects.append(Subject(arm, collection, encoder, notes))
        yield subjects


def evaluate_collection(
    dataset: Dataset,
    collection: Collection,
    encoder: ModelEncoder | None,
    settings: EvaluationSettings | None = None,
    *,
    arm: Arm | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """Measure a store's collection as it is: its index version, chunks and analyser; with `Arm(exact=False)` by its
    graphs, as a server searches it.

    Raises InvalidInput unless it holds the data set's documents and no other; FingerprintMismatch for another model.
    """
    collection, arm = collection.pinned(), arm or Arm()
    check_model(arm, given=encoder is not None or arm.mode == "lexical")
    check_collection(dataset, collection)
    held = collection.settings
    arm = replace(arm, chunking=held.chunking, analyser=held.analyser)
    rows = sum(part.count for part in collection.snapshot().parts)
    subject = Subject(arm, collection, encoder, {"rows": rows}, collection.spec.name)
    (evaluated,) = measure_subjects(dataset, [subject], settings or EvaluationSettings(), progress=progress)
    return evaluated


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. `notes` go into the record's settings; `name`: of a store's collection."""

    arm: Arm
    collection: Collection
    encoder: ModelEncoder | None
    notes: Mapping[str, Any]
    name: str = ""

    def retriever(self, threads: int) -> ArmRetriever:
        """That answers as the arm says."""
        encoder = None if self.arm.mode == "lexical" else self.encoder
        return ArmRetriever(Retriever(self.collection, encoder, threads), self.arm)

    def model(self) -> ModelRef:
        """What the figures belong to."""
        if self.encoder is None or self.arm.mode == "lexical":
            return self.arm.words()
        bundle = self.encoder.bundle
        return ModelRef(bundle.name, bundle.query_fingerprint, bundle.document_fingerprint)


def measure_subjects(
    dataset: Dataset, subjects: Sequence[Subject], settings: EvaluationSettings, *, progress: Progress | None = None
) -> list[Evaluated]:
    """Search, measure and time them, single queries in turn."""
    retrievers = [subject.retriever(settings.threads) for subject in subjects]
    runs = [search_queries(dataset, retriever, settings.depth, progress=progress) for retriever in retrievers]
    latencies = time_queries(list(dataset.queries.values()), retrievers, settings, progress=progress)
    results = []
    with stage("measuring", progress):
        for subject, run, times in zip(subjects, runs, latencies, strict=True):
            evaluation = build_evaluation(
                dataset,
                run,
                subject.model(),
                times,
                settings.measures,
                depth=settings.depth,
                notes=subject.notes,
                retrieval=subject.arm.record(settings.depth, subject.name),
            )
            results.append(Evaluated(evaluation, run))
    return results


def time_queries(
    texts: Sequence[str],
    retrievers: Sequence[Answering],
    settings: EvaluationSettings,
    *,
    progress: Progress | None = None,
) -> list[list[float]]:
    """Milliseconds of each query alone, encode and search, for each retriever, after a warm-up.

    Of more queries than `settings.latency_samples`, that many are timed, evenly spread. The retrievers take turns.
    """
    count = min(len(texts), settings.latency_samples)
    sample = [texts[position * len(texts) // count] for position in range(count)]
    for text in sample[:_WARM_UP]:
        for retriever in retrievers:
            retriever.search_texts([text], settings.depth)
    times: list[list[float]] = [[] for _ in retrievers]
    for done, text in enumerate(sample, start=1):
        # Going first or second alternates too: the first pays for what the operating system did in between.
        turns = list(enumerate(retrievers))
        for position, retriever in turns if done % 2 else turns[::-1]:
            begin = time.perf_counter_ns()
            retriever.search_texts([text], settings.depth)
            times[position].append((time.perf_counter_ns() - begin) / 1e6)
        if progress:
            progress("timing queries", done, count)
    return times


def build_evaluation(
    dataset: Dataset,
    run: Rankings,
    model: ModelRef,
    latencies_ms: Sequence[float],
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    depth: int = DEFAULT_DEPTH,
    notes: Mapping[str, Any] | None = None,
    retrieval: Retrieval | None = None,
) -> Evaluation:
    """Measure a run, wherever it was gathered (in this process, over gRPC, from a file).

    `latencies_ms`: one a timed query. `depth`: results that were asked of each query. `notes` go into the record's
    settings. `retrieval`: how they were answered. A judged query that the run lacks counts as 0 and is counted in
    `missing_queries`.

    Raises InvalidInput when the run holds a query or a document that the data set lacks, more results than `depth`, a
    score that is not finite, or when a latency is missing, negative or not finite.
    """
    names = check_measures(measures, depth)
    _check_run(dataset, run, depth)
    table = measure_run(dataset.qrels, run, names, ties=TIES)
    return Evaluation(
        dataset=dataset.name,
        split=dataset.split,
        queries=len(dataset.queries),
        documents=len(dataset.documents),
        model=model,
        measures=table.means(),
        latency_ms=summarise_latency(latencies_ms),
        per_query={name: table.per_query(name) for name in names},
        missing_queries=sum(1 for query_id in dataset.queries if query_id not in run),
        settings={
            "depth": depth,
            "ties": TIES,
            "corpus_hash": dataset.corpus_hash,
            "queries_hash": dataset.queries_hash,
            "qrels_hash": dataset.qrels_hash,
            "absent_judgments": dataset.absent_judgments,
            **(notes or {}),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpus": usable_cores(),
            "machine": platform.machine(),
            "versions": {"python": platform.python_version(), **package_versions()},
        },
        retrieval=retrieval or Retrieval(),
    )


def summarise_latency(milliseconds: Sequence[float]) -> Latency:
    """Percentiles, linear between the two nearest samples. Raises InvalidInput on none, or one that is no duration."""
    samples = np.asarray(milliseconds, dtype=np.float64)
    if samples.ndim != 1 or not samples.size or not np.isfinite(samples).all() or (samples < 0).any():
        raise InvalidInput("latencies: expected at least one, each a finite number of milliseconds from 0 up")
    p50, p95, p99 = np.percentile(samples, [50, 95, 99]).tolist()
    return Latency(p50, p95, p99, samples.size)


def _check_run(dataset: Dataset, run: Rankings, depth: int) -> None:
    if isinstance(run, ArrayRun) and run.document_ids is dataset.document_ids and run.rows.shape[1] <= depth:
        return  # it was made here, of this data set
    known = dataset.document_places
    for query_id, ranking in run.items():
        if query_id not in dataset.queries:
            raise InvalidInput(
                f"the run answers query {query_id!r}, which {dataset.name}/{dataset.split} does not judge: "
                "it was made on another data set or split"
            )
        if len(ranking) > depth:
            raise InvalidInput(f"the run holds {len(ranking)} results for query {query_id!r}, the depth is {depth}")
        for document_id in ranking:
            if document_id not in known:
                raise InvalidInput(
                    f"the run finds document {document_id!r} for query {query_id!r}, which {dataset.name} lacks: "
                    "it was made on another corpus"
                )


def package_versions() -> dict[str, str]:
    """Of what moves figures, as far as it is installed."""
    return installed(*_PACKAGES)
