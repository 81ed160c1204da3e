"""How a segment comes to be: under another name, flushed to the disk, renamed; whole or not at all."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.errors import DataError
from crossfade.files import entries, remove_tree
from crossfade.lexical import AnalyserSettings
from crossfade.store import faults
from crossfade.store.metadata import Columns, MetadataSchema, TailColumns, save_columns
from crossfade.store.precision import FILES, in_files
from crossfade.store.segment import (
    COLUMNS,
    DOCUMENTS,
    FORMAT,
    ID_OFFSETS,
    ID_TEXT,
    KEYS,
    MANIFEST,
    SPANS,
    TEXT,
    RowBatch,
    Space,
    Span,
    crc_of,
    sync_directory,
)
from crossfade.store.tail import Tail
from crossfade.store.types import Precision

_BUILDING = ".building-"

# Of a tail that are written at a time: of short vectors little, as the interpreter's lock is held for their ids.
_ROWS = 512


def write_segment(
    parent: Path,
    span: Span,
    space: Space,
    batches: Iterable[RowBatch],
    schema: MetadataSchema,
    analyser: AnalyserSettings,
) -> Path:
    """Write the rows, in order of their keys, as a segment of `parent`; return its directory.

    Raises OSError or CrossfadeError when the disk does not take it; what was written is removed then.
    """

    def fill(writer: _Writer) -> Columns:
        columns = TailColumns()
        lexical.build(writer.text, _texts(writer, columns, batches, schema), analyser)
        return columns.snapshot()

    return _write(parent, span, space, fill)


def _texts(
    writer: _Writer, columns: TailColumns, batches: Iterable[RowBatch], schema: MetadataSchema
) -> Iterator[Sequence[str]]:
    """Write the batches as they are drawn; give their texts on."""
    for batch in batches:
        writer.add(batch)
        columns.extend(batch.metadata, schema)
        yield batch.texts


def write_tail(parent: Path, span: Span, space: Space, tail: Tail, rows: int, stopped: Callable[[], None]) -> Path:
    """Write the tail's first rows, as they lie in memory, those that have died too; else as `write_segment`.

    What is not in memory is not needed: a segment holds no texts, and their words the tail has. `stopped`: called
    between batches, may raise.
    """

    def fill(writer: _Writer) -> Columns:
        ids, vectors, keys = tail.ids(rows), tail.vectors(rows), tail.keys(rows)
        spans, documents = tail.spans(rows), tail.documents(rows)
        for first in range(0, rows, _ROWS):
            stopped()
            some = slice(first, min(rows, first + _ROWS))
            writer.add(RowBatch(keys[some], documents[some], vectors[some], spans[some], ids[some]))
        stopped()
        tail.text(rows).build(writer.text)
        return tail.columns(rows)

    return _write(parent, span, space, fill)


def _write(parent: Path, span: Span, space: Space, fill: Callable[[_Writer], Columns]) -> Path:
    """`fill`: writes the rows, and gives their metadata."""
    if sys.byteorder != "little":
        raise DataError(parent, "segments are little-endian, and this machine is not")
    final = parent / span.range.name
    building = parent / f"{_BUILDING}{span.range.name}"
    remove_tree(building)
    parent.mkdir(parents=True, exist_ok=True)
    building.mkdir()
    writer = _Writer(building, space.precision)
    try:
        faults.passed("seal.begun")
        files = writer.finish(fill(writer))
        manifest = {
            "format": FORMAT,
            "low": span.range.low,
            "high": span.range.high,
            "epoch": span.epoch,
            "rows": writer.rows,
            "whole": writer.whole,
            "dimension": space.dimension,
            "document_fingerprint": space.document_fingerprint,
            "metric": space.metric,
            "precision": space.precision,
            "files": files,
        }
        content = json.dumps(manifest, indent=1)
        signed = json.dumps({"crc32": zlib.crc32(content.encode()), "manifest": content})
        with (building / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(building)
        faults.passed("seal.files-written")
        remove_tree(final)
        building.rename(final)
        sync_directory(parent)
        faults.passed("seal.renamed")
    except BaseException:
        writer.abandon()
        remove_tree(building)
        raise
    return final


def clean(parent: Path) -> None:
    """Remove what was left half-written by a process that died."""
    for path in entries(parent):
        if path.name.startswith(_BUILDING):
            remove_tree(path)


class _Stream:
    """A file that is written from front to end, and its checksum."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("xb")
        self._size = self._crc = 0

    def write(self, data: NDArray[Any] | bytes) -> None:
        raw: Any = data if isinstance(data, bytes) else np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        view = memoryview(raw)
        self._file.write(view)
        self._size += len(view)
        self._crc = zlib.crc32(view, self._crc)

    def close(self) -> tuple[int, int]:
        """Its size and checksum, when it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._size, self._crc

    def abandon(self) -> None:
        with suppress(OSError):  # what is left in its buffer may not fit on the disk; it is closed all the same
            self._file.close()


class _Writer:
    """The files of a segment, but for the text index, which is written beside them."""

    def __init__(self, directory: Path, precision: Precision) -> None:
        self.rows = 0
        self.whole = True
        self.text = directory / TEXT
        self._directory = directory
        self._precision = precision
        names = (*FILES[precision], KEYS, DOCUMENTS, SPANS, ID_OFFSETS, ID_TEXT)
        self._streams = {name: _Stream(directory / name) for name in names}
        self._streams[ID_OFFSETS].write(np.zeros(1, dtype=np.int64))
        self._id_end = self._last = 0

    def add(self, batch: RowBatch) -> None:
        """Write what a batch has besides metadata and texts."""
        encoded = [name.encode() for name in batch.ids]
        ends = self._id_end + np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._id_end = int(ends[-1]) if len(ends) else self._id_end
        streams = self._streams
        for name, array in in_files(batch.vectors, self._precision).items():
            streams[name].write(array)
        streams[KEYS].write(batch.keys)
        streams[DOCUMENTS].write(batch.documents)
        streams[SPANS].write(batch.spans)
        streams[ID_OFFSETS].write(ends)
        streams[ID_TEXT].write(b"".join(encoded))
        self.rows += len(batch)
        self.whole = self.whole and batch.whole_after(self._last)
        self._last = int(batch.documents[-1]) if len(batch) else self._last

    def finish(self, columns: Columns) -> dict[str, tuple[int, int]]:
        """Every file's size and checksum, when all of them are on the disk."""
        files = {name: stream.close() for name, stream in self._streams.items()}
        save_columns(columns, self._directory / COLUMNS)
        for path in (self._directory / COLUMNS, *sorted(self.text.iterdir())):
            files[path.relative_to(self._directory).as_posix()] = (path.stat().st_size, crc_of(path))
        return files

    def abandon(self) -> None:
        for stream in self._streams.values():
            stream.abandon()
