"""What a quantised model costs and saves: parity with its source, retrieval, speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.compare import ComparisonSettings, compare
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.evaluate import EvaluationSettings
from crossfade.evaluation.index import ModelEncoder
from crossfade.evaluation.results import Difference
from crossfade.evaluation.texts import Sample, of_words
from crossfade.models.types import InputType

MEASURES = ("nDCG@10", "R@100")
_SHORT_WORDS, _LONG_WORDS = 8, 64
_SHORT_TEXTS, _LONG_TEXTS = 256, 48
_ROUNDS = 5
_CHUNK = 64  # texts between two reports of progress


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosines of a text's vector by one model and by the other, over `texts` texts from `origin`."""

    origin: str
    texts: int
    min: float
    p1: float
    p50: float
    mean: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Texts a second, tokenised and embedded by all threads; `tokens`: of a text, on average."""

    tokens: float
    source: float
    quantised: float

    @property
    def ratio(self) -> float:
        """How many times as fast the quantised model is."""
        return self.quantised / self.source


@dataclass(frozen=True, slots=True)
class RetrievalCost:
    """Quantised minus source on one split, by measure; `source` and `quantised` are the means that differ."""

    dataset: str
    split: str
    queries: int
    documents: int
    source: Mapping[str, float]
    quantised: Mapping[str, float]
    difference: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class QuantisationCost:
    """All of it. `retrieval` is empty when there was no judged data set."""

    parity: Parity
    speed: Mapping[str, Speed]
    retrieval: Sequence[RetrievalCost] = field(default_factory=tuple)


def measure_cost(
    source: ModelEncoder,
    quantised: ModelEncoder,
    sample: Sample,
    datasets: Sequence[Dataset] = (),
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> QuantisationCost:
    """Parity and speed on the sample's texts, retrieval on each data set. `threads`: of the search, 0 = all cores.

    Raises InvalidInput when the sample holds no text, and what encoder and store raise.
    """
    parity = measure_parity(source, quantised, sample, progress=progress)
    speed = measure_speed(source, quantised, sample.all, progress=progress)
    retrieval = [
        measure_retrieval(dataset, source, quantised, threads=threads, progress=progress) for dataset in datasets
    ]
    return QuantisationCost(parity, speed, retrieval)


def measure_parity(
    source: ModelEncoder, quantised: ModelEncoder, sample: Sample, *, progress: Progress | None = None
) -> Parity:
    """Embed every text with both. Queries are embedded as queries, documents as documents."""
    total = len(sample)
    if not total:
        raise InvalidInput(f"{sample.origin} holds no text to compare two models on: give another data set")
    found: list[NDArray[np.float64]] = []
    done = 0
    for input_type, texts in sample.texts.items():
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            one, other = (model.encode(chunk, input_type).vectors.astype(np.float64) for model in (source, quantised))
            found.append(_cosines(one, other))
            done += len(chunk)
            if progress:
                progress("comparing vectors", done, total)
    cosines = np.concatenate(found)
    p1, p50 = np.percentile(cosines, [1, 50]).tolist()
    return Parity(sample.origin, total, float(cosines.min()), p1, p50, float(cosines.mean()))


def measure_speed(
    source: ModelEncoder, quantised: ModelEncoder, texts: Sequence[str], *, progress: Progress | None = None
) -> dict[str, Speed]:
    """`short` and `long` texts of the same words. The models take turns; of several rounds, the middle one counts."""
    if not any(text.split() for text in texts):
        raise InvalidInput("the texts given hold no word to time two models with: give another data set")
    kinds = {
        "short": of_words(texts, _SHORT_WORDS, _SHORT_TEXTS),
        "long": of_words(texts, _LONG_WORDS, _LONG_TEXTS),
    }
    result = {}
    for done, (kind, batch) in enumerate(kinds.items(), start=1):
        tokens = float(source.encode(batch, InputType.DOCUMENT).token_counts.mean())
        quantised.encode(batch, InputType.DOCUMENT)  # both are warm now
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(_ROUNDS):
            # Going first or second alternates: the first pays for what the machine did in between.
            pairs = list(zip(times, (source, quantised), strict=True))
            for taken, model in pairs if turn % 2 else pairs[::-1]:
                begin = time.perf_counter()
                model.encode(batch, InputType.DOCUMENT)
                taken.append(time.perf_counter() - begin)
        first, second = (len(batch) / statistics.median(taken) for taken in times)
        result[kind] = Speed(tokens, first, second)
        if progress:
            progress("timing", done, len(kinds))
    return result


def measure_retrieval(
    dataset: Dataset,
    source: ModelEncoder,
    quantised: ModelEncoder,
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> RetrievalCost:
    """As `crossfade compare` measures it, with the source as the base."""
    # One latency sample: `measure_speed` does the timing.
    settings = EvaluationSettings(MEASURES, latency_samples=1, threads=threads)
    found = compare(dataset, source, quantised, settings, ComparisonSettings(), progress=progress)
    base, candidate = found.base, found.candidate
    return RetrievalCost(
        base.dataset,
        base.split,
        base.queries,
        base.documents,
        base.measures,
        candidate.measures,
        found.difference,
    )


def _cosines(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row; two vectors of zeros are alike, one is unlike anything."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    same = (one == other).all(axis=1)
    result: NDArray[np.float64] = np.where(same, 1.0, (one * other).sum(axis=1) / np.where(lengths == 0, 1.0, lengths))
    return result
