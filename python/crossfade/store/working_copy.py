"""A store that can be opened, made of one on a read-only disk, for as long as somebody searches it.

The database is copied, as opening a store writes to it. Segments are not: they are linked to, file by file, so that one
that is damaged can be built again in its place.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossfade.errors import StoreError
from crossfade.store.checking import SEGMENTS
from crossfade.store.database import FILE, errors_told
from crossfade.store.readonly import reading

_ROOM = 1.05  # of the database and its log


@contextmanager
def working_copy(directory: Path) -> Iterator[Path]:
    """The directory of a store with the same content, in the temporary directory (TMPDIR); it is removed afterwards.

    Raises NotFound when there is no store, StoreError when it cannot be read, or there is no room for the copy.
    """
    try:
        place = tempfile.TemporaryDirectory(prefix="crossfade-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StoreError(_no_place(directory, f"there is none: {error.strerror or error}")) from error
    with place as name:
        copy = Path(name) / "store"
        with reading(directory) as source:
            _check_room(source, directory, copy.parent)
            try:
                copy.mkdir()
                _copy(source, copy / FILE)
                if (directory / SEGMENTS).is_dir():
                    shutil.copytree((directory / SEGMENTS).resolve(), copy / SEGMENTS, copy_function=os.symlink)
            except OSError as error:
                raise StoreError(_no_place(directory, f"{copy.parent}: {error.strerror or error}")) from error
        yield copy


def _check_room(source: sqlite3.Connection, directory: Path, place: Path) -> None:
    (pages,), (page_bytes,) = (source.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    needed, free = int(pages * page_bytes * _ROOM), shutil.disk_usage(place).free
    if free < needed:
        raise StoreError(_no_place(directory, f"it takes {needed / 1e6:,.0f} MB, and {place} has {free / 1e6:,.0f} MB"))


def _no_place(directory: Path, said: str) -> str:
    return (
        f"the store {directory} is on a read-only disk, and a copy in the temporary directory is searched instead: "
        f"{said}; set TMPDIR to a directory with room"
    )


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with errors_told(path):
        copy = sqlite3.connect(path, isolation_level=None)
        try:
            source.backup(copy, pages=4096, sleep=0)
        finally:
            copy.close()
