"""Which versions take a call's documents: planned by hand, with fakes for models and a real store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from serving_fakes import FakeEncoder

from crossfade._native import Call
from crossfade.chunking import ChunkingSettings
from crossfade.config import Settings
from crossfade.errors import Conflict, CrossfadeError, FingerprintMismatch, InvalidInput, LimitExceeded, NotFound
from crossfade.models import Embeddings, InputType
from crossfade.serving.batches import AlsoVersions, GivenVectors, UpsertBatch
from crossfade.serving.executor import Executor
from crossfade.serving.models import ServedModels
from crossfade.store import CollectionSettings, CollectionSpec, Document, DurableCollection, DurableStore, MemoryStore

OLD, NEW, FAR = "cf1-old", "cf1-new", "cf1-far"


class House:
    """`old` and `tuned` make version 1's vectors, `new` those of version 2; nobody serves version 3's."""

    def __init__(self, store: DurableStore, **settings: bool | int) -> None:
        self.store = store
        self.encoders = {"new": FakeEncoder(NEW), "old": FakeEncoder(OLD), "tuned": FakeEncoder(OLD, "cf1-tuned")}
        models = ServedModels(self.encoders, [], [], [])
        self.executor = Executor(models, store, Settings(**settings), self.embed)
        self.during = lambda: None
        if "docs" not in {each.spec.name for each in store.list()}:
            made = store.create(CollectionSpec("docs", 3, "ip", OLD))
            made.create_index(3, NEW)
            made.create_index(2, FAR)

    def embed(self, model: str, texts: list[str], call: Call) -> tuple[Embeddings, int]:
        call.check()
        self.during()
        return self.encoders[model].encode(texts, InputType.DOCUMENT), 5

    @property
    def docs(self) -> DurableCollection:
        return self.store.collection("docs")

    @property
    def rows(self) -> list[int]:
        return [each.rows for each in self.docs.index_versions()]

    @property
    def runs(self) -> dict[str, int]:
        return {name: len(encoder.calls) for name, encoder in self.encoders.items() if encoder.calls}

    def upsert(self, *ids: str, collection: str = "docs", tenant: str | None = None, **more: object) -> list[int]:
        batch = UpsertBatch(collection, [Document(name, text=name) for name in ids], **more)  # type: ignore[arg-type]
        call = Call() if tenant is None else SimpleNamespace(check=lambda: None, tenant=tenant)
        return list(self.executor.upsert(batch, call).versions)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", upkeep=False) as opened:
        yield opened


@pytest.fixture
def house(store: DurableStore) -> House:
    return House(store)


def given(width: int, fingerprint: str, rows: int = 1) -> GivenVectors:
    return GivenVectors(np.ones((rows, width), np.float32), fingerprint)


def also(*versions: int, served: bool = False, **vectors: GivenVectors) -> AlsoVersions:
    return AlsoVersions(versions, served, [(int(name[1:]), each) for name, each in vectors.items()])


class TestWhatIsWritten:
    @pytest.mark.parametrize(
        ("more", "versions", "runs"),
        [
            ({"model": "old"}, [1], {"old": 1}),
            ({"model": "old", "also": also(2)}, [1, 2], {"old": 1, "new": 1}),
            ({"model": "tuned", "also": also(1, 2)}, [1, 2], {"tuned": 1, "new": 1}),
            ({"model": "old", "also": also(served=True)}, [1, 2], {"old": 1, "new": 1}),
            ({"also": also(served=True)}, [1, 2], {"old": 1, "new": 1}),
            ({"also": also(1)}, [1], {"old": 1}),
            ({"given": given(3, OLD), "also": also(2)}, [1, 2], {"new": 1}),
            ({"given": given(3, OLD), "also": also(v3=given(2, FAR))}, [1, 3], {}),
            ({"model": "old", "also": also(2, v3=given(2, FAR))}, [1, 2, 3], {"old": 1, "new": 1}),
            ({"also": also(v1=given(3, OLD), v3=given(2, FAR))}, [1, 3], {}),
            ({"also": also(served=True, v1=given(3, OLD))}, [1, 2], {"new": 1}),
        ],
    )
    def test_versions_and_each_model_once(
        self, house: House, more: dict[str, object], versions: list[int], runs: dict[str, int]
    ) -> None:
        assert house.upsert("a", **more) == versions
        assert house.rows == [int(version in versions) for version in (1, 2, 3)]
        assert house.runs == runs

    def test_one_model_of_two_versions_runs_once(self, house: House) -> None:
        house.docs.create_index(3, OLD)
        assert house.upsert("a", "b", model="old", also=also(2, 4)) == [1, 2, 4]
        assert house.runs == {"old": 1, "new": 1}

    def test_with_the_setting_of_the_server(self, store: DurableStore) -> None:
        house = House(store, write_all_versions=True)
        assert house.upsert("a", model="old") == [1, 2]
        assert house.upsert("b", given=given(3, OLD)) == [1, 2]
        house.docs.set_current(2)
        assert house.upsert("c") == [1, 2]
        with pytest.raises(FingerprintMismatch, match="collection 'docs' holds cf1-new"):
            house.upsert("d", model="old")

    def test_by_an_alias(self, house: House) -> None:
        house.store.set_alias("next", "docs", 2)
        assert house.upsert("a", collection="next", model="new", also=also(1)) == [1, 2]
        assert house.upsert("b", collection="next", also=also(1, 2)) == [1, 2]

    def test_a_caller_that_names_both_sides_lives_through_the_switch(self, house: House) -> None:
        both = also(1, 2)
        assert house.upsert("a", also=both) == [1, 2]
        house.docs.set_current(2)
        assert house.upsert("b", also=both) == [1, 2]
        assert house.rows == [2, 2, 0]

    def test_vectors_are_of_their_model_and_cut_by_their_model(self, store: DurableStore) -> None:
        house = House(store)
        house.upsert("beech", model="old", also=also(2))
        found = [house.docs.snapshot(version).parts[0].vectors.tolist() for version in (1, 2)]
        assert found == [[[5, 2, 1]], [[5, 2, 1]]]
        house.upsert("beech", given=given(3, OLD), also=also(2))
        one, two = (house.docs.snapshot(version).parts[-1].vectors[-1].tolist() for version in (1, 2))
        assert (one, two) == ([1, 1, 1], [5, 2, 1])

    def test_sent_again_it_is_taken_as_done(self, house: House) -> None:
        for _ in range(2):
            assert house.upsert("a", model="old", also=also(2), expected=[0]) == [1, 2]
        assert house.docs.versions(["a"]) == [1]
        with pytest.raises(Conflict):
            house.upsert("a", model="old", also=also(2, v3=given(2, FAR)), expected=[0])

    def test_of_a_tenant(self, house: House) -> None:
        made = house.store.create(CollectionSpec("shared", 3, "ip", OLD), CollectionSettings(tenant_field="whose"))
        made.create_index(3, NEW)
        assert house.upsert("a", collection="shared", tenant="acme", model="old", also=also(served=True)) == [1, 2]
        assert [list(made.snapshot(version).parts[0].ids) for version in (1, 2)] == [["acme\x1fa"]] * 2

    def test_chunks_of_each_version_are_its_models(self, store: DurableStore, monkeypatch: pytest.MonkeyPatch) -> None:
        house = House(store)
        cut: list[str] = []

        def cut_by(model: str, documents: list[Document], _settings: ChunkingSettings) -> SimpleNamespace:
            cut.append(model)
            length = len(documents[0].text)
            spans = [(0, 1), (1, length)] if model == "old" else [(0, length)]
            texts = [documents[0].text[slice(*span)] for span in spans]
            return SimpleNamespace(texts=texts, spans=[spans])

        def cutter(model: str) -> SimpleNamespace:
            return SimpleNamespace(cut=partial(cut_by, model), reading=lambda *_: None)

        monkeypatch.setattr(house.executor._writing, "_cutter", cutter)
        assert house.upsert("beech", model="old", also=also(2)) == [1, 2]
        assert cut == ["old", "new"]
        assert house.rows[:2] == [2, 1]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("more", "kind", "message"),
        [
            (
                {"model": "old", "also": also(3)},
                NotFound,
                r"index version 3 of collection 'docs' holds vectors of cf1-far, and no model is served here that "
                r"makes them \(served: new \(cf1-new\), old \(cf1-old\), tuned \(cf1-old\)\)",
            ),
            ({"model": "old", "also": also(9)}, NotFound, "'docs' has no index version 9: it has 1, 2, 3"),
            ({"model": "old", "also": also(0)}, NotFound, "no index version 0"),
            ({"model": "old", "also": also(v9=given(3, NEW))}, NotFound, "no index version 9"),
            ({"model": "new", "also": also(2)}, FingerprintMismatch, "collection 'docs' holds cf1-old"),
            ({"model": "nope", "also": also(2)}, NotFound, "no model 'nope'"),
            ({"also": also(2)}, InvalidInput, "neither model nor vectors"),
            ({"also": also(v2=given(3, NEW))}, InvalidInput, "neither model nor vectors"),
            ({}, InvalidInput, "neither model nor vectors"),
            ({"model": "old", "given": given(3, OLD), "also": also(2)}, InvalidInput, "both given"),
            ({"model": "old", "also": also(v1=given(3, OLD))}, InvalidInput, "version 1 is the one that is written to"),
            ({"model": "old", "also": also(2, v2=given(3, NEW))}, InvalidInput, "in also_versions and in also_vectors"),
            (
                {"model": "old", "also": AlsoVersions(given=[(3, given(2, FAR)), (3, given(2, FAR))])},
                InvalidInput,
                "also_vectors has index version 3 twice",
            ),
            (
                {"model": "old", "also": also(v2=given(3, OLD))},
                FingerprintMismatch,
                "fingerprint cf1-old, index version 2 of collection 'docs' holds cf1-new",
            ),
            ({"model": "old", "also": also(v2=given(3, ""))}, InvalidInput, "without a fingerprint"),
            ({"model": "old", "also": also(v3=given(3, FAR))}, InvalidInput, r"shape \(1, 3\), expected \(1, 2\)"),
            ({"model": "old", "also": also(v3=given(2, FAR, 2))}, InvalidInput, r"shape \(2, 2\), expected \(1, 2\)"),
        ],
    )
    def test_before_any_model_runs(
        self, house: House, more: dict[str, object], kind: type[CrossfadeError], message: str
    ) -> None:
        with pytest.raises(kind, match=message):
            house.upsert("a", **more)
        assert (house.rows, house.runs) == ([0, 0, 0], {})

    def test_limits_stand(self, store: DurableStore) -> None:
        house = House(store, max_text_bytes=4)
        with pytest.raises(LimitExceeded, match="document 0"):
            house.upsert("beech", model="old", also=also(2))
        assert house.runs == {}

    def test_in_memory_there_is_one_version(self) -> None:
        encoders = {"old": FakeEncoder(OLD)}
        executor = Executor(
            ServedModels(encoders, [], [], []),
            MemoryStore(),
            Settings(write_all_versions=True),
            lambda model, texts, _: (encoders[model].encode(texts, InputType.DOCUMENT), 0),
        )
        executor.create_collection("docs", "ip", "old")
        batch = UpsertBatch("docs", [Document("a")], "old", also=also(1, served=True))
        assert executor.upsert(batch, Call()).versions == [1]
        with pytest.raises(NotFound, match="no index version 2: it has 1"):
            executor.upsert(UpsertBatch("docs", [Document("a")], "old", also=also(2)), Call())


class TestVersionsThatGoMeanwhile:
    def test_one_that_nobody_named_is_passed_over(self, house: House) -> None:
        house.during = lambda: house.docs.drop_index(2) if 2 in house.docs.indexes else None
        assert house.upsert("a", model="old", also=also(served=True)) == [1]
        assert house.docs.versions(["a"]) == [1]

    def test_one_that_was_named_refuses_the_call(self, house: House) -> None:
        house.during = lambda: house.docs.drop_index(2) if 2 in house.docs.indexes else None
        with pytest.raises(NotFound, match="no index version 2"):
            house.upsert("a", model="old", also=also(2))
        assert house.rows == [0, 0]

    def test_the_one_that_is_written_to(self, house: House) -> None:
        def switch() -> None:
            if house.docs.current == 1:
                house.docs.set_current(2)
                house.docs.drop_index(1)

        house.during = switch
        with pytest.raises(NotFound, match="no index version 1"):
            house.upsert("a", model="old", also=also(served=True))
        assert house.rows == [0, 0]

    def test_a_collection_that_is_gone(self, house: House) -> None:
        house.during = lambda: house.store.drop("docs") if house.store.all() else None
        with pytest.raises(NotFound, match="was deleted"):
            house.upsert("a", model="old", also=also(served=True))
