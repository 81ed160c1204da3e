"""The rule that parts the demo's queries into a train and a test half without a shared target.

    python -m demo.split        write the halves that the rule gives into demo/queries.jsonl

Two queries belong together when a document is judged relevant for both; a family is what hangs together in that way,
through any number of steps. Families are dealt out whole, largest first (among equals by the SHA-256 of their smallest
query id), each to the half that has fewer queries of the family's kinds so far; then to the half that has fewer queries
at all; then to train. Texts, targets and models play no part.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from demo.queries import SPLITS, Query, Split, read_queries, write_queries


def families(queries: Sequence[Query]) -> list[list[Query]]:
    """The queries by family, each family in the order given."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for query in queries:
        for document in query.relevant:
            # A query's name cannot be a document's: none of those holds a space.
            parent[root(document)] = root(f"query {query.id}")
    found: dict[str, list[Query]] = {}
    for query in queries:
        found.setdefault(root(f"query {query.id}"), []).append(query)
    return list(found.values())


def assign(queries: Sequence[Query]) -> list[Query]:
    """The queries in their order, each with the half that the rule gives it."""
    kinds: dict[Split, Counter[str]] = {split: Counter() for split in SPLITS}
    given: dict[str, Split] = {}
    for family in sorted(families(queries), key=lambda members: (-len(members), _hash(members))):

        def load(split: Split, members: Iterable[Query] = family) -> tuple[int, int]:
            return sum(kinds[split][query.kind] for query in members), kinds[split].total()

        half = min(SPLITS, key=load)
        kinds[half].update(query.kind for query in family)
        given.update((query.id, half) for query in family)
    return [dataclasses.replace(query, split=given[query.id]) for query in queries]


def _hash(members: Iterable[Query]) -> str:
    return hashlib.sha256(min(query.id for query in members).encode()).hexdigest()


if __name__ == "__main__":
    write_queries(assign(read_queries()))
