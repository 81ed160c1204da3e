"""Top-k of a snapshot by words: BM25 over all its parts, documents by the best of their rows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.errors import InvalidInput
from crossfade.retrieval.means import best_means, rows_of_documents
from crossfade.retrieval.places import Place, Places, hits_of, ids_of, places_of
from crossfade.retrieval.ranking import allowed, folded, merged
from crossfade.retrieval.types import Hit
from crossfade.store.metadata import BoundFilter
from crossfade.store.types import Part, Snapshot

T = TypeVar("T")

# Rows asked for a document, at first, where documents have several.
_ROWS_A_DOCUMENT = 3
# Rows that tie with the last, asked for with it at first: of equal scores the lower id comes first, whatever the order
# of rows. Short texts have a rare word once each, and tie by the hundred.
_TIES = 1_000


def rank_words(
    texts: Sequence[str], snapshot: Snapshot, k: int, threads: int, condition: BoundFilter | None = None
) -> list[list[Hit]]:
    """The best `k` documents of each query, among those that share a word with it: score descending, then id.

    Raises InvalidInput when the collection keeps no words, LimitExceeded for a query of too many.
    """
    return [hits_of(snapshot, each) for each in matching(texts, snapshot, k, threads, condition)]


def matching(
    texts: Sequence[str],
    snapshot: Snapshot,
    k: int,
    threads: int,
    condition: BoundFilter | None = None,
    best_chunks: int = 1,
) -> list[Places]:
    """As `rank_words`, before hits are made of it. `best_chunks`: a document's score is the mean of its so many best
    rows, of those that share a word with the query (`crossfade.retrieval.means`)."""
    return _Words(snapshot, condition, threads, best_chunks).best(texts, k)


def explain_words(text: str, snapshot: Snapshot, places: Sequence[Place]) -> list[tuple[tuple[str, float], ...]]:
    """What each word of the query gave to each row, which `matching` found in the same snapshot."""
    rows = [(part, row) for _, _, part, row in places]
    told = lexical.explain(text, [text_of(part) for part in snapshot.parts], rows)
    return [tuple((term.term, term.contribution) for term in each.terms) for each in told]


def text_of(part: Part) -> lexical.Segment | lexical.View:
    if part.text is None:
        raise InvalidInput("a collection in memory keeps no words: keep it on disk (serve --store) to search by them")
    return part.text


class _Words:
    """Queries of one snapshot. Rows come in the order of parts where they tie, and documents may have several: queries
    whose answer is not sure are asked again, deeper."""

    def __init__(self, snapshot: Snapshot, condition: BoundFilter | None, threads: int, best_chunks: int) -> None:
        self._best_chunks = best_chunks
        self._parts = snapshot.parts
        self._threads = threads
        masks = self._masks = [allowed(part, condition) for part in snapshot.parts]
        self._size = sum(may.count for may in masks)
        self._texts = [text_of(part) for part in snapshot.parts]
        self._searched = [lexical.Part(text, may.bits) for text, may in zip(self._texts, masks, strict=True)]
        self._whole = all(part.whole for part in snapshot.parts)

    def best(self, texts: Sequence[str], k: int) -> list[Places]:
        best: list[Places] = [[] for _ in texts]
        left = list(range(len(texts))) if self._size else []
        rows_a_document = 1 if self._whole else _ROWS_A_DOCUMENT * self._best_chunks
        depth, ties = min(self._size, k * rows_a_document), _TIES
        while left:
            asked = [texts[query] for query in left]
            found = lexical.search(asked, self._searched, depth, threads=self._threads, ties=ties)
            still: list[int] = []
            for query, rows in zip(left, found, strict=True):
                count = len(rows.rows)
                whole, with_ties = count < depth or depth == self._size, count < depth + ties
                if self._whole or self._best_chunks == 1:
                    fold = self._documents if self._whole else self._folded
                    answer = fold(rows, k, whole, with_ties)
                else:
                    answer = self._by_means(texts[query], rows, k, whole, with_ties)
                if answer is None:
                    still.append(query)
                else:
                    best[query] = answer
            left, depth, ties = still, min(depth * 4, self._size), ties * 16
        return best

    def _documents(self, found: lexical.Hits, k: int, whole: bool, with_ties: bool) -> Places | None:
        """Rows are documents: the best; None when there may be others of the last one's score. `whole`: these are all
        rows; `with_ties`: and otherwise all that score as the last of them."""
        scores = found.scores
        wanted = min(k, len(scores))
        if not wanted:
            return []
        last = scores[wanted - 1]
        if not (whole or with_ties) and scores[-1] == last:
            return None
        above, end = int(np.count_nonzero(scores > last)), int(np.count_nonzero(scores >= last))
        chosen = np.arange(wanted)
        if end > wanted:
            # The tie may be large: no more is made of it than its ids.
            tied = np.arange(above, end)
            lowest = heapq.nsmallest(wanted - above, zip(self._ids(found, tied), tied.tolist(), strict=True))
            chosen[above:] = [place for _, place in lowest]
        return sorted(self._places(found, chosen))

    def _folded(self, found: lexical.Hits, k: int, whole: bool, with_ties: bool) -> Places | None:
        """The same, where documents have several rows, by the best of them."""
        return folded(self._places(found, np.arange(len(found.rows))), k, whole=whole, with_ties=with_ties)

    def _by_means(self, text: str, found: lexical.Hits, k: int, whole: bool, with_ties: bool) -> Places | None:
        """The same, by the mean of the best of their rows, those that were not found among them."""
        scored = found if whole else self._with_the_rest(text, found)
        lists: list[list[Places]] = []
        for number in np.unique(scored.parts).tolist():
            at = np.flatnonzero(scored.parts == number)
            part, rows, scores = self._parts[number], scored.rows[at], scored.scores[at]
            lists.append([best_means(part, number, rows, scores, self._best_chunks, k)])
        (places,) = merged(lists, 1, k)
        if whole:
            return places
        lowest, last = -places[-1][0] if len(places) == k else -np.inf, found.scores[-1]
        # No row beyond is above the last, nor level with it where all that tie were found; so no document's mean is.
        return places if lowest > last or (with_ties and lowest == last) else None

    def _with_the_rest(self, text: str, found: lexical.Hits) -> lexical.Hits:
        """All rows of the documents that were found which share a word with the text: a search of those rows alone.
        Scores stay as they are, for words are counted over all rows."""
        searched: list[lexical.Part] = []
        size = 0
        for number, part in enumerate(self._parts):
            rows = found.rows[found.parts == number]
            mask = np.zeros(len(part.ids), np.bool_)
            if len(rows):
                mine = rows_of_documents(part, self._masks[number].bits, rows)
                mask[mine] = True
                size += len(mine)
            searched.append(lexical.Part(self._texts[number], mask))
        (scored,) = lexical.search([text], searched, size, threads=1)
        return scored

    def _places(self, found: lexical.Hits, some: NDArray[np.int64]) -> Places:
        """Some of the rows, in their order."""
        return self._by_part(
            found, some, lambda number, at: places_of(self._parts[number], number, found.rows[at], found.scores[at])
        )

    def _ids(self, found: lexical.Hits, some: NDArray[np.int64]) -> list[str]:
        """The ids of some of the rows, in their order."""
        return self._by_part(found, some, lambda place, at: ids_of(self._parts[place], found.rows[at]))

    def _by_part(
        self, found: lexical.Hits, some: NDArray[np.int64], of: Callable[[int, NDArray[np.int64]], list[T]]
    ) -> list[T]:
        """What `of` gives for the rows of each part, in the order of the rows."""
        parts = found.parts[some]
        given: list[T] = []
        places: list[int] = []
        for place in np.unique(parts).tolist():
            at = np.flatnonzero(parts == place)
            places += at.tolist()
            given += of(place, some[at])
        return [given[each] for each in np.argsort(places).tolist()]
