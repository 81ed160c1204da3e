"""Which queries a page has room for: those that changed most."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

HIGHLIGHTS = 10  # of the largest losses, and of the largest gains
MAX_RANKED, MAX_LISTED = 500, 3000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of queries whose words are read, and those among them whose rankings are."""

    listed: frozenset[int]
    ranked: frozenset[int]


def most_changed(deltas: Sequence[float], ids: Sequence[str]) -> Chosen:
    """All that `queries.group_queries` may list or rank, and a few more. Reading the rankings of a hundred thousand
    queries to show five hundred would take minutes and gigabytes."""
    rows = range(len(deltas))
    ends = heapq.nsmallest(HIGHLIGHTS, rows, key=lambda row: (deltas[row], ids[row]))
    ends += heapq.nlargest(HIGHLIGHTS, rows, key=lambda row: (deltas[row], ids[row]))
    falling = heapq.nsmallest(MAX_LISTED, rows, key=lambda row: (-abs(deltas[row]), deltas[row], ids[row]))
    return Chosen(frozenset([*ends, *falling]), frozenset([*ends, *falling[:MAX_RANKED]]))
