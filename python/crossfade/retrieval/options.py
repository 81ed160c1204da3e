"""How a search is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from crossfade.errors import InvalidInput
from crossfade.fusion import Fusion
from crossfade.retrieval.ranking import Walking
from crossfade.retrieval.reranking import Reranker
from crossfade.store.metadata import Filter

Mode = Literal["dense", "lexical", "hybrid"]

_LEAST_CANDIDATES = 100

HYBRID = Fusion("sum", "min-max")
"""How two lists become one where nothing is said. Chosen on training queries (design/0008)."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """`filter`: only documents that it keeps. `walking`: how graphs are used. `mode`: by vectors, by words (BM25), or
    by both, made one by `fusion`. `candidates`: documents that each arm of a hybrid search finds, and that `reranker`
    reads; None is 100, or 4 k where that is more.

    `best_chunks`: in each arm a document's score is the mean of its so many best chunks, or of all where it has fewer;
    1 is the score of its best. By words those chunks count that share one with the query. The mean is exact of every
    document that is found: over all its chunks, however deep they lie. Which documents are found is as sure as
    `walking` has it: with `exact`, and by words, they are the best (`crossfade.retrieval.means`).

    `explain`: tell how each hit came to its place. `explain_candidates`: that, and list for every query what each stage
    gave on: at most `depth(k)` documents a stage, and k of the last one.

    Raises InvalidInput for another mode, and for `candidates` or `best_chunks` below 1.
    """

    filter: Filter | None = None
    walking: Walking = field(default_factory=Walking)
    mode: Mode = "dense"
    candidates: int | None = None
    fusion: Fusion = HYBRID
    reranker: Reranker | None = None
    best_chunks: int = 1
    explain: bool = False
    explain_candidates: bool = False

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InvalidInput(f"mode {self.mode!r} is not known: use one of {', '.join(get_args(Mode))}")
        if self.candidates is not None and self.candidates < 1:
            raise InvalidInput(f"candidates is {self.candidates}: ask for at least 1")
        if self.best_chunks < 1:
            raise InvalidInput(f"best_chunks is {self.best_chunks}: a document's score is that of 1 chunk or more")
        if self.explain_candidates:
            object.__setattr__(self, "explain", True)

    def depth(self, k: int) -> int:
        """How many documents the first stages find."""
        if self.mode != "hybrid" and self.reranker is None:
            return k
        return max(k, self.candidates or max(_LEAST_CANDIDATES, 4 * k))
