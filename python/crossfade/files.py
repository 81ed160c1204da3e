"""Files whole: read at once, written whole or not at all, places checked before long work."""

from __future__ import annotations

import errno
import gzip
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from crossfade.errors import CrossfadeError, DataError, InvalidInput, StoreError

_GZIP_MAGIC = b"\x1f\x8b"

# What the system says when a process has run out, and the file may well be whole.
_SHORT = {
    errno.EMFILE: "raise its limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "free memory, or raise the number of mappings that a process may have (sysctl vm.max_map_count)",
}

_HANDFUL = 16


def unreadable(path: Path, error: OSError) -> CrossfadeError:
    """What to raise where a file could not be read: DataError, unless it is the process that has run out of something.

    That is a StoreError: to take the file for damaged, and to make it again, would be wrong.
    """
    said = error.strerror or str(error)
    if error.errno in _SHORT:
        return StoreError(f"{path} cannot be read: {said}; {_SHORT[error.errno]}")
    return DataError(path, f"cannot be read: {said}")


def entries(directory: Path) -> list[Path]:
    """What is in a directory, sorted; nothing when there is none. Raises what `unreadable` says."""
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(directory, error) from None


def check_descriptors(path: Path) -> None:
    """Raises StoreError, naming `path`, when the process can open no more than a handful of files."""
    opened: list[int] = []
    try:
        for _ in range(_HANDFUL):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        for descriptor in opened:
            os.close(descriptor)


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


def remove_tree(path: Path) -> None:
    """Delete a directory and what is in it, as far as that can be done. A link is left as it is, as is what it names.

    By names alone: Python 3.11's `shutil.rmtree` may, on a Ctrl-C between the closing of a descriptor and the note of
    it, close that number again, which another thread may have opened meanwhile.
    """
    if path.is_symlink():
        return
    for parent, directories, files in os.walk(path, topdown=False):
        for inner in [Path(parent, name) for name in files]:
            with suppress(OSError):
                inner.unlink()
        for inner in [Path(parent, name) for name in directories]:
            with suppress(OSError):
                if inner.is_symlink():
                    inner.unlink()
                else:
                    inner.rmdir()
    with suppress(OSError):
        path.rmdir()


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
