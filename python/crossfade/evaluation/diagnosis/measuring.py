"""One arm on all queries: its rankings, what a query takes, what its index is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from crossfade.evaluation.corpora import ArmCorpora
from crossfade.evaluation.dataset import Dataset, Progress, Run
from crossfade.evaluation.diagnosis.plan import Rung
from crossfade.evaluation.diagnosis.types import Cost
from crossfade.evaluation.evaluate import summarise_latency
from crossfade.evaluation.index import ModelEncoder
from crossfade.evaluation.results import Latency
from crossfade.retrieval import Hit, Retriever
from crossfade.store import Collection
from crossfade.store.metadata import Filter

_BATCH = 64
_WARM_UP = 5
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Measured:
    """What is kept of an arm. `latency` and `baseline_latency` are of the same queries, in turns."""

    run: dict[str, dict[str, float]] = field(repr=False)
    latency: Latency
    baseline_latency: Latency | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers the queries of a data set as a rung says, each with its own filter where they are applied."""

    rung: Rung
    collection: Collection
    retriever: Retriever
    filters: Mapping[str, Filter]

    def answer(self, query_ids: Sequence[str], texts: Sequence[str], k: int) -> list[list[Hit]]:
        """The best `k` documents of each query."""
        options = self.rung.arm.options()
        if not self.rung.filtered:
            return self.retriever.search_texts(texts, k, options).hits
        hits = []
        for query_id, text in zip(query_ids, texts, strict=True):
            own = replace(options, filter=self.filters.get(query_id))
            hits += self.retriever.search_texts([text], k, own).hits
        return hits


def answerer(
    rung: Rung,
    corpora: ArmCorpora,
    filters: Mapping[str, Filter],
    threads: int,
    adapted: ModelEncoder | None = None,
) -> tuple[Answerer, int]:
    """What answers as the rung says, made where it is not there yet, and the tokens that the model read for it.

    `adapted`: stands in for the rung's encoder, and embeds documents alike.
    """
    encoder = None if rung.arm.mode == "lexical" else rung.encoder
    collection, notes = corpora.collection(rung.arm, rung.encoder)
    retriever = Retriever(collection, adapted or encoder, threads)
    return Answerer(rung, collection, retriever, filters), int(notes.get("corpus_tokens", 0))


def search(dataset: Dataset, source: Answerer, depth: int, progress: Progress | None) -> Run:
    """The run of all queries, in batches."""
    query_ids = list(dataset.queries)
    run: Run = {}
    for start in range(0, len(query_ids), _BATCH):
        batch = query_ids[start : start + _BATCH]
        found = source.answer(batch, [dataset.queries[query_id] for query_id in batch], depth)
        for query_id, hits in zip(batch, found, strict=True):
            run[query_id] = {hit.id: hit.score for hit in hits}
        if progress:
            progress("searching", len(run), len(query_ids))
    return run


@dataclass(frozen=True, slots=True)
class Timed:
    latency: Latency
    cpu_ms: float


def time_in_turns(
    dataset: Dataset, sources: Sequence[Answerer], depth: int, samples: int, progress: Progress | None
) -> list[Timed]:
    """Single queries, encode and search, one after the other; the sources take turns, and turns at being first. Of more
    queries than `samples`, that many, evenly spread; after a warm-up. CPU time is that of all threads."""
    query_ids = list(dataset.queries)
    count = min(len(query_ids), samples)
    sample = [query_ids[position * len(query_ids) // count] for position in range(count)]
    for query_id in sample[:_WARM_UP]:
        for source in sources:
            source.answer([query_id], [dataset.queries[query_id]], depth)
    walls: list[list[float]] = [[] for _ in sources]
    cpu = [0] * len(sources)
    for done, query_id in enumerate(sample, start=1):
        turns = list(enumerate(sources))
        for position, source in turns if done % 2 else turns[::-1]:
            wall, spent = time.perf_counter_ns(), time.process_time_ns()
            source.answer([query_id], [dataset.queries[query_id]], depth)
            cpu[position] += time.process_time_ns() - spent
            walls[position].append((time.perf_counter_ns() - wall) / 1e6)
        if progress:
            progress("timing queries", done, count)
    return [Timed(summarise_latency(times), spent / count / 1e6) for times, spent in zip(walls, cpu, strict=True)]


def cost_of(source: Answerer, tokens: int, cpu_ms: float) -> Cost:
    """Of the arm that this answers as. `tokens`: that the model read."""
    mode = source.rung.arm.mode
    parts = source.collection.snapshot().parts
    rows = sum(part.count for part in parts)
    held = 0 if mode == "dense" else sum(each.bytes for each in source.collection.index_versions())
    if mode == "dense":
        held = rows * source.collection.spec.dimension * _FLOAT
    return Cost(cpu_ms, 0 if mode == "lexical" else tokens, held, rows)
