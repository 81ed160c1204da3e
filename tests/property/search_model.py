"""What a search must answer, said by documents in a dict; and random documents, filters and queries of several tenants.

Vectors are of small whole numbers, so that scores are exact and often equal, and words few, so that they are shared.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metadata_oracle import keeps
from numpy.typing import NDArray

from crossfade.lexical import AnalyserSettings, tokens
from crossfade.store import CollectionSettings, Document
from crossfade.store.metadata import MetadataSchema
from crossfade.store.types import Precision

DIMENSION = 4
TENANTS = ("acme", "bell", "cord")
OWNER = "owner"
KINDS = ("memo", "note", "")
TAGS = ("x", "y", "z")
WORDS = [f"w{number}" for number in range(12)]
FIELDS = {OWNER: "string", "kind": "string", "n": "int", "tags": "strings"}
ANALYSER = AnalyserSettings()
Span = tuple[int, int]
Row = tuple[float, ...]


def settings_of(precision: Precision = "f32") -> CollectionSettings:
    schema = MetadataSchema({name: kind for name, kind in FIELDS.items() if name != OWNER})
    return CollectionSettings(fields=schema, analyser=ANALYSER, tenant_field=OWNER, precision=precision)


@dataclass(frozen=True)
class Entry:
    """`document`: as the tenant wrote it. `rows`: by version of the index, a vector for each of the spans."""

    tenant: str
    document: Document
    spans: tuple[Span, ...]
    rows: Mapping[int, tuple[Row, ...]] = field(default_factory=dict)

    @property
    def kept(self) -> str:
        """The id as the collection has it."""
        return f"{self.tenant}\x1f{self.document.id}"

    @property
    def metadata(self) -> dict[str, Any]:
        return {**self.document.metadata, OWNER: self.tenant}

    @property
    def passages(self) -> list[str]:
        title, text = self.document.title, self.document.text
        return [f"{title} {text[start:stop]}" if title else text[start:stop] for start, stop in self.spans]


Entries = Mapping[str, Entry]  # by the ids as the collection has them


def random_entry(tenant: str, name: str, clock: int, chance: random.Random) -> Entry:
    """`clock`: in the text, so that no two writes are alike."""
    pieces = [" ".join([*chance.choices(WORDS, k=chance.randint(1, 4)), f"c{clock} "]) for _ in range(_count(chance))]
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    metadata: dict[str, Any] = {"n": chance.randint(0, 5)}
    if chance.random() < 0.7:
        metadata["kind"] = chance.choice(KINDS)
    if chance.random() < 0.7:
        metadata["tags"] = chance.sample(TAGS, chance.randint(0, 2))
    title = chance.choice(["", name])
    return Entry(
        tenant,
        Document(name, title=title, text="".join(pieces), metadata=metadata),
        tuple(zip([0, *ends], ends, strict=False)),
    )


def _count(chance: random.Random) -> int:
    return chance.choice((1, 1, 2, 3, 6))


def random_vectors(count: int, chance: random.Random) -> tuple[Row, ...]:
    """Of a document's rows. At times all of them are one: then many rows make few documents."""
    rows = tuple(tuple(float(chance.randint(-1, 1)) for _ in range(DIMENSION)) for _ in range(count))
    return rows if chance.random() < 0.6 else rows[:1] * count


def random_filter(chance: random.Random, depth: int = 2) -> dict[str, Any]:
    """JSON of one; they also name the field of the tenants, and other tenants in it."""
    kind = chance.random()
    if depth and kind < 0.5:
        below = [random_filter(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        return chance.choice(({"and": below}, {"or": below}, {"not": random_filter(chance, depth - 1)}))
    if kind < 0.7:
        others = chance.sample(TENANTS, chance.randint(0, 2))
        return {
            "field": OWNER,
            **chance.choice(
                (
                    {"eq": chance.choice(TENANTS)},
                    {"in": others},
                    {"exists": chance.random() < 0.5},
                    {"prefix": chance.choice(("", "b"))},
                    {"gte": chance.choice(TENANTS)},
                )
            ),
        }
    return chance.choice(
        (
            {"field": "kind", "eq": chance.choice(KINDS)},
            {"field": "kind", "in": chance.sample(KINDS, 2)},
            {"field": "kind", "exists": chance.random() < 0.5},
            {"field": "n", "gte": chance.randint(0, 5)},
            {"field": "n", "lt": chance.randint(0, 5), "gte": 1},
            {"field": "tags", "contains_any": chance.sample(TAGS, 2)},
            {"field": "tags", "contains_all": chance.sample(TAGS, 1)},
        )
    )


def random_words(entries: Entries, chance: random.Random) -> str:
    """Of a query: some that many have, and at times some that one document has, of whichever tenant."""
    words = chance.choices(WORDS, k=chance.randint(1, 3))
    if entries and chance.random() < 0.6:
        words += chance.choice(list(entries.values())).document.text.split()[-1:]
    return " ".join(words)


def random_query(entries: Entries, version: int, chance: random.Random) -> Row:
    """At times the vector of a row that is there."""
    there = [row for entry in entries.values() for row in entry.rows.get(version, ())]
    return chance.choice(there) if there and chance.random() < 0.5 else random_vectors(1, chance)[0]


def allowed(entries: Entries, version: int, tenant: str | None, condition: dict[str, Any] | None) -> dict[str, Entry]:
    """What may be found: in that version, of that tenant, or of any, and kept by the filter."""
    return {
        name: entry
        for name, entry in entries.items()
        if version in entry.rows
        and tenant in (None, entry.tenant)
        and (condition is None or keeps(condition, entry.metadata, FIELDS))
    }


def scored(entry: Entry, version: int, query: Row) -> list[tuple[float, Span]]:
    """Every row's score and span, in their order."""
    rows = entry.rows[version]
    return [
        (-sum((one - other) ** 2 for one, other in zip(query, row, strict=True)), span)
        for row, span in zip(rows, entry.spans, strict=True)
    ]


def nearest(may: Entries, version: int, query: Row, k: int) -> list[tuple[str, float, Span]]:
    """The exact answer: the best row of each document, the first of equal ones; then by id."""
    best = []
    for name, entry in may.items():
        score, span = max(scored(entry, version, query), key=lambda row: row[0])
        best.append((name, score, span))
    return sorted(best, key=lambda hit: (-hit[1], hit[0]))[:k]


def sharing(may: Entries, text: str) -> set[str]:
    """Ids of the documents that have a word of the text."""
    names = list(may)
    of_query, *of_entries = tokens([text, *(" ".join(may[name].passages) for name in names)], ANALYSER)
    return {name for name, words in zip(names, of_entries, strict=True) if set(words) & set(of_query)}


def array(rows: Sequence[Row]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, DIMENSION)
