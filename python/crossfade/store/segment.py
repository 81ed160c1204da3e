"""A sealed segment: a directory of files made from the database, written once, mapped, and never changed.

    segment.json     what it is: format, fingerprint, range of keys, rows, and the size and CRC-32 of every other file
    vectors.f32      float32, (rows, dimension), C-order
    keys.i64         the rows' keys, rising
    documents.i64    the keys of the documents that they are of
    ids.offsets.i64  where each row's document id begins in ids.utf8, and where the last one ends
    ids.utf8
    spans.i32        (rows, 2): where a row's text begins and ends in its document's
    columns.cfm      the rows' metadata (`crossfade.store.metadata.file`)
    text/            the rows' words (`crossfade.lexical`)

Little-endian throughout. The name says which keys of rows it covers, `<low>-<high>`: above low, up to high. A
segment appears whole or not at all: written under another name, flushed to the disk, renamed.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.errors import DataError
from crossfade.lexical import AnalyserSettings
from crossfade.store import faults
from crossfade.store.metadata import Columns, MetadataSchema, TailColumns, open_columns, save_columns
from crossfade.store.strings import Strings
from crossfade.store.types import Metric

FORMAT = 1
MANIFEST = "segment.json"
VECTORS, KEYS, DOCUMENTS, ID_OFFSETS, ID_TEXT, SPANS, COLUMNS, TEXT = (
    "vectors.f32",
    "keys.i64",
    "documents.i64",
    "ids.offsets.i64",
    "ids.utf8",
    "spans.i32",
    "columns.cfm",
    "text",
)
_BUILDING = ".building-"
_READ_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Range:
    """Keys of rows above `low`, up to `high`."""

    low: int
    high: int

    @property
    def name(self) -> str:
        return f"{self.low:016x}-{self.high:016x}"

    @classmethod
    def of(cls, name: str) -> Range | None:
        """The range that a directory's name says; None for another name."""
        low, dash, high = name.partition("-")
        try:
            found = cls(int(low, 16), int(high, 16))
        except ValueError:
            return None
        return found if dash and found.name == name and found.low < found.high else None


@dataclass(frozen=True, slots=True)
class Space:
    """What the vectors of a segment are; it is refused anywhere else."""

    dimension: int
    document_fingerprint: str
    metric: Metric


@dataclass(frozen=True, slots=True)
class Span:
    """A range, and the history that it is of: the token that the database has for its last key (`epochs`)."""

    range: Range
    epoch: str


