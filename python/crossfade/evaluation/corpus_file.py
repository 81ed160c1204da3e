"""Documents that stay in their file: where each lies, its id and its length are in memory, its text is not.

A million documents of a hundred words are a gigabyte and more as Python objects. Here they take about 200 bytes each,
and a document is read again when somebody asks for it. A packed file is unpacked once, into a temporary file that has
no name and so goes with the process, however that ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError
from crossfade.files import unreadable
from crossfade.store.types import Document

_BLOCK = 1024  # documents read at once by whoever goes through all of them


Stamp = tuple[int, int, int, int]
"""Of a file: device, inode, bytes, nanoseconds of its last change. Another one is another content."""


def stamp_of(file: Path | int) -> Stamp | None:
    """Of a path or an open descriptor; None where it cannot be told."""
    try:
        found = os.stat(file)  # noqa: PTH116 - a descriptor too
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def changed(path: Path) -> DataError:
    """What is raised where somebody wrote to a file that is in use."""
    return DataError(path, "was changed while it was in use: leave it as it is until the work is done")


class CorpusFile(Sequence[Document]):
    """The documents of a corpus.jsonl in file order, each read when it is asked for. Safe to use from many threads.

    `ids`: of all. `lengths`: int32, shape (documents,), characters of title and text. `digest`: see
    `Dataset.corpus_hash`. Raises DataError where the file has changed since.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        ids: list[str],
        offsets: NDArray[np.int64],
        lengths: NDArray[np.int32],
        digest: str,
        stamp: Stamp | None = None,
    ) -> None:
        """`descriptor`: open on the lines, closed with this. `offsets`: where each begins and ends, shape
        (documents, 2). `stamp`: of the file as it was read; None of one that nobody else can write to."""
        self.path = path
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self.ids = ids
        self._offsets = offsets
        self.lengths = lengths
        self.digest = digest
        self._stamp = stamp

    @cached_property
    def places(self) -> dict[str, int]:
        """Document id to its row."""
        return {name: row for row, name in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        return self.read([range(len(self))[index]])[0]

    def __iter__(self) -> Iterator[Document]:
        for start in range(0, len(self), _BLOCK):
            yield from self.read(range(start, min(start + _BLOCK, len(self))))

    def read(self, rows: Sequence[int]) -> list[Document]:
        """The documents of these rows. Neighbours are read together."""
        if not len(rows):
            return []
        first, last = rows[0], rows[-1]
        if isinstance(rows, range) and rows.step == 1:
            begin = int(self._offsets[first, 0])
            data = self._bytes(begin, int(self._offsets[last, 1]))
            spans = (self._offsets[first : last + 1] - begin).tolist()
            return [self._document(row, data[low:high]) for row, (low, high) in zip(rows, spans, strict=True)]
        return [self._document(row, self._bytes(*self._offsets[row].tolist())) for row in rows]

    def _bytes(self, begin: int, end: int) -> bytes:
        parts: list[bytes] = []
        while begin < end:
            try:
                part = os.pread(self._descriptor, end - begin, begin)
            except OSError as error:
                raise DataError(self.path, f"cannot be read: {error.strerror or error}") from None
            if not part:
                raise self._changed()
            parts.append(part)
            begin += len(part)
        # After reading: what is written over in place may leave ids and lengths as they were, and the digest would lie.
        if self._stamp is not None and self._stamp != stamp_of(self._descriptor):
            raise self._changed()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _document(self, row: int, line: bytes) -> Document:
        try:
            record = json.loads(line)
            found = Document(record["_id"], record.get("title") or "", record["text"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._changed() from None
        if found.id != self.ids[row] or len(found.title) + len(found.text) != self.lengths[row]:
            raise self._changed()
        return found

    def _changed(self) -> DataError:
        return changed(self.path)


class DocumentsById(Mapping[str, Document]):
    """Document id to document, read when it is asked for."""

    def __init__(self, corpus: CorpusFile) -> None:
        self._corpus = corpus

    def __getitem__(self, name: str) -> Document:
        return self._corpus[self._corpus.places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._corpus.places

    def __iter__(self) -> Iterator[str]:
        return iter(self._corpus.ids)

    def __len__(self) -> int:
        return len(self._corpus)


class CorpusIndex:
    """Notes where documents lie while somebody reads them line by line: `saw` every line as it lies in the file, then
    `add` what it holds."""

    def __init__(self, path: Path, *, packed: bool, held_bytes: int) -> None:
        """`packed`: the lines do not lie in the file as they are, and are kept: in memory up to `held_bytes`, more of
        them in a temporary file."""
        self._path = path
        self._stamp = stamp_of(path)
        self._spool: tempfile.SpooledTemporaryFile[bytes] | None = None
        if packed:  # closed by `close`, or kept by the corpus
            self._spool = tempfile.SpooledTemporaryFile(held_bytes, prefix="crossfade-corpus-")  # noqa: SIM115
        self._begin = self._end = 0
        self._ids: list[str] = []
        self._offsets = array("q")
        self._lengths = array("i")
        self._state = hashlib.sha256()

    @property
    def size(self) -> int:
        """Bytes of the lines so far."""
        return self._end

    def saw(self, line: bytes) -> None:
        """Raises DataError when the temporary file cannot be written."""
        self._begin = self._end
        self._end += len(line)
        if self._spool is not None:
            try:
                self._spool.write(line)
            except OSError as error:
                raise self._unpacked_nowhere(error) from None

    def add(self, document: Document) -> None:
        """The document of the line seen last."""
        self._offsets.extend((self._begin, self._end))
        self._ids.append(document.id)
        self._lengths.append(len(document.title) + len(document.text))
        self._state.update(framed(document.id, document.title, document.text))

    def finish(self) -> CorpusFile:
        """Raises DataError when the file is gone, or was changed while it was read, and as `saw` does."""
        stamp = self._stamp if self._spool is None else None
        if self._spool is None:
            try:
                descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise unreadable(self._path, error) from None
            if stamp is None or stamp != stamp_of(descriptor):
                os.close(descriptor)
                raise changed(self._path)
        else:
            try:
                descriptor = os.dup(self._spool.fileno())  # on the disk now, if it was not
                self._spool.flush()
            except OSError as error:
                raise self._unpacked_nowhere(error) from None
        self.close()
        offsets = np.frombuffer(self._offsets, dtype=np.int64).reshape(-1, 2)
        lengths = np.frombuffer(self._lengths, dtype=np.int32)
        return CorpusFile(self._path, descriptor, self._ids, offsets, lengths, self._state.hexdigest(), stamp)

    def close(self) -> None:
        """Nobody needs it."""
        if self._spool is not None:
            with suppress(OSError):  # what could not be written, for which there is an error under way
                self._spool.close()

    def _unpacked_nowhere(self, error: OSError) -> DataError:
        try:
            place = tempfile.gettempdir()
        except OSError:
            place = "any temporary directory"
        return DataError(
            self._path,
            f"cannot be unpacked into {place}: {error.strerror or error}; make room there (TMPDIR names another "
            "place), or unpack it beforehand",
        )


def framed(*parts: str) -> bytes:
    """Strings as bytes that no other sequence of strings shares: each is preceded by its length."""
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)
