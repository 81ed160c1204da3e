"""Training files: JSON lines, gzipped or not, row by row with the bytes they came from."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from pydantic_core import from_json

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.leakage.fields import FieldNames, RowReader, Texts
from crossfade.json_kinds import json_fault

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_READ_BYTES = 1 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_ASCII_ESCAPE = re.compile(rb"\\u00[2-7]")


class TrainingRow(NamedTuple):
    """A line of the file. `content`: its bytes with the line end. `texts`: None for a blank line."""

    line: int
    content: bytes
    texts: Texts | None


class TrainingFile:
    """Read once, from the beginning. What is known of it afterwards stands in its attributes.

    `rows`, `skipped`: lines that were used, and that could not be. `first_fault`: why the first of these could not.
    `sha256`: of the content, unpacked. `done`, `size`: bytes of the file read so far, and of all.
    """

    def __init__(self, path: Path, names: FieldNames, *, skip_bad: bool = False) -> None:
        self.path = path
        self.reader = RowReader(names)
        self.rows = self.skipped = self.done = self.size = 0
        self.first_fault = ""
        self.sha256 = ""
        self._skip_bad = skip_bad

    def read(self) -> Iterator[TrainingRow]:
        """Its lines, but for those that are skipped.

        Raises DataError, naming file and line, for a line that cannot be used (unless those are skipped), and for a
        file that is missing, cannot be read, is damaged gzip, or has no row that can be used.
        """
        number, state = 0, hashlib.sha256()
        try:
            with io.BufferedReader(io.FileIO(self.path), _READ_BYTES) as raw:
                self.size = self.path.stat().st_size
                stream: IO[bytes] | gzip.GzipFile = raw
                if raw.peek(2)[:2] == _GZIP_MAGIC:
                    stream = gzip.open(raw)  # noqa: SIM115  # closed with what it reads from
                for number, content in enumerate(stream, start=1):
                    state.update(content)
                    texts = None
                    line = content.removeprefix(_BYTE_ORDER_MARK) if number == 1 else content
                    if line.strip():
                        try:
                            texts = self.reader.read(_loaded(line))
                        except InvalidInput as error:
                            self._refuse(DataError(self.path, str(error), line=number))
                            continue
                        self.rows += 1
                    self.done = raw.tell()
                    yield TrainingRow(number, content, texts)
        except FileNotFoundError:
            raise DataError(self.path, "no such file") from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(self.path, f"damaged gzip file: {error}", line=number + 1) from None
        except OSError as error:
            raise DataError(self.path, f"cannot be read: {error.strerror or error}") from None
        self.sha256 = state.hexdigest()
        if not self.rows:
            reason = f"; the first of {self.skipped:,}: {self.first_fault}" if self.skipped else ""
            raise DataError(self.path, f"no row that can be used: expected one JSON object a line{reason}")

    def _refuse(self, error: DataError) -> None:
        if not self._skip_bad:
            raise error
        self.skipped += 1
        self.first_fault = self.first_fault or str(error)


def _loaded(line: bytes) -> object:
    try:
        record = from_json(line)
    except ValueError:
        pass  # what it refuses json either takes (great depth) or names better
    else:
        if _names_once(record, line):
            return record
    try:
        record = json.loads(line.decode(), object_pairs_hook=_named_once)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"invalid UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}; convert the file to UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(json_fault(error)) from None
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("it holds half a surrogate pair (\\ud800-\\udfff): no tokenizer takes it") from None
    except RecursionError as error:
        raise InvalidInput(f"not usable JSON: {error}") from None
    return record


def _names_once(record: object, line: bytes) -> bool:
    """Whether it is plain that no object in the line has a name twice, of which the parser keeps the last: one object
    at most, whose names are spelt in one way, each once."""
    if line.count(b"{") > 1 or _ASCII_ESCAPE.search(line):
        return False
    return not isinstance(record, dict) or all(
        _PLAIN_NAME.fullmatch(name) and line.count(b'"%b"' % name.encode()) == 1 for name in record
    )


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"{twice!r} stands twice in one object; expected each name once")
    return found
