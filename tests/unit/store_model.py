"""What a store must hold, said by a dict: every row's vector, text and metadata follow from its id and its version.

A state is id -> version; a version below zero says that its write was a deletion. Versions count an id's writes, as
the store's own do.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from crossfade.lexical import tokens
from crossfade.retrieval.ranking import Walking, allowed, rank
from crossfade.retrieval.words import rank_words
from crossfade.store import CollectionSpec, Document, DurableCollection, Snapshot, StoreSettings
from crossfade.store.metadata import Filter, bind
from crossfade.store.settings import GraphSettings

DIMENSION = 8
KINDS = ("red", "green", "blue")
State = dict[str, int]

# Everything happens within a few writes: tails of a few rows, merges of two, a log that is emptied all the time.
SETTINGS = StoreSettings(
    seal_rows=24,
    merge_factor=2,
    log_bytes=1 << 17,
    graph=GraphSettings(least_rows=40, sample=4, threads=1),
)


def spec_of(name: str) -> CollectionSpec:
    return CollectionSpec(name, DIMENSION, "l2", "cf1-of-the-model")


def document_of(name: str, version: int) -> Document:
    metadata = {"version": version, "kind": KINDS[version % 3], "tags": [name[-1], f"v{version % 5}"]}
    return Document(name, title=name.upper(), text=f"{name} {version} " * (1 + version % 3), metadata=metadata)


def rows_of(name: str, version: int) -> list[tuple[int, int, tuple[float, ...]]]:
    """Where each row's text begins and ends, and its vector: version and row first, then what nobody would guess."""
    digest = hashlib.blake2b(f"{name} {version}".encode(), digest_size=2 * (DIMENSION - 2)).digest()
    guess = [float(value) for value in np.frombuffer(digest, "<u2")]
    size = len(f"{name} {version} ")
    return [
        (row * size, (row + 1) * size, (float(version), float(row), *np.roll(guess, row).tolist()))
        for row in range(1 + version % 3)
    ]


def write(collection: DurableCollection, versions: Mapping[str, int]) -> None:
    """One call: all of them are written, or all are deleted."""
    if next(iter(versions.values())) < 0:
        assert collection.delete(list(versions)) == len(versions)
        return
    rows = [rows_of(name, version) for name, version in versions.items()]
    collection.upsert(
        [document_of(name, version) for name, version in versions.items()],
        np.array([vector for each in rows for _, _, vector in each], dtype=np.float32),
        spans=[[(start, stop) for start, stop, _ in each] for each in rows],
    )


def next_write(state: State, names: list[str], chance: random.Random) -> State:
    """A write that may follow: of several documents at once, or a deletion of some."""
    there = [name for name in names if state.get(name, 0) > 0]
    if there and chance.random() < 0.25:
        chosen = chance.sample(there, chance.randint(1, min(4, len(there))))
        return {name: -state[name] - 1 for name in chosen}
    chosen = chance.sample(names, chance.randint(1, min(8, len(names))))
    return {name: abs(state.get(name, 0)) + 1 for name in chosen}


def alive(state: State) -> State:
    return {name: version for name, version in state.items() if version > 0}


def contents(snapshot: Snapshot) -> State:
    """id -> version of all that may be found. Fails for an id in two places, a row too many or too few, and a vector
    that is not the one of its id and version."""
    found: State = {}
    for part in snapshot.parts:
        bits = np.ones(len(part.ids), np.bool_)
        if part.live is not None:
            bits = np.unpackbits(part.live, count=len(part.ids), bitorder="little").astype(np.bool_)
        assert np.count_nonzero(bits) == part.count
        assert part.spans is not None
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for row in np.flatnonzero(bits).tolist():
            rows.setdefault(part.ids[row], []).append((*part.spans[row].tolist(), tuple(part.vectors[row].tolist())))
        for name, of in rows.items():
            assert name not in found, f"{name} is in two parts"
            found[name] = int(of[0][2][0])
            assert of == rows_of(name, found[name]), f"{name} has rows that are not of version {found[name]}"
    return found


def observed(collection: DurableCollection, names: Iterable[str]) -> State:
    """id -> version of the documents that are there, by their texts."""
    wanted = list(names)
    found = {}
    for name, document in zip(wanted, collection.documents(wanted), strict=True):
        if document is not None:
            found[name] = int(document.text.split()[1])
            assert document == document_of(name, found[name])
    return found


def check(collection: DurableCollection, state: State) -> None:
    """Every way to ask says what the state says."""
    there = alive(state)
    assert observed(collection, [*state, "never there"]) == there
    assert len(collection) == len(there)
    check_counts(collection, state)
    snapshot = collection.snapshot()
    assert not snapshot.incomplete
    assert contents(snapshot) == there
    check_filters(collection, snapshot, there)
    for name in sorted(there)[:: max(1, len(there) // 3)]:
        start, stop, vector = rows_of(name, there[name])[-1]
        (hits,) = rank(np.array([vector], np.float32), snapshot, 3, "l2", 1, walking=Walking(exact=True))
        assert len(hits) == min(3, len(there))
        assert hits[0][:3] == (name, 0.0, (start, stop))
    check_walks(snapshot, there)
    check_words(collection, snapshot, state)


def check_walks(snapshot: Snapshot, there: State) -> None:
    """A search that does not say how, by graphs where there are any, finds every document by its own vector."""
    if not there:
        return
    last = [(name, *rows_of(name, version)[-1]) for name, version in there.items()]
    found = rank(np.array([vector for *_, vector in last], np.float32), snapshot, 1, "l2", 1)
    assert [hits[0][:3] for hits in found] == [(name, 0.0, (start, stop)) for name, start, stop, _ in last]


def check_words(collection: DurableCollection, snapshot: Snapshot, state: State) -> None:
    """By its name and version every document is found first, and with it those alone that share a word; by those of one
    that is gone, it is not."""
    there = alive(state)
    analyser = collection.settings.analyser
    queries = [f"{name} {abs(version)}" for name, version in state.items()]
    asked = [set(words) for words in tokens(queries, analyser)]
    contents = [document_of(name, version).content for name, version in there.items()]
    kept = dict(zip(there, map(set, tokens(contents, analyser)), strict=True))
    found = rank_words(queries, snapshot, len(there) + 1, 1)
    for name, words, hits in zip(state, asked, found, strict=True):
        assert sorted(hit.id for hit in hits) == sorted(other for other, has in kept.items() if words & has)
        assert name not in there or hits[0].id == name


def check_counts(collection: DurableCollection, state: State) -> None:
    """Versions of the store: none is below the number of writes of its id, and only those that are there have any. One
    that comes again after it was deleted starts above all that were, so that its may be greater."""
    told = collection.versions([*state, "never there"])
    for found, version in zip(told, [*state.values(), 0], strict=True):
        assert found >= version if version > 0 else found == 0


def check_filters(collection: DurableCollection, snapshot: Snapshot, there: State) -> None:
    expected = Counter(KINDS[version % 3] for version in there.values())
    for kind in KINDS:
        if "kind" not in collection.fields:
            assert not there
            continue
        condition = bind(Filter.parse({"field": "kind", "eq": kind}), collection.fields)
        rows = sum(allowed(part, condition).count for part in snapshot.parts)
        assert rows == sum(1 + version % 3 for version in there.values() if KINDS[version % 3] == kind)
        found = rank(np.zeros((1, DIMENSION), np.float32), snapshot, len(there) + 1, "l2", 1, condition)[0]
        assert len(found) == expected[kind]
