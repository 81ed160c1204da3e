"""A sealed segment: a directory of files made from the database, written once, mapped, and never changed.

    segment.json     what it is: format, fingerprint, precision, range of keys; size and CRC-32 of every other file
    vectors.f32      float32, (rows, dimension), C-order; of collections whose precision is f32 or int8
    vectors.f16      float16, the same; of those whose precision is f16, and in the place of the other
    codes.i8         int8, the same; of those whose precision is int8, beside the first (`crossfade.store.precision`)
    scales.f32       float32, (rows,): what each row's codes are to be multiplied by
    keys.i64         the rows' keys, rising
    documents.i64    the keys of the documents that they are of
    ids.offsets.i64  where each row's document id begins in ids.utf8, and where the last one ends
    ids.utf8
    spans.i32        (rows, 2): where a row's text begins and ends in its document's
    columns.cfm      the rows' metadata (`crossfade.store.metadata.file`)
    text/            the rows' words (`crossfade.lexical`)

Little-endian throughout. The name says which keys of rows it covers, `<low>-<high>`: above low, up to high. A
segment appears whole or not at all (`crossfade.store.segment_writer`). It holds no descriptor while it is open.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade import lexical
from crossfade.errors import DataError
from crossfade.files import unreadable
from crossfade.lexical import AnalyserSettings
from crossfade.mapping import map_file
from crossfade.store.metadata import Columns, open_columns
from crossfade.store.precision import held
from crossfade.store.strings import Strings
from crossfade.store.types import Metric, Precision

FORMAT = 1
MANIFEST = "segment.json"
KEYS, DOCUMENTS, ID_OFFSETS, ID_TEXT, SPANS, COLUMNS, TEXT = (
    "keys.i64",
    "documents.i64",
    "ids.offsets.i64",
    "ids.utf8",
    "spans.i32",
    "columns.cfm",
    "text",
)
# Of a file at a time: enough for a disk, and still in the cache of a core when its checksum is worked out.
_READ_BYTES = 1 << 20


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
    """What the vectors of a segment are, and how it holds them; it is refused anywhere else."""

    dimension: int
    document_fingerprint: str
    metric: Metric
    precision: Precision = "f32"


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

    def split(self, at: int) -> tuple[RowBatch, RowBatch]:
        """The first `at` rows, and the others."""
        halves = [
            RowBatch(*(getattr(self, each.name)[part] for each in fields(self)))
            for part in (slice(None, at), slice(at, None))
        ]
        return halves[0], halves[1]

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
        found = Space(
            manifest["dimension"],
            manifest["document_fingerprint"],
            manifest["metric"],
            manifest.get("precision", "f32"),
        )
        if found != space or Range.of(directory.name) != self.range:
            raise DataError(directory / MANIFEST, f"it is of {found} and {self.range}: it belongs to another index")
        for name, (size, _) in self._files.items():
            self._check_size(name, size)
        self.space = space
        self.vectors, self.codes = held(self._map, self.rows, space.dimension, space.precision)
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

    def check(self, pace: Callable[[int], None] | None = None) -> None:
        """Read every file whole. Raises DataError, naming the file, when one does not hold what was written.

        `pace`: called with the bytes that were read since it was called; may wait, or raise to stop."""
        if _manifest(self.directory)["files"] != self._files:
            raise DataError(self.directory / MANIFEST, "it is of other files than it was when it was opened")
        for name, (size, crc) in self._files.items():
            self._check_size(name, size)
            if crc_of(self.directory / name, pace) != crc:
                raise DataError(self.directory / name, "its checksum is not the one that it was written with")

    def _check_size(self, name: str, size: int) -> None:
        path = self.directory / name
        try:
            found = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from None
        if found != size:
            raise DataError(path, f"it has {found} bytes and was written with {size}")

    def _map(self, name: str, dtype: str, shape: tuple[int, ...], *, scattered: bool = False) -> NDArray[Any]:
        path = self.directory / name
        kind = np.dtype(dtype)
        size, _ = self._files.get(name, (-1, 0))
        expected = int(np.prod([abs(extent) for extent in shape])) * kind.itemsize
        if (-1 not in shape and size != expected) or size % kind.itemsize:
            raise DataError(path, f"it has {size} bytes, and {self.rows} rows have {expected}")
        mapped = map_file(path, scattered=scattered)
        if len(mapped) != size:
            raise DataError(path, f"it has {len(mapped)} bytes and was written with {size}")
        return mapped.view(kind).reshape(shape)


def sync_directory(directory: Path) -> None:
    """Have a directory's entries on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        raise unreadable(path, error) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(path, f"it is not a segment's description: {error}") from None
    return manifest


def crc_of(path: Path, pace: Callable[[int], None] | None = None) -> int:
    """The CRC-32 of a file's bytes. `pace`: as of `Segment.check`. Raises DataError, or StoreError, when it cannot be
    read."""
    crc = 0
    buffer = memoryview(bytearray(_READ_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                crc = zlib.crc32(buffer[:count], crc)
                if pace is not None:
                    pace(count)
    except OSError as error:
        raise unreadable(path, error) from None
    return crc
