"""The file of a segment's metadata: frozen, and whatever happens to it is found and named.

When the committed sample is no longer read or written as it is, users' segments would be lost: that needs a new version
of the format beside the old one, not a new sample.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossfade.errors import DataError, InvalidInput
from crossfade.store.metadata import (
    Columns,
    Filter,
    MetadataSchema,
    TailColumns,
    bind,
    evaluate,
    open_columns,
    save_columns,
)

SAMPLE = Path(__file__).parent / "data" / "metadata-format-1.columns"
SCHEMA = MetadataSchema(
    {"tenant": "string", "pages": "int", "price": "float", "final": "bool", "date": "datetime", "roles": "strings"}
)
ROWS: list[dict[str, Any]] = [
    {
        "date": 1_767_225_600_000_000,
        "final": True,
        "pages": 2**63 - 1,
        "price": 0.1,
        "roles": ["admin", "reader"],
        "tenant": "acme",
    },
    {},
    {"final": False, "pages": -(2**63), "price": -1.5, "roles": [], "tenant": ""},
    {"date": -1, "roles": ["reader"], "tenant": "Éclair\x00"},
    {"tenant": "acme"},
    *({"pages": number} for number in range(6)),
]


def columns() -> Columns:
    tail = TailColumns()
    tail.extend(ROWS, SCHEMA)
    return tail.snapshot()


def rows_of(found: Columns) -> list[dict[str, Any]]:
    return [found.metadata(row) for row in range(found.rows)]


def test_the_committed_sample_is_read_as_ever() -> None:
    found = open_columns(SAMPLE)
    assert rows_of(found) == ROWS
    wanted = Filter.parse({"or": [{"field": "roles", "contains_any": ["reader"]}, {"field": "pages", "lt": 1}]})
    assert np.flatnonzero(evaluate(bind(wanted, SCHEMA), found)).tolist() == [0, 2, 3, 5]


def test_the_sample_is_still_what_is_written(tmp_path: Path) -> None:
    for source in (columns(), columns().sealed(), open_columns(SAMPLE)):
        save_columns(source, tmp_path / "written")
        assert (tmp_path / "written").read_bytes() == SAMPLE.read_bytes()


def test_a_segment_without_rows_or_fields(tmp_path: Path) -> None:
    tail = TailColumns()
    save_columns(tail.snapshot(), tmp_path / "none")
    assert open_columns(tmp_path / "none").rows == 0
    tail.extend([{}, {}], SCHEMA)
    save_columns(tail.snapshot(), tmp_path / "none")
    assert rows_of(open_columns(tmp_path / "none")) == [{}, {}]


def test_an_open_file_may_be_replaced_or_deleted(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    save_columns(columns(), path)
    found = open_columns(path)
    save_columns(TailColumns().snapshot(), path)
    assert rows_of(found) == ROWS
    path.unlink()
    assert rows_of(found) == ROWS


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    path = tmp_path / "segment"
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        with pytest.raises(DataError, match=str(path)):
            open_columns(path)


def test_every_cut_and_every_growth_is_found(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    path = tmp_path / "segment"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=str(path)):
            open_columns(path)
    for more in (b"\0", b"\0" * 64, content):
        path.write_bytes(content + more)
        with pytest.raises(DataError, match=r"bytes long, .* were written"):
            open_columns(path)


def test_a_missing_file_a_directory_and_a_newer_version(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_columns(tmp_path / "missing")
    with pytest.raises(DataError, match="Is a directory"):
        open_columns(tmp_path)
    content = bytearray(SAMPLE.read_bytes())
    content[8] = 2
    (tmp_path / "newer").write_bytes(content)
    with pytest.raises(DataError, match="format version 2, this release reads 1"):
        open_columns(tmp_path / "newer")
    with pytest.raises(InvalidInput, match="cannot write"):
        save_columns(columns(), tmp_path / "missing" / "segment")


def parted(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header, and all after it."""
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[48 : 48 + length]), content[48 + length :]


