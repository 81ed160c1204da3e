"""Readers: what they make of lines and rows, and how they name what cannot be a document."""

from __future__ import annotations

import base64
import gzip
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_samples import lines

from crossfade.chunking import Method
from crossfade.cli.arm_options import MethodName, ModeName
from crossfade.cli.evaluation_options import DeviceName
from crossfade.cli.store_ingest import FormatName
from crossfade.config import Device
from crossfade.errors import DataError, InvalidInput
from crossfade.ingest import FieldMapping, Format, Place, Record, Reject, open_source
from crossfade.ingest.fields import DocumentMaker
from crossfade.ingest.sources import identity
from crossfade.retrieval.options import Mode
from crossfade.store import Document

PLAIN = FieldMapping()
ROWS = [{"id": n, "title": f"t{n}", "text": f"text {n}", "vector": [n + 0.5, -1.0]} for n in range(2500)]


def read(path: Path, mapping: FieldMapping = PLAIN, *, vectors: bool = False, after: Place | None = None) -> list[Any]:
    source = open_source(path, DocumentMaker(mapping, vectors=vectors))
    return list(source.read() if after is None else source.read(after))


def documents(found: list[Any]) -> list[Document]:
    assert all(isinstance(each, Record) for each in found), [each for each in found if isinstance(each, Reject)]
    return [each.document for each in found]


def table() -> pa.Table:
    return pa.table(
        {
            "id": [row["id"] for row in ROWS],
            "title": [row["title"] for row in ROWS],
            "text": [row["text"] for row in ROWS],
            "vector": pa.array([row["vector"] for row in ROWS], pa.list_(pa.float32(), 2)),
        }
    )


def write(path: Path, content: pa.Table) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(content, path, row_group_size=700)
        return path
    opened = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as stream, opened(stream, content.schema) as writer:
        writer.write_table(content, max_chunksize=333)
    return path


