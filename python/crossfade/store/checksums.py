"""What a row of the database is held against whenever it is read: the CRC-32 of all that it says, its key included.

SQLite's pages bear no checksums: a bit that flips on the disk would be served as if somebody had written it. Texts are
summed as the bytes that lie there, so that one that is no UTF-8 any more is found by its sum, and by no other error.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

_ROW: Final = struct.Struct("<4q")
# Sizes too: what goes from the end of one text to the beginning of the next is another document.
_DOCUMENT: Final = struct.Struct("<2q3Q")


def of_row(key: int, document: int, start: int, stop: int, vector: bytes) -> int:
    """Of a row of an index."""
    return crc32(vector, crc32(_ROW.pack(key, document, start, stop)))


def of_document(key: int, name: bytes, version: int, title: bytes, text: bytes, metadata: bytes) -> int:
    """`name`: its id; `metadata`: its JSON. All of them UTF-8."""
    head = _DOCUMENT.pack(key, version, len(name), len(title), len(text))
    return crc32(b"".join((head, name, title, text, metadata)))


def of_line(values: Sequence[Any]) -> int:
    """Of a line of one of the small tables: numbers and texts."""
    return crc32(json.dumps(list(values)).encode())


def tolerate(connection: sqlite3.Connection) -> None:
    """Have texts that are no UTF-8 read all the same, as no text that was written: their checksum tells of them."""
    connection.text_factory = _text


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
