"""Files in: lines with their numbers, every fault by file and line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from crossfade.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: Path, *, seen: Callable[[bytes], None] | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its line end); blank lines are left out, gzip is unpacked.

    Lines end at LF or CRLF only, whatever other separators a text holds. A UTF-8 byte order mark is dropped. `seen`
    is given every line as it lies in the file, unpacked, before it is yielded.
    Raises DataError when the file is missing, cannot be read, or is a damaged gzip file.
    """
    for number, line in _numbered(path, seen):
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def read_text(path: Path) -> Iterator[str]:
    """Yield every line as text with its line end, blank ones too: what `csv.reader` takes.

    Raises DataError as `read_lines` does, and for what is not UTF-8.
    """
    for number, line in _numbered(path):
        yield decode(path, number, line)


def decode(path: Path, line: int, content: bytes) -> str:
    """Decode UTF-8. Raises DataError naming the line and the offending byte."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            path,
            f"invalid UTF-8: byte 0x{content[error.start]:02x} at column {error.start + 1}; convert the file to UTF-8",
            line=line,
        ) from None


def is_packed(path: Path) -> bool:
    """Whether the file is gzipped, by its first bytes; of one that cannot be read, no."""
    try:
        with path.open("rb") as raw:
            return raw.read(2) == _GZIP_MAGIC
    except OSError:
        return False


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[IO[bytes]]:
    magic = raw.read(2)
    raw.seek(0)
    if magic == _GZIP_MAGIC:
        with gzip.open(raw) as stream:
            yield cast("IO[bytes]", stream)
    else:
        yield raw


def _numbered(path: Path, seen: Callable[[bytes], None] | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line with its end). Raises DataError as `read_lines` does."""
    number = 0
    try:
        with path.open("rb") as raw, _unpacked(raw) as stream:
            for number, line in enumerate(stream, start=1):
                if seen is not None:
                    seen(line)
                yield number, line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"damaged gzip file: {error}", line=number + 1) from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
