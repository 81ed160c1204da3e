"""Searches of a durable collection beside a dict: by vectors, exactly and by walks, by words, by both and reranked,
with filters, of documents in several chunks and of several tenants, through `Retriever` and `TenantCollection`, of
every index version, whatever is sealed, merged, given graphs, damaged, mended and opened again in between.

CROSSFADE_SEQUENCES=10000 for more sequences than the ordinary run has.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from search_model import (
    DIMENSION,
    OWNER,
    TENANTS,
    Entry,
    Row,
    allowed,
    array,
    nearest,
    random_entry,
    random_filter,
    random_query,
    random_vectors,
    random_words,
    scored,
    settings_of,
    sharing,
)

from crossfade.errors import InvalidInput
from crossfade.retrieval import Retriever
from crossfade.retrieval.options import SearchOptions
from crossfade.retrieval.ranking import Walking, rank
from crossfade.retrieval.reranking import Candidate, Reranked
from crossfade.retrieval.types import Hit, SearchResult
from crossfade.store import CollectionSpec, DurableStore, IndexVectors, Snapshot, StoreSettings
from crossfade.store.metadata import Filter
from crossfade.store.settings import GraphSettings
from crossfade.store.tenancy import TenantCollection
from crossfade.store.types import Collection

# Graphs of some ten rows; tails and merges of as few.
SETTINGS = StoreSettings(
    seal_rows=12,
    merge_factor=2,
    graph=GraphSettings(least_rows=10, sample=4, threads=1, niceness=0),
)
NAMES = st.sampled_from([f"d{number}" for number in range(14)])
WHO = st.sampled_from(TENANTS)
ASKING = st.sampled_from((None, *TENANTS))
SEEDS = st.integers(0, 2**32 - 1)
QUERIES = 3

met: Counter[str] = Counter()


class ByTheirBytes:
    """A reranker whose score is of the text alone, and which remembers what it was given to read."""

    fingerprint = "bytes"
    depth = 4

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    @staticmethod
    def score(text: str) -> float:
        return float(zlib.crc32(text.encode()) % 100)

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> Reranked:
        best, rest = candidates[: self.depth], candidates[self.depth :]
        self.read += [(each.id, each.text) for each in best]
        hits = [Hit(each.id, self.score(each.text)) for each in best]
        hits.sort(key=lambda hit: (-hit.score, hit.id))
        return Reranked(hits + [Hit(each.id, -1.0 - at) for at, each in enumerate(rest)], len(best), 0, 0, 0, 0)


class SearchMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.store = DurableStore(self.path, SETTINGS, upkeep=False)
        self.entries: dict[str, Entry] = {}
        self.snapshots: list[tuple[int, Snapshot, dict[str, Entry]]] = []
        self.versions = {1}
        self.current = self.last = 1
        self.clock = 0

    @initialize(
        precision=st.sampled_from(("f32", "f32", "f16", "int8")), names=st.lists(NAMES, unique=True), seed=SEEDS
    )
    def begin(self, precision: Any, names: list[str], seed: int) -> None:
        self.store.create(CollectionSpec("c", DIMENSION, "l2", "f1"), settings_of(precision))
        for number, tenant in enumerate(TENANTS):
            self.upsert(tenant, names[number:], seed + number, also=False)

    @property
    def collection(self) -> Any:
        return self.store.collection("c")

    def of(self, tenant: str, version: int | None = None) -> TenantCollection:
        return TenantCollection(self.collection.at(version), OWNER, tenant)

    def a_version(self, chance: random.Random) -> int:
        return chance.choice(sorted(self.versions))

    @rule(tenant=WHO, names=st.lists(NAMES, unique=True, min_size=1, max_size=8), seed=SEEDS, also=st.booleans())
    def upsert(self, tenant: str, names: list[str], seed: int, also: bool) -> None:
        """To a version, and at times to the others in the same call."""
        chance = random.Random(seed)
        version = self.a_version(chance)
        self.clock += 1
        written = [random_entry(tenant, name, self.clock, chance) for name in names]
        wanted = {version, *self.versions} if also else {version}
        written = [
            replace(each, rows={number: random_vectors(len(each.spans), chance) for number in wanted})
            for each in written
        ]
        vectors = {number: array([row for each in written for row in each.rows[number]]) for number in wanted}
        spans = [each.spans for each in written]
        before = sum(each.kept in self.entries for each in written)
        more = {number: IndexVectors(vectors[number], spans) for number in wanted if number != version}
        counts = self.of(tenant, version).upsert(
            [each.document for each in written], vectors[version], spans=spans, also=more
        )
        assert (counts.added, counts.replaced) == (len(written) - before, before)
        self.entries.update((each.kept, each) for each in written)

    @rule(tenant=WHO, other=WHO, name=NAMES)
    def upsert_as_another(self, tenant: str, other: str, name: str) -> None:
        """A document that says it is another tenant's is refused; one that says its own is not."""
        if tenant != other:
            entry = random_entry(tenant, name, 0, random.Random(0))
            document = replace(entry.document, metadata={OWNER: other})
            with pytest.raises(InvalidInput, match="leave the field out"):
                self.of(tenant).upsert([document], array(random_vectors(1, random.Random(0))))

    @rule(tenant=WHO, names=st.lists(NAMES, unique=True, min_size=1, max_size=10))
    def delete(self, tenant: str, names: list[str]) -> None:
        """Ids that others have too; only the tenant's own go, and are counted. As it is kept, an id is nobody's."""
        gone = [f"{tenant}\x1f{name}" for name in names if f"{tenant}\x1f{name}" in self.entries]
        others = [each.kept for each in self.entries.values() if each.tenant != tenant]
        assert self.of(tenant).delete([*names, *others]) == len(gone)
        for kept in gone:
            del self.entries[kept]

    @rule()
    def seal(self) -> None:
        self.collection.seal()

    @rule()
    def keep_up(self) -> None:
        while self.collection.keep_up():
            pass

    def open_again(self) -> None:
        self.store = DurableStore(self.path, SETTINGS, upkeep=False)

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.open_again()

    @rule()
    def lose_every_derived_file(self) -> None:
        self.store.close()
        shutil.rmtree(self.path / "segments", ignore_errors=True)
        self.open_again()

    @rule(seed=SEEDS, opened=st.booleans())
    def damage(self, seed: int, opened: bool) -> None:
        """A bit of any derived file, while the store is open or not. What has the file mapped keeps what it was."""
        chance = random.Random(seed)
        files = [path for path in (self.path / "segments").rglob("*") if path.is_file() and path.stat().st_size]
        if not files:
            return
        path = chance.choice(sorted(files))
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if not opened:
            self.store.close()
        path.unlink()
        path.write_bytes(data)
        if opened:
            assert self.collection.heal() == 1, path.name
        else:
            self.open_again()
        assert self.collection.heal() == 0
        met["files damaged"] += 1

    @precondition(lambda self: len(self.versions) < 3)
    @rule()
    def create_index(self) -> None:
        self.last += 1
        assert self.collection.create_index(DIMENSION, f"f{self.last}") == self.last
        self.versions.add(self.last)

    @rule(seed=SEEDS, count=st.integers(1, 30))
    def fill(self, seed: int, count: int) -> None:
        chance = random.Random(seed)
        version = self.a_version(chance)
        pending = self.collection.pending(version, count)
        lacking = [name for name, entry in self.entries.items() if version not in entry.rows]
        assert len(pending) == min(count, len(lacking))
        assert {document.id for _, document in pending} <= set(lacking)
        if not pending:
            return
        filled = [self.entries[document.id] for _, document in pending]
        rows = [random_vectors(len(each.spans), chance) for each in filled]
        spans = [each.spans for each in filled]
        keys = [key for key, _ in pending]
        taken = self.collection.fill(version, keys, array([row for each in rows for row in each]), spans=spans)
        assert taken == len(pending)
        for each, vectors in zip(filled, rows, strict=True):
            self.entries[each.kept] = replace(each, rows={**each.rows, version: vectors})

    @rule(seed=SEEDS)
    def set_current(self, seed: int) -> None:
        version = self.a_version(random.Random(seed))
        assert self.collection.set_current(version, force=True) == self.current
        self.current = version

    @precondition(lambda self: len(self.versions) > 1)
    @rule(seed=SEEDS)
    def drop_index(self, seed: int) -> None:
        version = random.Random(seed).choice(sorted(self.versions - {self.current}))
        self.collection.drop_index(version)
        self.versions.remove(version)
        for name, entry in self.entries.items():
            rows = {number: rows for number, rows in entry.rows.items() if number != version}
            self.entries[name] = replace(entry, rows=rows)

    @rule(seed=SEEDS, tenant=ASKING, k=st.sampled_from((1, 2, 5, 60)), filtered=st.booleans())
    def search(self, seed: int, tenant: str | None, k: int, filtered: bool) -> None:
        asked = Asked(self, seed, tenant, filtered)
        asked.by_vectors(k)
        asked.by_walks(k)
        asked.by_words(k)
        asked.by_both(k)
        asked.reranked(("dense", "hybrid")[seed % 2])

    @rule(seed=SEEDS)
    def take_snapshot(self, seed: int) -> None:
        version = self.a_version(random.Random(seed))
        self.snapshots[1:] = [(version, self.collection.snapshot(version), dict(self.entries))]

    @precondition(lambda self: self.snapshots)
    @rule(seed=SEEDS)
    def search_snapshots(self, seed: int) -> None:
        chance = random.Random(seed)
        for version, snapshot, entries in self.snapshots:
            query = random_query(entries, version, chance)
            (hits,) = rank(array([query]), snapshot, 60, "l2", 1, walking=Walking(exact=True))
            assert [hit[:3] for hit in hits] == nearest(allowed(entries, version, None, None), version, query, 60)

    @rule(tenant=WHO)
    def read_documents(self, tenant: str) -> None:
        """A tenant's own; another's are not there, whatever id is asked for."""
        every = list(self.entries.values())
        found = self.of(tenant).documents([each.kept for each in every])
        assert [None if each is None else (each.title, each.text, each.metadata) for each in found] == [
            (each.document.title, each.document.text, each.metadata) if each.tenant == tenant else None
            for each in every
        ]

    @invariant()
    def counts_agree(self) -> None:
        if "c" in {collection.spec.name for collection in self.store.all()}:
            assert len(self.collection) == len(self.entries)
            for each in self.collection.index_versions():
                there = [entry for entry in self.entries.values() if each.version in entry.rows]
                assert each.rows == sum(len(entry.spans) for entry in there)
                assert each.pending == len(self.entries) - len(there)

    @precondition(lambda self: self.clock)
    @rule(seed=SEEDS)
    def search_all_of_it_again(self, seed: int) -> None:
        """With all upkeep done, opened anew: whoever asks."""
        self.keep_up()
        self.close_and_open()
        for number, tenant in enumerate((None, *TENANTS)):
            self.search(seed + number, tenant, 5, filtered=number % 2 == 1)
            self.read_documents(tenant or TENANTS[0])

    def teardown(self) -> None:
        met["sequences"] += 1
        self.store.close()
        self.folder.cleanup()


