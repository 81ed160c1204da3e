"""Queries that must stay together: connected by near-copies of themselves and by what is relevant to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from crossfade.evaluation.dataset import Dataset
from crossfade.lookalikes import PlainOverlap
from crossfade.overlap import OverlapSettings

GroupBy = Literal["target", "query"]
"""`query`: near-copies of each other. `target`: also those with a relevant document in common, or near-copies of one,
or whose query is a near-copy of a document relevant to another."""


@dataclass(frozen=True, slots=True)
class Groups:
    """`members`: ids of the queries of each group, the largest group first, then by its first id.

    `hub`: the document that most queries of the largest group have in common, and how many they are; None where no two
    have one.
    """

    members: list[list[str]]
    hub: tuple[str, int] | None = None


def group_queries(
    dataset: Dataset, by: GroupBy = "target", settings: OverlapSettings | None = None, *, threads: int = 0
) -> Groups:
    """Connected components of the judged queries. Nothing depends on the order of the files.

    What joins two is what `find_leakage` finds between them with the same settings, so that no row made of one group's
    queries and relevant documents is a copy of another group's.
    """
    settings = settings or OverlapSettings()
    ids = sorted(dataset.queries)
    texts = [dataset.queries[query_id] for query_id in ids]
    forest = _Forest(len(ids))
    queries = PlainOverlap(texts, settings, threads=threads)
    for one, other in _pairs(queries, texts, containment=True, threads=threads):
        forest.join(one, other)
    relevant = _relevant(dataset, ids)
    if by == "target":
        for asking in relevant.values():
            for other in asking[1:]:
                forest.join(asking[0], other)
        _join_by_documents(dataset, relevant, queries, texts, forest, settings, threads)
    found: dict[int, list[str]] = {}
    for place, query_id in enumerate(ids):
        found.setdefault(forest.root(place), []).append(query_id)
    members = sorted(found.values(), key=lambda group: (-len(group), group[0]))
    return Groups(members, _hub(relevant, ids, members[0]) if by == "target" else None)


def _relevant(dataset: Dataset, ids: list[str]) -> dict[str, list[int]]:
    """Relevant document to the places of the queries that it is relevant to."""
    found: dict[str, list[int]] = {}
    for place, query_id in enumerate(ids):
        for document_id, grade in dataset.qrels[query_id].items():
            if grade > 0:
                found.setdefault(document_id, []).append(place)
    return found


def _join_by_documents(
    dataset: Dataset,
    relevant: dict[str, list[int]],
    queries: PlainOverlap,
    query_texts: list[str],
    forest: _Forest,
    settings: OverlapSettings,
    threads: int,
) -> None:
    texts: list[str] = []
    asking: list[int] = []  # a query of each text's document
    for document_id in sorted(relevant):
        document = dataset.documents_by_id.get(document_id)
        if document is not None:
            # With its title and without, as it may stand in a training file.
            forms = dict.fromkeys((document.content, document.text))
            texts += forms
            asking += [relevant[document_id][0]] * len(forms)
    documents = PlainOverlap(texts, settings, threads=threads)
    for one, other in _pairs(documents, texts, containment=True, threads=threads):
        forest.join(asking[one], asking[other])
    for text, query in _pairs(queries, texts, containment=False, threads=threads):
        forest.join(asking[text], query)
    for query, text in _pairs(documents, query_texts, containment=False, threads=threads):
        forest.join(query, asking[text])


def _pairs(known: PlainOverlap, texts: list[str], *, containment: bool, threads: int) -> list[tuple[int, int]]:
    found = known.find(texts, containment=containment, threads=threads)
    return list(zip(found.texts.tolist(), found.known.tolist(), strict=True))


def _hub(relevant: dict[str, list[int]], ids: list[str], group: list[str]) -> tuple[str, int] | None:
    inside = set(group)
    counts = Counter(
        {document: sum(ids[place] in inside for place in asking) for document, asking in sorted(relevant.items())}
    )
    (document, count), *_ = counts.most_common(1) or [("", 0)]
    return (document, count) if count > 1 else None


class _Forest:
    """Union-find with path halving (Tarjan and van Leeuwen 1984)."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def root(self, place: int) -> int:
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    def join(self, one: int, other: int) -> None:
        """The smaller root stays, so that the order of the joins does not show."""
        one, other = self.root(one), self.root(other)
        self._above[max(one, other)] = min(one, other)
