"""Settings of a collection's graphs: what they may be, where they are kept, what becomes of graphs with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from crossfade.chunking import ChunkingSettings
from crossfade.cli.store_options import AnalyserName, StopWordsName
from crossfade.errors import InvalidInput
from crossfade.lexical import AnalyserSettings
from crossfade.lexical import settings as lexical_settings
from crossfade.store import (
    CollectionSettings,
    CollectionSpec,
    Document,
    DurableCollection,
    DurableStore,
    HnswSettings,
    MemoryStore,
    StoreSettings,
    lines,
)
from crossfade.store.metadata import MetadataSchema
from crossfade.store.settings import GraphSettings

ROWS = 60
QUICK = StoreSettings(seal_rows=ROWS, merge_factor=2, graph=GraphSettings(least_rows=ROWS, sample=16, threads=1))
SPEC = CollectionSpec("c", 4, "ip", "f")
# As stores have them on disk: these texts are never changed.
FIRST = (
    '{"fields": {"year": "int"}, "analyser": {"analyser": "plain", "stop_words": "none", "version": 1}, "chunking": '
    '{"format": 1, "method": "tokens", "size": 9, "overlap": 2, "heading_prefix": false}, "tenant_field": null}'
)
WITH_PRECISION = FIRST[:-1] + ', "precision": "f16"}'
WITH_GRAPHS = WITH_PRECISION[:-1] + ', "hnsw": {"m": 24, "ef_construction": 300, "recall": 0.995}}'


def opened(path: Path) -> DurableStore:
    return DurableStore(path, QUICK, upkeep=False)


def sealed(collection: DurableCollection, name: str) -> None:
    """One more segment, with a graph."""
    vectors = np.random.default_rng(len(collection)).standard_normal((ROWS, 4), dtype=np.float32)
    collection.upsert([Document(f"{name}{row}") for row in range(ROWS)], vectors)
    collection.seal()
    assert collection.index.build_graph(lambda: False)


def graphs(collection: DurableCollection) -> list[tuple[int, int, int]]:
    """Rows, m and ef_construction of each part's graph."""
    facts = [part.graph.facts for part in collection.snapshot().parts if part.graph is not None]
    return [(each.rows, each.m, each.ef_construction) for each in facts]


