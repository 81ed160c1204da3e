"""What is compared, from when on it counts as a copy, and how much of it is a leak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crossfade.arguments import real, whole
from crossfade.errors import InvalidInput
from crossfade.evaluation.leakage.fields import FieldNames
from crossfade.overlap import OverlapSettings

Pair = Literal[
    "query-query", "positive-relevant", "query-relevant", "positive-query", "negative-relevant", "contradiction"
]
"""A side of the training data and one of the evaluation's.

`query-query`: a training query is an evaluation query. `positive-relevant`: a training positive is a document relevant
to an evaluation query. `query-relevant`, `positive-query`: across, where texts are alike. `negative-relevant`: a mined
negative is a document relevant to some evaluation query. `contradiction`: it is relevant to the very query that the
row's query is a copy of: the row teaches the opposite of what is judged.
"""

PAIRS: tuple[Pair, ...] = (
    "query-query",
    "positive-relevant",
    "query-relevant",
    "positive-query",
    "negative-relevant",
    "contradiction",
)

COUNTED: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair != "negative-relevant")
"""What a verdict stands on by default. Negatives mined from the evaluation's own corpus hit relevant documents of other
queries as a matter of course: that is shown, and counts only when asked for."""


@dataclass(frozen=True, slots=True)
class LeakageSettings:
    """`overlap`: from when on two texts are near-copies by their words. `cosine`: the same by their vectors, where a
    model is given. `counted`: the pairs of sides that make a leak. `limit`: which share of the evaluation queries, 0 to
    1, those may touch. `examples`: how many are shown of each pair and kind. `suspects`: how many of the nearest below
    `cosine` are shown of each pair. `names`: fields of the training files. `skip_bad`: lines that cannot be used are
    counted and passed over. `threads`: 0 uses every core.

    Raises InvalidInput for a value out of its range.
    """

    overlap: OverlapSettings = field(default_factory=OverlapSettings)
    cosine: float = 0.95
    counted: tuple[Pair, ...] = COUNTED
    limit: float = 0.0
    examples: int = 3
    suspects: int = 5
    names: FieldNames = field(default_factory=FieldNames)
    skip_bad: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < real(self.cosine, "cosine", "above 0 and at most 1") <= 1.0:
            raise InvalidInput(f"cosine must be above 0 and at most 1, not {self.cosine}")
        if not 0.0 <= real(self.limit, "limit", "from 0 to 1") <= 1.0:
            raise InvalidInput(f"limit must be a share of the evaluation queries, from 0 to 1, not {self.limit}")
        whole(self.examples, "examples", 0, 1_000)
        whole(self.suspects, "suspects", 0, 1_000)
        whole(self.threads, "threads", 0, 4096)
        if unknown := [pair for pair in self.counted if pair not in PAIRS]:
            raise InvalidInput(f"no such pair of sides: {unknown[0]!r}; there are {', '.join(PAIRS)}")
