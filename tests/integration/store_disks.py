"""Stores whose disk fails: filled beside a model, and the ways in which a disk, or a file on it, may fail."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_model import SETTINGS, State, alive, check, next_write, observed, spec_of, write

from crossfade.store import CollectionSettings, DurableCollection, DurableStore
from crossfade.store.types import Precision

NAMES = [f"d{number}" for number in range(30)]


def opened(directory: Path) -> DurableStore:
    return DurableStore(directory, SETTINGS, upkeep=False)


def filled(directory: Path, *, writes: int = 25, precision: Precision = "f32") -> State:
    """A store with segments, dead rows in them, and a tail; closed again."""
    state: State = {}
    chance = random.Random(1)
    with opened(directory) as store:
        collection = store.create(spec_of("c"), CollectionSettings(precision=precision))
        for number in range(writes):
            grow(collection, state, chance)
            if number % 8 == 7:
                collection.seal()
    return state


def grow(collection: DurableCollection, state: State, chance: random.Random) -> None:
    versions = next_write(state, NAMES, chance)
    write(collection, versions)
    state.update(versions)


def settle(collection: DurableCollection, state: State, versions: State) -> None:
    after = state | versions
    if observed(collection, after) == alive(after):
        state.update(versions)
    check(collection, state)


def says(error: Exception, *remedies: str) -> int:
    """1; fails when it does not say what to do."""
    assert any(remedy in str(error) for remedy in remedies)
    return 1


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[None]:
    """A file system in memory. Skips the test where that is not allowed."""
    directory.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", directory]).returncode:
        pytest.skip("mounting a file system needs more rights than this process has")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def remounted(directory: Path, option: str) -> None:
    """`option`: "ro", where no file is open for writing, or "rw"; "abort": read-only as ext4 makes itself when it meets
    an error, whatever is open, until it is mounted anew."""
    subprocess.run(["mount", "-o", f"remount,{option}", directory], check=True)


@contextmanager
def ext4_mounted(image: Path, directory: Path) -> Iterator[None]:
    """A file system in a file, which is made where it is not there yet. Skips the test where that is not allowed."""
    directory.mkdir()
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(32 << 20)
        if shutil.which("mke2fs") is None or subprocess.run(["mke2fs", "-q", "-t", "ext4", image]).returncode:
            pytest.skip("there is no mke2fs to make a file system with")
    if os.geteuid() != 0 or subprocess.run(["mount", "-o", "loop", image, directory]).returncode:
        pytest.skip("mounting a file system needs more rights than this process has")
    try:
        yield
    finally:
        # Lazily: what has been mapped is let go of when Python gets to it.
        subprocess.run(["umount", "-l", directory], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def segment_files(directory: Path) -> list[Path]:
    """Every derived file, those of the words below `text/` too; in an order that other runs have as well: tantivy
    gives its files random names, and each kind of them another ending."""
    found = (path for path in (directory / "segments").rglob("*") if path.is_file())
    return sorted(found, key=lambda path: (path.parent, path.suffix, path.name))


def harm(path: Path, damage: str, chance: random.Random) -> None:
    """`damage`: "flip" (one bit), "cut" (the last byte) or "remove"."""
    if damage == "remove":
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[:-1]
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
