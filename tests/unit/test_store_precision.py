"""Collections of each precision: their files, what they refuse, and how they are opened, checked and made again."""

from __future__ import annotations

import json
import os
import resource
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade import lexical
from crossfade._pb import collections_pb2
from crossfade.errors import DataError, InvalidInput, StoreError
from crossfade.kernels import quantise
from crossfade.lexical import AnalyserSettings
from crossfade.protocol.settings import collection_settings, settings_message
from crossfade.retrieval.ranking import Walking, rank
from crossfade.store import (
    CollectionSettings,
    CollectionSpec,
    Document,
    DurableCollection,
    DurableStore,
    IndexVectors,
    MemoryStore,
    Part,
    Precision,
    StoreSettings,
)
from crossfade.store.checking import check_store
from crossfade.store.segment import Segment, Space
from crossfade.store.settings import GraphSettings

DIMENSION, ROWS = 16, 300
SAMPLES = Path(__file__).parent / "data" / "segment-format-1"
PRECISIONS: list[Precision] = ["f32", "f16", "int8"]
VECTOR_FILES = {
    "f32": {"vectors.f32"},
    "f16": {"vectors.f16"},
    "int8": {"vectors.f32", "codes.i8", "scales.f32"},
}
SETTINGS = StoreSettings(graph=GraphSettings(least_rows=10_000))


def vectors_of(rows: int = ROWS, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)


def opened(path: Path, settings: StoreSettings = SETTINGS) -> DurableStore:
    return DurableStore(path, settings, upkeep=False)


def filled(store: DurableStore, precision: Precision, rows: int = ROWS) -> DurableCollection:
    collection = store.create(CollectionSpec("c", DIMENSION, "ip", "f"), CollectionSettings(precision=precision))
    collection.upsert([Document(f"{row:04}") for row in range(rows)], vectors_of(rows))
    collection.seal()
    return collection


def sealed(collection: DurableCollection) -> Part:
    (part,) = collection.snapshot().parts
    return part


def directory_of(path: Path) -> Path:
    (found,) = (path / "segments" / "1").iterdir()
    return found


def held(vectors: NDArray[np.float32], precision: Precision) -> NDArray[np.float32]:
    return vectors.astype(np.float16).astype(np.float32) if precision == "f16" else vectors


class TestSettings:
    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_are_kept(self, tmp_path: Path, precision: Precision) -> None:
        settings = CollectionSettings(precision=precision)
        assert CollectionSettings.from_json(settings.to_json()) == settings
        with opened(tmp_path) as store:
            filled(store, precision)
        with opened(tmp_path) as store:
            assert store.get("c").index.record.space.precision == precision

    def test_of_before_there_was_a_precision_mean_f32(self) -> None:
        values = json.loads(CollectionSettings(precision="int8").to_json())
        del values["precision"]
        assert CollectionSettings.from_json(json.dumps(values)).precision == "f32"

    def test_another_precision_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="'f64' is not known: use one of f32, f16, int8"):
            CollectionSettings(precision="f64")  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_sample_of_the_format_is_read(precision: Precision) -> None:
    """That of f32 was written before there was a precision."""
    (directory,) = (SAMPLES / precision).iterdir()
    segment = Segment(directory, Space(4, "f", "ip", precision), AnalyserSettings())
    segment.check()
    vectors = np.array([[row + column / 3 for column in range(4)] for row in range(-2, 3)], np.float32)
    assert np.array_equal(segment.vectors.astype(np.float32), held(vectors, precision))
    if segment.codes is not None:
        assert np.array_equal(segment.codes.codes, quantise(vectors, "int8").codes)
    assert (segment.codes is not None) == (precision == "int8")
    assert segment.keys.tolist() == segment.documents.tolist() == [1, 2, 3, 4, 5]
    assert list(segment.ids) == ["d0", "d1", "d2", "d3", "d4"]
    assert segment.spans.tolist() == [[0, 10]] * 5
    (found,) = lexical.search(["word3"], [segment.text], 5)
    assert found.rows.tolist() == [3]