def joined(header: object, parts: bytes) -> bytes:
    """A file whose header fits its hash, whatever is in it: what no damage makes, but another program might."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(48 + len(text)) % 64)
    return struct.pack("<8sII32s", SAMPLE.read_bytes()[:8], 1, len(text), hashlib.sha256(text).digest()) + text + parts


def rewritten(change: Callable[[dict[str, Any]], Any]) -> bytes:
    header, parts = parted(SAMPLE.read_bytes())
    return joined(change(header) or header, parts)


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda header: header.update(rows=-1),
    lambda header: header.update(rows=10**30),
    lambda header: header.update(rows=True),
    lambda header: header.update(rows="11"),
    lambda header: header.update(rows=12),
    lambda header: header.update(rows=3),
    lambda header: header.pop("rows") and None,
    lambda header: header.pop("fields") and None,
    lambda header: header.update(fields=5),
    lambda header: header["fields"].append(header["fields"][0]),
    lambda header: header["fields"].pop() and None,
    lambda header: header["fields"].reverse(),
    lambda header: header["fields"][0].update(type="text"),
    lambda header: header["fields"][0].update(type="bool"),
    lambda header: header["fields"][0].update(type=5),
    lambda header: header["fields"][0].update(name="a b"),
    lambda header: header["fields"][0].update(name=None),
    lambda header: header["fields"][0].update(parts=[]),
    lambda header: header["fields"][0]["parts"][0].update(offset=-64),
    lambda header: header["fields"][0]["parts"][0].update(offset=1),
    lambda header: header["fields"][0]["parts"][0].update(offset="0"),
    lambda header: header["fields"][0]["parts"][0].update(offset=2**70),
    lambda header: header["fields"][0]["parts"][0].update(count=-1),
    lambda header: header["fields"][0]["parts"][0].update(count=2**62),
    lambda header: header["fields"][0]["parts"][0].update(count=1.0),
    lambda header: header["fields"][0]["parts"][0].update(sha256=None),
    lambda header: [header],
    lambda header: 5,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    (tmp_path / "odd").write_bytes(rewritten(change))
    with pytest.raises(DataError):
        open_columns(tmp_path / "odd")


def test_a_header_rewritten_without_a_change_is_read(tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(rewritten(lambda header: None))
    assert rows_of(open_columns(tmp_path / "same")) == ROWS


@pytest.mark.parametrize(
    ("field", "part", "form", "value"),
    [
        ("tenant", 0, "<i", 99),
        ("tenant", 0, "<i", -2),
        ("tenant", 1, "<q", 1),
        ("roles", 1, "<i", 7),
        ("roles", 0, "<q", 9),
    ],
)
def test_a_place_beyond_its_array_is_refused(tmp_path: Path, field: str, part: int, form: str, value: int) -> None:
    """Though its hash fits: NumPy would read past an end, or find the wrong string."""
    header, rest = parted(SAMPLE.read_bytes())
    parts = bytearray(rest)
    chosen = next(named for named in header["fields"] if named["name"] == field)["parts"][part]
    struct.pack_into(form, parts, chosen["offset"], value)
    start, stop = extent(header, chosen)
    chosen["sha256"] = hashlib.sha256(parts[start:stop]).hexdigest()
    (tmp_path / "odd").write_bytes(joined(header, bytes(parts)))
    with pytest.raises(DataError, match=f"the parts of the field {field} do not fit each other"):
        open_columns(tmp_path / "odd")


def extent(header: dict[str, Any], wanted: dict[str, Any]) -> tuple[int, int]:
    """The bytes that a part's hash covers: from the end of the part before to its own."""
    sizes = {"string": (4, 8, 1), "strings": (8, 4, 1, 8, 1), "bool": (1, 1)}
    start = 0
    for named in header["fields"]:
        for each, size in zip(named["parts"], sizes.get(named["type"], (8, 1)), strict=True):
            stop = each["offset"] + each["count"] * size
            if each is wanted:
                return start, stop
            start = stop
    raise AssertionError("no such part")


def test_random_bytes_are_no_segment(tmp_path: Path) -> None:
    for size in (0, 1, 47, 48, 49, 1000):
        (tmp_path / "noise").write_bytes(os.urandom(size))
        with pytest.raises(DataError):
            open_columns(tmp_path / "noise")
