"""Every file that is derived from the database, damaged: found by `check` and at opening, healed, and nothing lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_disks import filled, harm, opened, segment_files
from store_model import State, check, contents, write

from crossfade.errors import StoreError
from crossfade.store.checking import check_store
from crossfade.store.types import Precision

# What a precision has that the first has not.
OF_PRECISION: dict[Precision, set[str]] = {"f32": set(), "int8": {"codes.i8", "scales.f32"}}
OF_ALL = {"segment.json", "vectors.f32", "keys.i64", "documents.i64", "ids.offsets.i64", "ids.utf8", "spans.i32"}
OF_ALL |= {"columns.cfm", "graph.hnsw", "effort.json"}
# tantivy's have random names; these are their endings, and `.json` those of its lists and of our own.
OF_WORDS = {".term", ".idx", ".pos", ".fieldnorm", ".fast", ".store", ".json"}
Copies = Callable[[], Iterator[tuple[Path, Path]]]


@pytest.fixture(scope="module", params=OF_PRECISION)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """A store that has whatever is derived, and what it must hold. Not to be changed: take a copy."""
    directory = tmp_path_factory.mktemp("sound") / "store"
    state = filled(directory, precision=request.param)
    with opened(directory) as store:
        while store.get("c").keep_up():
            pass
        more = {f"e{number}": 1 for number in range(10)}  # few enough to lie beside the one that has a graph
        write(store.get("c"), more)
        state.update(more)
        store.get("c").seal()
        assert not store.get("c").keep_up()
    found = segment_files(directory)
    assert len({path.parent for path in found if path.parent.name != "text"}) > 1
    assert {path.name for path in found} >= OF_ALL | OF_PRECISION[request.param]
    assert {path.suffix for path in found if path.parent.name == "text"} >= OF_WORDS
    return directory, state


@pytest.fixture
def copies(sound: tuple[Path, State], tmp_path: Path) -> Copies:
    """For every derived file that is not empty: a fresh copy of the store, and the file in it. Of a precision other
    than the first, for those that only it has."""

    def each() -> Iterator[tuple[Path, Path]]:
        directory, _ = sound
        files = segment_files(directory)
        own = [path for path in files if path.name in OF_PRECISION["int8"]]
        for path in own or files:
            if path.stat().st_size:
                copy = Path(shutil.copytree(directory, tmp_path / "copy"))
                yield copy, copy / path.relative_to(directory)
                shutil.rmtree(copy)

    return each


@pytest.fixture
def state(sound: tuple[Path, State]) -> State:
    return sound[1]


def goes_unseen(path: Path, damage: str) -> bool:
    """A segment may have no graph: it is searched exactly then, and gets one."""
    return damage == "remove" and path.name == "graph.hnsw"


def graphs(directory: Path) -> list[Path]:
    return [path for path in segment_files(directory) if path.name == "graph.hnsw"]


def segment_of(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "text" else path.parent


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
class TestEveryFile:
    def test_is_found_by_check_and_at_opening_and_healed(self, copies: Copies, state: State, damage: str) -> None:
        chance = random.Random(damage)
        for directory, path in copies():
            assert check_store(directory).sound
            harm(path, damage, chance)
            checked = check_store(directory)
            if not goes_unseen(path, damage):
                (fault,) = checked.segment_faults
                assert str(segment_of(path)) in fault
            assert checked.database_faults == []
            assert checked.row_faults == []
            with opened(directory) as store:
                check(store.get("c"), state)
                while store.get("c").keep_up():
                    pass
                assert len(graphs(directory)) == 1
                assert store.get("c").heal() == 0, f"{path.name} was not healed by opening the store"
                check(store.get("c"), state)
            assert check_store(directory).sound, path.name

    def test_is_found_and_healed_while_it_is_open(self, copies: Copies, state: State, damage: str) -> None:
        chance = random.Random(damage)
        for directory, path in copies():
            with opened(directory) as store:
                collection = store.get("c")
                harm(path, damage, chance)
                if not goes_unseen(path, damage):
                    assert not check_store(directory).sound, path.name
                    assert collection.heal() == 1, path.name
                check(collection, state)
                while collection.keep_up():
                    pass
                assert collection.heal() == 0, path.name
                check(collection, state)
            assert check_store(directory).sound, path.name


def test_while_a_segment_is_healed_the_others_serve_and_snapshots_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = filled(tmp_path / "store")
    with opened(tmp_path / "store") as store:
        collection = store.get("c")
        whole = contents(collection.snapshot())
        victim = min(collection.index.directory.iterdir()) / "vectors.f32"
        harm(victim, "cut", random.Random(4))
        written = collection.index._write
        seen = []

        def look_on(*given: object) -> object:
            look_at = collection.snapshot()
            seen.append(look_at.incomplete)
            assert contents(look_at).items() <= whole.items()
            return written(*given)

        def refuse(*given: object) -> object:
            seen.append(collection.snapshot().incomplete)
            raise StoreError("the disk is full")

        monkeypatch.setattr(collection.index, "_write", refuse)
        with pytest.raises(StoreError):
            collection.heal()
        with pytest.raises(StoreError):
            collection.keep_up()
        assert collection.snapshot().incomplete
        monkeypatch.setattr(collection.index, "_write", look_on)
        assert collection.keep_up()  # upkeep tries it again, when there is room
        assert not collection.snapshot().incomplete
        assert set(seen) == {True}
        assert collection.heal() == 0
        check(collection, state)


def test_an_emptied_directory(tmp_path: Path) -> None:
    state = filled(tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "segments")
    (tmp_path / "store" / "segments").mkdir()
    with opened(tmp_path / "store") as store:
        check(store.get("c"), state)
