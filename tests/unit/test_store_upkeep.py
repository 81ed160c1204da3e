"""A merged segment is searched when it has its graph; until then the segments that it was made of are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.kernels import Graph
from crossfade.store import DurableStore, graphs
from crossfade.store.collection import DurableCollection
from crossfade.store.graphs import SegmentGraph
from crossfade.store.segment import Segment
from crossfade.store.settings import GraphSettings, HnswSettings, StoreSettings
from crossfade.store.types import CollectionSpec, Document, Metric, Part

ROWS = 40
PARTS = 2


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[DurableCollection]:
    """Two segments of `ROWS` documents each, with graphs, that are due to be merged."""
    settings = StoreSettings(seal_rows=ROWS, merge_factor=PARTS, graph=GraphSettings(least_rows=ROWS))
    with DurableStore(tmp_path / "store", settings, upkeep=False) as store:
        made = store.create(CollectionSpec("c", 4, "ip", "f"))
        draw = np.random.default_rng(0)
        for part in range(PARTS):
            documents = [Document(f"{part}-{row}", text=f"text {row}") for row in range(ROWS)]
            made.upsert(documents, draw.standard_normal((ROWS, 4), dtype=np.float32))
            made.seal()
            assert made.index.build_graph(lambda: False)
        yield made


def parts(collection: DurableCollection) -> list[tuple[int, bool]]:
    """Rows of each part that is searched, and whether it has a graph."""
    return [(part.count, part.graph is not None) for part in collection.snapshot().parts]


def test_the_first_search_of_a_new_graph_waits_for_nothing(collection: DurableCollection) -> None:
    assert collection.index.merge()
    (part,) = collection.snapshot().parts
    assert part.graph is not None
    assert part.graph.facts.form == "codes"
    assert part.graph.is_prepared


def test_a_graph_that_cannot_be_prepared_is_used_as_it_is(
    collection: DurableCollection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And not built again and again."""

    def failing(*_: object, **__: object) -> None:
        raise InvalidInput("no")

    monkeypatch.setattr(Graph, "prepare", failing)
    assert collection.index.merge()
    assert parts(collection) == [(PARTS * ROWS, True)]
    assert [record.message for record in caplog.records] == ["the first search of a graph will take longer: no"]
    assert not collection.keep_up()


Build = Callable[[Segment, Metric, HnswSettings, GraphSettings, Callable[[], bool]], SegmentGraph | None]


def test_the_old_segments_are_searched_while_the_graph_is_built(
    collection: DurableCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    build: Build = graphs.build
    seen: list[tuple[Part, ...]] = []

    def watched(
        segment: Segment, metric: Metric, hnsw: HnswSettings, settings: GraphSettings, stopped: Callable[[], bool]
    ) -> SegmentGraph | None:
        seen.append(collection.snapshot().parts)
        collection.delete(["0-0"])  # what dies meanwhile is dead in the merged one too
        return build(segment, metric, hnsw, settings, stopped)

    monkeypatch.setattr(graphs, "build", watched)
    before = collection.snapshot().parts
    assert collection.index.merge()
    assert seen == [before]
    assert parts(collection) == [(PARTS * ROWS - 1, True)]
    assert not collection.keep_up()


def test_a_merge_stands_without_its_graph_when_that_fails(
    collection: DurableCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> SegmentGraph | None:
        raise InvalidInput("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(graphs, "build", failing)
        with pytest.raises(InvalidInput, match="the disk is full"):
            collection.index.merge()
    assert parts(collection) == [(PARTS * ROWS, False)]
    assert len(list(collection.index.directory.iterdir())) == 1
    assert collection.keep_up()
    assert parts(collection) == [(PARTS * ROWS, True)]


def test_a_store_that_is_being_closed_gives_a_merge_up_and_nothing_is_left_of_it(
    collection: DurableCollection,
) -> None:
    before, files = collection.snapshot().parts, sorted(collection.index.directory.rglob("*"))
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return True

    assert not collection.index.merge(stopped)
    assert asked == 1
    assert (collection.snapshot().parts, sorted(collection.index.directory.rglob("*"))) == (before, files)
    assert collection.index.merge()
    assert parts(collection) == [(PARTS * ROWS, True)]


def test_a_merged_segment_that_is_there_is_used_without_a_graph_when_the_store_is_being_closed(
    collection: DurableCollection,
) -> None:
    directory = collection.index.directory
    before = set(directory.iterdir())

    def stopped() -> bool:
        return any(not path.name.startswith(".") for path in set(directory.iterdir()) - before)

    assert collection.index.merge(stopped)
    assert parts(collection) == [(PARTS * ROWS, False)]


def test_segments_do_not_pile_up_where_documents_are_written_again_and_again(tmp_path: Path) -> None:
    """Three segments come for each step of upkeep, and most of them is dead when its turn comes."""
    draw, most = np.random.default_rng(0), 0
    with DurableStore(tmp_path / "store", StoreSettings(seal_rows=8), upkeep=False) as store:
        made = store.create(CollectionSpec("c", 4, "ip", "f"))
        for _ in range(40):
            for _ in range(3):
                documents = [Document(f"{number}") for number in draw.choice(30, 8, replace=False)]
                made.upsert(documents, draw.standard_normal((8, 4), dtype=np.float32))
                made.seal()
            made.index.merge()
            most = max(most, len(made.index.in_use()))
        assert most < 15
        assert sum(part.count for part in made.snapshot().parts) == len(made) == 30
        while made.keep_up():
            pass
        assert len(made.index.in_use()) < 4


def test_few_dead_segments_are_not_made_one_where_much_of_them_lives(tmp_path: Path) -> None:
    settings = StoreSettings(seal_rows=10, merge_factor=2, dead_part=0.2)
    with DurableStore(tmp_path / "store", settings, upkeep=False) as store:
        made = store.create(CollectionSpec("c", 4, "ip", "f"))
        for part in range(3):
            made.upsert([Document(f"{part}-{row}") for row in range(100)], np.ones((100, 4), np.float32))
            made.seal()
        made.delete([f"{part}-{row}" for part in range(3) for row in range(50)])
        assert [source.segment.rows for source in made.index.mergeable()] == [100]
        made.delete([f"{part}-{row}" for part in range(3) for row in range(92)])
        assert [source.segment.rows for source in made.index.mergeable()] == [100, 100]


def test_a_rewritten_segment_has_its_graph_at_once(collection: DurableCollection) -> None:
    collection.index.merge()
    collection.delete([f"0-{row}" for row in range(ROWS)])
    assert collection.index.merge()
    assert parts(collection) == [(ROWS, True)]
