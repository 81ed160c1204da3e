"""BM25 over several parts at once, and why a row has its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.arguments import real, whole
from crossfade.errors import InvalidInput
from crossfade.lexical.parts import Segment, Tail, View
from crossfade.lexical.settings import text_list

_MOST = 2**63 - 1
_MOST_THREADS = 1024


class Part(NamedTuple):
    """A part, and which of its rows may be found.

    `mask`: None for all; bool, shape (rows,); or the same as packed bits, shape (ceil(rows / 8),), in little bit order.
    """

    rows: Segment | Tail | View
    mask: ArrayLike | None = None


class Hits(NamedTuple):
    """The rows of one query, best first: score descending, then part, then row; all of shape (found,).

    `parts`: int32, the place of each row's part. `rows`: int64, counted in the part. `scores`: float64, above 0.
    """

    parts: NDArray[np.int32]
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TermScore:
    """What one term adds to a row's score.

    `term`: as it is indexed. `count`: how often the query has it. `rows`: rows of all parts that have it. `idf`.
    `frequency`: how often the row has it. `contribution`: what it adds, `count` times.
    """

    term: str
    count: int
    rows: int
    idf: float
    frequency: int
    contribution: float


class Explanation(NamedTuple):
    """A row's score, exactly the sum of its terms' contributions.

    `length`: the row's tokens as they count: exact up to 40, then within a ninth. `terms`: those that the row has, in
    the query's order; without any the score is 0.
    """

    score: float
    length: int
    terms: tuple[TermScore, ...]


def search(
    queries: Sequence[str],
    parts: Sequence[Part | Segment | Tail | View],
    k: SupportsIndex,
    *,
    k1: float = 1.2,
    b: float = 0.75,
    threads: SupportsIndex | None = None,
    ties: SupportsIndex = 0,
) -> list[Hits]:
    """The best `k` rows for each query, among those that share a token with it; fewer where fewer do. After them those
    that score as the last of them, `ties` at most: where there are fewer than that, these are all.

    Scores are BM25 as Lucene has it (docs/lexical.md), with rows, lengths and frequencies counted over all parts,
    whatever the masks say. A score depends neither on threads, on the batch, nor on how rows are split into parts. It
    is within 2^-35 for each term, and a few roundings of float64, of what the formula gives. Of a tail, the rows are
    searched that it has at the call.

    `k1` from 0 to 1000, `b` from 0 to 1. `threads`: None or 0 uses every core, for several queries. The GIL is released
    meanwhile, and Ctrl-C stops the work between two queries. Time at most O(rows that have a token of the query).

    Raises InvalidInput for a wrong type or range, a mask that does not fit, or parts of different settings;
    LimitExceeded for a query of more than 4,096 tokens; DataError for a segment whose files changed under it.
    """
    wanted = whole(k, "k", 1, _MOST), whole(ties, "ties", 0, _MOST)
    formula = _formula(k1, b, threads)
    offsets, places, rows, scores = _native.search_text(text_list(queries, "queries"), _parts(parts), wanted, formula)
    ends = offsets.tolist()
    return [Hits(places[start:end], rows[start:end], scores[start:end]) for start, end in pairwise(ends)]


def explain(
    query: str,
    parts: Sequence[Part | Segment | Tail | View],
    rows: Sequence[tuple[int, int]],
    *,
    k1: float = 1.2,
    b: float = 0.75,
) -> list[Explanation]:
    """Why each of `rows`, the place of its part and its number, has the score that `search` gives it.

    Give a View of a tail that grows, to have the same scores. Masks play no part. Raises as `search` does, and
    InvalidInput for a row that is not there.
    """
    if not isinstance(query, str):
        raise InvalidInput(f"query must be a str, not {type(query).__name__}")
    wanted = [(whole(part, "a part", 0, _MOST), whole(row, "a row", 0, _MOST)) for part, row in rows]
    found = _native.explain_text(query, _parts(parts), wanted, _formula(k1, b, 1))
    return [Explanation(score, length, tuple(TermScore(*term) for term in terms)) for score, length, terms in found]


def _formula(k1: float, b: float, threads: SupportsIndex | None) -> tuple[float, float, int]:
    number = 0 if threads is None else whole(threads, "threads", 0, _MOST_THREADS)
    return real(k1, "k1", "a number from 0 to 1000"), real(b, "b", "a number from 0 to 1"), number


def _parts(
    parts: Sequence[Part | Segment | Tail | View],
) -> list[tuple[_native.TextSegment | _native.TextView, NDArray[np.uint8] | None]]:
    found: list[tuple[_native.TextSegment | _native.TextView, NDArray[np.uint8] | None]] = []
    for place, one in enumerate(parts):
        part = one if isinstance(one, Part) else Part(one)
        rows = part.rows.view() if isinstance(part.rows, Tail) else part.rows
        if not isinstance(rows, Segment | View):
            raise InvalidInput(f"part {place} must be a Segment, a Tail or a View, not {type(rows).__name__}")
        found.append((rows.native, None if part.mask is None else _mask(part.mask, rows.rows, place)))
    return found


def _mask(mask: ArrayLike, rows: int, place: int) -> NDArray[np.uint8]:
    """One bit a row, in little bit order."""
    array = np.asarray(mask)
    if array.dtype == np.bool_:
        if array.shape != (rows,):
            raise InvalidInput(
                f"the mask of part {place} must have one entry for each of its {rows} rows, not shape {array.shape}: "
                "take a View of a tail that grows"
            )
        return np.packbits(array, bitorder="little")
    if array.dtype == np.uint8:
        if array.shape != (-(-rows // 8),):
            raise InvalidInput(
                f"a packed mask of the {rows} rows of part {place} has shape ({-(-rows // 8)},), not {array.shape}: "
                'use numpy.packbits(mask, bitorder="little")'
            )
        return np.ascontiguousarray(array)
    raise InvalidInput(f"the mask of part {place} must be bool or packed bits (uint8), not {array.dtype}")
