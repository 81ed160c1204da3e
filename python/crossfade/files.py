"""Files whole: read at once, written whole or not at all, places checked before long work."""

from __future__ import annotations

import gzip
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crossfade.errors import DataError, InvalidInput

_GZIP_MAGIC = b"\x1f\x8b"


def read_unless_plain(path: str | Path) -> bytes | None:
    """The content of a file that cannot be read in parts from its place: unpacked when it is gzip by its first bytes,
    whatever its name, and of a pipe or a device what comes. None for a plain file, which Rust reads itself.

    Raises DataError when the file is missing, cannot be read, or is a damaged gzip file.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                packed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                stream.seek(0)
                return gzip.decompress(stream.read()) if packed else None
            content = stream.read()
            return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"damaged gzip file: {error}") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None


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