@pytest.mark.parametrize("precision", PRECISIONS)
class TestSegments:
    def test_have_their_files_and_no_descriptors(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            filled(store, precision)
            directory = directory_of(tmp_path)
            files = {path.name for path in directory.iterdir() if path.suffix in (".f32", ".f16", ".i8")}
            assert files == VECTOR_FILES[precision]
            content = json.loads(json.loads((directory / "segment.json").read_text(encoding="utf-8"))["manifest"])
            assert content["precision"] == precision
            assert files <= set(content["files"])
            before = len(list(Path("/proc/self/fd").iterdir()))
            space = Space(DIMENSION, "f", "ip", precision)
            segments = [Segment(directory, space, AnalyserSettings()) for _ in range(5)]
            assert len(list(Path("/proc/self/fd").iterdir())) == before
            assert all(segment.rows == ROWS for segment in segments)

    def test_hold_the_vectors(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            part = sealed(filled(store, precision))
            assert part.vectors.dtype == (np.float16 if precision == "f16" else np.float32)
            assert np.array_equal(part.vectors.astype(np.float32), held(vectors_of(), precision))
            assert (part.codes is not None) == (precision == "int8")
            if part.codes is not None:
                made = quantise(vectors_of(), "int8")
                assert np.array_equal(part.codes.codes, made.codes)
                assert part.codes.scales is not None
                assert made.scales is not None
                assert np.array_equal(part.codes.scales, made.scales)

    def test_without_rows_open(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path, StoreSettings(dead_part=0.1)) as store:
            collection = filled(store, precision, 3)
            collection.delete(["0000", "0001", "0002"])
            while collection.keep_up():
                pass
            assert collection.snapshot().parts == ()
        with opened(tmp_path) as store:
            assert rank(vectors_of(1), store.get("c").snapshot(), 3, "ip", 1) == [[]]

    def test_of_another_precision_are_made_again(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            filled(store, precision)
        for other in set(PRECISIONS) - {precision}:
            with pytest.raises(DataError, match="another index"):
                Segment(directory_of(tmp_path), Space(DIMENSION, "f", "ip", other), AnalyserSettings())

    def test_damage_is_found_and_healed(self, tmp_path: Path, precision: Precision) -> None:
        for name in sorted(VECTOR_FILES[precision]):
            path = tmp_path / name
            with opened(path) as store:
                collection = filled(store, precision)
                victim = directory_of(path) / name
                content = bytearray(victim.read_bytes())
                content[len(content) // 2] ^= 1
                victim.write_bytes(content)
                (fault,) = collection.index.check()
                assert name in str(fault)
                assert collection.heal() == 1
                assert collection.index.check() == []
                assert np.array_equal(sealed(collection).vectors.astype(np.float32), held(vectors_of(), precision))

    @pytest.mark.parametrize("harm", ["flipped", "cut", "lost"])
    def test_damage_is_found_at_opening(self, tmp_path: Path, precision: Precision, harm: str) -> None:
        settings = StoreSettings(unsealed_rows=ROWS // 3, graph=GraphSettings(least_rows=10_000))
        with opened(tmp_path, settings) as store:
            filled(store, precision)
        for name in sorted(VECTOR_FILES[precision]):
            victim = directory_of(tmp_path) / name
            content = victim.read_bytes()
            if harm == "lost":
                victim.unlink()
            else:
                victim.write_bytes(content[:-4] if harm == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
            with opened(tmp_path, settings) as store:
                part = sealed(store.get("c"))
                assert np.array_equal(part.vectors.astype(np.float32), held(vectors_of(), precision))
                assert store.get("c").index.check() == []

    def test_graphs_lead_to_the_same_scores(self, tmp_path: Path, precision: Precision) -> None:
        queries = vectors_of(20, seed=1)
        with opened(tmp_path, StoreSettings(graph=GraphSettings(least_rows=100, threads=1))) as store:
            collection = filled(store, precision)
            while collection.keep_up():
                pass
            part = sealed(collection)
            assert part.graph is not None
            if precision == "int8":
                assert part.graph.facts.form == "codes"
            exact = rank(queries, collection.snapshot(), 10, "ip", 1, None, Walking(exact=True))
            walked = rank(queries, collection.snapshot(), 10, "ip", 1, None, Walking(ef=ROWS))
            assert walked == exact


@pytest.mark.parametrize("precision", PRECISIONS)
class TestBesideOthers:
    def test_every_index_version_has_it(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            collection = filled(store, precision)
            collection.create_index(DIMENSION, "other")
            pending = collection.pending(2, ROWS)
            assert collection.fill(2, [key for key, _ in pending], -vectors_of()) == ROWS
            index = collection.indexes[2]
            index.seal()
        with opened(tmp_path) as store:
            index = store.get("c").indexes[2]
            (part,) = index.snapshot().parts
            assert index.record.space.precision == precision
            assert np.array_equal(part.vectors.astype(np.float32), held(-vectors_of(), precision))
            assert (part.codes is not None) == (precision == "int8")

    def test_a_check_of_a_store_knows_it(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            filled(store, precision)
        found = check_store(tmp_path)
        assert (found.segments, found.segment_faults) == (1, [])


def test_a_collection_in_memory_has_but_one() -> None:
    spec, store = CollectionSpec("c", DIMENSION, "ip", "f"), MemoryStore()
    with pytest.raises(InvalidInput, match="holds vectors as f32, not int8: serve a store"):
        store.create(spec, CollectionSettings(precision="int8"))
    assert store.create(spec, CollectionSettings()).settings.precision == "f32"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_is_the_same_on_the_wire(precision: Precision) -> None:
    settings = CollectionSettings(precision=precision)
    assert collection_settings(settings_message(settings)) == settings


def test_the_wire_says_nothing_of_f32_and_nothing_else() -> None:
    assert collection_settings(collections_pb2.CollectionSettings()).precision == "f32"
    with pytest.raises(InvalidInput, match="'f64' is not known: use one of f32, f16, int8"):
        collection_settings(collections_pb2.CollectionSettings(precision="f64"))


class TestHalves:
    def test_numbers_beyond_them_are_refused_at_the_door(self, tmp_path: Path) -> None:
        greatest, beyond = np.nextafter(np.float32(65520), np.float32(0)), np.float32(65520)
        assert np.isfinite(np.float16(greatest))
        with opened(tmp_path) as store:
            collection = filled(store, "f16", 2)
            vectors = np.full((2, DIMENSION), greatest, np.float32)
            collection.upsert([Document("a"), Document("b")], -vectors)
            vectors[1, 3] = beyond
            with pytest.raises(InvalidInput, match=r"vector 1 holds a number beyond 65504.*precision f32 or int8"):
                collection.upsert([Document("c"), Document("d")], vectors)
            assert len(collection) == 4
            collection.seal()
            assert collection.snapshot().parts[-1].vectors[0, 0] == -65504

    def test_numbers_beyond_them_are_refused_for_every_index(self, tmp_path: Path) -> None:
        beyond = np.full((1, DIMENSION), 70000, np.float32)
        message = "index version 2 of collection 'c'.*precision f32 or int8"
        with opened(tmp_path) as store:
            collection = filled(store, "f16", 2)
            collection.create_index(DIMENSION, "other")
            with pytest.raises(InvalidInput, match=message):
                collection.upsert([Document("a")], vectors_of(1), also={2: IndexVectors(beyond)})
            ((key, _),) = collection.pending(2, 1)
            with pytest.raises(InvalidInput, match=message):
                collection.fill(2, [key], beyond)
            assert (len(collection), collection.snapshot(2).pending) == (2, 2)

    @pytest.mark.parametrize("precision", ["f32", "int8"])
    def test_others_take_them(self, tmp_path: Path, precision: Precision) -> None:
        with opened(tmp_path) as store:
            collection = filled(store, precision, 2)
            collection.upsert([Document("a")], np.full((1, DIMENSION), 3e38, np.float32))
            collection.seal()
            assert collection.index.check() == []


def test_descriptors_do_not_grow_with_segments(tmp_path: Path) -> None:
    settings = StoreSettings(merge_factor=100, graph=GraphSettings(least_rows=50, threads=1))
    counts = []
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        with opened(tmp_path, settings) as store:
            collection = store.get("c") if counts else filled(store, "int8", 60)
            for more in range(10):
                collection.upsert([Document(f"{len(collection)} {row}") for row in range(60)], vectors_of(60, more))
                collection.seal()
            while collection.keep_up():
                pass
        with opened(tmp_path, settings) as store:
            parts = store.get("c").snapshot().parts
            assert all(part.graph is not None for part in parts)
            counts.append((len(parts), len(list(Path("/proc/self/fd").iterdir())) - before))
    (few, less), (many, more) = counts
    assert (few, many) == (11, 21)
    assert less == more < few


def test_no_segment_is_removed_because_descriptors_ran_out(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        filled(store, "int8")
    made = directory_of(tmp_path).stat().st_ino
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    refused = 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        # From none on until there are enough: wherever the opening runs out, it says so, and leaves all as it is.
        while taken:
            try:
                with opened(tmp_path) as store:
                    assert len(sealed(store.get("c")).ids) == ROWS
                    break
            except StoreError:
                refused += 1
                os.close(taken.pop())
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused > 3
    assert taken
    assert directory_of(tmp_path).stat().st_ino == made
