"""One batch of training rows held against the evaluation's side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from crossfade.evaluation.leakage.known import Hit, Known
from crossfade.evaluation.leakage.settings import LeakageSettings, Pair
from crossfade.evaluation.leakage.tally import Tally, strongest
from crossfade.evaluation.leakage.training_file import TrainingRow
from crossfade.models.encoder import Encoder


class Sides(NamedTuple):
    """The evaluation's side, and the model that looks at it, if any."""

    queries: Known
    documents: Known
    encoder: Encoder | None


Found = dict[str, list[Hit]]


class _Batch(NamedTuple):
    """Texts of the batch that are copies, by what they are held against."""

    query_query: Found
    query_relevant: Found
    positive_relevant: Found
    positive_query: Found
    negative_relevant: Found
    nearest: dict[Pair, dict[str, Hit]]


def leaking_rows(rows: list[TrainingRow], file: str, sides: Sides, settings: LeakageSettings, tally: Tally) -> set[int]:
    """Places in the batch of the rows that leak by a counted pair. All that is found goes into the tally."""
    found = _search(rows, sides, settings)
    leaking = set()
    for place, row in enumerate(rows):
        if row.texts is not None:
            _suspect(row, file, found, sides, tally)
            for pair in _row(row, file, found, sides, tally):
                if pair in settings.counted:
                    leaking.add(place)
    return leaking


def _search(rows: list[TrainingRow], sides: Sides, settings: LeakageSettings) -> _Batch:
    texts = [row.texts for row in rows if row.texts is not None]
    queries = _distinct(text for each in texts for text in each.queries)
    positives = _distinct(text for each in texts for text in each.positives)
    negatives = _distinct(text for each in texts for text in each.negatives)
    # What has no known role is held against both sides, each as its own kind.
    as_queries = _distinct(text for each in texts for text in (*each.queries, *each.others))
    as_positives = _distinct(text for each in texts for text in (*each.positives, *each.others))
    threads = settings.threads
    query_query = sides.queries.find(as_queries, containment=True, threads=threads)
    positive_relevant = sides.documents.find(as_positives, containment=True, threads=threads)
    nearest: dict[Pair, dict[str, Hit]] = {}
    if sides.encoder is not None:
        # Where words have told already, vectors are not asked.
        plan: tuple[tuple[Pair, Known, list[str], Found], ...] = (
            ("query-query", sides.queries, as_queries, query_query),
            ("positive-relevant", sides.documents, as_positives, positive_relevant),
        )
        for pair, known, some, found in plan:
            rest = [text for text in some if text not in found]
            more, nearest[pair] = known.find_by_vectors(rest, sides.encoder, settings.cosine, threads)
            found.update(more)
    return _Batch(
        query_query,
        sides.documents.find(queries, containment=False, threads=threads),
        positive_relevant,
        sides.queries.find(positives, containment=False, threads=threads),
        sides.documents.find(negatives, containment=True, threads=threads),
        nearest,
    )


def _suspect(row: TrainingRow, file: str, found: _Batch, sides: Sides, tally: Tally) -> None:
    """The nearest known texts by vectors that are too far to be called copies."""
    texts = row.texts
    if texts is None:
        return
    plan: tuple[tuple[Pair, tuple[str, ...], Known], ...] = (
        ("query-query", (*texts.queries, *texts.others), sides.queries),
        ("positive-relevant", (*texts.positives, *texts.others), sides.documents),
    )
    for pair, some, known in plan:
        nearest = found.nearest.get(pair, {})
        for text in some:
            hit = nearest.get(text)
            if hit is not None and tally.suspects(pair, hit.similarity):
                ids = [sides.queries.ids[place] for place in known.queries[hit.place]]
                tally.suspect(pair, known, hit, (file, row.line), text, ids)


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _row(row: TrainingRow, file: str, found: _Batch, sides: Sides, tally: Tally) -> Iterator[Pair]:
    """The pairs of sides by which the row leaks."""
    texts = row.texts
    if texts is None:
        return
    queries, documents = sides.queries, sides.documents
    plan: tuple[tuple[Pair, list[str], Found, Known], ...] = (
        ("query-query", [*texts.queries, *texts.others], found.query_query, queries),
        ("positive-relevant", [*texts.positives, *texts.others], found.positive_relevant, documents),
        ("query-relevant", texts.queries, found.query_relevant, documents),
        ("positive-query", texts.positives, found.positive_query, queries),
        ("negative-relevant", texts.negatives, found.negative_relevant, documents),
    )
    where = (file, row.line)
    for pair, some, copies, known in plan:
        # A look into a dictionary for each text: all but few rows end here.
        hits = {hit.place: (hit, text) for text in some for hit in copies.get(text, ())}
        if not hits:
            continue
        for hit, _ in hits.values():
            tally.touch(pair, known, hit)
        best = strongest({place: hit for place, (hit, _) in hits.items()})
        tally.row(pair, best.rank)
        if tally.wants(pair, best.rank):
            ids = [queries.ids[place] for place in known.queries[best.place]]
            tally.show(pair, known, best, where, hits[best.place][1], ids)
        yield pair
    if texts.negatives and _contradicts(row, where, found, sides, tally):
        yield "contradiction"


def _contradicts(row: TrainingRow, where: tuple[str, int], found: _Batch, sides: Sides, tally: Tally) -> bool:
    """Whether a negative is relevant to an evaluation query that the row's query is a copy of."""
    texts = row.texts
    if texts is None:
        return False
    asked = {hit.place: hit for text in texts.queries for hit in found.query_query.get(text, ())}
    if not asked:
        return False
    hits: dict[int, Hit] = {}
    said: dict[int, tuple[str, list[int]]] = {}
    for text in texts.negatives:
        for hit in found.negative_relevant.get(text, ()):
            concerned = [place for place in sides.documents.queries[hit.place] if place in asked]
            if not concerned:
                continue
            tally.touch("contradiction", sides.documents, hit, concerned)
            # As sure as the less sure of the two.
            weaker = max((asked[concerned[0]], hit), key=lambda one: (one.rank, -one.similarity))
            hits[hit.place] = hit._replace(rank=weaker.rank, measure=weaker.measure, similarity=weaker.similarity)
            said[hit.place] = (text, concerned)
    if not hits:
        return False
    best = strongest(hits)
    tally.row("contradiction", best.rank)
    if tally.wants("contradiction", best.rank):
        text, concerned = said[best.place]
        ids = [sides.queries.ids[place] for place in concerned]
        tally.show("contradiction", sides.documents, best, where, text, ids)
    return True