@dataclass(slots=True)
class RowBatch:
    """Rows on their way into a segment or the tail, in order of their keys; those of a document one after the other."""

    keys: NDArray[np.int64]
    documents: NDArray[np.int64]
    vectors: NDArray[np.float32]
    spans: NDArray[np.int32]
    ids: list[str]
    metadata: list[Mapping[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def whole_after(self, document: int) -> bool:
        """Whether every row is another document, and the first not the one given."""
        documents = self.documents
        return len(documents) == 0 or bool(documents[0] != document and (documents[1:] != documents[:-1]).all())


class Segment:
    """An open segment. Its arrays are mapped files: what is not read takes no memory."""

    def __init__(self, directory: Path, space: Space, analyser: AnalyserSettings) -> None:
        """Raises DataError when a file is missing, of another size than it should have, or of another space.

        That the files hold what was written is not looked at here: `check` does.
        """
        self.directory = directory
        manifest = _manifest(directory)
        self._files: dict[str, tuple[int, int]] = manifest["files"]
        self.range = Range(manifest["low"], manifest["high"])
        self.epoch: str = manifest["epoch"]
        self.rows: int = manifest["rows"]
        self.whole: bool = manifest["whole"]
        found = Space(manifest["dimension"], manifest["document_fingerprint"], manifest["metric"])
        if found != space or Range.of(directory.name) != self.range:
            raise DataError(directory / MANIFEST, f"it is of {found} and {self.range}: it belongs to another index")
        for name, (size, _) in self._files.items():
            self._check_size(name, size)
        self.vectors: NDArray[np.float32] = self._map(VECTORS, "<f4", (self.rows, space.dimension))
        self.keys: NDArray[np.int64] = self._map(KEYS, "<i8", (self.rows,))
        self.documents: NDArray[np.int64] = self._map(DOCUMENTS, "<i8", (self.rows,))
        self.spans: NDArray[np.int32] = self._map(SPANS, "<i4", (self.rows, 2))
        offsets: NDArray[np.int64] = self._map(ID_OFFSETS, "<i8", (self.rows + 1,))
        self.ids = Strings(offsets, self._map(ID_TEXT, "|u1", (-1,)))
        # Now, and not when it is asked for: another segment may have the directory by then.
        self.columns: Columns = open_columns(directory / COLUMNS)
        self.text = lexical.Segment(directory / TEXT, analyser)
        if self.text.rows != self.rows:
            raise DataError(directory / TEXT, f"it has {self.text.rows} rows, and the segment {self.rows}")

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(size for size, _ in self._files.values())

    def check(self) -> None:
        """Read every file whole. Raises DataError, naming the file, when one does not hold what was written."""
        if _manifest(self.directory)["files"] != self._files:
            raise DataError(self.directory / MANIFEST, "it is of other files than it was when it was opened")
        for name, (size, crc) in self._files.items():
            self._check_size(name, size)
            if _crc_of(self.directory / name) != crc:
                raise DataError(self.directory / name, "its checksum is not the one that it was written with")

    def _check_size(self, name: str, size: int) -> None:
        path = self.directory / name
        try:
            found = path.stat().st_size
        except OSError as error:
            raise DataError(path, f"cannot be read: {error.strerror or error}") from None
        if found != size:
            raise DataError(path, f"it has {found} bytes and was written with {size}")

    def _map(self, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        path = self.directory / name
        kind = np.dtype(dtype)
        size, _ = self._files[name]
        expected = int(np.prod([abs(extent) for extent in shape])) * kind.itemsize
        if (-1 not in shape and size != expected) or size % kind.itemsize:
            raise DataError(path, f"it has {size} bytes, and {self.rows} rows have {expected}")
        if size == 0:
            return np.empty([max(extent, 0) for extent in shape], dtype=kind)
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DataError(path, f"cannot be mapped: {error}") from None
        return np.frombuffer(mapped, dtype=kind).reshape(shape)


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
    if sys.byteorder != "little":
        raise DataError(parent, "segments are little-endian, and this machine is not")
    final = parent / span.range.name
    building = parent / f"{_BUILDING}{span.range.name}"
    shutil.rmtree(building, ignore_errors=True)
    parent.mkdir(parents=True, exist_ok=True)
    building.mkdir()
    writer = _Writer(building, schema)
    try:
        faults.passed("seal.begun")
        lexical.build(building / TEXT, writer.texts(batches), analyser)
        files = writer.finish()
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
        if final.exists():
            shutil.rmtree(final)
        building.rename(final)
        sync_directory(parent)
        faults.passed("seal.renamed")
    except BaseException:
        writer.abandon()
        shutil.rmtree(building, ignore_errors=True)
        raise
    return final


def clean(parent: Path) -> None:
    """Remove what was left half-written by a process that died."""
    for path in parent.glob(f"{_BUILDING}*"):
        shutil.rmtree(path, ignore_errors=True)


def sync_directory(directory: Path) -> None:
    """Have a directory's entries on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        self._file.close()


class _Writer:
    """The files of a segment, but for the text index, which draws the batches through it."""

    def __init__(self, directory: Path, schema: MetadataSchema) -> None:
        self.rows = 0
        self.whole = True
        self._directory = directory
        self._schema = schema
        self._streams = {
            name: _Stream(directory / name) for name in (VECTORS, KEYS, DOCUMENTS, SPANS, ID_OFFSETS, ID_TEXT)
        }
        self._streams[ID_OFFSETS].write(np.zeros(1, dtype=np.int64))
        self._columns = TailColumns()
        self._id_end = self._last = 0

    def texts(self, batches: Iterable[RowBatch]) -> Iterator[Sequence[str]]:
        """Write the batches as they are drawn; give their texts on."""
        for batch in batches:
            self._add(batch)
            yield batch.texts

    def _add(self, batch: RowBatch) -> None:
        encoded = [name.encode() for name in batch.ids]
        ends = self._id_end + np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._id_end = int(ends[-1]) if len(ends) else self._id_end
        streams = self._streams
        streams[VECTORS].write(batch.vectors)
        streams[KEYS].write(batch.keys)
        streams[DOCUMENTS].write(batch.documents)
        streams[SPANS].write(batch.spans)
        streams[ID_OFFSETS].write(ends)
        streams[ID_TEXT].write(b"".join(encoded))
        self._columns.extend(batch.metadata, self._schema)
        self.rows += len(batch)
        self.whole = self.whole and batch.whole_after(self._last)
        self._last = int(batch.documents[-1]) if len(batch) else self._last

    def finish(self) -> dict[str, tuple[int, int]]:
        """Every file's size and checksum, when all of them are on the disk."""
        files = {name: stream.close() for name, stream in self._streams.items()}
        save_columns(self._columns.snapshot(), self._directory / COLUMNS)
        for path in (self._directory / COLUMNS, *sorted((self._directory / TEXT).iterdir())):
            files[path.relative_to(self._directory).as_posix()] = (path.stat().st_size, _crc_of(path))
        return files

    def abandon(self) -> None:
        for stream in self._streams.values():
            stream.abandon()


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        signed = json.loads(path.read_text(encoding="utf-8"))
        content: str = signed["manifest"]
        if zlib.crc32(content.encode()) != signed["crc32"]:
            raise DataError(path, "its checksum is not the one that it was written with")
        manifest: dict[str, Any] = json.loads(content)
        if manifest["format"] != FORMAT:
            raise DataError(path, f"it has format {manifest['format']}, and this crossfade reads {FORMAT}")
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(path, f"it is not a segment's description: {error}") from None
    return manifest


def _crc_of(path: Path) -> int:
    crc = 0
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(_READ_BYTES):
                crc = zlib.crc32(data, crc)
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    return crc
