"""Files of JSON lines that grow beside a job: what was left out, and what the model did not read."""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crossfade.errors import InvalidInput
from crossfade.ingest.jsonl import STDIN
from crossfade.ingest.records import Reject
from crossfade.ingest.report import Unread

_READ_BYTES = 1 << 20


class Kind(NamedTuple):
    """What a file is for, as messages say it, and how every line of it begins."""

    what: str
    begin: bytes


REJECTS = Kind("the rejects", b'{"source": ')
UNREAD = Kind("what was not read", b'{"id": ')


class Written(NamedTuple):
    """What a job knows of such a file. `size`: bytes that belong to what is taken; `crc32`: of these, None when a
    job of an older release has not noted it. Behind them may be lines of a batch that is to be taken again."""

    path: str
    size: int
    crc32: int | None


NOTHING = Written("", 0, 0)


def check_place(path: Path, kind: Kind, store: Path, sources: Sequence[Path]) -> None:
    """Raises InvalidInput when the file lies in the store's directory, or is one of the sources, by whatever name or
    link."""
    place = path.resolve()
    if any(is_same(parent, store) for parent in (place, *place.parents)):
        raise InvalidInput(f"{path} lies in the store's directory: name a file elsewhere for {kind.what}")
    for source in sources:
        if place == source.resolve() or is_same(place, source):
            raise InvalidInput(f"{path} is a source, and cannot take {kind.what} too: name another file")


def is_same(one: Path, other: Path) -> bool:
    """Whether both are one file, by whatever name or link."""
    try:
        found = os.fstat(sys.stdin.fileno()) if other == STDIN else other.stat()
        return os.path.samestat(one.stat(), found)
    except (OSError, ValueError, AttributeError):  # one of them is not there: whoever reads it says so
        return False


class SideFile:
    """Grows with a job; after a crash it is cut back to what belongs to documents that were taken."""

    def __init__(self, path: Path, kind: Kind, known: Written, *, afresh: bool = False) -> None:
        """`known`: what the job wrote before. `afresh`: begin with an empty file, if this job wrote what is there.

        Raises InvalidInput when it cannot be written, or holds what this job did not write; it is as it was then.
        """
        self.path = path
        self._kind = kind
        keep = known if known.path == str(path.resolve()) else NOTHING
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
            self._file = os.fdopen(descriptor, "r+b")
        except OSError as error:
            raise InvalidInput(f"cannot write {path}: {error.strerror or error}; choose another place") from None
        try:
            self.size, self.crc32 = self._checked(keep)
            if afresh:
                self.size, self.crc32 = 0, 0
            self._file.truncate(self.size)
            self._file.seek(self.size)
        except OSError as error:
            self._file.close()
            raise InvalidInput(f"cannot write {path}: {error.strerror or error}; choose another place") from None
        except BaseException:
            self._file.close()
            raise

    def _checked(self, known: Written) -> tuple[int, int]:
        """How much of it stays, and the checksum of that."""
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{self.path} is no plain file: name one for {self._kind.what}")
        if not status.st_size:
            return 0, 0
        if not known.path:
            raise InvalidInput(
                f"{self.path} holds something already, which is not of this job: name another file for "
                f"{self._kind.what}, or remove it first"
            )
        crc, left = 0, known.size
        while left and (part := self._file.read(min(left, _READ_BYTES))):
            crc, left = zlib.crc32(part, crc), left - len(part)
        # Behind may be whole lines and the beginning of one, of a batch that was not noted any more.
        behind = self._file.read(len(self._kind.begin))
        if left or (known.crc32 is not None and crc != known.crc32) or not self._kind.begin.startswith(behind):
            raise InvalidInput(
                f"{self.path} is not as this job left it: name another file for {self._kind.what}, or remove it first"
            )
        return known.size, crc

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """A line each. They are on the disk when it returns. Raises InvalidInput when they cannot be written."""
        content = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        if not content:
            return
        try:
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InvalidInput(f"cannot write {self.path}: {error.strerror or error}") from None
        self.size += len(content)
        self.crc32 = zlib.crc32(content, self.crc32)

    @property
    def written(self) -> Written:
        return Written(str(self.path.resolve()), self.size, self.crc32)

    def close(self) -> None:
        self._file.close()


def rejected_line(reject: Reject) -> dict[str, Any]:
    """What was left out: its source, its line or row, and why."""
    error = reject.error
    number = {"row": error.row} if error.line is None else {"line": error.line}
    return {"source": error.path, **number, "reason": error.reason, "content": reject.content}


def unread_line(unread: Unread) -> dict[str, Any]:
    """A document that the model did not read to its end: where its chunks begin and end, and where each was left."""
    return {
        **unread.to_json(),
        "chunks": [{"start": start, "stop": stop, "read_end": end} for start, stop, end in unread.chunks],
    }
