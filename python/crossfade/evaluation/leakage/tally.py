"""What was found, counted as it comes in: rows, evaluation texts, queries, and some examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from crossfade.evaluation.leakage.known import Hit, Known
from crossfade.evaluation.leakage.results import KINDS, Example, Measure, PairCounts
from crossfade.evaluation.leakage.settings import PAIRS, Pair
from crossfade.evaluation.showcase import snippet

_SHOWN = 400  # characters of an example's text
_QUERIES_SHOWN = 10


class Tally:
    """Grows with what there is of the evaluation's side, not with the training rows."""

    def __init__(self, examples: int, suspects: int = 0) -> None:
        self._examples = examples
        self._most_suspects = suspects
        self._suspects: dict[Pair, list[tuple[float, Example]]] = {}
        self._rows: dict[Pair, list[int]] = {pair: [0] * len(KINDS) for pair in PAIRS}
        self._texts: dict[Pair, set[int]] = {pair: set() for pair in PAIRS}
        self._queries: dict[Pair, set[int]] = {pair: set() for pair in PAIRS}
        self._shown: dict[tuple[Pair, int], list[Example]] = {}

    def touch(self, pair: Pair, known: Known, hit: Hit, queries: list[int] | None = None) -> None:
        """A hit of some row. `queries`: places of those it concerns; by default all that the known text stands for."""
        self._texts[pair].add(hit.place)
        self._queries[pair].update(known.queries[hit.place] if queries is None else queries)

    def row(self, pair: Pair, rank: int) -> None:
        """A row whose strongest hit has this rank."""
        self._rows[pair][rank] += 1

    def wants(self, pair: Pair, rank: int) -> bool:
        """Whether there are fewer examples than are to be shown."""
        return len(self._shown.get((pair, rank), ())) < self._examples

    def show(self, pair: Pair, known: Known, hit: Hit, where: tuple[str, int], text: str, query_ids: list[str]) -> None:
        """Keep an example. `where`: file and line."""
        example = self._example(pair, known, hit, where, text, query_ids)
        self._shown.setdefault((pair, hit.rank), []).append(example)

    def suspects(self, pair: Pair, similarity: float) -> bool:
        """Whether it is more than that of another that is kept, or there is room for more."""
        held = self._suspects.get(pair, [])
        return self._most_suspects > 0 and (len(held) < self._most_suspects or similarity > held[-1][0])

    def suspect(
        self, pair: Pair, known: Known, hit: Hit, where: tuple[str, int], text: str, query_ids: list[str]
    ) -> None:
        """Keep it among those that are the most similar; a text that was seen before is the same suspect."""
        held = self._suspects.setdefault(pair, [])
        example = self._example(pair, known, hit, where, text, query_ids)
        if any(each.training_text == example.training_text for _, each in held):
            return
        held.append((hit.similarity, example))
        held.sort(key=lambda each: -each[0])
        del held[self._most_suspects :]

    def suspected(self) -> list[Example]:
        """By pair, the most similar first."""
        return [each for pair in PAIRS for _, each in self._suspects.get(pair, ())]

    @staticmethod
    def _example(
        pair: Pair, known: Known, hit: Hit, where: tuple[str, int], text: str, query_ids: list[str]
    ) -> Example:
        return Example(
            pair=pair,
            kind=KINDS[hit.rank],
            measure=cast("Measure", hit.measure),
            similarity=hit.similarity,
            file=where[0],
            line=where[1],
            training_text=snippet(text, _SHOWN),
            evaluation_id=known.ids[hit.place],
            evaluation_text=snippet(known.texts[hit.place], _SHOWN),
            query_ids=query_ids[:_QUERIES_SHOWN],
        )

    def counts(self) -> dict[Pair, PairCounts]:
        return {
            pair: PairCounts(
                dict(zip(KINDS, self._rows[pair], strict=True)), len(self._texts[pair]), len(self._queries[pair])
            )
            for pair in PAIRS
        }

    def queries(self, pairs: tuple[Pair, ...]) -> set[int]:
        """Places of the queries that any of these pairs touches."""
        return set().union(*(self._queries[pair] for pair in pairs))

    def examples(self) -> list[Example]:
        """By pair, then by kind, then as they came."""
        return [each for pair in PAIRS for rank in range(len(KINDS)) for each in self._shown.get((pair, rank), ())]


def strongest(hits: Mapping[int, Hit]) -> Hit:
    """The hit of the strongest kind, of these the most similar, of these the first."""
    return min(hits.values(), key=lambda hit: (hit.rank, -hit.similarity, hit.place))
