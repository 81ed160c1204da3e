"""What is left out: where it may be written, so that nothing else is lost, and what is said of it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_samples import FINGERPRINT, lines, made, with_vectors

from crossfade.errors import DataError, InvalidInput
from crossfade.ingest import FieldMapping, GivenVectors, IngestReport, IngestSettings, ingest
from crossfade.ingest.journal import DIRECTORY, Journal
from crossfade.store import DurableStore
from crossfade.store.database import FILE

GIVEN = GivenVectors(FINGERPRINT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", upkeep=False) as opened:
        made(opened)
        yield opened


def taken(store: DurableStore, path: Path, rejects: Path | None, **more: Any) -> IngestReport:
    return ingest(store, "c", [path], GIVEN, IngestSettings(batch_rows=10, rejects=rejects, **more))


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def bad(path: Path, *places: int, count: int = 40) -> Path:
    records: list[Any] = list(with_vectors(count))
    for at in places:
        records[at] = "{"
    return lines(path, records)


class Ending(Exception):
    """Something that nobody foresaw."""


class TestPlaces:
    @pytest.mark.parametrize("name", [FILE, "ingest/new.jsonl", "new.jsonl", "../linked/new.jsonl"])
    def test_nothing_within_the_store(self, store: DurableStore, tmp_path: Path, name: str) -> None:
        path, directory = bad(tmp_path / "a.jsonl", 3), tmp_path / "store"
        (tmp_path / "linked").symlink_to(directory)
        (directory / DIRECTORY).mkdir(exist_ok=True)
        before = {each: each.stat().st_size for each in directory.rglob("*") if each.is_file()}
        with pytest.raises(InvalidInput, match="lies in the store's directory: name a file elsewhere"):
            taken(store, path, directory / name)
        assert {each: each.stat().st_size for each in directory.rglob("*") if each.is_file()} == before

    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_no_source_by_any_name(self, store: DurableStore, tmp_path: Path, link: Any) -> None:
        path = bad(tmp_path / "a.jsonl", 3)
        content = path.read_bytes()
        link(path, tmp_path / "other")
        with pytest.raises(InvalidInput, match="is a source, and cannot take the rejects too"):
            taken(store, path, tmp_path / "other")
        assert path.read_bytes() == content

    def test_nothing_that_is_there_already(self, store: DurableStore, tmp_path: Path) -> None:
        path, precious = bad(tmp_path / "a.jsonl", 3), tmp_path / "precious"
        precious.write_text("all my work")
        for more in ({}, {"restart": True}):
            with pytest.raises(InvalidInput, match="holds something already, which is not of this job: name another"):
                taken(store, path, precious, **more)
            assert precious.read_text() == "all my work"
        assert len(store.get("c")) == 0
        rejects = tmp_path / "rejects"
        rejects.touch()  # an empty one loses nothing
        assert taken(store, path, rejects).rejected == 1
        other = bad(tmp_path / "b.jsonl", 5)
        with pytest.raises(InvalidInput, match="not of this job"):
            taken(store, other, rejects)  # as every day's job with the same name would
        assert [each["source"] for each in written(rejects)] == [str(path)]

    def test_no_device_and_no_directory(self, store: DurableStore, tmp_path: Path) -> None:
        path = bad(tmp_path / "a.jsonl", 3)
        with pytest.raises(InvalidInput, match="is no plain file"):
            taken(store, path, Path(os.devnull))
        with pytest.raises(InvalidInput, match=r"cannot write .*: Is a directory"):
            taken(store, path, tmp_path)

    def test_a_job_that_goes_on_appends_to_its_own(self, store: DurableStore, tmp_path: Path) -> None:
        path, rejects = tmp_path / "a.jsonl", tmp_path / "rejects"
        records: list[Any] = list(with_vectors(40))
        records[3], records[35] = "{", "{"
        records[36]["vector"] = [1.0]
        lines(path, records)
        calls = [0]

        def failing(_: object) -> None:
            calls[0] += 1
            if calls[0] == 2:
                raise Ending

        settings = IngestSettings(batch_rows=10, rejects=rejects)
        with pytest.raises(Ending):
            ingest(store, "c", [path], GIVEN, settings, progress=failing)
        assert [each["line"] for each in written(rejects)] == [4]
        assert taken(store, path, rejects).rejected == 3
        assert [each["line"] for each in written(rejects)] == [4, 36, 37]

    def test_a_kill_before_anything_was_noted(
        self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, rejects = bad(tmp_path / "a.jsonl", 3, 15), tmp_path / "rejects"
        save, calls = Journal.save, [0]

        def failing(journal: Journal, entry: Any) -> None:
            calls[0] += 1
            if calls[0] > 1:
                raise Ending
            save(journal, entry)

        monkeypatch.setattr(Journal, "save", failing)
        with pytest.raises(Ending):
            taken(store, path, rejects)
        assert rejects.stat().st_size
        monkeypatch.undo()
        # Nothing is noted as taken: other settings make no other job of it.
        assert taken(store, path, rejects, mapping=FieldMapping(rest=True)).rejected == 2
        assert [each["line"] for each in written(rejects)] == [4, 16]

    @pytest.mark.parametrize("change", ["cut", "edited", "more"])
    def test_not_what_somebody_made_of_it(self, store: DurableStore, tmp_path: Path, change: str) -> None:
        rejects = tmp_path / "rejects"
        path = lines(tmp_path / "a.jsonl", [*with_vectors(30), "{", *with_vectors(20, 30)])
        with pytest.raises(Ending):
            self.cut_short(store, path, rejects)
        content = rejects.read_bytes()
        changed = {"cut": content[:-5], "edited": content.replace(b"JSON", b"json"), "more": content + b"my notes"}
        rejects.write_bytes(changed[change])
        with pytest.raises(InvalidInput, match="is not as this job left it"):
            taken(store, path, rejects)
        assert rejects.read_bytes() == changed[change]
        rejects.unlink()
        assert taken(store, path, rejects).documents == 50

    def cut_short(self, store: DurableStore, path: Path, rejects: Path) -> None:
        def failing(now: Any) -> None:
            if now.documents >= 40:
                raise Ending

        settings = IngestSettings(batch_rows=10, rejects=rejects, restart=True)
        ingest(store, "c", [path], GIVEN, settings, progress=failing)

    def test_beginning_again_writes_its_own_again(self, store: DurableStore, tmp_path: Path) -> None:
        path, rejects = bad(tmp_path / "a.jsonl", 3, 15), tmp_path / "rejects"
        taken(store, path, rejects)
        assert taken(store, path, rejects, restart=True).rejected == 2
        assert [each["line"] for each in written(rejects)] == [4, 16]


class TestContent:
    def test_the_whole_line(self, store: DurableStore, tmp_path: Path) -> None:
        records = with_vectors(6)
        records[1]["vector"] = [1.0, 2.0, 3.0]
        records[2]["vector"] = [1.0, float("nan")]
        records[3]["metadata"] = {"n": "seven"}
        path, rejects = lines(tmp_path / "a.jsonl", records), tmp_path / "rejects"
        taken(store, path, rejects)
        assert [each["content"] for each in written(rejects)] == path.read_text().splitlines()[1:4]

    def test_the_whole_row(self, store: DurableStore, tmp_path: Path) -> None:
        table = pa.table({"id": ["a", "b"], "text": ["x", "y"], "vector": [[1.0, 2.0], [3.5, 4.5, 5.5]]})
        pq.write_table(table, tmp_path / "a.parquet")
        rejects = tmp_path / "rejects"
        taken(store, tmp_path / "a.parquet", rejects)
        (found,) = written(rejects)
        assert found["content"] == "{'id': 'b', 'text': 'y', 'vector': [3.5, 4.5, 5.5]}"

    def test_not_more_than_that(self, store: DurableStore, tmp_path: Path) -> None:
        rejects = tmp_path / "rejects"
        long, packed = '{"_id": "' + "x" * 100_000, b'{"_id": "' + b"\xff" * 100_000
        taken(store, lines(tmp_path / "a.jsonl", [*with_vectors(1), long, packed]), rejects)
        text, binary = (each["content"] for each in written(rejects))
        assert text == long[: 1 << 16] + "... (100,009 bytes in all)"
        assert binary.endswith("... (100,009 bytes in all)")
        assert len(binary) < 1000

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "a PNG image"),
            (b"PK\x03\x04" + b"x" * 99, "a zip archive"),
            ("a text in another encoding".encode("utf-16"), "text in UTF-16"),
            (np.random.default_rng(1).bytes(100_000), "binary, or not in UTF-8"),
            (gzip.compress(np.random.default_rng(1).bytes(9_000)), "binary, or not in UTF-8"),
        ],
    )
    def test_what_is_no_text_at_all_has_no_rejects(
        self, store: DurableStore, tmp_path: Path, content: bytes, what: str
    ) -> None:
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(DataError) as caught:
            taken(store, tmp_path / "a", tmp_path / "rejects")
        assert str(caught.value).startswith(f"{tmp_path / 'a'}: it is {what}")
        assert "sources are JSON lines, one object a line (.gz too), Parquet, Arrow files" in str(caught.value)
        assert (tmp_path / "rejects").read_bytes() == b""

    @pytest.mark.parametrize("content", ["id,text\n1,x\n", '{\n "_id": "a"\n}\n', "\n[\n{}\n]\n", '[{"_id": "a"}]\n'])
    def test_what_is_text_of_another_format_names_those_that_are_read(
        self, store: DurableStore, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "a").write_text(content)
        with pytest.raises(DataError, match="sources are JSON lines, one object a line"):
            taken(store, tmp_path / "a", None)

    def test_a_later_line_is_only_a_bad_line(self, store: DurableStore, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            taken(store, bad(tmp_path / "a", 3), None)
        assert str(caught.value).endswith("double quotes at column 2")


def test_a_repeated_job_says_what_it_left_out(store: DurableStore, tmp_path: Path) -> None:
    path, rejects = bad(tmp_path / "a.jsonl", 3), tmp_path / "rejects"
    first = taken(store, path, rejects)
    again = taken(store, path, None)
    assert (again.finished_before, again.documents, again.rejected) == (True, 39, 1)
    assert first.rejects_file == again.rejects_file == again.to_json()["rejects_file"] == str(rejects)


def test_a_null_in_a_vector_is_not_a_number_that_is_none(store: DurableStore, tmp_path: Path) -> None:
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2)):
        vectors = pa.array([None, [1.0, 2.0], [1.0, None], [3.0, 4.0], [float("nan"), 1.0]], kind)
        pq.write_table(
            pa.table({"id": list("abcde"), "text": list("abcde"), "vector": vectors}), tmp_path / "a.parquet"
        )
        rejects = tmp_path / "rejects"
        rejects.unlink(missing_ok=True)
        report = taken(store, tmp_path / "a.parquet", rejects, restart=True)
        assert report.documents == 2
        assert [each["row"] for each in written(rejects)] == [1, 3, 5]
        reasons = [each["reason"].split(";")[0].split(":")[0] for each in written(rejects)]
        assert reasons == [
            '"vector" is null',
            '"vector" holds null at position 1',
            '"vector" holds nan at position 0',
        ]
