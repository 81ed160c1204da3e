"""Document vectors kept on disk between runs: a cache that may be deleted at any time and mends itself.

One file a (document fingerprint, corpus hash) pair, laid out as `vector_file` says; and, as older releases wrote them,
one line of JSON and the vectors behind it (format 1), which are read still. Checksums cover every vector byte. A file
that is damaged, cut short or of another format is computed anew and written over.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from crossfade.errors import InvalidInput
from crossfade.evaluation.vector_file import (
    FORMAT,
    HEAD_BYTES,
    CorpusVectors,
    VectorFile,
    content_sha256,
    mapped,
    noted_rows,
    partial_path,
)
from crossfade.files import check_writable

__all__ = ["CorpusVectors", "VectorCache"]

_NUMBERS = ("tokens", "truncated")


class VectorCache:
    """A directory of cached corpora. Raises InvalidInput when the directory cannot be made or written."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"cannot make the cache directory {directory}: {error.strerror or error}") from None
        self.directory = directory
        check_writable(directory / "probe")

    def path(self, fingerprint: str, corpus_hash: str) -> Path:
        key = hashlib.sha256(f"{fingerprint}\n{corpus_hash}".encode()).hexdigest()
        return self.directory / f"{key[:40]}.vectors"

    def load(self, fingerprint: str, corpus_hash: str, *, rows: int, dimension: int) -> CorpusVectors | None:
        """The cached vectors, or None when there are none or the file fails any check."""
        expected = {"fingerprint": fingerprint, "corpus": corpus_hash, "rows": rows, "dimension": dimension}
        try:
            with self.path(fingerprint, corpus_hash).open("rb") as stream:
                head = json.loads(stream.readline(HEAD_BYTES))
                if not _fits(head, expected):
                    return None
                return _first_format(stream, head) if head["format"] == 1 else _mapped(stream, head)
        except (OSError, ValueError, RecursionError):
            return None

    def rows_held(self, fingerprint: str, corpus_hash: str, *, rows: int, dimension: int) -> int:
        """How many rows need not be embedded, by what the files say of themselves: their content is not looked at."""
        place = self.path(fingerprint, corpus_hash)
        expected = {"fingerprint": fingerprint, "corpus": corpus_hash, "rows": rows, "dimension": dimension}
        try:
            with place.open("rb") as stream:
                if _fits(json.loads(stream.readline(HEAD_BYTES)), expected):
                    return rows
        except (OSError, ValueError, RecursionError):
            pass
        return noted_rows(place, about(fingerprint, corpus_hash), rows, dimension)

    def reserved(self, fingerprint: str, corpus_hash: str, *, rows: int, dimension: int) -> bool:
        """Whether the disk already holds the room for all of them."""
        place = self.path(fingerprint, corpus_hash)
        needed = HEAD_BYTES + rows * dimension * 4
        for path in (place, partial_path(place)):
            try:
                if path.stat().st_blocks * 512 >= needed:
                    return True
            except OSError:
                continue
        return False

    def file(self, fingerprint: str, corpus_hash: str, *, rows: int, dimension: int) -> VectorFile:
        """Where the vectors are to be written. Raises InvalidInput when there is no room for them."""
        return VectorFile(about(fingerprint, corpus_hash), rows, dimension, place=self.path(fingerprint, corpus_hash))


def about(fingerprint: str, corpus_hash: str) -> dict[str, Any]:
    """What tells vectors from all others."""
    return {"format": FORMAT, "fingerprint": fingerprint, "corpus": corpus_hash}


def _mapped(stream: IO[bytes], head: dict[str, Any]) -> CorpusVectors | None:
    rows, dimension, shard_rows = head["rows"], head["dimension"], head.get("shard_rows")
    if not isinstance(shard_rows, int) or shard_rows < 1:
        return None
    if os.fstat(stream.fileno()).st_size != HEAD_BYTES + rows * dimension * 4:
        return None
    vectors = mapped(stream, rows, dimension)
    if content_sha256(vectors, shard_rows) != head["sha256"]:
        return None
    return CorpusVectors(vectors, head["tokens"], head["truncated"])


def _first_format(stream: IO[bytes], head: dict[str, Any]) -> CorpusVectors | None:
    """One that an older release wrote: its vectors need not lie where they can be read as they are."""
    rows, dimension = head["rows"], head["dimension"]
    # One byte more than promised: a file with something after its vectors is not what was written.
    data = bytearray(rows * dimension * 4 + 1)
    if stream.readinto(data) != len(data) - 1:  # type: ignore[attr-defined]  # of a file opened for reading
        return None
    content = memoryview(data)[:-1]
    if hashlib.sha256(content).hexdigest() != head["sha256"]:
        return None
    vectors = np.frombuffer(content, dtype="<f4").reshape(rows, dimension)
    return CorpusVectors(vectors.astype(np.float32, copy=False), head["tokens"], head["truncated"])


def _fits(head: Any, expected: dict[str, Any]) -> bool:
    return (
        isinstance(head, dict)
        and head.get("format") in (1, FORMAT)
        and all(head.get(key) == value for key, value in expected.items())
        and all(isinstance(head.get(key), int) for key in _NUMBERS)
        and isinstance(head.get("sha256"), str)
    )
