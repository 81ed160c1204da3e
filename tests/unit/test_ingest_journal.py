"""How far a job is, as its file says: a file that says what is not so is never believed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_samples import FINGERPRINT, lines, made, with_vectors

from crossfade.errors import InvalidInput
from crossfade.ingest import FieldMapping, Format, GivenVectors, IngestReport, IngestSettings, ingest
from crossfade.ingest.journal import DIRECTORY
from crossfade.store import DurableStore

GIVEN = GivenVectors(FINGERPRINT)
ROWS = 40


class Ending(Exception):
    """Something that nobody foresaw."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", upkeep=False) as opened:
        made(opened)
        yield opened


@pytest.fixture(params=["jsonl", "jsonl.gz", "parquet", "arrow", "stream"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path, rows = tmp_path / f"a.{request.param}", with_vectors(ROWS)
    if path.suffix == ".jsonl":
        return lines(path, rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines(tmp_path / "plain", rows).read_bytes()))
        return path
    vectors = pa.array([[float(x) for x in row["vector"]] for row in rows], pa.list_(pa.float32()))
    table = pa.table({**{key: [row[key] for row in rows] for key in ("_id", "text")}, "vector": vectors})
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=15)
        return path
    new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with new(path, table.schema) as writer:
        writer.write_table(table, 15)
    return path


def taken(store: DurableStore, path: Path, **more: Any) -> IngestReport:
    return ingest(store, "c", [path], GIVEN, IngestSettings(batch_rows=10, **more))


def partly(store: DurableStore, path: Path) -> Path:
    """Take 20 documents and something ends it; the job's file."""

    def failing(now: Any) -> None:
        if now.documents == 20:
            raise Ending

    with pytest.raises(Ending):
        ingest(store, "c", [path], GIVEN, IngestSettings(batch_rows=10), progress=failing)
    (journal,) = (store.database.path.parent / DIRECTORY).glob("*.json")
    return journal


def unsigned(journal: Path) -> dict[str, Any]:
    """As releases before the checksum wrote it."""
    content: dict[str, Any] = json.loads(json.loads(journal.read_bytes())["job"])
    del content["rejects_crc32"]
    return content


def test_a_file_without_a_checksum_is_gone_on_from(store: DurableStore, source: Path) -> None:
    journal = partly(store, source)
    journal.write_text(json.dumps(unsigned(journal), indent=1))
    report = taken(store, source)
    assert report.documents == ROWS
    assert report.resumed >= 20
    assert len(store.get("c")) == ROWS
    assert "crc32" in json.loads(journal.read_bytes())


def test_no_flipped_bit_loses_a_document(store: DurableStore, tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", with_vectors(ROWS))
    journal = partly(store, path)
    content = journal.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        journal.write_bytes(flipped)
        with pytest.raises(InvalidInput, match=r"cannot be used: .*how far it is, is not known: .*--restart"):
            taken(store, path)
    assert len(store.get("c")) < ROWS
    assert taken(store, path, restart=True).documents == ROWS
    assert len(store.get("c")) == ROWS


@pytest.mark.parametrize("number", [ROWS + 1, 6400])
def test_a_place_that_no_source_has(store: DurableStore, source: Path, number: int) -> None:
    journal = partly(store, source)
    content = unsigned(journal)
    offset = content["position"][2]
    content["position"] = [0, number, source.stat().st_size + number if source.suffix == ".jsonl" else offset]
    journal.write_text(json.dumps(content))
    with pytest.raises(
        InvalidInput, match=f"has no (row|line) {number:,}, where an earlier run .*not known; .*--restart"
    ):
        taken(store, source)
    assert taken(store, source, restart=True).documents == ROWS
    assert len(store.get("c")) == ROWS


@pytest.mark.parametrize("change", [[0, 20, 21], [0, 20, 0], [0, 999, 200]])
def test_a_place_within_a_line(store: DurableStore, tmp_path: Path, change: list[int]) -> None:
    path = lines(tmp_path / "a.jsonl", with_vectors(ROWS))
    journal = partly(store, path)
    journal.write_text(json.dumps({**unsigned(journal), "position": change}))
    with pytest.raises(InvalidInput, match=r"has no line .*--restart"):
        taken(store, path)


@pytest.mark.parametrize("change", [[1, 20, 900], [0, -20, 0], [0, 20.5, 0], [0, True, 0], [0, "20", 0], [0, 20], None])
def test_what_is_no_place(store: DurableStore, tmp_path: Path, change: Any) -> None:
    path = lines(tmp_path / "a.jsonl", with_vectors(ROWS))
    journal = partly(store, path)
    journal.write_text(json.dumps({**unsigned(journal), "position": change}))
    with pytest.raises(InvalidInput, match=r"cannot be used: .*--restart"):
        taken(store, path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mapping": FieldMapping(id="key")}, "had --id-field not given, and now it is key: use the same"),
        ({"mapping": FieldMapping(rest=True)}, "had --keep-fields not given, and now it is given"),
        ({"mapping": FieldMapping(ignored=("b", "c"))}, "had --ignore-field not given, and now it is b, c"),
        ({"mapping": FieldMapping(text="body")}, "had --text-field text, and now it is body"),
        ({"format": Format.JSONL}, "had --format auto, and now it is jsonl"),
    ],
)
def test_an_option_that_is_another_is_named(
    store: DurableStore, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = lines(tmp_path / "a.jsonl", with_vectors(ROWS))
    partly(store, path)
    with pytest.raises(InvalidInput) as caught:
        taken(store, path, **settings)
    assert message in str(caught.value)
    assert "{" not in str(caught.value)


def test_what_ends_a_job_that_took_nothing_more_is_not_told_as_a_pipe(store: DurableStore, tmp_path: Path) -> None:
    path, told = lines(tmp_path / "a.jsonl", [*with_vectors(1), "{"]), list[str]()
    for _ in range(2):
        with pytest.raises(InvalidInput):
            ingest(store, "c", [path], GIVEN, IngestSettings(batch_rows=1), say=told.append)
    assert told == [
        "1 document is in; the same command goes on from there",
        "going on after 1 document that an earlier run has taken",
    ]
