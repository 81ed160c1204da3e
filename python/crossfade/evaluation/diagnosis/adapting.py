"""The base model with a query adapter of each fold: no query passes through one that saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossfade.evaluation.diagnosis.inputs import AdapterData, Case, FittedAdapters
from crossfade.evaluation.index import CorpusIndexes, ModelEncoder
from crossfade.models.types import Embeddings, InputType


@dataclass(frozen=True, slots=True)
class AdaptedBundle:
    """As the base's, but for the query side."""

    name: str
    document_fingerprint: str
    query_fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class AdaptedEncoder:
    """Documents as the base embeds them; each query through the adapter of its text's fold."""

    base: ModelEncoder
    bundle: AdaptedBundle
    adapters: FittedAdapters

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """As the base's; a query that no fold has (none of the data set's) passes unchanged."""
        found = self.base.encode(texts, input_type)
        if input_type is not InputType.QUERY:
            return found
        vectors = found.vectors.copy()
        for row, text in enumerate(texts):
            if (fold := self.adapters.fold_of.get(text)) is not None:
                vectors[row] = self.adapters.weights[fold] @ vectors[row]
        return replace(found, vectors=np.ascontiguousarray(vectors))


def adapted_bundle(case: Case, how: str) -> AdaptedBundle:
    """What the adapted encoder will be named by, before it is fitted."""
    base = case.base.bundle
    return AdaptedBundle(
        f"{base.name} + query adapter", base.document_fingerprint, f"{how}:{base.query_fingerprint}", base.dimension
    )


def adapted_encoder(case: Case, indexes: CorpusIndexes) -> AdaptedEncoder | None:
    """Fitted; None where the case has no fit. Raises what the fit does: InvalidInput for too few queries."""
    fitting = case.remedies.adapter
    if fitting is None:
        return None
    dataset = case.dataset
    texts = list(dataset.queries.values())
    data = AdapterData(
        list(dataset.queries),
        texts,
        case.base.encode(texts, InputType.QUERY).vectors,
        [document.id for document in dataset.documents],
        indexes.vectors(case.base).vectors,
        dataset.qrels,
    )
    return AdaptedEncoder(case.base, adapted_bundle(case, fitting.name), fitting.fit(data))