class TestJsonLines:
    def test_a_line_becomes_a_document(self, tmp_path: Path) -> None:
        path = lines(
            tmp_path / "a.jsonl",
            ["\ufeff" + '{"_id": "a", "title": null, "text": "one\u2028two"}\r', "", "  ",
             {"id": 7, "text": "", "metadata": {"n": 1}, "other": 2}],
        )  # fmt: skip
        found = read(path)
        assert documents(found) == [Document("a", "", "one\u2028two"), Document("7", metadata={"n": 1})]
        assert [each.place.number for each in found] == [1, 4]

    @pytest.mark.parametrize("packed", [False, True])
    def test_reading_goes_on_after_any_place(self, tmp_path: Path, packed: bool) -> None:
        path = lines(tmp_path / "a.jsonl", [ROWS[0], "", *ROWS[1:40], "{", *ROWS[40:50]])
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        whole = read(path, vectors=True)
        assert len(whole) == 51
        for at, each in enumerate(whole):
            rest = read(path, vectors=True, after=each.place)
            assert [other.place.number for other in rest] == [other.place.number for other in whole[at + 1 :]]

    def test_fields_by_other_names(self, tmp_path: Path) -> None:
        record = {"key": "k", "head": "h", "body": "b", "v": [1, 2.5], "lang": "en", "junk": {"x": 1}, "more": {"n": 1}}
        path = lines(tmp_path / "a.jsonl", [record])
        mapping = FieldMapping("key", "head", "body", "v", "more", rest=True, ignored=("junk",))
        (found,) = read(path, mapping, vectors=True)
        assert found.document == Document("k", "h", "b", {"n": 1, "lang": "en"})
        assert found.vector.tolist() == [1.0, 2.5]
        (found,) = read(path, FieldMapping("key", "head", "body", metadata=""))
        assert found.document == Document("k", "h", "b")
        assert found.vector is None

    def test_vectors_as_base64_of_float32(self, tmp_path: Path) -> None:
        vector = np.array([0.1, -3.0, 1e-30], "<f4")
        path = lines(tmp_path / "a.jsonl", [{"_id": "a", "text": "", "vector": base64.b64encode(vector).decode()}])
        (found,) = read(path, vectors=True)
        assert found.vector.tobytes() == vector.tobytes()

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"_id": "x", "text": "\xff"}', "invalid UTF-8: byte 0xff at column 23"),
            ("{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
            ('{"_id": "x", "text": "y"} z', "not JSON: Extra data at column 27"),
            ("1" * 5000, "not usable JSON: a whole number of more than 4,300 digits; write it"),
            ("[" * 100_000, "not usable JSON: brackets within brackets, deeper than can be read"),
            ('{"_id": "x", "text": "y', "not JSON: Unterminated string starting at column 22"),
            ("[]", "an array; expected a JSON object"),
            ("null", "null; expected a JSON object"),
            ({}, 'no "text"; found nothing'),
            ({"text": "y", "name": 1}, "no \"_id\"; found 'text', 'name' (--id-field names another)"),
            ({"_id": "x", "body": "y"}, "no \"text\"; found '_id', 'body'"),
            ({"_id": "x", "text": None}, '"text" is null; expected a string'),
            ({"_id": "x", "text": "y", "title": 1}, '"title" is a number; expected a string'),
            ({"_id": "", "text": "y"}, '"_id" is empty'),
            ({"_id": "x\0y", "text": "y"}, '"_id" holds a NUL character: leave it out'),
            ({"_id": 1.5, "text": "y"}, '"_id" is a number; expected a string or a whole number of 64 bits'),
            ({"_id": True, "text": "y"}, '"_id" is a boolean'),
            ({"_id": 10**40, "text": "y"}, '"_id" is a number'),
            ({"_id": "ä" * 600, "text": "y"}, '"_id" is 1,200 bytes long, the limit is 1,024'),
            ('{"_id": "x", "text": "\\ud800"}', '"text" holds half a surrogate pair'),
            ('{"_id": "\\uDfff", "text": ""}', '"_id" holds half a surrogate pair'),
            ({"_id": "x", "text": "y", "metadata": [1]}, '"metadata" is an array; expected an object'),
        ],
    )  # fmt: skip
    def test_a_bad_line_is_named_with_its_field(self, tmp_path: Path, line: Any, message: str) -> None:
        path = lines(tmp_path / "a.jsonl", [ROWS[0], line, ROWS[1]])
        first, bad, last = read(path)
        assert isinstance(first, Record)
        assert isinstance(last, Record)
        assert isinstance(bad, Reject)
        assert str(bad.error).startswith(f"{path}:2: ")
        assert message in str(bad.error)

    @pytest.mark.parametrize(
        ("vector", "message"),
        [
            (None, '"vector" is null'),
            ([1, "2"], '"vector" holds a string at position 1'),
            ([True, 2.0], '"vector" holds a boolean at position 0'),
            ([[1], [2]], '"vector" holds an array at position 0'),
            ([10**400, 1], "not usable JSON"),
            ([10**310, 1], "a whole number beyond float64"),
            ("not base64!", "a string that is not base64"),
            ("AAA=", "base64 of 2 bytes; expected float32, 4 bytes each"),
            ({"0": 1}, '"vector" is an object'),
        ],
    )
    def test_a_bad_vector(self, tmp_path: Path, vector: Any, message: str) -> None:
        if vector == [10**400, 1]:  # json itself takes no more than 4,300 digits, and refuses none of 400
            message = "a whole number beyond float64"
        (bad,) = read(lines(tmp_path / "a.jsonl", [{"_id": "x", "text": "", "vector": vector}]), vectors=True)
        assert message in str(bad.error)

    def test_a_vector_is_missing(self, tmp_path: Path) -> None:
        (bad,) = read(lines(tmp_path / "a.jsonl", [{"_id": "x", "text": ""}]), vectors=True)
        assert "no \"vector\"; found '_id', 'text'" in str(bad.error)

    def test_a_field_that_is_twice_metadata(self, tmp_path: Path) -> None:
        record = {"_id": "x", "text": "", "lang": "en", "metadata": {"lang": "de"}}
        (bad,) = read(lines(tmp_path / "a.jsonl", [record]), FieldMapping(rest=True))
        assert '"lang" is both a field and in "metadata"' in str(bad.error)

    def test_damaged_and_missing_files(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "a.jsonl", ROWS)
        packed = gzip.compress(path.read_bytes())
        path.write_bytes(packed[:-100])
        with pytest.raises(DataError, match=r"a\.jsonl:\d+: damaged gzip file: Compressed file ended"):
            read(path)
        path.write_bytes(packed[:50] + bytes(50) + packed[100:])
        with pytest.raises(DataError, match="damaged gzip file"):
            read(path)
        with pytest.raises(DataError, match="no such file"):
            read(tmp_path / "none.jsonl")
        with pytest.raises(DataError, match=r"there is no corpus\.jsonl in it"):
            read(tmp_path)

    def test_a_beir_directory(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "a", "title": "t", "text": "x"}\n'))
        assert documents(read(tmp_path)) == [Document("a", "t", "x")]
        lines(tmp_path / "corpus.jsonl", [{"_id": "b", "text": "y"}])
        assert documents(read(tmp_path)) == [Document("b", "", "y")]
        with pytest.raises(InvalidInput, match="is not a directory: a BEIR data set is one"):
            open_source(tmp_path / "corpus.jsonl", DocumentMaker(PLAIN, vectors=False), Format.BEIR)

    def test_a_pipe_is_read_once_and_has_no_identity(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        os.write(writing, b'{"_id": "a", "text": "x"}\n')
        os.close(writing)
        path = Path(f"/dev/fd/{reading}")
        assert identity(path) is None
        assert documents(read(path)) == [Document("a", "", "x")]
        os.close(reading)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows"])
class TestArrow:
    def test_rows_become_documents(self, tmp_path: Path, name: str) -> None:
        found = read(write(tmp_path / name, table()), vectors=True)
        assert documents(found) == [Document(str(row["id"]), row["title"], row["text"]) for row in ROWS]
        assert [each.vector.tolist() for each in found] == [row["vector"] for row in ROWS]
        assert [each.place.number for each in found] == list(range(1, 2501))

    @pytest.mark.parametrize("number", [1, 332, 333, 699, 700, 1024, 1400, 2499, 2500])
    def test_reading_goes_on_after_any_row(self, tmp_path: Path, name: str, number: int) -> None:
        found = read(write(tmp_path / name, table()), vectors=True, after=Place(number))
        assert [each.document.id for each in found] == [str(row["id"]) for row in ROWS[number:]]
        assert [each.vector.tolist() for each in found] == [row["vector"] for row in ROWS[number:]]

    def test_types_of_metadata_and_vectors(self, tmp_path: Path, name: str) -> None:
        content = pa.table(
            {
                "_id": pa.array(["a", "b", "c"]).dictionary_encode(),
                "text": pa.array(["x", "y", "z"], pa.large_string()),
                "embedding": pa.array([[1.0], None, [2.0, 3.0]], pa.list_(pa.float16())),
                "at": pa.array([10**18 + 1, None, 10**18], pa.timestamp("ns", "UTC")),
                "tags": [["p", "q"], [], None],
                "more": [{"n": 1}, None, {"n": 3}],
                "unused": [object.__name__] * 3,
            }
        )
        mapping = FieldMapping(vector="embedding", metadata="more", rest=True, ignored=("unused",))
        first, second, third = read(write(tmp_path / name, content), mapping, vectors=True)
        moment = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
        assert first.document == Document("a", "", "x", {"n": 1, "at": moment, "tags": ["p", "q"]})
        assert first.vector.dtype == np.float32
        assert str(second.error) == (
            f'{tmp_path / name}: row 2: "embedding" is null; expected an array of numbers, or base64 of little-endian '
            "float32"
        )
        assert third.vector.tolist() == [2.0, 3.0]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"text": None}, "no \"text\"; found 'id', 'title', 'vector'"),
            ({"id": None}, "no \"_id\"; found 'title', 'text', 'vector'"),
            ({"vector": None}, "no \"vector\"; found 'id', 'title', 'text'"),
            ({"vector": ["a"]}, '"vector" is string; expected a list'),
            ({"vector": [["a"]]}, "; expected a list, of fixed size or not, of float, double or halffloat"),
        ],
    )
    def test_a_column_that_will_not_do(self, tmp_path: Path, name: str, change: dict[str, Any], message: str) -> None:
        columns: dict[str, Any] = {"id": ["1"], "title": ["t"], "text": ["x"], "vector": [[1.0]], **change}
        path = write(tmp_path / name, pa.table({key: value for key, value in columns.items() if value is not None}))
        with pytest.raises(DataError) as caught:
            read(path, vectors=True)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)

    def test_a_damaged_file(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name, table())
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(DataError, match=r"row [\d,]+: cannot be read as (Parquet|Arrow IPC): "):
            read(path)

    def test_without_pyarrow_it_says_what_to_install(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(tmp_path / name, table())
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(InvalidInput, match=r"needs pyarrow: pip install 'crossfade\[arrow\]'"):
            read(path)


def _not_utf8() -> pa.Array:
    plain = pa.array([b"x", b"\xff", b"z"])
    return pa.Array.from_buffers(pa.string(), 3, plain.buffers())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[("a", 1)], [("b", 1), ("b", 2)], None], pa.map_(pa.string(), pa.int64())), "key"),
        (pa.array([0, 10**18, None], pa.timestamp("us", "UTC")), "range"),
        (_not_utf8(), "codec can't decode"),
    ],
    ids=["a key twice", "a year beyond 9999", "no UTF-8"],
)
def test_a_value_that_python_has_not_is_one_bad_row(tmp_path: Path, column: pa.Array, message: str) -> None:
    content = pa.table({"id": ["a", "b", "c"], "text": ["x", "y", "z"], "metadata": column})
    mapping = FieldMapping() if pa.types.is_map(column.type) else FieldMapping(metadata="", rest=True)
    first, second, third = read(write(tmp_path / "a.arrow", content), mapping)
    assert isinstance(first, Record)
    assert isinstance(third, Record)
    assert str(second.error).startswith(f"{tmp_path / 'a.arrow'}: row 2: it holds a value that cannot be read: ")
    assert message in str(second.error)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    content = pa.Table.from_arrays([pa.array(["a"]), pa.array(["x"]), pa.array(["y"])], ["_id", "text", "text"])
    with pytest.raises(DataError, match="two columns have the name 'text'"):
        read(write(tmp_path / "a.arrow", content))


def test_a_mapping_that_cannot_be() -> None:
    with pytest.raises(InvalidInput, match="field 'x' is named both for title and for text"):
        FieldMapping(title="x", text="x")
    with pytest.raises(InvalidInput, match="the field for text is empty"):
        FieldMapping(text="")


def test_an_identity_tells_of_every_change(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", ROWS)
    first = identity(path)
    assert identity(path) == first
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b" \n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert identity(path) != first
    path.write_bytes(content)
    assert identity(path) != first


def test_the_command_line_knows_every_format_method_mode_and_device() -> None:
    assert list(get_args(FormatName)) == list(Format)
    assert list(get_args(MethodName)) == list(Method)
    assert ModeName == Mode
    assert list(get_args(DeviceName)) == list(Device)
