"""Vectors on disk: written shard by shard while they are made, mapped when they are read.

Layout of a finished file (format 2): 4,096 bytes of head, which is one line of JSON (format, fingerprint, corpus,
rows, dimension, shard_rows, tokens, truncated, sha256) and spaces, then rows * dimension little-endian float32.
`sha256` is of the SHA-256 digests of all shards, in order; a shard is `shard_rows` rows, the last one what is left.

Until it is finished it is called `.partial`, and a journal lies beside it: a line of JSON that says what it is of, then
one for each shard that is in, with its digest. A shard is in when its line is: whatever kills the process, the next one
goes on after the lines that are whole and whose shards have their digests.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.mapping import Mapping as MappedFile

FORMAT = 2
SHARD_ROWS = 4096
"""What is lost at most when the process is killed; a shard is written in one piece and flushed to the disk."""

HEAD_BYTES = 4096

HELD_BYTES = 256 << 20
"""Of vectors that are read into memory; more of them are a mapped file, which nobody may cut short meanwhile."""


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """A whole corpus embedded.

    `vectors`: float32, shape (documents, dimension), in corpus order; of a large corpus a mapped file, read-only.
    `tokens`: read by the model in all. `truncated`: documents whose end was not read.
    """

    vectors: NDArray[np.float32]
    tokens: int
    truncated: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One that is in."""

    sha256: str
    tokens: int
    truncated: int


