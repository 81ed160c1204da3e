"""The evaluation's side: its queries and their relevant documents, in forms that training data can be held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.evaluation.dataset import Dataset
from crossfade.kernels import top_k
from crossfade.lookalikes import PlainOverlap
from crossfade.models.encoder import Encoder
from crossfade.models.types import InputType
from crossfade.overlap import Kind, OverlapSettings, agree_in_numbers

_NEIGHBOURS = 3  # of a text by vectors: evaluation texts have near-copies among themselves


class Hit(NamedTuple):
    """A known text that a text is a copy of. `place`: in `Known.ids`. `rank`: of its kind in KINDS, 0 the strongest."""

    place: int
    rank: int
    measure: str
    similarity: float


_AS_FOUND = {
    Kind.EXACT: (0, "identity"),
    Kind.NORMALISED: (1, "identity"),
    Kind.CHARACTERS: (2, "characters"),
    Kind.PHRASES: (2, "phrases"),
    Kind.CONTAINMENT: (2, "containment"),
}
_FOUND = {int(kind): found for kind, found in _AS_FOUND.items()}


class Known:
    """Queries, or documents. `ids` and `texts` go together; `queries`: places of the queries that each stands for."""

    _places: list[int]
    _overlap: PlainOverlap
    _numbers: bool

    def __init__(self, ids: list[str], texts: list[str], queries: list[list[int]], input_type: InputType) -> None:
        self.ids = ids
        self.texts = texts
        self.queries = queries
        self._input_type = input_type
        self._vectors: NDArray[np.float32] | None = None

    def index(self, variants: Sequence[tuple[int, str]], settings: OverlapSettings, threads: int) -> None:
        """`variants`: each text, and in what other forms a training file may have it, by place."""
        self._places = [place for place, _ in variants]
        self._overlap = PlainOverlap([text for _, text in variants], settings, threads=threads)
        self._numbers = settings.numbers

    def embed(self, encoder: Encoder) -> None:
        self._vectors = encoder.encode(self.texts, self._input_type).vectors

    def find(self, texts: list[str], *, containment: bool, threads: int) -> dict[str, list[Hit]]:
        """Texts that are copies, and of what: the strongest hit on each known text."""
        matches = self._overlap.find(texts, containment=containment, threads=threads)
        found: dict[str, dict[int, Hit]] = {}
        columns = (
            matches.texts.tolist(),
            matches.known.tolist(),
            matches.kinds.tolist(),
            matches.similarities.tolist(),
        )
        for text, known, kind, similarity in zip(*columns, strict=True):
            rank, measure = _FOUND[kind]
            hit = Hit(self._places[known], rank, measure, similarity)
            best = found.setdefault(texts[text], {})
            before = best.get(hit.place)
            if before is None or (hit.rank, -hit.similarity) < (before.rank, -before.similarity):
                best[hit.place] = hit
        return {text: list(best.values()) for text, best in found.items()}

    def find_by_vectors(
        self, texts: list[str], encoder: Encoder, cosine: float, threads: int
    ) -> tuple[dict[str, list[Hit]], dict[str, Hit]]:
        """Texts whose vectors are nearly those of known ones: exact search, the nearest three of each. And of every
        other text the nearest known one, however far.

        Numbers must agree as they must for words: a model sees little difference between two years.
        """
        if self._vectors is None or not texts or not len(self._vectors):
            return {}, {}
        vectors = encoder.encode(texts, self._input_type).vectors
        scores, rows = top_k(vectors, self._vectors, min(_NEIGHBOURS, len(self._vectors)), threads=threads)
        found: dict[str, list[Hit]] = {}
        nearest: dict[str, Hit] = {}
        for text, (places, near) in zip(texts, zip(rows.tolist(), scores.tolist(), strict=True), strict=True):
            for place, score in zip(places, near, strict=True):
                if score < cosine and (text in found or text in nearest):
                    break
                if self._numbers and not agree_in_numbers(text, self.texts[place]):
                    continue
                # A cosine in single precision may pass 1 by its rounding.
                hit = Hit(place, 3, "cosine", min(score, 1.0))
                if score >= cosine:
                    found.setdefault(text, []).append(hit)
                else:
                    nearest[text] = hit
        return found, nearest

    def alike_by_chance(self, cosine: float, threads: int) -> float | None:
        """Of the known texts, the share that has another one with a cosine of at least this, and is no copy of it by
        words: about as many texts of the same kind would be taken for paraphrases and are none. None of fewer than two.
        """
        if self._vectors is None or len(self._vectors) < 2:
            return None
        copies = self._overlap.find(self.texts, containment=True, threads=threads)
        same = {
            (text, self._places[known])
            for text, known in zip(copies.texts.tolist(), copies.known.tolist(), strict=True)
        }
        scores, rows = top_k(self._vectors, self._vectors, min(_NEIGHBOURS + 1, len(self._vectors)), threads=threads)
        alike = {
            text
            for text, place in np.argwhere(scores >= cosine).tolist()
            if (other := int(rows[text, place])) != text
            and (text, other) not in same
            and (not self._numbers or agree_in_numbers(self.texts[text], self.texts[other]))
        }
        return len(alike) / len(self.texts)


def known_queries(dataset: Dataset, settings: OverlapSettings, threads: int) -> Known:
    """The judged queries of the split."""
    ids, texts = list(dataset.queries), list(dataset.queries.values())
    known = Known(ids, texts, [[place] for place in range(len(ids))], InputType.QUERY)
    known.index(list(enumerate(texts)), settings, threads)
    return known


def known_documents(dataset: Dataset, settings: OverlapSettings, threads: int) -> Known:
    """Documents relevant to a judged query, as they are embedded, and without their titles."""
    relevant: dict[str, list[int]] = {}
    for place, query_id in enumerate(dataset.queries):
        for document_id, grade in dataset.qrels[query_id].items():
            if grade > 0:
                relevant.setdefault(document_id, []).append(place)
    documents = [document for document in dataset.documents if document.id in relevant]
    known = Known(
        [document.id for document in documents],
        [document.content for document in documents],
        [relevant[document.id] for document in documents],
        InputType.DOCUMENT,
    )
    variants = list(enumerate(known.texts))
    variants += [(place, document.text) for place, document in enumerate(documents) if document.title]
    known.index(variants, settings, threads)
    return known