class TestRanges:
    @pytest.mark.parametrize(("m", "ef_construction", "recall"), [(2, 1, 1e-9), (256, 65_536, 1), (16, 200, 0.98)])
    def test_all_that_can_be_built_is_taken(self, m: int, ef_construction: int, recall: float) -> None:
        made = HnswSettings(m, ef_construction, recall)
        assert HnswSettings.from_json(json.loads(json.dumps(made.to_json()))) == made

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"m": 1}, "m of the graph must be at least 2 and at most 256, not 1"),
            ({"m": 257}, "m of the graph must be at least 2 and at most 256, not 257"),
            ({"m": 16.0}, "m of the graph must be a whole number, not 16.0"),
            ({"ef_construction": 0}, "ef_construction of the graph must be at least 1 and at most 65536, not 0"),
            (
                {"ef_construction": 65_537},
                "ef_construction of the graph must be at least 1 and at most 65536, not 65537",
            ),
            ({"recall": 0.0}, "a number greater than 0 and at most 1, not 0.0: 0.98 is the default"),
            ({"recall": 1.0000001}, "a number greater than 0 and at most 1"),
            ({"recall": float("nan")}, "a number greater than 0 and at most 1, not nan"),
            ({"recall": float("inf")}, "a number greater than 0 and at most 1, not inf"),
            ({"recall": True}, "a number greater than 0 and at most 1, not True"),
            ({"recall": "0.9"}, "a number greater than 0 and at most 1, not '0.9'"),
        ],
    )
    def test_others_are_refused(self, given: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            HnswSettings(**given)


class TestKept:
    def test_what_is_on_disk_is_read_as_it_was_meant(self) -> None:
        first = CollectionSettings(
            MetadataSchema({"year": "int"}), AnalyserSettings("plain", "none"), ChunkingSettings("tokens", 9, 2)
        )
        assert CollectionSettings.from_json(FIRST) == first
        middle = CollectionSettings(first.fields, first.analyser, first.chunking, None, "f16")
        assert CollectionSettings.from_json(WITH_PRECISION) == middle
        newest = CollectionSettings(
            first.fields, first.analyser, first.chunking, None, "f16", HnswSettings(24, 300, 0.995)
        )
        assert CollectionSettings.from_json(WITH_GRAPHS) == newest
        assert newest.to_json() == WITH_GRAPHS

    def test_with_the_collection(self, tmp_path: Path) -> None:
        hnsw = HnswSettings(5, 40, 0.7)
        with opened(tmp_path) as store:
            made = store.create(SPEC, CollectionSettings(hnsw=hnsw))
            made.upsert([Document("a", metadata={"new": 1})], np.ones((1, 4), np.float32))  # settings are written again
            assert made.settings.hnsw == hnsw
        with opened(tmp_path) as store:
            assert store.collection("c").settings.hnsw == hnsw
            assert store.get("c").fields == {"new": "int"}

    def test_a_collection_in_memory_has_no_graphs(self) -> None:
        store = MemoryStore()
        with pytest.raises(
            InvalidInput, match="in memory has no graphs, and is searched exactly: leave their settings"
        ):
            store.create(SPEC, CollectionSettings(hnsw=HnswSettings(m=17)))
        assert store.list() == []
        assert store.create(SPEC, CollectionSettings(hnsw=HnswSettings())).settings == CollectionSettings()


class TestGraphs:
    def test_are_built_as_the_collection_says(self, tmp_path: Path) -> None:
        with opened(tmp_path) as store:
            collection = store.create(SPEC, CollectionSettings(hnsw=HnswSettings(6, 30)))
            other = store.create(CollectionSpec("other", 4, "ip", "f"))
            sealed(collection, "a")
            sealed(other, "a")
            assert graphs(collection) == [(ROWS, 6, 30)]
            assert graphs(other) == [(ROWS, 16, 200)]
            # A further version of the index too.
            collection.create_index(4, "g")
            keys = [key for key, _ in collection.pending(2, ROWS)]
            collection.fill(2, keys, np.random.default_rng(1).standard_normal((ROWS, 4), dtype=np.float32))
            collection.seal()
            assert collection.indexes[2].build_graph(lambda: False)
            (part,) = collection.snapshot(2).parts
            assert part.graph is not None
            assert part.graph.facts.m == 6

    def test_are_walked_as_far_as_the_recall_needs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from crossfade.kernels import Graph

        asked: list[float] = []
        measure = Graph.ef_for_recall

        def watched(self: Graph, target: float, *arguments: Any, **named: Any) -> Any:
            asked.append(target)
            return measure(self, target, *arguments, **named)

        monkeypatch.setattr(Graph, "ef_for_recall", watched)
        with opened(tmp_path) as store:
            sealed(store.create(SPEC, CollectionSettings(hnsw=HnswSettings(recall=0.6))), "a")
        assert asked == [0.6]

    def test_stay_as_they_were_built_until_they_are_merged(self, tmp_path: Path) -> None:
        """Their settings are derived files' alone: a database that says others has the same documents and results."""
        with opened(tmp_path) as store:
            collection = store.create(SPEC, CollectionSettings(hnsw=HnswSettings(4, 20)))
            sealed(collection, "a")
        with opened(tmp_path) as store, store.database.writing() as connection:
            changed = CollectionSettings(hnsw=HnswSettings(8, 50))
            lines.change(connection, "collections", store.collection("c").number, settings=changed.to_json())
        with opened(tmp_path) as store:
            collection = store.collection("c")
            assert collection.heal() == 0
            assert not collection.keep_up()
            assert graphs(collection) == [(ROWS, 4, 20)]
            sealed(collection, "b")
            assert graphs(collection) == [(ROWS, 4, 20), (ROWS, 8, 50)]
            while collection.keep_up():
                pass
            assert graphs(collection) == [(2 * ROWS, 8, 50)]
            assert len(collection) == 2 * ROWS


def test_the_command_line_knows_the_analysers_there_are() -> None:
    assert set(get_args(AnalyserName)) == set(get_args(lexical_settings.AnalyserName))
    for name in get_args(StopWordsName):
        assert AnalyserSettings(stop_words=name).stop_words == name
