"""Files of JSON lines that grow beside a job: what was left out, and what the model did not read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.ingest.records import Reject
from crossfade.ingest.report import Unread


class SideFile:
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

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """A line each. They are on the disk when it returns. Raises InvalidInput when they cannot be written."""
        lines = [json.dumps(record).encode() + b"\n" for record in records]
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
