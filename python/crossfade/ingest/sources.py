"""Files to read from: which format they have, and what tells whether one has changed since."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from crossfade.errors import DataError, InvalidInput
from crossfade.ingest.arrow import FILE_MAGIC, PARQUET_MAGIC, STREAM_MAGIC, IpcRows, ParquetRows
from crossfade.ingest.fields import DocumentMaker
from crossfade.ingest.jsonl import STDIN, JsonLines
from crossfade.ingest.records import START, Place, Record, Reject

_SAMPLE_BYTES = 1 << 16  # of either end


class Format(StrEnum):
    """`AUTO`: by the first bytes; a directory is BEIR's."""

    AUTO = "auto"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"
    BEIR = "beir"


class Source(Protocol):
    """Something to read documents from, from the beginning or after a place."""

    path: Path
    counts_rows: bool
    """Whether places are rows of a table, and not lines."""

    def fraction(self, place: Place) -> float | None:
        """How much of it lies before a place that was read, 0 to 1; None where nobody knows."""
        ...

    def read(self, after: Place = START) -> Iterator[Record | Reject]:
        """What follows a place, in order. Raises DataError for what makes the rest unreadable, and for a place that it
        does not have: what lies before it would be left out, and nobody would know."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file was when it was looked at. `sample`: SHA-256 (hex) of its first and last 64 KiB."""

    path: str
    size: int
    modified_ns: int
    sample: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def open_source(path: Path, maker: DocumentMaker, kind: Format = Format.AUTO) -> Source:
    """A source for the file, or for the corpus of a BEIR directory. Nothing of it is read yet but its first bytes.

    Raises DataError when it is missing, InvalidInput when its format needs a package that is not installed.
    """
    if kind is Format.BEIR or (kind is Format.AUTO and path.is_dir()):
        return JsonLines(_corpus(path), maker)
    kind = _found(path) if kind is Format.AUTO else kind
    if kind is Format.PARQUET:
        return ParquetRows(path, maker)
    if kind is Format.ARROW:
        return IpcRows(path, maker)
    return JsonLines(path, maker)


def identity(path: Path) -> Identity | None:
    """None for what is no plain file, and cannot be read twice. Raises DataError when it is missing."""
    if path == STDIN:
        return None
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            digest = hashlib.sha256(stream.read(_SAMPLE_BYTES))
            stream.seek(max(0, status.st_size - _SAMPLE_BYTES))
            digest.update(stream.read(_SAMPLE_BYTES))
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    return Identity(str(path.resolve()), status.st_size, status.st_mtime_ns, digest.hexdigest())


def _found(path: Path) -> Format:
    if path == STDIN:
        return Format.JSONL
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Format.JSONL  # what is read from a pipe is gone
        with path.open("rb") as stream:
            first = stream.read(len(FILE_MAGIC))
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    if first.startswith(PARQUET_MAGIC):
        return Format.PARQUET
    return Format.ARROW if first.startswith((FILE_MAGIC, STREAM_MAGIC)) else Format.JSONL


def _corpus(directory: Path) -> Path:
    if not directory.is_dir():
        raise InvalidInput(f"{directory} is not a directory: a BEIR data set is one, with corpus.jsonl in it")
    for name in ("corpus.jsonl", "corpus.jsonl.gz"):
        if (directory / name).is_file():
            return directory / name
    raise DataError(directory, "there is no corpus.jsonl in it: name a BEIR directory, or the file itself")
