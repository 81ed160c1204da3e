"""Where on the disk a column of a row lies, by SQLite's own format (https://www.sqlite.org/fileformat2.html), so that a
test can flip a bit there which no index learns of. For small rows: none of them overflows its page."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_LEAF, _INTERIOR = 13, 5
_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}


def settle(path: Path) -> None:
    """All of it in the one file."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = DELETE").fetchone()
    database.close()


def place_of(path: Path, table: str, column: str, rowid: int) -> tuple[int, int]:
    """Where the column's bytes lie in the file, first and last; of a value that has none (0 and 1), and of NULL, the
    byte that says so; of the row's number, its last byte."""
    database = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    names = database.execute(f"PRAGMA table_info({table})").fetchall()
    database.close()
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    for page in _leaves(data, size, root):
        for at in _cells(data, size, page):
            _, number_at = _varint(data, at)
            number, header_at = _varint(data, number_at)
            if number == rowid:
                (place,) = [index for index, name in enumerate(names) if name[1] == column]
                if names[place][2] == "INTEGER" and names[place][5] == 1 and sum(name[5] > 0 for name in names) == 1:
                    return header_at - 1, header_at - 1
                return _in_record(data, header_at, place)
    raise AssertionError(f"{table} has no row {rowid}")


def _in_record(data: bytes, header_at: int, place: int) -> tuple[int, int]:
    length, at = _varint(data, header_at)
    body = header_at + length
    for _ in range(place):
        kind, at = _varint(data, at)
        body += _size(kind)
    kind, end = _varint(data, at)
    return (body, body + _size(kind) - 1) if _size(kind) else (end - 1, end - 1)


def _size(kind: int) -> int:
    return _SIZES[kind] if kind < 12 else (kind - 12) // 2


def _leaves(data: bytes, size: int, page: int) -> list[int]:
    start = (page - 1) * size + (100 if page == 1 else 0)
    if data[start] == _LEAF:
        return [page]
    assert data[start] == _INTERIOR
    children = [int.from_bytes(data[at : at + 4], "big") for at in _cells(data, size, page)]
    children.append(int.from_bytes(data[start + 8 : start + 12], "big"))
    return [leaf for child in children for leaf in _leaves(data, size, child)]


def _cells(data: bytes, size: int, page: int) -> list[int]:
    base = (page - 1) * size
    start = base + (100 if page == 1 else 0)
    header = 8 if data[start] == _LEAF else 12
    count = int.from_bytes(data[start + 3 : start + 5], "big")
    pointers = range(start + header, start + header + 2 * count, 2)
    return [base + int.from_bytes(data[at : at + 2], "big") for at in pointers]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(9):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at
