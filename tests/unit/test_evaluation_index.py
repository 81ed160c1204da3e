"""Corpora are embedded once a document encoder, whole and in order, and the cache heals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, draw, toy_dataset

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.index import CorpusIndexes, embed_corpus
from crossfade.evaluation.vector_cache import VectorCache
from crossfade.store.types import Document


def long_dataset() -> Dataset:
    """More than two chunks, of every length, an empty document among them."""
    documents = [Document(f"d{i}", "t" if i % 3 else "", "word " * (i * 7 % 40)) for i in range(300)]
    return Dataset("long", "test", [*documents, Document("empty")], {"q": "x"}, {"q": {"d1": 1}})


def test_every_row_is_its_own_documents_vector() -> None:
    dataset = long_dataset()
    progress: list[tuple[str, int, int]] = []
    corpus = embed_corpus(dataset, FakeEncoder(), progress=lambda *state: progress.append(state))
    for row, document in enumerate(dataset.documents):
        expected = draw(document.content)
        np.testing.assert_allclose(corpus.vectors[row], expected / np.linalg.norm(expected), rtol=1e-6)
    assert corpus.tokens == sum(len(document.content.split()) + 2 for document in dataset.documents)
    assert corpus.truncated == sum(len(document.content.split()) + 2 > 8 for document in dataset.documents)
    assert progress[-1] == ("embedding corpus", 301, 301)
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)


def test_equal_document_fingerprints_share_one_embedding() -> None:
    dataset = toy_dataset()
    base = FakeEncoder()
    adapted = FakeEncoder(FakeBundle("adapted", query_fingerprint="cf1-other"))
    retrained = FakeEncoder(FakeBundle("retrained", document_fingerprint="cf1-new", query_fingerprint="cf1-new"))
    indexes = CorpusIndexes(dataset)
    assert indexes.collection(base) is indexes.collection(adapted)
    assert indexes.collection(base) is not indexes.collection(retrained)
    assert [base.documents_embedded, adapted.documents_embedded, retrained.documents_embedded] == [40, 0, 40]
    assert indexes.collection(retrained).spec.document_fingerprint == "cf1-new"
    assert list(indexes.collection(base).snapshot().parts[0].ids) == [document.id for document in dataset.documents]


def cached(dataset: Dataset, directory: Path) -> tuple[np.ndarray, int]:
    encoder = FakeEncoder()
    vectors = CorpusIndexes(dataset, cache=directory).vectors(encoder)
    return vectors.vectors, encoder.documents_embedded


def test_the_second_run_embeds_nothing(tmp_path: Path) -> None:
    dataset = toy_dataset()
    first, embedded = cached(dataset, tmp_path / "new" / "cache")
    assert embedded == 40
    second, embedded = cached(dataset, tmp_path / "new" / "cache")
    assert embedded == 0
    assert second.dtype == np.float32
    np.testing.assert_array_equal(first, second)
    assert len(list((tmp_path / "new" / "cache").iterdir())) == 1


def test_the_cache_keeps_token_counts(tmp_path: Path) -> None:
    dataset = long_dataset()
    first = CorpusIndexes(dataset, cache=tmp_path).vectors(FakeEncoder())
    second = CorpusIndexes(dataset, cache=tmp_path).vectors(FakeEncoder())
    assert (first.tokens, first.truncated) == (second.tokens, second.truncated)
    assert first.truncated > 0


def test_another_corpus_or_encoder_is_another_entry(tmp_path: Path) -> None:
    dataset = toy_dataset()
    cached(dataset, tmp_path)
    changed = Dataset("toy", "test", [Document("d0", "other"), *dataset.documents[1:]], dataset.queries, dataset.qrels)
    assert cached(changed, tmp_path)[1] == 40
    other = FakeEncoder(FakeBundle(document_fingerprint="cf1-other"))
    CorpusIndexes(dataset, cache=tmp_path).vectors(other)
    assert other.documents_embedded == 40


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "header", "empty", "other format", "binary"])
def test_a_damaged_entry_is_computed_anew_and_mended(tmp_path: Path, damage: str) -> None:
    dataset = toy_dataset()
    expected, _ = cached(dataset, tmp_path)
    (entry,) = tmp_path.iterdir()
    content = entry.read_bytes()
    entry.write_bytes(
        {
            "flip": content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
            "cut": content[:-4],
            "longer": content + b"\0",
            "header": content.replace(b'"rows": 40', b'"rows": 41'),
            "empty": b"",
            "other format": content.replace(b'"format": 2', b'"format": 3'),
            "binary": b"\xff" * len(content),
        }[damage]
    )
    assert entry.read_bytes() != content
    vectors, embedded = cached(dataset, tmp_path)
    assert embedded == 40
    np.testing.assert_array_equal(vectors, expected)
    assert cached(dataset, tmp_path)[1] == 0


def test_a_cache_that_cannot_be_written_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot make the cache directory"):
        VectorCache(tmp_path / "file" / "cache")
    with pytest.raises(InvalidInput, match="cannot make the cache directory"):
        VectorCache(tmp_path / "file")
    with pytest.raises(InvalidInput, match="cannot write /proc"):
        VectorCache(Path("/proc"))


IMPORTED = """
import sys
from crossfade.evaluation import index
assert sorted(row for chunk in index._chunks([5, 1, 9] * 200) for row in chunk) == list(range(600))
print("numpy.random" in sys.modules)
"""


def test_no_library_is_imported_amid_the_work() -> None:
    """NumPy imports its generators when they are first named, and a Ctrl-C just then is lost in their C code."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
