"""What a diagnosis is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking import ChunkingSettings, Method, TokenBudget
from crossfade.chunking.types import TokenCounter
from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.compare import check_primary
from crossfade.evaluation.dataset import Dataset, Progress, Qrels
from crossfade.evaluation.diagnosis.filtering import QueryFilters
from crossfade.evaluation.evaluate import DEFAULT_DEPTH, check_measures
from crossfade.evaluation.index import ModelEncoder
from crossfade.models.encoder import Encoder
from crossfade.models.tokenizer import TextTokenizer
from crossfade.retrieval import Reranker

DEFAULT_MEASURES = ("nDCG@10", "R@10", "RR", "R@100")
CUTS = (
    ChunkingSettings(Method.SENTENCES),
    ChunkingSettings(Method.SENTENCES, size=128, overlap=1),
    ChunkingSettings(Method.HEADINGS, heading_prefix=True),
)
"""How documents are cut where nothing is said."""


@dataclass(frozen=True, slots=True)
class DiagnosisSettings:
    """`k`: a query without a relevant document in its first k results has failed. `measures`: the first is the primary
    one, which arms are held against each other by. `depth`: results taken of each query. `latency_samples`: queries
    timed of each arm, in turns with the baseline. `resamples` of the bootstrap and `permutations` of the randomisation
    test, one `seed` for both. `tolerated`: the share of failed queries that nobody need mend. `threads`: CPU threads of
    the search, 0 = all cores.

    Raises InvalidInput for a value out of range.
    """

    k: int = 10
    measures: Sequence[str] = DEFAULT_MEASURES
    depth: int = DEFAULT_DEPTH
    latency_samples: int = 100
    resamples: int = 10_000
    permutations: int = 10_000
    seed: int = 17
    tolerated: float = 0.05
    examples: int = 5
    results_shown: int = 5
    threads: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "measures", check_measures(self.measures, self.depth))
        check_primary(self.measures[0])
        if not 1 <= self.k <= self.depth:
            raise InvalidInput(f"k is {self.k}; expected 1 to the depth, {self.depth}")
        if self.latency_samples < 1:
            raise InvalidInput(f"latency_samples is {self.latency_samples}; expected at least 1")
        if not 0 <= self.tolerated < 1:
            raise InvalidInput(f"tolerated is {self.tolerated}; expected a share from 0 to below 1")

    @property
    def primary(self) -> str:
        return self.measures[0]


@dataclass(frozen=True, slots=True)
class Cutter:
    """How a model reads: its tokenizer, and how much of a text it takes."""

    tokenizer: TokenCounter
    budget: TokenBudget

    @classmethod
    def of(cls, encoder: ModelEncoder) -> Cutter | None:
        """None of an encoder that is no bundle's."""
        if not isinstance(encoder, Encoder):
            return None
        bundle = encoder.bundle
        tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        return cls(tokenizer, TokenBudget(bundle.max_tokens, tokenizer.special_tokens, bundle.prompts.document))


@dataclass(frozen=True, slots=True)
class AdapterData:
    """What an adapter is fitted on. `queries`: float32 (len(query_ids), d), `documents`: (len(document_ids), d)."""

    query_ids: Sequence[str]
    texts: Sequence[str]
    queries: NDArray[np.float32]
    document_ids: Sequence[str]
    documents: NDArray[np.float32]
    qrels: Qrels


@dataclass(frozen=True, slots=True)
class FittedAdapters:
    """`weights`: float32, (folds, d, d). `fold_of`: of each query's text, whose adapter never saw it."""

    weights: NDArray[np.float32]
    fold_of: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CrossFitting:
    """`fit` gives adapters that never saw the queries they are for; `name` says how, and is part of the record."""

    name: str
    fit: Callable[[AdapterData], FittedAdapters]


@dataclass(frozen=True, slots=True)
class Remedies:
    """What may be tried beside what the data themselves allow. By name: `rerankers`; `base_models`, `quantised` and
    `tuned` models. `cuts`: how documents are cut. `adapter`: how a query adapter is cross-fitted. `left_out`: kinds of
    arms that are not wanted, or cannot be had, and why; one reranker by the name of its arm (`rerank: MaxSim`).
    """

    rerankers: Mapping[str, Reranker] = field(default_factory=dict)
    base_models: Mapping[str, ModelEncoder] = field(default_factory=dict)
    quantised: Mapping[str, ModelEncoder] = field(default_factory=dict)
    tuned: Mapping[str, ModelEncoder] = field(default_factory=dict)
    cuts: Sequence[ChunkingSettings] = CUTS
    adapter: CrossFitting | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What is diagnosed: the data, the base model, how queries are answered today (`baseline`), and what may be tried.

    `filters`: what queries ask for beside words. `cutter`: how the base model reads; None when that is not known.
    """

    dataset: Dataset
    base: ModelEncoder
    baseline: Arm = field(default_factory=Arm)
    remedies: Remedies = field(default_factory=Remedies)
    filters: QueryFilters = field(default_factory=QueryFilters)
    cutter: Cutter | None = None
    progress: Progress | None = None