class VectorFile:
    """Takes the vectors of a corpus, shard by shard, in any order. Use as a context manager.

    With a place, a file that a killed process left is gone on with, and `finish` puts it at its place, whole. Without
    one, or while another process writes to it, the file has no name and goes with the process.
    """

    def __init__(
        self, about: Mapping[str, Any], rows: int, dimension: int, *, place: Path | None, shard_rows: int = SHARD_ROWS
    ) -> None:
        """`about`: what tells these vectors from all others. `place`: of the finished file.

        Raises InvalidInput, naming the directory, where the disk has no room for all of it.
        """
        self._about = {**about, "rows": rows, "dimension": dimension, "shard_rows": shard_rows}
        self.rows, self.dimension, self.shard_rows = rows, dimension, shard_rows
        self._place = place
        self._done: dict[int, Shard] = {}
        self._journal: IO[bytes] | None = None
        self._directory = Path(tempfile.gettempdir()) if place is None else place.parent
        try:
            self._file = self._kept(place) if place is not None else self._nameless()
            try:
                os.posix_fallocate(self._file.fileno(), 0, self._size)
            except OSError:
                self._drop()
                raise
        except OSError as error:
            raise self._refused(error) from None

    @property
    def shards(self) -> int:
        return -(-self.rows // self.shard_rows)

    @property
    def missing(self) -> list[int]:
        """The shards that are not in."""
        return [shard for shard in range(self.shards) if shard not in self._done]

    def span(self, shard: int) -> range:
        """The rows of a shard."""
        return range(shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.rows))

    def write(self, shard: int, vectors: NDArray[np.float32], tokens: int, truncated: int) -> None:
        """`vectors`: shape (rows of the shard, dimension). It is on the disk when this returns, where it is kept.

        Raises InvalidInput when it cannot be written.
        """
        content = np.ascontiguousarray(vectors, dtype="<f4").data.cast("B")
        done = Shard(hashlib.sha256(content).hexdigest(), tokens, truncated)
        try:
            _write_at(self._file.fileno(), content, self._offset(shard))
            if self._journal is not None:
                os.fdatasync(self._file.fileno())
                line = {"shard": shard, "sha256": done.sha256, "tokens": tokens, "truncated": truncated}
                self._note(line)
        except OSError as error:
            raise self._refused(error) from None
        self._done[shard] = done

    def finish(self) -> CorpusVectors:
        """All of it, mapped. Every shard must be in. Raises InvalidInput when it cannot be written; that somebody
        deleted the cache meanwhile only means that it is not kept."""
        done = [self._done[shard] for shard in range(self.shards)]
        tokens, truncated = sum(each.tokens for each in done), sum(each.truncated for each in done)
        head = {**self._about, "tokens": tokens, "truncated": truncated, "sha256": _joined([e.sha256 for e in done])}
        try:
            if self._journal is not None and self._place is not None:
                _write_at(self._file.fileno(), memoryview(head_bytes(head)), 0)
                os.fsync(self._file.fileno())
                self._keep(self._place)
            vectors = mapped(self._file, self.rows, self.dimension)
        except OSError as error:
            raise self._refused(error) from None
        return CorpusVectors(vectors, tokens, truncated)

    def _keep(self, place: Path) -> None:
        """Put the file at its place, if it is still there: the name may be another process' by now, or nobody's."""
        if not _same(partial_path(place), self._file):
            return
        with suppress(FileNotFoundError):
            partial_path(place).replace(place)
        if self._journal is not None and _same(journal_path(place), self._journal):
            journal_path(place).unlink(missing_ok=True)

    def __enter__(self) -> VectorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._journal is not None:
            self._journal.close()

    @property
    def _size(self) -> int:
        return HEAD_BYTES + self.rows * self.dimension * 4

    def _offset(self, shard: int) -> int:
        return HEAD_BYTES + shard * self.shard_rows * self.dimension * 4

    def _nameless(self) -> IO[bytes]:
        return tempfile.TemporaryFile(prefix="crossfade-vectors-", dir=self._directory, buffering=0)

    def _kept(self, place: Path) -> IO[bytes]:
        place.parent.mkdir(parents=True, exist_ok=True)  # somebody may have deleted it since the cache was opened
        journal = journal_path(place).open("a+b", buffering=0)
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process embeds the same: whoever ends first keeps it
            journal.close()
            return self._nameless()
        if not _same(journal_path(place), journal):  # whoever held it has finished, or the cache was deleted
            journal.close()
            return self._kept(place)
        self._journal = journal
        descriptor = os.open(partial_path(place), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        journal.seek(0)
        lines = journal.read().split(b"\n")
        if not lines or _parsed(lines[0]) != self._about:
            journal.truncate(0)
            self._note(self._about)
            return file
        for line in lines[1:-1]:  # behind the last line end there is nothing, or what was being written
            self._take(_parsed(line), file)
        # What was being written must not become the beginning of the next line.
        journal.truncate(sum(len(line) + 1 for line in lines[:-1]))
        return file

    def _take(self, line: Any, file: IO[bytes]) -> None:
        """Note a shard that an earlier process wrote, if it is what that says."""
        try:
            shard, done = line["shard"], Shard(line["sha256"], line["tokens"], line["truncated"])
            length = len(self.span(shard)) * self.dimension * 4
            content = os.pread(file.fileno(), length, self._offset(shard)) if 0 <= shard < self.shards else b""
        except (TypeError, KeyError):
            return
        if length and hashlib.sha256(content).hexdigest() == done.sha256:
            self._done[shard] = done

    def _note(self, line: Mapping[str, Any]) -> None:
        if self._journal is not None:
            _write_all(self._journal.fileno(), json.dumps(line).encode() + b"\n")
            os.fdatasync(self._journal.fileno())

    def _drop(self) -> None:
        """There is no room: what could not be taken is given back, unless there is work in it."""
        self._file.close()
        if self._journal is not None:
            if not self._done and self._place is not None:
                partial_path(self._place).unlink(missing_ok=True)
                journal_path(self._place).unlink(missing_ok=True)
            self._journal.close()

    def _refused(self, error: OSError) -> InvalidInput:
        kept = f"; {len(self._done):,} of {self.shards:,} shards are kept" if self._journal and self._done else ""
        how = "--cache names another place" if self._place is not None else "TMPDIR, or --cache, names another place"
        return InvalidInput(
            f"cannot write {self._size / 1e9:,.2f} GB of vectors into {self._directory}: {error.strerror or error}; "
            f"make room there ({how}){kept}"
        )


def _same(path: Path, file: IO[bytes]) -> bool:
    """Whether the name is still that of the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def partial_path(place: Path) -> Path:
    return place.with_suffix(".partial")


def journal_path(place: Path) -> Path:
    return place.with_suffix(".journal")


def noted_rows(place: Path, about: Mapping[str, Any], rows: int, dimension: int) -> int:
    """How many rows the journal of an unfinished file says are in."""
    whole = {**about, "rows": rows, "dimension": dimension, "shard_rows": SHARD_ROWS}
    try:
        first, *lines = journal_path(place).read_bytes().split(b"\n")
    except OSError:
        return 0
    if _parsed(first) != whole or not partial_path(place).is_file():
        return 0
    return min(len([line for line in lines if line]) * SHARD_ROWS, rows)


def head_bytes(head: Mapping[str, Any]) -> bytes:
    """So long that what follows can be read as it lies. The numbers of a head are few, its texts hashes."""
    line = json.dumps(head).encode()
    if len(line) >= HEAD_BYTES:
        raise InvalidInput(f"the name of these vectors is {len(line):,} bytes long, the limit is {HEAD_BYTES:,}")
    return line.ljust(HEAD_BYTES - 1) + b"\n"


def mapped(file: IO[bytes], rows: int, dimension: int) -> NDArray[np.float32]:
    """The vectors of a finished file: read-only and mapped, or up to `HELD_BYTES` of them in memory. Raises OSError."""
    if not rows:
        return np.empty((0, dimension), dtype=np.float32)
    size = HEAD_BYTES + rows * dimension * 4
    content: NDArray[np.uint8] = np.asarray(MappedFile(file.fileno(), size))
    vectors: NDArray[np.float32] = content[HEAD_BYTES:].view("<f4").reshape(rows, dimension)
    return vectors.astype(np.float32) if vectors.nbytes <= HELD_BYTES else vectors


def content_sha256(vectors: NDArray[np.float32], shard_rows: int) -> str:
    """What a finished file's head says of its content."""
    starts = range(0, len(vectors), shard_rows)
    return _joined([hashlib.sha256(vectors[at : at + shard_rows].data.cast("B")).hexdigest() for at in starts])


def _joined(digests: list[str]) -> str:
    return hashlib.sha256(bytes.fromhex("".join(digests))).hexdigest()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _write_at(descriptor: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
