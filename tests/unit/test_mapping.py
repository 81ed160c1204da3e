"""Mapped files: what they hold, what they keep open, and when they go."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from crossfade.errors import DataError, StoreError
from crossfade.files import check_descriptors
from crossfade.mapping import is_mapped, map_file


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_in_memory(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text(encoding="utf-8")


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Any that is opened meanwhile is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(bytes(range(256)) * 40)
    return made


@pytest.mark.parametrize("scattered", [False, True])
def test_holds_the_file_and_no_descriptor(path: Path, scattered: bool) -> None:
    before = descriptors()
    mapped = map_file(path, scattered=scattered)
    assert descriptors() == before
    assert mapped.tobytes() == path.read_bytes()
    assert mapped.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_goes_with_the_last_view(path: Path) -> None:
    mapped = map_file(path)
    view = mapped.view("<i4").reshape(-1, 2)[3:5]
    expected = view.copy()
    del mapped
    gc.collect()
    assert is_in_memory(path)
    assert np.array_equal(view, expected)
    data = view.data
    del view
    gc.collect()
    assert is_in_memory(path)
    del data
    gc.collect()
    assert not is_in_memory(path)


def test_outlives_its_name(path: Path) -> None:
    mapped, content = map_file(path), path.read_bytes()
    path.with_name("other").write_bytes(b"new")
    path.with_name("other").rename(path)
    path.unlink()
    assert mapped.tobytes() == content


def test_an_empty_file_is_an_empty_array(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert map_file(tmp_path / "empty").shape == (0,)


def test_what_is_mapped_is_known(path: Path, tmp_path: Path) -> None:
    assert is_mapped(map_file(path).view("<f2")[2:].reshape(-1, 2))
    assert is_mapped(np.memmap(path, np.uint8, "r")[3:])
    assert not is_mapped(map_file(path).copy())
    assert not is_mapped(np.zeros(3))


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: no such file"):
        map_file(tmp_path / "gone")
    with pytest.raises(DataError, match="cannot be read"):
        map_file(tmp_path)


def test_a_process_without_descriptors_does_not_take_the_file_for_damaged(path: Path) -> None:
    with no_descriptors_left(), pytest.raises(StoreError, match="ulimit -n"):
        map_file(path)
    with no_descriptors_left(), pytest.raises(StoreError, match="ulimit -n"):
        check_descriptors(path)
    before = descriptors()
    check_descriptors(path)
    assert descriptors() == before
