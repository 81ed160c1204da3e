"""What queries and documents cost: measured throughput at stated prices."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.evidence import Cost
from crossfade.evaluation.decision.protocol import Prices
from crossfade.evaluation.evaluate import Subject
from crossfade.evaluation.texts import spread, spread_places
from crossfade.models.cores import usable_cores
from crossfade.models.types import InputType

MOST_DOCUMENTS, MOST_QUERIES = 512, 1024
_BATCH = 64
_WARM_UP = 8
_HOUR = 3600.0
_MILLION = 1e6


def measure_cost(
    dataset: Dataset, subject: Subject, prices: Prices, *, depth: int, threads: int = 0, gpus: int = 0
) -> Cost:
    """How many queries and documents a second the subject takes, in batches of 64 after a warm-up, and what a million
    of each cost while `threads` cores (0: all that this process may use) and `gpus` GPUs do nothing else.

    At most 1,024 queries and 512 documents are timed, evenly spread. Documents are embedded only: what the index takes
    is not in it. They have no figure where nothing is embedded. Raises InvalidInput when nothing is priced.
    """
    cores = threads or usable_cores()
    if cores * prices.cpu_hour + gpus * prices.gpu_hour <= 0:
        raise InvalidInput("the prices come to nothing: give an hour of a CPU core (--price-cpu-hour), or of a GPU")
    retriever, encoder = subject.retriever(threads), subject.encoder
    queries = spread(list(dataset.queries.values()), MOST_QUERIES)
    query_rate = _rate(queries, lambda batch: retriever.search_texts(batch, depth))
    document_rate = None
    if encoder is not None and subject.arm.mode != "lexical":
        texts = dataset.contents(spread_places(len(dataset.documents), MOST_DOCUMENTS))
        document_rate = _rate(texts, lambda batch: encoder.encode(batch, InputType.DOCUMENT))
    return cost_of(prices, query_rate, document_rate, cores=cores, gpus=gpus)


def cost_of(
    prices: Prices, queries_per_second: float, documents_per_second: float | None, *, cores: int, gpus: int
) -> Cost:
    """What follows from a measured throughput."""
    per_second = (cores * prices.cpu_hour + gpus * prices.gpu_hour) / _HOUR
    return Cost(
        queries_per_second=queries_per_second,
        documents_per_second=documents_per_second,
        cores=cores,
        gpus=gpus,
        per_million_queries=_MILLION / queries_per_second * per_second,
        per_million_documents=None if documents_per_second is None else _MILLION / documents_per_second * per_second,
        currency=prices.currency,
    )


def _rate(texts: Sequence[str], work: Callable[[list[str]], object]) -> float:
    work(list(texts[:_WARM_UP]))
    begin = time.perf_counter_ns()
    for start in range(0, len(texts), _BATCH):
        work(list(texts[start : start + _BATCH]))
    return len(texts) / max((time.perf_counter_ns() - begin) / 1e9, 1e-9)
