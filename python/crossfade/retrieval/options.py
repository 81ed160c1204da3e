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
    reads; None is 100, or 4 k where that is more. `explain`: tell how each hit came to its place.
    """

    filter: Filter | None = None
    walking: Walking = field(default_factory=Walking)
    mode: Mode = "dense"
    candidates: int | None = None
    fusion: Fusion = HYBRID
    reranker: Reranker | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InvalidInput(f"mode {self.mode!r} is not known: use one of {', '.join(get_args(Mode))}")
        if self.candidates is not None and self.candidates < 1:
            raise InvalidInput(f"candidates is {self.candidates}: ask for at least 1")

    def depth(self, k: int) -> int:
        """How many documents the first stages find."""
        if self.mode != "hybrid" and self.reranker is None:
            return k
        return max(k, self.candidates or max(_LEAST_CANDIDATES, 4 * k))
