"""The file of what was left out: one JSON object a line, with its source, its line or row, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from crossfade.errors import InvalidInput
from crossfade.ingest.records import Reject


class RejectsFile:
    """Grows with a job; after a crash it is cut back to what belongs to documents that were taken."""

    def __init__(self, path: Path, keep: int) -> None:
        """`keep`: bytes of it that stay. Raises InvalidInput when it cannot be written."""
        self.path = path
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
            self._file.truncate(min(keep, os.fstat(self._file.fileno()).st_size))
            self.size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise InvalidInput(f"cannot write {path}: {error.strerror or error}; choose another place") from None

    def add(self, rejects: Iterable[Reject]) -> None:
        """They are on the disk when it returns. Raises InvalidInput when they cannot be written."""
        lines = [_line(reject) for reject in rejects]
        if not lines:
            return
        try:
            self.size += self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InvalidInput(f"cannot write {self.path}: {error.strerror or error}") from None

    def close(self) -> None:
        self._file.close()


def _line(reject: Reject) -> bytes:
    error = reject.error
    number = {"row": error.row} if error.line is None else {"line": error.line}
    record = {"source": error.path, **number, "reason": error.reason, "content": reject.content}
    return json.dumps(record).encode() + b"\n"
