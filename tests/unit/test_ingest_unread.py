"""What the model does not read of documents, as an ingest names it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder
from ingest_samples import FINGERPRINT, embedding, lines, made, with_vectors
from numpy.typing import NDArray
from word_tokens import WordTokens

from crossfade.chunking import ChunkingSettings, TokenBudget
from crossfade.errors import InvalidInput
from crossfade.ingest import EmbeddingCutter, GivenVectors, IngestSettings, ingest
from crossfade.ingest.journal import DIRECTORY, Journal
from crossfade.store import CollectionSettings, CollectionSpec, DurableStore


class Ending(Exception):
    """Something that nobody foresaw."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    with DurableStore(tmp_path / "store", upkeep=False) as opened:
        yield opened


def embedded(store: DurableStore, **settings: Any) -> None:
    spec = CollectionSpec("c", FakeBundle().dimension, "cosine", FakeBundle().document_fingerprint)
    store.create(spec, CollectionSettings(**settings))


def small(**more: Any) -> IngestSettings:
    return IngestSettings(batch_rows=10, **more)


def told(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestWhatIsNeverRead:
    """A word is a token, and the model reads six of them besides its two special ones."""

    RECORDS: ClassVar = [{"_id": f"d{n}", "text": " ".join("abcdefghi"[: n % 9 + 1])} for n in range(45)]

    def expected(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"d{n}",
                "unread_characters": n % 9 - 5,
                "chunks": [{"start": 0, "stop": 2 * (n % 9) + 1, "read_end": 11}],
            }
            for n in range(45)
            if n % 9 > 5
        ]

    def test_documents_are_named(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store)
        path, unread = lines(tmp_path / "a.jsonl", self.RECORDS), tmp_path / "unread.jsonl"
        unread.write_text("of another job")
        with pytest.raises(
            InvalidInput, match=r"holds something already, which is not of this job: .* what was not read"
        ):
            ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread))
        assert unread.read_text() == "of another job"
        unread.unlink()
        report = ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread))
        assert told(unread) == self.expected()
        assert report.totals.unread_documents == len(self.expected()) == 15
        first = [{key: each[key] for key in ("id", "unread_characters")} for each in self.expected()[:10]]
        assert report.to_json()["first_unread"] == first
        said: list[str] = []
        done = ingest(store, "c", [path], embedding(FakeEncoder()), small(), say=said.append)
        assert (done.finished_before, done.first_unread, said) == (True, report.first_unread, [])
        other = tmp_path / "other.jsonl"
        ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=other), say=said.append)
        assert not other.exists()
        assert said == [
            f"{other} is not written, since nothing is left to take: --restart begins again, and tells of all"
        ]

    def test_chunks_that_are_not_read_to_their_end(self, store: DurableStore, tmp_path: Path) -> None:
        class Bytes(WordTokens):
            """A token a byte of UTF-8."""

            def offsets(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
                places = [[(at, at + 1) for at, letter in enumerate(text) for _ in letter.encode()] for text in texts]
                return [np.array(each, dtype=np.int64).reshape(-1, 2) for each in places]

            def counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
                return np.array([len(text.encode()) for text in texts], dtype=np.int64)

        embedded(store, chunking=ChunkingSettings("tokens"))
        cutter = EmbeddingCutter(FakeEncoder(), Bytes(), TokenBudget(8, 2))
        # What a reader sees as one letter has nine tokens, and is not torn.
        records = [{"_id": "a", "text": "abcdefgh"}, {"_id": "b", "text": "ab e\u0301\u0302\u0303\u0304 cd"}]
        path, unread = lines(tmp_path / "a.jsonl", records), tmp_path / "unread.jsonl"
        report = ingest(store, "c", [path], cutter, small(unread=unread))
        assert report.totals.rows == 2 + 3
        places = ((0, 2, 2), (3, 8, 7), (9, 11, 11))
        chunks = [{"start": start, "stop": stop, "read_end": end} for start, stop, end in places]
        assert told(unread) == [{"id": "b", "unread_characters": 1, "chunks": chunks}]

    def test_each_tenants_are_told_apart(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store, tenant_field="whose")
        records = [
            {"_id": "same", "text": "a b c d e f g", "metadata": {"whose": whose}} for whose in ("acme", "other")
        ]
        path, unread = lines(tmp_path / "a.jsonl", records), tmp_path / "unread.jsonl"
        report = ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread))
        named = [(each["id"], each["tenant"], each["unread_characters"]) for each in told(unread)]
        assert named == [("same", "acme", 1), ("same", "other", 1)]
        assert [each["tenant"] for each in report.to_json()["first_unread"]] == ["acme", "other"]

    @pytest.mark.parametrize("named_before", [True, False])
    def test_a_job_that_goes_on(
        self, store: DurableStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_before: bool
    ) -> None:
        """What was written ahead of the journal is taken back, and what is resumed goes on in the same file."""
        embedded(store)
        path, unread = lines(tmp_path / "a.jsonl", self.RECORDS), tmp_path / "unread.jsonl"
        save, calls = Journal.save, [0]

        def failing(journal: Journal, entry: Any) -> None:
            calls[0] += 1
            if calls[0] == 3 + named_before:  # once more so that the file is known before it holds something
                raise Ending
            save(journal, entry)

        monkeypatch.setattr(Journal, "save", failing)
        with pytest.raises(Ending):
            ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread if named_before else None))
        said: list[str] = []
        report = ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread), say=said.append)
        assert report.resumed == 20
        assert [each.id for each in report.first_unread] == [each["id"] for each in self.expected()[:10]]
        rest = [each for each in self.expected() if int(each["id"][1:]) >= 20]
        assert told(unread) == (self.expected() if named_before else rest)
        new = f"{unread} tells of what is taken from here on: --restart begins again, and tells of all"
        assert (new in said) != named_before
        again = ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=unread, restart=True))
        assert (again.resumed, told(unread)) == (0, self.expected())

    def test_a_journal_that_an_older_crossfade_has_written(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store)
        path = lines(tmp_path / "a.jsonl", self.RECORDS)
        ingest(store, "c", [path], embedding(FakeEncoder()), small())
        (journal,) = (store.database.path.parent / DIRECTORY).glob("*.json")
        content = json.loads(json.loads(journal.read_bytes())["job"])
        assert content["first_unread"].pop() == ["d33", 1, [], None]
        for key in ("unread", "unread_bytes", "unread_crc32", "first_unread"):
            del content[key]
        journal.write_text(json.dumps(content))
        report = ingest(store, "c", [path], embedding(FakeEncoder()), small())
        assert (report.finished_before, report.totals.unread_documents, report.first_unread) == (True, 15, [])

    def test_what_cannot_be(self, store: DurableStore, tmp_path: Path) -> None:
        embedded(store)
        made(store, "given")
        path = lines(tmp_path / "a.jsonl", with_vectors(1))
        with pytest.raises(InvalidInput, match="the documents come with vectors, and no model reads them"):
            ingest(store, "given", [path], GivenVectors(FINGERPRINT), small(unread=tmp_path / "unread"))
        for what, more in (
            ("is a source", {"unread": path}),
            ("takes the rejects", {"unread": tmp_path / "x", "rejects": tmp_path / "x"}),
            ("lies in the store's directory", {"unread": store.database.path}),
        ):
            with pytest.raises(InvalidInput, match=f"{what}.* what was not read"):
                ingest(store, "c", [path], embedding(FakeEncoder()), small(**more))
        with pytest.raises(InvalidInput, match=r"cannot write .*: No such file or directory"):
            ingest(store, "c", [path], embedding(FakeEncoder()), small(unread=tmp_path / "none" / "u"))