class Asked:
    """Queries at random of one version, through a `Retriever` of what the tenant has of it; `may` be found."""

    def __init__(self, machine: SearchMachine, seed: int, tenant: str | None, filtered: bool) -> None:
        chance = random.Random(seed)
        self.version = machine.a_version(chance)
        condition = random_filter(chance) if filtered else None
        self.may = allowed(machine.entries, self.version, tenant, condition)
        self.vectors = [random_query(machine.entries, self.version, chance) for _ in range(QUERIES)]
        self.texts = [random_words(machine.entries, chance) for _ in range(QUERIES)]
        self._condition = None if condition is None else Filter.parse(condition)
        self._collection: Collection = machine.collection.at(self.version)
        self._walked = any(part.graph is not None for part in self._collection.snapshot().parts)
        if tenant is not None:
            mine = machine.of(tenant, self.version)
            self._collection, self._condition = mine, mine.imposed(self._condition)
        met["searches"] += 1
        met["of a tenant with a filter"] += filtered and tenant is not None

    def by_vectors(self, k: int) -> None:
        for query, hits in self._zipped(self._found(k, walking=Walking(exact=True))):
            assert [hit[:3] for hit in hits] == nearest(self.may, self.version, query, k)

    def by_walks(self, k: int) -> None:
        """As many as there are, with their own scores; also that of the best, which may be another of the same."""
        for query, hits in self._zipped(self._found(k)):
            expected = nearest(self.may, self.version, query, k)
            assert len({hit.id for hit in hits}) == len(hits) == len(expected)
            assert sorted(hits, key=lambda hit: (-hit.score, hit.id)) == hits
            for hit in hits:
                assert (hit.score, hit.span) in scored(self.may[hit.id], self.version, query)
            if hits:
                assert hits[0].score == expected[0][1]
            met["walks"] += self._walked

    def by_words(self, k: int) -> None:
        for text, hits in zip(self.texts, self._found(k, mode="lexical").hits, strict=True):
            expected = sharing(self.may, text)
            names = [hit.id for hit in hits]
            assert len(set(names)) == len(names) == min(k, len(expected))
            assert set(names) <= expected
            assert sorted(hits, key=lambda hit: (-hit.score, hit.id)) == hits

    def by_both(self, k: int) -> None:
        """All that may be found is among the candidates: there are fewer than 100."""
        for hits in self._found(k, mode="hybrid").hits:
            names = [hit.id for hit in hits]
            assert len(set(names)) == len(names) == min(k, len(self.may))
            assert set(names) <= self.may.keys()

    def reranked(self, mode: str) -> None:
        """The reranker reads of what may be found, passage by passage, and what it says is what is answered."""
        reranker = ByTheirBytes()
        for hits in self._found(60, mode=mode, reranker=reranker, explain=True).hits:
            assert {hit.id for hit in hits} == self.may.keys()
            for hit in hits[: reranker.depth]:
                entry = self.may[hit.id]
                assert hit.score == reranker.score(entry.passages[entry.spans.index(hit.span)])
        assert all(text in self.may[name].passages for name, text in reranker.read)

    def _zipped(self, found: SearchResult) -> Iterator[tuple[Row, list[Hit]]]:
        return zip(self.vectors, found.hits, strict=True)

    def _found(self, k: int, **options: Any) -> SearchResult:
        chosen = SearchOptions(filter=self._condition, **options)
        retriever = Retriever(self._collection, threads=1)
        if chosen.mode == "lexical":
            found = retriever.search_texts(self.texts, k, chosen)
        else:
            fingerprint = self._collection.spec.document_fingerprint
            found = retriever.search_vectors(
                array(self.vectors), k, fingerprint=fingerprint, options=chosen, texts=self.texts
            )
        assert not found.incomplete
        return found


SEQUENCES = 2 * int(os.environ.get("CROSSFADE_SEQUENCES", "600"))


class TestSearches(SearchMachine.TestCase):
    settings = settings(
        max_examples=SEQUENCES, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )

    def runTest(self) -> None:
        met.clear()
        super().runTest()
        print(", ".join(f"{count:,} {what}" for what, count in met.items()))
