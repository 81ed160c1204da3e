"""A collection moved to another model and back, over the wire, while it is written and searched; aliases of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from serving_harness import PATIENCE, GatedEncoder, local_server, until

from crossfade._pb import collections_pb2
from crossfade.client import Alias, AsyncClient, Client, Document, SearchOptions, Vectors, index_plans
from crossfade.client.plans import one
from crossfade.config import Settings
from crossfade.errors import AlreadyExists, Conflict, FingerprintMismatch, InvalidInput, NotFound
from crossfade.serving.server import Server
from crossfade.store import CollectionSpec, DurableStore, MemoryStore

OLD, NEW = "cf1-old", "cf1-new"


def name(encoder: GatedEncoder, fingerprint: str) -> None:
    bundle = encoder.bundle
    bundle.document_fingerprint = bundle.query_fingerprint = fingerprint
    bundle.fingerprint = lambda _: fingerprint


class OldEncoder(GatedEncoder):
    """A text becomes (its bytes, 1)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        name(self, OLD)


class NewEncoder(GatedEncoder):
    """A text becomes (-2 times its bytes, 1): of as many elements, so that nothing but the name tells them apart."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        name(self, NEW)

    def _vectors(self, texts: list[str]) -> np.ndarray:
        return super()._vectors(texts) * np.array([-2, 1], np.float32)


class House:
    """A server of both models, on a store that outlives it."""

    def __init__(self, directory: Path, **settings: float) -> None:
        self.directory = directory
        self.settings = Settings(**settings)
        for name in ("old", "new"):
            (directory / name).mkdir(exist_ok=True)
        self.old, self.new = OldEncoder(directory / "old"), NewEncoder(directory / "new")
        self._held = ExitStack()
        self.store = self._held.enter_context(DurableStore(directory / "store"))
        self.server = Server({"old": self.old, "new": self.new}, self.store, self.settings)
        self.client = self._held.enter_context(Client(self.server.start("127.0.0.1:0"), timeout=PATIENCE))

    def close(self) -> None:
        self.old.gate.set()
        self.new.gate.set()
        self.server.drain(PATIENCE)
        self._held.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    running = House(tmp_path, max_texts_per_call=4)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def client(house: House) -> Client:
    return house.client


def some(*sizes: int, text: str = "x") -> list[Document]:
    return [Document(f"d{size:02}", text=text * size) for size in sizes]


def make(client: Client, count: int = 10) -> None:
    client.create_collection("docs", model="old", metric="l2")
    client.upsert("docs", some(*range(1, count + 1)), model="old")


def fill(client: Client, version: int = 2, model: str = "new") -> int:
    filled = 0
    while (answer := client.fill_index("docs", version, model=model)).pending:
        filled += answer.filled
    return filled + answer.filled


def best(client: Client, collection: str, model: str, size: int) -> str:
    return client.search(collection, 1, model=model, texts=["x" * size]).hits[0][0].id


def test_to_another_model_and_back_while_writes_go_on(house: House, client: Client) -> None:
    make(client)
    made = client.create_index("docs", model="new")
    assert (made.version, made.dimension, made.document_fingerprint, made.pending) == (2, 2, NEW, 10)
    with pytest.raises(InvalidInput, match="index version 2 of collection 'docs' lacks 10 documents"):
        client.set_current_index("docs", 2, expected_version=1)

    ended = threading.Event()

    def write() -> None:
        try:
            for turn in range(20):
                client.upsert("docs", some(turn % 10 + 1, 20 + turn), model="old")
                if turn % 4 == 0:
                    client.delete("docs", [f"d{20 + turn}"])
                client.search("docs", 3, model="old", texts=["xxx"])
        finally:
            ended.set()

    writing = threading.Thread(target=write)
    writing.start()
    while not ended.is_set():
        fill(client)
    writing.join()
    fill(client)

    (info,) = client.list_collections()
    assert (info.documents, info.current_version, info.document_fingerprint) == (25, 1, OLD)
    assert [(index.version, index.rows, index.pending) for index in info.indexes] == [(1, 25, 0), (2, 25, 0)]

    # Compared side by side: the new version by an alias.
    client.set_alias("next", "docs", 2)
    for size in (1, 7, 21):
        assert best(client, "docs", "old", size) == best(client, "next", "new", size) == f"d{size:02}"
    with pytest.raises(FingerprintMismatch, match="collection 'docs' holds cf1-old"):
        client.search("docs", 1, model="new", texts=["x"])
    with pytest.raises(FingerprintMismatch, match="collection 'next' holds cf1-new"):
        client.search("next", 1, model="old", texts=["x"])
    with pytest.raises(FingerprintMismatch, match="collection 'next' holds cf1-new"):
        client.upsert("next", some(1), vectors=Vectors(np.ones((1, 2), np.float32), OLD))

    assert client.set_current_index("docs", 2, expected_version=1) == 1
    assert best(client, "docs", "new", 7) == "d07"
    with pytest.raises(FingerprintMismatch):
        client.search("docs", 1, model="old", texts=["x"])
    with pytest.raises(Conflict, match=r"version 2 .* is the current one, and 3 was expected"):
        client.set_current_index("docs", 1, expected_version=3)

    # Back: what was written since must be filled in first.
    client.upsert("docs", some(30), model="new")
    assert [index.pending for index in client.list_collections()[0].indexes] == [1, 0]
    with pytest.raises(InvalidInput, match="lacks 1 documents"):
        client.set_current_index("docs", 1, expected_version=2)
    assert fill(client, 1, "old") == 1
    assert client.set_current_index("docs", 1, expected_version=2) == 2
    assert best(client, "docs", "old", 30) == "d30"

    with pytest.raises(InvalidInput, match="aliases point to"):
        client.drop_index("docs", 2)
    client.drop_alias("next")
    client.drop_index("docs", 2)
    assert [index.version for index in client.list_collections()[0].indexes] == [1]


def test_a_write_that_began_before_the_switch_goes_where_its_vectors_belong(house: House, client: Client) -> None:
    make(client, 2)
    client.create_index("docs", model="new")
    fill(client)
    held = threading.Thread(target=lambda: client.upsert("docs", [Document("late", text="wait")], model="old"))
    held.start()
    house.old.wait_for(1)
    client.set_current_index("docs", 2)
    house.old.gate.set()
    house.new.gate.set()
    held.join()
    assert [index.pending for index in client.list_collections()[0].indexes] == [0, 1]
    found = client.search("docs", 5, model="new", texts=["xxxx"])
    assert (found.pending, {hit.id for hit in found.hits[0]}) == (1, {"d01", "d02"})
    assert fill(client) == 1
    found = client.search("docs", 5, model="new", texts=["xxxx"])
    assert (found.pending, found.hits[0][0].id) == (0, "late")


def test_a_fill_that_was_overtaken_is_passed_over(house: House, client: Client) -> None:
    make(client, 1)
    house.old.gate.set()
    client.upsert("docs", [Document("slow", text="wait")], model="old")
    client.create_index("docs", model="new")
    answers: list[int] = []
    filling = threading.Thread(target=lambda: answers.append(client.fill_index("docs", 2, model="new").filled))
    filling.start()
    house.new.wait_for(1)
    # With its vector: the models take turns.
    vector = Vectors(np.array([[8, 1]], np.float32), OLD)
    client.upsert("docs", [Document("slow", text="xxxxxxxx")], vectors=vector)
    house.new.gate.set()
    filling.join()
    assert answers == [1]
    assert fill(client) == 1
    client.set_alias("next", "docs", 2)
    assert best(client, "next", "new", 8) == "slow"


def test_a_space_whose_model_is_not_served(client: Client) -> None:
    make(client, 3)
    made = client.create_index("docs", dimension=4, fingerprint="elsewhere")
    assert (made.dimension, made.document_fingerprint, made.pending, made.graphs_built) == (4, "elsewhere", 3, True)
    client.set_alias("far", "docs", made.version)
    client.upsert("far", some(1), vectors=Vectors(np.ones((1, 4), np.float32), "elsewhere"))
    with pytest.raises(FingerprintMismatch, match="collection 'docs' holds elsewhere"):
        client.fill_index("docs", made.version, model="new")
    with pytest.raises(InvalidInput, match="the index's space is missing"):
        client._run(one(index_plans.CREATE, collections_pb2.CreateIndexRequest(collection="docs"), len), None)


def test_a_fill_takes_no_more_than_it_was_asked_for(client: Client) -> None:
    make(client, 9)
    client.create_index("docs", model="new")
    assert [client.fill_index("docs", 2, model="new", limit=limit).filled for limit in (1, 3, 100)] == [1, 3, 4]
    answer = client.fill_index("docs", 2, model="new", limit=1)
    assert (answer.filled, answer.pending) == (1, 0)
    assert answer.times.infer_ns > 0
    assert client.fill_index("docs", 2, model="new").filled == 0


def test_aliases(client: Client) -> None:
    make(client, 3)
    live = client.set_alias("live", "docs", expected_revision=0)
    assert live == Alias("live", "docs", None, live.revision)
    assert client.list_aliases() == [live]
    with pytest.raises(Conflict, match="alias 'live' has revision"):
        client.set_alias("live", "docs", 1, expected_revision=0)
    moved = client.set_alias("live", "docs", 1, expected_revision=live.revision)
    assert (moved.version, moved.revision > live.revision) == (1, True)
    assert best(client, "live", "old", 2) == "d02"
    assert client.delete("live", ["d02"]) == 1
    with pytest.raises(AlreadyExists, match="'live' is an alias"):
        client.create_collection("live", model="old")
    with pytest.raises(AlreadyExists, match="'docs' is the name of a collection"):
        client.set_alias("docs", "docs")
    with pytest.raises(NotFound, match="no index version 9"):
        client.set_alias("live", "docs", 9)
    with pytest.raises(NotFound, match="it is an alias of version 1 of collection 'docs'"):
        client.delete_collection("live")
    with pytest.raises(Conflict):
        client.drop_alias("live", expected_revision=live.revision)
    client.drop_alias("live", expected_revision=moved.revision)
    with pytest.raises(NotFound, match="no alias 'live'"):
        client.drop_alias("live")
    with pytest.raises(NotFound):
        client.search("live", 1, model="old", texts=["x"])


def test_what_no_call_can_mean_is_refused_before_it_is_sent(client: Client) -> None:
    for call in (
        lambda: client.fill_index("docs", 2, model="new", limit=0),
        lambda: client.set_current_index("docs", 2, expected_version=0),
        lambda: client.set_alias("live", "docs", 0),
        lambda: client.drop_index("docs", -1),
        lambda: client.create_index("docs"),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    first = House(tmp_path)
    make(first.client, 5)
    first.client.create_index("docs", model="new")
    first.client.fill_index("docs", 2, model="new", limit=5)
    first.client.set_current_index("docs", 2)
    first.client.set_alias("before", "docs", 1)
    told = first.client.list_collections(), first.client.list_aliases()
    first.close()
    second = House(tmp_path)
    try:
        assert (second.client.list_collections(), second.client.list_aliases()) == told
        assert best(second.client, "docs", "new", 3) == best(second.client, "before", "old", 3) == "d03"
    finally:
        second.close()


def test_the_client_for_asyncio_does_the_same(house: House) -> None:
    make(house.client, 3)

    async def move() -> None:
        async with AsyncClient(house.client._target, timeout=PATIENCE) as client:
            made = await client.create_index("docs", model="new")
            while (await client.fill_index("docs", made.version, model="new")).pending:
                pass
            alias = await client.set_alias("live", "docs", made.version)
            assert await client.list_aliases() == [alias]
            assert await client.set_current_index("docs", made.version, expected_version=1) == 1
            await client.drop_alias("live")
            await client.drop_index("docs", 1)

    asyncio.run(move())
    (info,) = house.client.list_collections()
    assert (info.current_version, [index.version for index in info.indexes]) == (2, [2])


class TestSearchesThatNameNoModel:
    """The index that is searched says which model reads them."""

    def test_of_a_collection_and_of_aliases(self, client: Client) -> None:
        make(client)
        client.create_index("docs", model="new")
        fill(client)
        client.set_alias("of-old", "docs", 1)
        client.set_alias("of-new", "docs", 2)
        for name, fingerprint in (("docs", OLD), ("of-old", OLD), ("of-new", NEW)):
            found = client.search(name, 1, texts=["xxx", "x" * 7])
            assert found.query_fingerprint == fingerprint
            assert [hits[0].id for hits in found.hits] == ["d03", "d07"]
        client.set_current_index("docs", 2)
        assert client.search("docs", 1, texts=["xxx"]).query_fingerprint == NEW
        hybrid = client.search("docs", 3, texts=["xxx"], options=SearchOptions(mode="hybrid"), with_documents=True)
        assert hybrid.query_fingerprint == NEW
        assert hybrid.hits[0][0].document is not None
        assert client.search("docs", 3, texts=["xxx"], options=SearchOptions(mode="lexical")).query_fingerprint == ""

    def test_what_cannot_be_read(self, house: House, client: Client) -> None:
        with pytest.raises(NotFound, match="no collection 'none'"):
            client.search("none", 1, texts=["x"])
        house.store.create(CollectionSpec("theirs", 2, "ip", "cf1-theirs"))
        with pytest.raises(
            FingerprintMismatch, match=r"no model is served here .* 'theirs' \(cf1-theirs\): served are"
        ):
            client.search("theirs", 1, texts=["x"])
        with pytest.raises(InvalidInput, match="give either texts"):
            client.search("theirs", 1)

    @pytest.mark.parametrize("adapted", [False, True])
    def test_where_several_models_are_of_its_documents(self, tmp_path: Path, adapted: bool) -> None:
        """A model and its sibling whose queries were adapted read a text differently; copies of one do not."""
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        one, other = OldEncoder(tmp_path / "a"), OldEncoder(tmp_path / "b")
        if adapted:
            other.bundle.query_fingerprint = "cf1-adapted"
        server = Server({"one": one, "other": other}, MemoryStore(), Settings())
        with Client(server.start("127.0.0.1:0"), timeout=PATIENCE) as client:
            client.create_collection("docs", model="one", metric="l2")
            client.upsert("docs", some(1, 2, 3), model="one")
            if adapted:
                with pytest.raises(InvalidInput, match="collection 'docs' is read by one, other: name one of them"):
                    client.search("docs", 1, texts=["xxx"])
            else:
                assert client.search("docs", 1, texts=["xxx"]).hits[0][0].id == "d03"
            assert best(client, "docs", "one", 3) == "d03"
        server.drain(PATIENCE)

    @pytest.mark.parametrize("searched", ["docs", "live"])
    def test_while_another_model_takes_over(self, client: Client, searched: str) -> None:
        """Every answer is of one version, and right by it; none is refused."""
        make(client)
        client.create_index("docs", model="new")
        fill(client)
        client.set_alias("live", "docs", 1)
        ended = threading.Event()
        answers: list[tuple[str, int, str]] = []
        failures: list[BaseException] = []

        def search(first: int) -> None:
            turn = first
            try:
                while not ended.is_set():
                    size = turn % 10 + 1
                    found = client.search(searched, 1, texts=["x" * size])
                    answers.append((found.query_fingerprint, size, found.hits[0][0].id))
                    turn += 1
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)

        callers = [threading.Thread(target=search, args=(first,)) for first in range(3)]
        for caller in callers:
            caller.start()
        for turn in range(60):
            version = 2 - turn % 2
            if searched == "docs":
                client.set_current_index("docs", version)
            else:
                client.set_alias("live", "docs", version)
            seen = len(answers)
            until(lambda seen=seen: len(answers) > seen + 2 or failures)
        ended.set()
        for caller in callers:
            caller.join()
        assert failures == []
        assert {fingerprint for fingerprint, _, _ in answers} == {OLD, NEW}
        assert all(found == f"d{size:02}" for _, size, found in answers)


def test_collections_in_memory_have_one_version_for_life() -> None:
    with local_server() as server, Client(server.address) as client:
        made = client.create_collection("docs", model="gated")
        assert (made.current_version, [index.pending for index in made.indexes]) == (1, [0])
        assert client.list_aliases() == []
        for call in (
            lambda: client.create_index("docs", model="gated"),
            lambda: client.set_alias("live", "docs"),
            lambda: client.set_current_index("docs", 1),
        ):
            with pytest.raises(InvalidInput, match=r"kept in memory here, .*--store DIR"):
                call()


def test_upkeep_of_every_version_goes_on(house: House, client: Client) -> None:
    """Threads seal what has been filled, and dropping the version takes its files away under them."""
    make(client, 8)
    client.create_index("docs", model="new")
    fill(client)
    index = house.store.collection("docs").indexes[2]
    index.seal()
    until(index.directory.exists)
    client.drop_index("docs", 2)
    assert not index.directory.exists()
    assert best(client, "docs", "old", 8) == "d08"
