"""The job: what it takes, what it refuses and when, and that it goes on where it ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder
from ingest_samples import FINGERPRINT, contents, embedding, lines, made, with_vectors

from crossfade.chunking import ChunkingSettings
from crossfade.errors import DataError, FingerprintMismatch, InvalidInput, NotFound, StoreError
from crossfade.ingest import FieldMapping, GivenVectors, IngestSettings, Progress, ingest
from crossfade.ingest.journal import DIRECTORY
from crossfade.models.types import Embeddings, InputType
from crossfade.store import CollectionSettings, CollectionSpec, Document, DurableCollection, DurableStore
from crossfade.store.tenancy import TenantCollection

GIVEN = GivenVectors(FINGERPRINT)
DOCUMENT_FINGERPRINT = FakeBundle().document_fingerprint


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", upkeep=False) as opened:
        yield opened


def embedded(store: DurableStore, name: str = "c", chunking: ChunkingSettings | None = None) -> DurableCollection:
    spec = CollectionSpec(name, FakeBundle().dimension, "cosine", DOCUMENT_FINGERPRINT)
    return store.create(spec, CollectionSettings(chunking=chunking or ChunkingSettings()))


def small(rows: int = 10, **more: Any) -> IngestSettings:
    return IngestSettings(batch_rows=rows, **more)


def journals(store: DurableStore) -> list[Path]:
    return sorted((store.database.path.parent / DIRECTORY).glob("*.json"))


class TestTaking:
    def test_given_vectors(self, store: DurableStore, tmp_path: Path) -> None:
        collection = made(store)
        told: list[Progress] = []
        path = lines(tmp_path / "a.jsonl", with_vectors(25))
        report = ingest(store, "c", [path], GIVEN, small(), progress=told.append)
        assert (report.documents, report.added, report.replaced, report.rejected, report.totals.rows) == (
            25, 25, 0, 0, 25,
        )  # fmt: skip
        assert report.to_json()["chunking"] is None
        found = contents(collection)
        assert found["d7"] == (Document("d7", "title 7", "text 7", {"n": 7}), [([0, 6], [7.0, -7.0])])
        assert [each.documents for each in told] == [10, 20, 25]
        fractions = [each.fraction for each in told]
        assert fractions == sorted(fractions, key=lambda each: each or 0)
        assert fractions[-1] == 1.0

    def test_embedding_whole_documents(self, store: DurableStore, tmp_path: Path) -> None:
        collection, encoder = embedded(store), FakeEncoder()
        path = lines(tmp_path / "a.jsonl", [{"_id": f"d{n}", "title": "t", "text": f"x {n}"} for n in range(25)])
        report = ingest(store, "c", [path], embedding(encoder), small())
        expected = encoder.encode(["t x 3"], InputType.DOCUMENT).vectors[0].tolist()
        assert contents(collection)["d3"][1] == [([0, 3], expected)]
        assert report.totals.rows == 25
        assert report.totals.input_tokens == 25 * (3 + 2)
        assert report.totals.unread_documents == 0

    def test_chunks_and_what_the_model_never_reads(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store)
        collection = embedded(store, "d", ChunkingSettings("sentences", size=5))
        encoder = FakeEncoder()
        text = "One two three. Four five six. Seven eight nine ten eleven."
        path = lines(tmp_path / "a.jsonl", [{"_id": "a", "text": text}])
        report = ingest(store, "c", [path], embedding(encoder, limit=6))
        assert (report.totals.truncated_chunks, report.totals.unread_documents) == (1, 1)
        report = ingest(store, "d", [path], embedding(encoder))
        assert (report.added, report.totals.rows, report.totals.unread_characters) == (1, 3, 0)
        spans = [text[start:stop] for (start, stop), _ in contents(collection)["a"][1]]
        assert spans == ["One two three.", "Four five six.", "Seven eight nine ten eleven."]

    def test_long_documents_make_small_pieces(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store, chunking=ChunkingSettings("tokens", size=5))
        encoder = FakeEncoder()
        records = [{"_id": f"d{n}", "text": "word " * 200} for n in range(100)]
        cutter = embedding(encoder, limit=20)
        report = ingest(store, "c", [lines(tmp_path / "a.jsonl", records)], cutter, small(1000))
        assert report.totals.rows == 4000
        assert len(encoder.calls) == 4  # not one of 4,000

    def test_several_sources_of_several_formats(self, store: DurableStore, tmp_path: Path) -> None:
        collection = made(store)
        first = lines(tmp_path / "a.jsonl", with_vectors(13))
        rows = with_vectors(12, 13)
        columns = {key: [row[key] for row in rows] for key in ("_id", "title", "text", "metadata")}
        vectors = pa.array([[float(x) for x in row["vector"]] for row in rows], pa.list_(pa.float32()))
        pq.write_table(pa.table({**columns, "vector": vectors}), tmp_path / "b.parquet")
        told: list[Progress] = []
        report = ingest(store, "c", [first, tmp_path / "b.parquet"], GIVEN, small(), progress=told.append)
        assert report.added == 25
        assert told[-1].fraction == 1.0
        assert contents(collection)["d20"][0].metadata == {"n": 20}

    def test_the_last_of_equal_ids_stands_in_a_batch_and_across(self, store: DurableStore, tmp_path: Path) -> None:
        collection = made(store)
        records = [{**record, "_id": f"d{n % 4}"} for n, record in enumerate(with_vectors(30))]
        report = ingest(store, "c", [lines(tmp_path / "a.jsonl", records)], GIVEN, small())
        assert (report.documents, report.added, report.replaced) == (30, 4, 26)
        assert {name: document.text for name, (document, _) in contents(collection).items()} == {
            "d0": "text 28", "d1": "text 29", "d2": "text 26", "d3": "text 27",
        }  # fmt: skip

    def test_an_empty_source_gives_nothing(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        report = ingest(store, "c", [lines(tmp_path / "a.jsonl", [])], GIVEN)
        assert report.documents == 0

    def test_the_next_piece_is_made_while_the_last_is_written(
        self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collection = embedded(store)
        second_is_being_embedded = threading.Event()

        class Encoder(FakeEncoder):
            def encode(self, texts: Any, input_type: InputType) -> Embeddings:
                if len(self.calls) == 1:
                    second_is_being_embedded.set()
                return super().encode(texts, input_type)

        upsert = collection.upsert

        def slow(*given: Any, **more: Any) -> Any:
            assert second_is_being_embedded.wait(30)
            return upsert(*given, **more)

        monkeypatch.setattr(collection, "upsert", slow)
        path = lines(tmp_path / "a.jsonl", [{"_id": f"d{n}", "text": "x"} for n in range(20)])
        assert ingest(store, "c", [path], embedding(Encoder()), small()).added == 20


class TestRefusing:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"vector": [1.0]}, '"vector" has 1 dimensions, and the collection holds 2'),
            ({"vector": [1.0, 1e300]}, '"vector" holds inf at position 1: every value must be a finite float32'),
            ({"vector": [float("nan"), 1.0]}, '"vector" holds nan at position 0'),
            ({"metadata": {"n": "seven"}}, 'field "n": found "seven", expected an int of 64 bits'),
            ({"metadata": {"deep": {"a": 1}}}, "flatten objects into fields"),
            ({"metadata": {"a b": 1}}, "cannot be used: use 1 to 128 letters"),
            ({"text": 5}, '"text" is a number'),
        ],
    )
    def test_a_bad_line_stops_the_job_before_its_batch(
        self, store: DurableStore, tmp_path: Path, change: dict[str, Any], message: str
    ) -> None:
        collection = made(store)
        records = with_vectors(30)
        records[15].update(change)
        path = lines(tmp_path / "a.jsonl", records)
        told: list[str] = []
        with pytest.raises(DataError) as caught:
            ingest(store, "c", [path], GIVEN, small(), say=told.append)
        assert str(caught.value).startswith(f"{path}:16: ")
        assert message in str(caught.value)
        assert sorted(contents(collection)) == [f"d{n}" for n in range(10)]
        assert told == ["10 documents are in; the same command goes on from there"]

        rejects = tmp_path / "rejects.jsonl"
        report = ingest(store, "c", [path], GIVEN, small(rejects=rejects))
        assert (report.documents, report.resumed, report.rejected) == (29, 10, 1)
        (found,) = map(json.loads, rejects.read_text().splitlines())
        assert (found["source"], found["line"]) == (str(path), 16)
        assert message in found["reason"]
        assert sorted(contents(collection)) == sorted(f"d{n}" for n in range(30) if n != 15)

    def test_rows_are_named_in_tables(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        content = pa.table({"id": ["a", "b"], "text": ["x", "y"], "vector": [[1.0, 2.0], [1.0, float("nan")]]})
        pq.write_table(content, tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r'a\.parquet: row 2: "vector" holds nan at position 1'):
            ingest(store, "c", [tmp_path / "a.parquet"], GIVEN)

    def test_every_reject_is_written_once(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        records: list[Any] = list(with_vectors(40))
        for at in (0, 5, 12, 13, 39):
            records[at] = "{"
        records[20] = {**with_vectors(1)[0], "vector": [1.0, None]}
        records[21] = {**with_vectors(1)[0], "_id": "y", "vector": [1.0, float("inf")]}
        rejects = tmp_path / "rejects.jsonl"
        report = ingest(store, "c", [lines(tmp_path / "a.jsonl", records)], GIVEN, small(rejects=rejects))
        assert (report.documents, report.rejected) == (33, 7)
        found = [json.loads(line)["line"] for line in rejects.read_text().splitlines()]
        assert found == [1, 6, 13, 14, 21, 22, 40]

    def test_only_bad_lines(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        rejects = tmp_path / "rejects.jsonl"
        report = ingest(store, "c", [lines(tmp_path / "a", ["{"] * 35)], GIVEN, small(rejects=rejects))
        assert (report.documents, report.rejected, len(rejects.read_text().splitlines())) == (0, 35, 35)

    def test_what_only_the_collection_knows_is_told_with_the_lines(
        self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collection = made(store)
        upsert, calls = collection.upsert, [0]

        def picky(*given: Any, **more: Any) -> Any:
            calls[0] += 1
            if calls[0] == 2:
                raise InvalidInput("not on a Monday")
            return upsert(*given, **more)

        monkeypatch.setattr(collection, "upsert", picky)
        path = lines(tmp_path / "a.jsonl", with_vectors(30))
        with pytest.raises(DataError, match=r"a\.jsonl: lines 11 to 20: not on a Monday"):
            ingest(store, "c", [path], GIVEN, small())

    def test_vectors_that_are_not_the_collections(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(1))
        with pytest.raises(FingerprintMismatch, match="the vectors are of other, and collection 'c' holds cf1-given"):
            ingest(store, "c", [path], GivenVectors("other"))
        with pytest.raises(NotFound, match="no collection 'd'"):
            ingest(store, "d", [path], GIVEN)
        encoder = FakeEncoder(FakeBundle(document_fingerprint=FINGERPRINT))
        with pytest.raises(InvalidInput, match="was made with dimension 2, but the model of its fingerprint makes 16"):
            ingest(store, "c", [path], embedding(encoder))

    def test_sources_that_cannot_be(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(1))
        with pytest.raises(InvalidInput, match="is named twice"):
            ingest(store, "c", [path, tmp_path / "." / "a.jsonl"], GIVEN)
        with pytest.raises(InvalidInput, match="there is no source"):
            ingest(store, "c", [], GIVEN)
        with pytest.raises(InvalidInput, match="is a source, and cannot take the rejects too"):
            ingest(store, "c", [path], GIVEN, small(rejects=path))
        with pytest.raises(InvalidInput, match=r"cannot write .*: No such file or directory"):
            ingest(store, "c", [path], GIVEN, small(rejects=tmp_path / "none" / "r"))
        with pytest.raises(InvalidInput, match="a batch of 0 rows"):
            small(0)
        assert path.read_bytes().startswith(b'{"_id"')


class TestTenants:
    """Ids and metadata are kept as `TenantCollection` keeps them, whose tests say what that is worth."""

    def shared(self, store: DurableStore) -> DurableCollection:
        spec = CollectionSpec("c", 2, "ip", FINGERPRINT)
        return store.create(spec, CollectionSettings(tenant_field="whose"))

    def seen(self, collection: DurableCollection, tenant: str, names: list[str]) -> list[str | None]:
        view = TenantCollection(collection, "whose", tenant)
        found = view.documents([view.kept(Document(name)).id for name in names])
        return [None if each is None else each.text for each in found]

    def test_all_of_one_tenant(self, store: DurableStore, tmp_path: Path) -> None:
        collection = self.shared(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(15))
        ingest(store, "c", [path], GIVEN, small(tenant="acme"))
        again = ingest(store, "c", [path], GIVEN, small(tenant="other"))
        assert (again.added, again.finished_before) == (15, False)
        assert self.seen(collection, "acme", ["d3"]) == ["text 3"]
        assert self.seen(collection, "third", ["d3"]) == [None]
        assert len(collection) == 30

    def test_each_names_its_own(self, store: DurableStore, tmp_path: Path) -> None:
        collection = self.shared(store)
        records = [{**each, "metadata": {"whose": f"t{n % 2}"}} for n, each in enumerate(with_vectors(4))]
        ingest(store, "c", [lines(tmp_path / "a.jsonl", records)], GIVEN)
        assert self.seen(collection, "t0", ["d0", "d1", "d2", "d3"]) == ["text 0", None, "text 2", None]

    @pytest.mark.parametrize(
        ("change", "tenant", "message"),
        [
            ({}, None, 'no tenant in the metadata field "whose", and the collection is of tenants'),
            ({"metadata": {"whose": 5}}, None, "no tenant in the metadata field"),
            ({"metadata": {"whose": "other"}}, "acme", "and the call is of 'acme'"),
            ({"metadata": {"whose": "a\nb"}}, None, "must be printable"),
            ({"_id": "x" * 1020}, "acme", "its id and its tenant are 1,025 bytes long, the limit is 1,024"),
        ],
    )
    def test_a_document_of_nobody_or_of_another(
        self, store: DurableStore, tmp_path: Path, change: dict[str, Any], tenant: str | None, message: str
    ) -> None:
        self.shared(store)
        path = lines(tmp_path / "a.jsonl", [{**with_vectors(1)[0], "metadata": {}, **change}])
        with pytest.raises(DataError) as caught:
            ingest(store, "c", [path], GIVEN, small(tenant=tenant))
        assert str(caught.value).startswith(f"{path}:1: ")
        assert message in str(caught.value)

    def test_a_tenant_where_there_are_none(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        with pytest.raises(InvalidInput, match="is not of tenants: leave the tenant out"):
            ingest(store, "c", [lines(tmp_path / "a.jsonl", with_vectors(1))], GIVEN, small(tenant="acme"))


class Ending(Exception):
    """Something that nobody foresaw."""


class TestGoingOn:
    def test_nothing_is_embedded_twice(self, store: DurableStore, tmp_path: Path) -> None:
        collection = embedded(store)
        path = lines(tmp_path / "a.jsonl", [{"_id": f"d{n}", "text": f"x {n}"} for n in range(50)])

        class Failing(FakeEncoder):
            def encode(self, texts: Any, input_type: InputType) -> Embeddings:
                if len(self.calls) == 3:
                    raise Ending
                return super().encode(texts, input_type)

        with pytest.raises(Ending):
            ingest(store, "c", [path], embedding(Failing()), small())
        assert len(collection) == 30
        told: list[str] = []
        encoder = FakeEncoder()
        report = ingest(store, "c", [path], embedding(encoder), small(7), say=told.append)
        assert told == ["going on after 30 documents that an earlier run has taken"]
        assert encoder.documents_embedded == 20
        assert (report.documents, report.added, report.resumed) == (50, 50, 30)
        assert len(collection) == 50

    def test_when_all_is_in_nothing_is_done(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(25))
        ingest(store, "c", [path], GIVEN)
        report = ingest(store, "c", [path], GIVEN, small())
        assert report.finished_before
        assert report.documents == 25
        again = ingest(store, "c", [path], GIVEN, small(restart=True))
        assert (again.added, again.replaced, again.finished_before) == (0, 25, False)

    def test_a_disk_that_refuses(self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        collection = made(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(50))
        upsert, calls = collection.upsert, [0]

        def full(*given: Any, **more: Any) -> Any:
            calls[0] += 1
            if calls[0] == 3:
                raise StoreError("the disk is full")
            return upsert(*given, **more)

        monkeypatch.setattr(collection, "upsert", full)
        with pytest.raises(StoreError, match="the disk is full"):
            ingest(store, "c", [path], GIVEN, small())
        assert len(collection) == 20
        assert ingest(store, "c", [path], GIVEN, small()).resumed == 20
        assert len(contents(collection)) == 50

    def test_a_changed_source_or_setting_is_told(self, store: DurableStore, tmp_path: Path) -> None:
        collection = made(store)
        path = lines(tmp_path / "a.jsonl", [*with_vectors(25), "{"])
        with pytest.raises(DataError):
            ingest(store, "c", [path], GIVEN, small())
        mapping = FieldMapping(rest=True)
        with pytest.raises(InvalidInput, match=r"had --keep-fields not given, and now it is given: use .*--restart"):
            ingest(store, "c", [path], GIVEN, small(mapping=mapping))
        lines(path, with_vectors(26))
        with pytest.raises(
            InvalidInput, match=r"has changed since an earlier run .* \(its size is another\).*--restart"
        ):
            ingest(store, "c", [path], GIVEN, small())
        report = ingest(store, "c", [path], GIVEN, small(restart=True))
        assert (report.added, report.replaced, report.resumed) == (6, 20, 0)
        assert len(collection) == 26

    def test_rejects_that_were_written_ahead_are_taken_back(
        self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made(store)
        records: list[Any] = list(with_vectors(40))
        for at in (3, 15, 25):
            records[at] = "{"
        path, rejects = lines(tmp_path / "a.jsonl", records), tmp_path / "rejects.jsonl"
        from crossfade.ingest.journal import Journal

        save, calls = Journal.save, [0]

        def failing(journal: Journal, entry: Any) -> None:
            calls[0] += 1
            if calls[0] == 2:
                raise Ending
            save(journal, entry)

        monkeypatch.setattr(Journal, "save", failing)
        with pytest.raises(Ending):
            ingest(store, "c", [path], GIVEN, small(rejects=rejects))
        report = ingest(store, "c", [path], GIVEN, small(rejects=rejects))
        assert report.rejected == 3
        assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [4, 16, 26]

    def test_an_older_database_in_the_place_is_noticed(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "a.jsonl", with_vectors(25))
        with DurableStore(tmp_path / "store", upkeep=False) as store:
            made(store)
            store.get("c").upsert([Document("first")], np.ones((1, 2), np.float32))
            store.backup(tmp_path / "backup")
            ingest(store, "c", [path], GIVEN)
        (tmp_path / "backup" / "crossfade.db").replace(tmp_path / "store" / "crossfade.db")
        with DurableStore(tmp_path / "store", upkeep=False) as store:
            # As many rows as before, and others.
            for n in range(40):
                store.get("c").upsert([Document(f"x{n}")], np.ones((1, 2), np.float32))
            with pytest.raises(InvalidInput, match="the store does not have now"):
                ingest(store, "c", [path], GIVEN)
            assert ingest(store, "c", [path], GIVEN, small(restart=True)).added == 25

    def test_a_damaged_journal_is_told(self, store: DurableStore, tmp_path: Path) -> None:
        made(store)
        path = lines(tmp_path / "a.jsonl", with_vectors(25))
        ingest(store, "c", [path], GIVEN)
        (journal,) = journals(store)
        for content in ("", "{}", "[]", '{"format": 2}'):
            journal.write_text(content)
            with pytest.raises(InvalidInput, match=r"which says how far this job is, cannot be used.*--restart"):
                ingest(store, "c", [path], GIVEN)
        assert ingest(store, "c", [path], GIVEN, small(restart=True)).replaced == 25

    def test_jobs_of_other_sources_and_collections_are_others(self, store: DurableStore, tmp_path: Path) -> None:
        made(store, "c")
        made(store, "d")
        first, second = lines(tmp_path / "a", with_vectors(5)), lines(tmp_path / "b", with_vectors(5))
        ingest(store, "c", [first], GIVEN)
        assert not ingest(store, "c", [second], GIVEN).finished_before
        assert not ingest(store, "d", [first], GIVEN).finished_before
        assert len(journals(store)) == 3
        store.drop("c")
        made(store, "c")
        assert ingest(store, "c", [first], GIVEN).added == 5
        assert len(journals(store)) == 2  # those of the collection that was dropped are gone
