"""What nobody has judged yet among what systems rank first, and what a judgment of each would tell.

A pool is the union of the first k documents of several systems (Spärck Jones and van Rijsbergen 1975). Which of its
documents to judge first depends on the question: where systems are compared, a document that all of them rank alike
says nothing about the difference between them, and one that a single system ranks first says most (the thought of
Carterette, Allan and Sitaraman 2006). So a document's weight is the most that its judgment could move between any two
systems' discounted cumulative gain, for each point of its grade: the greatest minus the least discount, 1 / log2(1 +
rank), with 0 where a system lacks the document.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log2
from typing import Literal, get_args

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Qrels
from crossfade.evaluation.judgments.systems import System
from crossfade.evaluation.judgments.types import Pair

Source = Literal["union", "disagreements"]
"""Every document of the union, or those alone on which systems differ."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """`depth`: documents of each system and query. `source`: see `Source`. `limit`: at most so many, those of the
    greatest weight; None for all. `seed`: of the shuffle in `blinded`.
    """

    depth: int = 10
    source: Source = "union"
    limit: int | None = None
    seed: int = 17


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A document to judge. `ranks`: system to rank from 1, None where its first documents lack this one.

    `weight`: from 0, where all systems rank it alike, to 1, where one has it first and another lacks it.
    """

    query_id: str
    document_id: str
    weight: float
    ranks: dict[str, int | None]

    @property
    def pair(self) -> Pair:
        return self.query_id, self.document_id


@dataclass(frozen=True, slots=True)
class SystemShare:
    """How much of what one system ranks first is judged."""

    name: str
    documents: int
    judged: int


@dataclass(frozen=True, slots=True)
class Pool:
    """`entries`: by weight, the greatest first, then by best rank, query id and document id. `union` counts the
    documents of all systems, `judged` those of them that are judged, `agreed` those left out because all systems rank
    them alike, `beyond` those left out by the limit.
    """

    entries: list[PoolEntry]
    systems: list[SystemShare]
    queries: int
    union: int
    judged: int
    agreed: int
    beyond: int


def build_pool(
    systems: Sequence[System], judged: Container[Pair], queries: Container[str], settings: PoolSettings | None = None
) -> Pool:
    """The pool of these systems without the pairs in `judged`. `queries`: the ids that there are.

    Raises InvalidInput for no system, settings out of range, "disagreements" of a single system, and a query that is
    not there, by the system's name.
    """
    settings = settings or PoolSettings()
    _check(systems, settings)
    ranks: dict[Pair, dict[str, int]] = {}
    shares = []
    for system in systems:
        total = known = 0
        for query_id, ranking in system.rankings.items():
            if query_id not in queries:
                raise InvalidInput(f"system {system.name!r} answers query {query_id!r}, which the data set lacks")
            for rank, document_id in enumerate(ranking[: settings.depth], start=1):
                ranks.setdefault((query_id, document_id), {})[system.name] = rank
                total += 1
                known += (query_id, document_id) in judged
        shares.append(SystemShare(system.name, total, known))
    entries = [
        PoolEntry(*pair, _weight(found, len(systems)), {system.name: found.get(system.name) for system in systems})
        for pair, found in ranks.items()
        if pair not in judged
    ]
    differing = [entry for entry in entries if entry.weight > 0]
    wanted = differing if settings.source == "disagreements" else entries
    wanted.sort(key=lambda entry: (-entry.weight, min(ranks[entry.pair].values()), entry.pair))
    kept = wanted[: settings.limit]
    return Pool(
        entries=kept,
        systems=shares,
        queries=len({entry.query_id for entry in kept}),
        union=len(ranks),
        judged=len(ranks) - len(entries),
        agreed=len(entries) - len(wanted),
        beyond=len(wanted) - len(kept),
    )


def judged_pairs(qrels: Qrels) -> set[Pair]:
    """The pairs with a judgment; a grade below 0 is none ("in the pool, not judged")."""
    return {(query_id, name) for query_id, grades in qrels.items() for name, grade in grades.items() if grade >= 0}


def blinded(entries: Sequence[PoolEntry], seed: int) -> list[PoolEntry]:
    """In an order that says nothing about systems: queries shuffled, and the documents of each."""
    shuffle = random.Random(seed)  # noqa: S311 - an order for judges, no secret
    groups = [list(group) for _, group in _by_query(entries)]
    shuffle.shuffle(groups)
    for group in groups:
        shuffle.shuffle(group)
    return [entry for group in groups for entry in group]


def _by_query(entries: Sequence[PoolEntry]) -> Iterator[tuple[str, Iterator[PoolEntry]]]:
    # By id, so that the order before the shuffle does not show through it.
    return groupby(sorted(entries, key=lambda entry: entry.pair), key=lambda entry: entry.query_id)


def _weight(ranks: Mapping[str, int], systems: int) -> float:
    discounts = [1 / log2(1 + rank) for rank in ranks.values()]
    return max(discounts) - (min(discounts) if len(ranks) == systems else 0.0)


def _check(systems: Sequence[System], settings: PoolSettings) -> None:
    if settings.source not in get_args(Source):
        raise InvalidInput(f"pool from {settings.source!r} is not known: use union or disagreements")
    if not systems:
        raise InvalidInput("no system: a pool is made of what systems found")
    if settings.source == "disagreements" and len(systems) < 2:
        raise InvalidInput("one system alone has no disagreements: give the run of another, or pool from the union")
    if settings.depth < 1:
        raise InvalidInput(f"depth must be 1 or more, not {settings.depth}")
    if settings.limit is not None and settings.limit < 1:
        raise InvalidInput(f"limit must be 1 or more, not {settings.limit}")
