"""Files in and out: lines with their numbers, and outputs that appear whole or not at all."""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from crossfade.errors import DataError, InvalidInput

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its line end); blank lines are left out, gzip is unpacked.

    Lines end at LF or CRLF only, whatever other separators a text holds. A UTF-8 byte order mark is dropped.
    Raises DataError when the file is missing, cannot be read, or is a damaged gzip file.
    """
    number = 0
    try:
        with path.open("rb") as raw, _unpacked(raw) as stream:
            for number, line in enumerate(stream, start=1):
                content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if content.strip():
                    yield number, content.rstrip(b"\r\n")
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"damaged gzip file: {error}", line=number + 1) from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None


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


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[IO[bytes]]:
    magic = raw.read(2)
    raw.seek(0)
    if magic == _GZIP_MAGIC:
        with gzip.open(raw) as stream:
            yield cast("IO[bytes]", stream)
    else:
        yield raw


def check_writable(path: Path) -> None:
    """Find out before long work whether `write_atomically(path)` can succeed, by writing beside it.

    Raises InvalidInput when the path is a directory, or its folder is missing or cannot be written.
    """
    target = _resolve(path)
    if target.is_dir():
        raise InvalidInput(f"cannot write {path}: it is a directory; name a file in it")
    if not target.parent.is_dir():
        raise InvalidInput(f"cannot write {path}: there is no directory {path.parent}; create it first")
    if _is_special(target):
        return
    probe = _temporary_name(target)
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        probe.unlink()
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}; choose another place") from None


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """A binary stream whose content appears at `path` when the block ends without an error, and never in part.

    Written beside the target, flushed to the disk, then renamed; a link is followed. A device or a pipe, which cannot
    be replaced, is written to directly. Raises InvalidInput when the place cannot be written or the disk is full.
    """
    target = _resolve(path)
    try:
        if _is_special(target):
            with target.open("wb") as device:
                yield device
            return
        temporary = _temporary_name(target)
        try:
            # Not tempfile: the file should get the permissions that the user's umask gives.
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error


def _resolve(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
