"""JSON lines, plain or gzipped: one object a line. Every fault is named by file and line."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from crossfade.errors import DataError, InvalidInput
from crossfade.ingest.fields import DocumentMaker
from crossfade.ingest.records import START, Place, Record, Reject, content_of, no_such_place
from crossfade.ingest.signatures import foreign
from crossfade.json_kinds import json_fault, kind_of

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_READ_BYTES = 1 << 20
_PARTS = ("_id", "title", "text")
_LOOKED_AT = 1 << 10  # bytes
STDIN = Path("-")
READABLE = "sources are JSON lines, one object a line (.gz too), Parquet, Arrow files or streams, and BEIR directories"


class JsonLines:
    """Lines end at LF or CRLF only, whatever other separators a text holds; blank ones are passed over."""

    counts_rows = False

    def __init__(self, path: Path, maker: DocumentMaker) -> None:
        """`path` "-" is standard input."""
        self.path = path
        self._maker = maker
        self._size = 0

    def fraction(self, place: Place) -> float | None:
        """How much of it lies before a place that was read, 0 to 1; None where nobody knows."""
        return min(place.offset / self._size, 1.0) if self._size else None

    def read(self, after: Place = START) -> Iterator[Record | Reject]:
        """What follows a place. Raises DataError when the file is missing, cannot be read, or is damaged gzip."""
        number = after.number
        try:
            with self._opened() as raw, _unpacked(raw) as (stream, packed):
                if after.number:
                    self._skip(stream, after, packed)
                elif what := foreign(stream.peek(_LOOKED_AT)[:_LOOKED_AT]):
                    raise DataError(self.path, f"{what}: {READABLE}")
                offset, first = after.offset, not after.number
                for number, line in enumerate(stream, start=after.number + 1):
                    offset += len(line)
                    content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                    if content.strip():
                        place = Place(number, raw.tell() if packed else offset)
                        yield self._parsed(place, content.rstrip(b"\r\n"), first=first)
                        first = False
        except FileNotFoundError:
            raise DataError(self.path, "no such file") from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(self.path, f"damaged gzip file: {error}", line=number + 1) from None
        except OSError as error:
            raise DataError(self.path, f"cannot be read: {error.strerror or error}") from None

    def _skip(self, stream: io.BufferedReader[io.FileIO] | gzip.GzipFile, after: Place, packed: bool) -> None:
        """Go behind a place. Raises DataError when there is no such one."""
        if packed:
            there = all(stream.readline() for _ in range(after.number))
        else:
            size = stream.seek(0, os.SEEK_END)
            there = after.number <= after.offset <= size and after.offset > 0
            if there:
                stream.seek(after.offset - 1)
                there = stream.read(1) == b"\n" or after.offset == size
        if not there:
            raise no_such_place(self.path, after, "line")

    def _parsed(self, place: Place, content: bytes, *, first: bool) -> Record | Reject:
        """`first`: whether nothing was read before, and the source may well be of another format."""
        try:
            record = _loaded(content, hint=f" ({READABLE})" if first else "")
            document, vector = self._maker.make(record)
            # Valid UTF-8 cannot spell half a surrogate pair, but a JSON escape can; no tokenizer takes it.
            if b"\\ud" in content or b"\\uD" in content:
                for name, value in zip(_PARTS, (document.id, document.title, document.text), strict=True):
                    _check_surrogates(name, value)
        except InvalidInput as error:
            reason = DataError(self.path, str(error), line=place.number)
            return Reject(place, reason, content_of(content))
        return Record(place, document, vector, content)

    @contextmanager
    def _opened(self) -> Iterator[io.BufferedReader[io.FileIO]]:
        if self.path == STDIN:
            yield io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), _READ_BYTES)
            return
        with io.BufferedReader(io.FileIO(self.path), _READ_BYTES) as raw:
            status = os.fstat(raw.fileno())
            if stat.S_ISREG(status.st_mode):
                self._size = status.st_size
            yield raw


@contextmanager
def _unpacked(
    raw: io.BufferedReader[io.FileIO],
) -> Iterator[tuple[io.BufferedReader[io.FileIO] | gzip.GzipFile, bool]]:
    """The bytes inside, and whether they are packed: told by the first bytes, whatever the name."""
    if raw.peek(2)[:2] == _GZIP_MAGIC:
        with gzip.open(raw) as stream:
            yield stream, True
    else:
        yield raw, False


def _loaded(content: bytes, hint: str) -> dict[str, Any]:
    try:
        # Twice as fast as json where lines hold vectors, and exact. What it refuses json either takes (half a
        # surrogate pair, great depth) or names better.
        record = from_json(content)
    except ValueError:
        record = _loaded_slowly(content, hint)
    if not isinstance(record, dict):
        raise InvalidInput(f"{kind_of(record)}; expected a JSON object{hint}")
    return record


def _loaded_slowly(content: bytes, hint: str) -> Any:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"invalid UTF-8: byte 0x{content[error.start]:02x} at column {error.start + 1}; convert the file to UTF-8"
        ) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{json_fault(error)}{hint}") from None


def _check_surrogates(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f'"{name}" holds half a surrogate pair (\\ud800-\\udfff)') from None
