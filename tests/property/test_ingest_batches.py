"""Whatever the sizes of batches, and wherever a job ends and goes on, the collection is the same."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from evaluation_fakes import FakeBundle, FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_samples import FINGERPRINT, contents, embedding, lines, made

from crossfade.chunking import ChunkingSettings
from crossfade.ingest import GivenVectors, IngestSettings, ingest
from crossfade.models.types import Embeddings, InputType
from crossfade.store import CollectionSettings, CollectionSpec, DurableStore, StoreSettings

NAMES = st.sampled_from([f"d{number}" for number in range(12)])
WORDS = st.text(alphabet="ab .\n", max_size=40)
RECORDS = st.lists(
    st.fixed_dictionaries({"_id": NAMES, "text": WORDS, "vector": st.tuples(st.integers(0, 9), st.integers(0, 9))}),
    max_size=40,
)
BAD = st.lists(st.integers(0, 40), max_size=5)


class Ended(Exception):
    pass


class Mortal(FakeEncoder):
    """Ends after some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def encode(self, texts: Any, input_type: InputType) -> Embeddings:
        if self.left == 0:
            raise Ended
        self.left -= 1
        return super().encode(texts, input_type)


def lines_of(records: list[dict[str, Any]], bad: list[int]) -> list[Any]:
    found: list[Any] = list(records)
    for at in bad:
        found.insert(at, "{")
    return found


@settings(max_examples=40, deadline=None)
@given(records=RECORDS, bad=BAD, rows=st.integers(1, 45))
def test_batches_of_any_size_give_the_same_collection(records: list[dict[str, Any]], bad: list[int], rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = lines(Path(folder) / "a.jsonl", lines_of(records, bad))
        with DurableStore(Path(folder) / "store", StoreSettings(seal_rows=8), upkeep=False) as store:
            collection = made(store)
            chosen = IngestSettings(batch_rows=rows, rejects=Path(folder) / "rejects")
            report = ingest(store, "c", [path], GivenVectors(FINGERPRINT), chosen)
            last = {record["_id"]: record for record in records}
            assert report.rejected == len(bad)
            assert (report.added, report.replaced) == (len(last), len(records) - len(last))
            assert {name: (document.text, rows) for name, (document, rows) in contents(collection).items()} == {
                name: (record["text"], [([0, len(record["text"])], [float(value) for value in record["vector"]])])
                for name, record in last.items()
            }
            assert len((Path(folder) / "rejects").read_text().splitlines()) == len(bad)


@settings(max_examples=30, deadline=None)
@given(records=RECORDS, rows=st.integers(1, 20), lives=st.lists(st.integers(0, 4), max_size=4))
def test_a_job_that_ends_anywhere_goes_on_to_the_same_end(
    records: list[dict[str, Any]], rows: int, lives: list[int]
) -> None:
    kept = CollectionSettings(chunking=ChunkingSettings("sentences", size=4))
    with tempfile.TemporaryDirectory() as folder:
        path = lines(Path(folder) / "a.jsonl", records)
        with DurableStore(Path(folder) / "store", StoreSettings(seal_rows=8), upkeep=False) as store:
            spec = (FakeBundle().dimension, "cosine", FakeBundle().document_fingerprint)
            whole = store.create(CollectionSpec("whole", *spec), kept)  # type: ignore[arg-type]
            parts = store.create(CollectionSpec("parts", *spec), kept)  # type: ignore[arg-type]
            expected = ingest(store, "whole", [path], embedding(FakeEncoder()), IngestSettings(batch_rows=7))
            chosen = IngestSettings(batch_rows=rows)
            for calls in lives:
                with suppress(Ended):
                    ingest(store, "parts", [path], embedding(Mortal(calls)), chosen)
            report = ingest(store, "parts", [path], embedding(FakeEncoder()), chosen)
            assert contents(parts) == contents(whole)
            assert (report.added, report.replaced) == (expected.added, expected.replaced)
