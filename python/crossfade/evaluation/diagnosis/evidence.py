"""What is known of a failed query before anybody asks why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.diagnosis.failures import relevant
from crossfade.evaluation.diagnosis.identifiers import Vocabulary
from crossfade.evaluation.diagnosis.inputs import Case, DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import Ladder
from crossfade.evaluation.diagnosis.plan import by_vectors_alone, by_words_alone
from crossfade.evaluation.diagnosis.reading import Passage, Reading
from crossfade.evaluation.evaluate import TIES
from crossfade.evaluation.order import trec_order
from crossfade.models.types import InputType
from crossfade.store.types import Document

_POOLED = 0.5


@dataclass(frozen=True)
class Facts:
    """What all failed queries share. `documents`: float32, (n, d), whole documents as the base embeds them, unit
    length; None where the baseline does not rank by these alone. `kept`: by query with a filter, which documents it
    keeps. `judged_share`: of the first k results, mean over all queries."""

    case: Case
    settings: DiagnosisSettings
    ladder: Ladder
    documents: NDArray[np.float32] | None = field(repr=False)
    kept: Mapping[str, set[str]] = field(repr=False)
    judged_share: float = 0.0

    @property
    def dataset(self) -> Dataset:
        return self.case.dataset

    @property
    def pooled(self) -> bool:
        """Most results are judged, so that one that is not is an exception. Where judgments name only what is right,
        as in many data sets, an unjudged result says nothing."""
        return self.judged_share >= _POOLED

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary([document.content for document in self.dataset.documents])

    @cached_property
    def reading(self) -> Reading:
        return Reading(self.case.cutter, self.case.baseline.chunking)

    @cached_property
    def rows(self) -> dict[str, int]:
        return {document.id: row for row, document in enumerate(self.dataset.documents)}

    @property
    def plain(self) -> bool:
        """The baseline searches by vectors alone."""
        return by_vectors_alone(self.case.baseline)

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, float]] | None:
        """The rankings of BM25 over whole documents, maybe the baseline's own; None when none was measured."""
        if by_words_alone(self.case.baseline):
            return self.ladder.runs[self.ladder.figures[0].name]
        return self.run_of("lexical")

    @cached_property
    def vectors(self) -> Mapping[str, Mapping[str, float]] | None:
        """The rankings by the base's vectors alone of what the baseline searches; None when none was measured."""
        if self.plain:
            return self.ladder.runs[self.ladder.figures[0].name]
        return self.run_of("no_reranker" if self.case.baseline.mode == "dense" else "dense")

    def run_of(self, kind: str) -> Mapping[str, Mapping[str, float]] | None:
        """The rankings of the first arm of a kind; None when none was measured."""
        name = next((each.name for each in self.ladder.figures if each.kind == kind), None)
        return None if name is None else self.ladder.runs[name]


@dataclass(frozen=True)
class Look:
    """One failed query. `head`: the baseline's first k results, best first. `present`, `absent`: documents judged
    relevant that the corpus has, and has not; the best grade first. `vector`: the query's, unit length.
    """

    facts: Facts
    query_id: str
    text: str
    vector: NDArray[np.float32] = field(repr=False)

    @cached_property
    def ranking(self) -> list[tuple[str, float]]:
        run = self.facts.ladder.runs[self.facts.ladder.figures[0].name]
        return trec_order(run.get(self.query_id, {}), TIES)

    @cached_property
    def head(self) -> list[tuple[str, float]]:
        return self.ranking[: self.facts.settings.k]

    @cached_property
    def kth_score(self) -> float | None:
        """Of the last of the first k; None when fewer were found: then whatever is found is among them."""
        return self.head[-1][1] if len(self.head) == self.facts.settings.k else None

    @cached_property
    def near_score(self) -> float | None:
        """The cosine that a passage needs to be among the first k by vectors: that of the k-th there. None when fewer
        were found."""
        by_vectors = trec_order((self.facts.vectors or {}).get(self.query_id, {}), TIES)
        k = self.facts.settings.k
        return by_vectors[k - 1][1] if len(by_vectors) >= k else None

    @cached_property
    def relevant(self) -> dict[str, int]:
        return relevant(self.facts.dataset, self.query_id)

    @cached_property
    def present(self) -> list[Document]:
        known = self.facts.dataset.documents_by_id
        return [known[document_id] for document_id in self.relevant if document_id in known]

    @cached_property
    def absent(self) -> list[str]:
        known = self.facts.dataset.documents_by_id
        return [document_id for document_id in self.relevant if document_id not in known]

    @cached_property
    def best(self) -> tuple[int, float, str] | None:
        """Rank from 1, score and id of the best relevant document; None when it is beyond what was searched and cannot
        be computed."""
        for rank, (document_id, score) in enumerate(self.ranking, start=1):
            if document_id in self.relevant:
                return rank, score, document_id
        vectors = self.facts.documents
        if vectors is None or not self.present:
            return None
        scores = vectors @ self.vector
        row = max((self.facts.rows[each.id] for each in self.present), key=lambda at: float(scores[at]))
        rank = int((scores > scores[row]).sum()) + 1
        return max(rank, len(self.ranking) + 1), float(scores[row]), self.facts.dataset.documents[row].id

    @cached_property
    def margin(self) -> float | None:
        """The best relevant document's score minus that of the k-th result."""
        return None if self.best is None or self.kth_score is None else self.best[1] - self.kth_score

    @cached_property
    def mended_by(self) -> list[str]:
        """Arms that have a relevant document in their first k."""
        return [each.name for each in self.facts.ladder.figures if each.kind != "baseline" and self.found_by(each.name)]

    def found_by(self, arm: str) -> str | None:
        """The relevant document that an arm has in its first k."""
        return self.found_in(self.facts.ladder.runs[arm])

    def found_in(self, run: Mapping[str, Mapping[str, float]] | None) -> str | None:
        ranking = {} if run is None else run.get(self.query_id, {})
        head = trec_order(ranking, TIES)[: self.facts.settings.k]
        return next((document_id for document_id, _ in head if document_id in self.relevant), None)

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """Cosine of the query with each passage, as the base embeds it."""
        found = self.facts.case.base.encode([each.content for each in passages], InputType.DOCUMENT).vectors
        return np.asarray(unit(found) @ self.vector, dtype=np.float32)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit length; one without a direction stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0), dtype=np.float32)
