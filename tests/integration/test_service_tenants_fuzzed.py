"""Tenants over the wire, at random: whatever each of them writes, deletes, searches and filters by, it meets its own
documents and no other's; held against a dictionary. CROSSFADE_TENANT_ROUNDS=1000 for more than the ordinary run has."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from search_model import (
    OWNER,
    TENANTS,
    Entry,
    allowed,
    random_entry,
    random_filter,
    random_words,
    settings_of,
    sharing,
)
from serving_harness import serve_process
from tiny_models import Tiny, write_model

from crossfade.client import Client, Document, SearchOptions
from crossfade.errors import InvalidInput
from crossfade.models.importing import import_model

ROUNDS = int(os.environ.get("CROSSFADE_TENANT_ROUNDS", "40"))
SEARCHES = 12  # at once: those that are alike are searched together
NAMES = [f"d{number}" for number in range(12)]
ALL = 50


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    directory = tmp_path_factory.mktemp("served")
    import_model(str(write_model(directory / "source", Tiny())), directory / "base")
    models = ("--model", f"base={directory / 'base'}", "--reranker", f"tokens={directory / 'base'}")
    with ExitStack() as held:
        process = held.enter_context(serve_process(directory / "log", *models, "--store", str(directory / "store")))
        owner = held.enter_context(Client(process.address))
        owner.create_collection("shared", model="base", settings=settings_of())
        yield {tenant: held.enter_context(Client(process.address, tenant=tenant)) for tenant in TENANTS}


def written(client: Client, tenant: str, entries: dict[str, Entry], clock: int, chance: random.Random) -> None:
    """Some upserts and deletions of the tenant's, of ids that others use too; and one of a document of another's."""
    names = chance.sample(NAMES, chance.randint(1, 6))
    if chance.random() < 0.4:
        others = [entry.kept for entry in entries.values() if entry.tenant != tenant]
        gone = [f"{tenant}\x1f{name}" for name in names if f"{tenant}\x1f{name}" in entries]
        assert client.delete("shared", [*names, *others]) == len(gone)
        for kept in gone:
            del entries[kept]
        return
    made = [replace(random_entry(tenant, name, clock, chance), rows={1: ()}) for name in names]
    if chance.random() < 0.5:  # to say whose it is changes nothing
        made = [
            replace(each, document=replace(each.document, metadata={**each.document.metadata, OWNER: tenant}))
            for each in made
        ]
    before = sum(each.kept in entries for each in made)
    done = client.upsert("shared", [sent(each) for each in made], model="base")
    assert (done.added, done.replaced) == (len(made) - before, before)
    entries.update((each.kept, each) for each in made)
    other = chance.choice([each for each in TENANTS if each != tenant])
    with pytest.raises(InvalidInput, match="leave the field out"):
        client.upsert("shared", [Document(names[0], text="x", metadata={OWNER: other})], model="base")


def sent(entry: Entry) -> Document:
    document = entry.document
    return Document(document.id, document.title, document.text, document.metadata)


def search(client: Client, tenant: str, entries: dict[str, Entry], seed: str) -> None:
    chance = random.Random(seed)
    condition = random_filter(chance) if chance.random() < 0.6 else None
    may = allowed(entries, 1, tenant, condition)
    mode: Any = chance.choice(("dense", "dense", "lexical", "hybrid"))
    texts = [random_words(entries, chance) for _ in range(2)]
    k = chance.choice((1, 3, ALL))
    more: dict[str, Any] = {} if mode == "lexical" else {"model": "base"}
    if condition is not None or mode != "dense" or chance.random() < 0.5:
        more["options"] = SearchOptions(
            filter=condition,
            mode=mode,
            exact=chance.random() < 0.5,
            reranker=chance.choice((None, None, "tokens")),
            explain=chance.random() < 0.5,
        )
    answer = client.search("shared", k, texts=texts, with_documents=chance.random() < 0.7, **more)
    found = 0
    for text, hits in zip(texts, answer.hits, strict=True):
        expected = {name: may[name] for name in sharing(may, text)} if mode == "lexical" else may
        own = {entry.document.id: entry for entry in expected.values()}
        names = [hit.id for hit in hits]
        assert set(names) <= own.keys()
        assert len(set(names)) == len(names) == min(k, len(own))
        for hit in hits:
            if hit.document is not None:
                entry = own[hit.id]
                assert (hit.document.id, hit.document.text) == (hit.id, entry.document.text)
                assert hit.document.metadata == entry.metadata
            # A word's part in a score would tell how many documents have it, those of others among them.
            assert all(stage.terms == {} for stage in hit.stages)
        found += len(own)
    for stage in answer.stages:
        assert stage.candidates <= found, "what others have was counted"


def test_nothing_of_another_tenant_is_found_deleted_or_counted(clients: dict[str, Client]) -> None:
    entries: dict[str, Entry] = {}
    with ThreadPoolExecutor(SEARCHES) as threads:
        for number in range(ROUNDS):
            chance = random.Random(f"tenants {number}")
            for tenant in chance.sample(TENANTS, 2):
                written(clients[tenant], tenant, entries, number, chance)
            asking = [chance.choice(TENANTS) for _ in range(SEARCHES)]
            asked = [
                threads.submit(search, clients[tenant], tenant, entries, f"{number} {place}")
                for place, tenant in enumerate(asking)
            ]
            for each in asked:
                each.result()
    for tenant, client in clients.items():
        mine = [entry.document.id for entry in entries.values() if entry.tenant == tenant]
        assert mine
        assert client.delete("shared", NAMES) == len(mine)
        assert client.search("shared", ALL, model="base", texts=["w1"]).hits == [[]]
        entries = {name: entry for name, entry in entries.items() if entry.tenant != tenant}
        for other, theirs in clients.items():
            left = {entry.document.id for entry in entries.values() if entry.tenant == other}
            assert {hit.id for hit in theirs.search("shared", ALL, model="base", texts=["w1"]).hits[0]} == left
