"""Top-k of a snapshot by words: BM25 over all its parts, documents by the best of their rows."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from crossfade import lexical
from crossfade.errors import InvalidInput
from crossfade.retrieval.ranking import allowed, hit_of
from crossfade.retrieval.types import Hit
from crossfade.store.metadata import BoundFilter
from crossfade.store.types import Part, Snapshot

# Rows asked for a document, at first, where documents have several.
_ROWS_A_DOCUMENT = 3


def rank_words(
    texts: Sequence[str], snapshot: Snapshot, k: int, threads: int, condition: BoundFilter | None = None
) -> list[list[Hit]]:
    """The best `k` documents of each query, among those that share a word with it: score descending, then id.

    Raises InvalidInput when the collection keeps no words, LimitExceeded for a query of too many.
    """
    return _Words(snapshot, condition, threads).best(texts, k)


def explain_words(text: str, snapshot: Snapshot, hits: Sequence[Hit]) -> list[tuple[tuple[str, float], ...]]:
    """What each word of the query gave to each hit, which `rank_words` found in the same snapshot."""
    places = [(hit.part, hit.row) for hit in hits]
    told = lexical.explain(text, [text_of(part) for part in snapshot.parts], places)
    return [tuple((term.term, term.contribution) for term in each.terms) for each in told]


def text_of(part: Part) -> lexical.Segment | lexical.View:
    if part.text is None:
        raise InvalidInput("a collection in memory keeps no words: keep it on disk (serve --store) to search by them")
    return part.text


class _Words:
    """Queries of one snapshot. Rows come in the order of parts where they tie, and documents may have several: queries
    whose answer is not sure are asked again, deeper."""

    def __init__(self, snapshot: Snapshot, condition: BoundFilter | None, threads: int) -> None:
        self._parts = snapshot.parts
        self._threads = threads
        masks = [allowed(part, condition) for part in snapshot.parts]
        self._size = sum(may.count for may in masks)
        self._searched = [
            lexical.Part(text_of(part), may.bits) for part, may in zip(snapshot.parts, masks, strict=True)
        ]
        self._whole = all(part.whole for part in snapshot.parts)

    def best(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        hits: list[list[Hit]] = [[] for _ in texts]
        left = list(range(len(texts))) if self._size else []
        depth = min(self._size, k + 1 if self._whole else k * _ROWS_A_DOCUMENT + 1)
        while left:
            found = lexical.search([texts[query] for query in left], self._searched, depth, threads=self._threads)
            still: list[int] = []
            for query, rows in zip(left, found, strict=True):
                answer = self._folded(rows, k, len(rows.rows) < depth or depth == self._size)
                if answer is None:
                    still.append(query)
                else:
                    hits[query] = answer
            left, depth = still, min(depth * 4, self._size)
        return hits

    def _folded(self, found: lexical.Hits, k: int, whole: bool) -> list[Hit] | None:
        """The best documents; None when there may be others of the last one's score. `whole`: these are all rows."""
        best: dict[str, Hit] = {}
        cut = -np.inf  # the score of the k-th document
        for part, row, score in zip(found.parts.tolist(), found.rows.tolist(), found.scores.tolist(), strict=True):
            if score < cut:
                whole = True
                break
            name = self._parts[part].ids[row]
            if name not in best:
                best[name] = hit_of(self._parts[part], row, score, name)._replace(part=part, row=row)
                if len(best) == k:
                    cut = score
        if not whole:
            return None
        return heapq.nsmallest(k, best.values(), key=lambda hit: (-hit.score, hit.id))
