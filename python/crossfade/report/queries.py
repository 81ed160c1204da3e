"""Query by query: which queries are shown first, how much of each, and how each document moved.

A page must stay small enough to be sent by mail. The queries that changed most are shown in full; the texts of the
others are cut to what a budget leaves, and beyond `MAX_RANKED` only their values stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crossfade.report.order import HIGHLIGHTS, MAX_LISTED, MAX_RANKED
from crossfade.report.plots import outcome
from crossfade.report.record import Query, Ranked
from crossfade.report.text import clean, count

_MAX_RELEVANT = 5
_BUDGET, _ROW = 2_000_000, 150  # bytes for the rankings of queries that are not highlights; of one row's mark-up
_SHORT_TITLE, _SHORT_QUERY, _LEAST_SNIPPET = 80, 160, 60


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a ranking.

    `badge` is yes, no or none: relevant or not, or unjudged. `moved` is against the other ranking: `↑3`, `↓2`, `new`,
    `gone` or empty.
    """

    document: Ranked
    title: str
    grade: str
    badge: str
    moved: str


@dataclass(frozen=True, slots=True)
class RelevantRow:
    """A document judged relevant, and where each model ranked it: `3`, or that it was not among those shown."""

    document: Ranked
    title: str
    base_rank: str
    candidate_rank: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One query on the page. `ranked`: whether its rankings are shown. `slices`: that it is known to be in."""

    number: int
    query: Query
    outcome: str
    open: bool
    slices: list[str]
    ranked: bool
    base: list[Row]
    candidate: list[Row]
    relevant: list[RelevantRow]
    more_relevant: int


@dataclass(frozen=True, slots=True)
class Group:
    key: str
    title: str
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class QueryGroups:
    """The groups that have entries, and what was left out of them, in words."""

    groups: list[Group]
    left_out: str

    @property
    def total(self) -> int:
        return sum(len(group.entries) for group in self.groups)


def group_queries(
    queries: Sequence[Query],
    slices: Mapping[str, list[str]] | None = None,
    fallen: frozenset[str] = frozenset(),
    *,
    whole: bool = True,
) -> QueryGroups:
    """Largest losses, those of slices that fall, largest gains, then all others from the most to the least changed.

    `slices`: of some queries, the slices they are in. `fallen`: slices that fall. `whole`: these are all queries.
    """
    within = slices or {}
    rising = sorted(queries, key=lambda query: (query.delta, query.id))
    losses = [query for query in rising if outcome(query.delta) == "loss"][:HIGHLIGHTS]
    gains = [query for query in reversed(rising) if outcome(query.delta) == "win"][:HIGHLIGHTS]
    shown = {query.id for query in losses + gains}
    sliced = [
        query
        for query in rising
        if query.id not in shown and outcome(query.delta) == "loss" and fallen.intersection(within.get(query.id, ()))
    ]
    shown |= {query.id for query in sliced}
    others = [query for query in rising if query.id not in shown]
    others.sort(key=lambda query: (-abs(query.delta), query.delta, query.id))
    listed = others[: MAX_LISTED - len(shown)]
    ranked = min(len(listed), MAX_RANKED - len(shown))
    listed[:ranked] = _within_budget(listed[:ranked])
    listed[ranked:] = [_values_only(query) for query in listed[ranked:]]
    groups, number = [], 0
    for key, title, members in (
        ("losses", "Largest losses", losses),
        ("fallen", "Losses in slices that fall", sliced),
        ("gains", "Largest gains", gains),
        ("others", "All other queries" if shown else "All queries", listed),
    ):
        entries = [
            _entry(number + index, query, key, index == 0, within.get(query.id, []))
            for index, query in enumerate(members)
        ]
        number += len(members)
        if entries:
            groups.append(Group(key, title, entries))
    left_out = _left_out(len(queries), len(shown) + ranked, len(shown) + len(listed))
    return QueryGroups(groups, left_out if whole else "The decision’s record holds the greatest losses alone.")


def _left_out(total: int, ranked: int, listed: int) -> str:
    parts = []
    if listed < total:
        parts.append(f"The {count(listed, 'query', 'queries')} that changed most are listed here, of {total:,}.")
    if ranked < listed:
        parts.append(f"Rankings are shown for the {ranked:,} that changed most.")
    return " ".join([*parts, "The JSON record holds the rest."]) if parts else ""


def _within_budget(queries: Sequence[Query]) -> list[Query]:
    """Shorten titles, and cut or drop snippets, until the rows of all queries fit the budget."""
    rows = sum(len(query.base_results) + len(query.candidate_results) for query in queries)
    if not rows:
        return list(queries)
    per_row = _BUDGET // rows - _ROW - _SHORT_TITLE
    snippet = per_row if per_row >= _LEAST_SNIPPET else 0

    def shorten(ranking: list[Ranked]) -> list[Ranked]:
        return [
            replace(row, title=clean(row.title, _SHORT_TITLE), snippet=clean(row.snippet, snippet) if snippet else "")
            for row in ranking
        ]

    return [
        replace(
            query,
            base_results=shorten(query.base_results),
            candidate_results=shorten(query.candidate_results),
            relevant=shorten(query.relevant),
        )
        for query in queries
    ]


def _values_only(query: Query) -> Query:
    return replace(query, text=clean(query.text, _SHORT_QUERY), base_results=[], candidate_results=[], relevant=[])


def _entry(number: int, query: Query, group: str, first: bool, slices: list[str]) -> Entry:
    base = {row.id: rank for rank, row in enumerate(query.base_results, start=1)}
    candidate = {row.id: rank for rank, row in enumerate(query.candidate_results, start=1)}
    relevant = query.relevant[:_MAX_RELEVANT]
    return Entry(
        number=number,
        query=query,
        outcome=outcome(query.delta),
        open=first and group == "losses",
        slices=slices,
        ranked=bool(base or candidate or relevant),
        base=[_row(row, "" if row.id in candidate or not candidate else "gone") for row in query.base_results],
        candidate=[_row(row, _moved(base.get(row.id), rank, base)) for row, rank in _numbered(query.candidate_results)],
        relevant=[
            RelevantRow(row, row.title or row.label, _rank(row.id, base), _rank(row.id, candidate)) for row in relevant
        ],
        more_relevant=query.relevant_total - len(relevant) if relevant else 0,
    )


def _numbered(ranking: list[Ranked]) -> list[tuple[Ranked, int]]:
    return [(row, rank) for rank, row in enumerate(ranking, start=1)]


def _moved(before: int | None, now: int, base: dict[str, int]) -> str:
    if not base:
        return ""
    if before is None:
        return "new"
    return f"↑{before - now}" if now < before else f"↓{now - before}" if now > before else ""


def _rank(document: str, ranks: dict[str, int]) -> str:
    if document in ranks:
        return str(ranks[document])
    return f"not in first {len(ranks)}" if ranks else "no results"


def _row(document: Ranked, moved: str) -> Row:
    grade = document.grade
    if grade is None:
        badge, shown = "none", "unjudged"
    elif grade <= 0:
        badge, shown = "no", "not relevant"
    else:
        badge, shown = "yes", f"grade {grade}"
    return Row(document, document.title or document.label, shown, badge, moved)
