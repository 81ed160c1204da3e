"""Vectors on disk: what is in stays in, whatever ends the process, and nothing else is left."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset

from crossfade.errors import InvalidInput
from crossfade.evaluation import index, vector_file
from crossfade.evaluation.index import CorpusIndexes, embed_corpus
from crossfade.evaluation.vector_cache import VectorCache
from crossfade.evaluation.vector_file import VectorFile, journal_path, partial_path
from crossfade.kernels.arrays import matrix
from crossfade.mapping import is_mapped


class Interrupted(Exception):
    pass


class Stopping(FakeEncoder):
    """Ends the work at its nth call."""

    left: int = 1 << 30

    def encode(self, texts: Any, input_type: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Interrupted
        return super().encode(texts, input_type)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "SHARD_ROWS", 16)
    monkeypatch.setattr(index, "SHARD_ROWS", 16)
    monkeypatch.setattr(VectorFile.__init__, "__kwdefaults__", {"place": None, "shard_rows": 16})


def stopped(cache: Path, after: int) -> None:
    encoder = Stopping()
    encoder.left = after
    with pytest.raises(Interrupted):
        CorpusIndexes(toy_dataset(100), cache=cache).vectors(encoder)


def test_what_was_embedded_is_gone_on_with(tmp_path: Path) -> None:
    expected = embed_corpus(toy_dataset(100), FakeEncoder())
    stopped(tmp_path, 3)
    names = sorted(path.suffix for path in tmp_path.iterdir())
    assert names == [".journal", ".partial"]
    held = VectorCache(tmp_path).rows_held("cf1-doc", toy_dataset(100).corpus_hash, rows=100, dimension=16)
    assert held == 48
    stopped(tmp_path, 2)
    encoder = FakeEncoder()
    progress: list[tuple[int, int]] = []
    found = CorpusIndexes(
        toy_dataset(100), cache=tmp_path, progress=lambda _, done, total: progress.append((done, total))
    ).vectors(encoder)
    assert encoder.documents_embedded == 20
    assert progress == [(96, 100), (100, 100)]
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert (found.tokens, found.truncated) == (expected.tokens, expected.truncated)
    assert [path.suffix for path in tmp_path.iterdir()] == [".vectors"]


@pytest.mark.parametrize("damage", ["torn line", "flipped shard", "cut file", "no file", "other corpus", "nonsense"])
def test_what_is_not_whole_is_embedded_again(tmp_path: Path, damage: str) -> None:
    expected = embed_corpus(toy_dataset(100), FakeEncoder())
    stopped(tmp_path, 3)
    (journal,) = tmp_path.glob("*.journal")
    (partial,) = tmp_path.glob("*.partial")
    content = bytearray(partial.read_bytes())
    again = {"torn line": 68, "flipped shard": 68, "cut file": 84, "no file": 100, "other corpus": 100, "nonsense": 68}
    if damage == "torn line":
        journal.write_bytes(journal.read_bytes()[:-20])
    elif damage == "flipped shard":
        content[vector_file.HEAD_BYTES + 17] ^= 1
        partial.write_bytes(content)
    elif damage == "cut file":
        partial.write_bytes(content[: vector_file.HEAD_BYTES + 16 * 16 * 4 + 8])
    elif damage == "no file":
        partial.unlink()
    elif damage == "other corpus":
        journal.write_bytes(journal.read_bytes().replace(b'"rows": 100', b'"rows": 101'))
    else:
        lines = journal.read_bytes().splitlines()
        lines[2] = b'{"shard": 99, "sha256": 3, "tokens": null}'
        journal.write_bytes(b"\n".join(lines) + b"\n")
    encoder = FakeEncoder()
    found = CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(encoder)
    assert encoder.documents_embedded == again[damage]
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert [path.suffix for path in tmp_path.iterdir()] == [".vectors"]


def test_two_processes_do_not_write_into_one_file(tmp_path: Path) -> None:
    cache, about = VectorCache(tmp_path), ("cf1-doc", toy_dataset(100).corpus_hash)
    with cache.file(*about, rows=100, dimension=16):
        encoder = FakeEncoder()
        found = CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(encoder)
        assert encoder.documents_embedded == 100
        np.testing.assert_array_equal(found.vectors, embed_corpus(toy_dataset(100), FakeEncoder()).vectors)
        assert not cache.path(*about).exists()


class Deleting(FakeEncoder):
    """Deletes the cache while documents are embedded."""

    cache: Path

    def encode(self, texts: Any, input_type: Any) -> Any:
        shutil.rmtree(self.cache, ignore_errors=True)
        return super().encode(texts, input_type)


def test_a_cache_that_is_deleted_meanwhile_loses_no_work(tmp_path: Path) -> None:
    indexes = CorpusIndexes(toy_dataset(100), cache=tmp_path / "cache")
    encoder = Deleting()
    encoder.cache = tmp_path / "cache"
    expected = embed_corpus(toy_dataset(100), FakeEncoder())
    np.testing.assert_array_equal(indexes.vectors(encoder).vectors, expected.vectors)
    assert not encoder.cache.exists()
    indexes.vectors(FakeEncoder(FakeBundle("other", "cf1-other", "cf1-other")))  # the next model is kept again
    assert [path.suffix for path in encoder.cache.iterdir()] == [".vectors"]


def test_a_file_under_the_name_of_a_deleted_one_is_left_alone(tmp_path: Path) -> None:
    """Another process began again after the deletion: its unfinished file must not be taken for the finished one."""
    cache, about = VectorCache(tmp_path / "cache"), ("cf1-doc", "corpus")
    place = cache.path(*about)
    with cache.file(*about, rows=16, dimension=16) as first:
        first.write(0, np.ones((16, 16), dtype=np.float32), 1, 0)
        shutil.rmtree(cache.directory)
        with cache.file(*about, rows=16, dimension=16) as second:
            assert first.finish().vectors.sum() == 256
            assert not place.exists()
            second.write(0, np.full((16, 16), 2, dtype=np.float32), 1, 0)
            second.finish()
    found = cache.load(*about, rows=16, dimension=16)
    assert found is not None
    assert found.vectors.sum() == 512


def test_a_lock_on_a_journal_that_is_gone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process finishes between our opening the journal and our locking it."""
    cache, about = VectorCache(tmp_path), ("cf1-doc", "corpus")
    place, lock = cache.path(*about), fcntl.flock
    gone: list[Path] = []

    def late(file: Any, how: int) -> None:
        lock(file, how)
        if not gone:
            gone.append(journal_path(place))
            journal_path(place).unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    with cache.file(*about, rows=16, dimension=16) as first, cache.file(*about, rows=16, dimension=16) as second:
        first.write(0, np.ones((16, 16), dtype=np.float32), 1, 0)
        second.write(0, np.full((16, 16), 2, dtype=np.float32), 1, 0)  # into a file of its own
        assert first.finish().vectors.sum() == 256
        assert second.finish().vectors.sum() == 512
    assert [path.suffix for path in tmp_path.iterdir()] == [".vectors"]


def test_large_vectors_are_mapped_and_read_as_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "HELD_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    (tmp_path / "none").mkdir()
    expected = embed_corpus(toy_dataset(100), FakeEncoder()).vectors
    assert is_mapped(expected)
    assert not list((tmp_path / "none").iterdir())  # it has no name
    for _ in range(2):
        found = CorpusIndexes(toy_dataset(100), cache=tmp_path / "cache").vectors(FakeEncoder())
        assert is_mapped(found.vectors)
        assert matrix(found.vectors) is found.vectors
        np.testing.assert_array_equal(found.vectors, expected)


def test_vectors_of_older_releases_are_read(tmp_path: Path) -> None:
    dataset = toy_dataset(40)
    vectors = embed_corpus(dataset, FakeEncoder()).vectors
    head = {
        "format": 1, "fingerprint": "cf1-doc", "corpus": dataset.corpus_hash, "rows": 40, "dimension": 16,
        "tokens": 7, "truncated": 2, "sha256": hashlib.sha256(vectors.tobytes()).hexdigest(),
    }  # fmt: skip
    path = VectorCache(tmp_path).path("cf1-doc", dataset.corpus_hash)
    path.write_bytes(json.dumps(head).encode() + b"\n" + vectors.tobytes())
    encoder = FakeEncoder()
    found = CorpusIndexes(dataset, cache=tmp_path).vectors(encoder)
    assert (encoder.documents_embedded, found.tokens, found.truncated) == (0, 7, 2)
    np.testing.assert_array_equal(found.vectors, vectors)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    CorpusIndexes(dataset, cache=tmp_path).vectors(encoder)
    assert encoder.documents_embedded == 40
    assert path.read_bytes().startswith(b'{"format": 2')


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_known_before_anything_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", full)
    encoder = FakeEncoder()
    with pytest.raises(InvalidInput, match=f"GB of vectors into {tmp_path}: No space left on device; make room"):
        CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(encoder)
    assert encoder.documents_embedded == 0
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_meanwhile_keeps_what_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))
    write = os.pwrite

    def filling(descriptor: int, content: memoryview, offset: int) -> int:
        if next(calls) == 2:
            full()
        return write(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", filling)
    with pytest.raises(InvalidInput, match=r"No space left on device; make room there .*; 2 of 7 shards are kept"):
        CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(FakeEncoder())
    monkeypatch.setattr(os, "pwrite", write)
    encoder = FakeEncoder()
    CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(encoder)
    assert encoder.documents_embedded == 68


def test_a_vector_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    class Broken(FakeEncoder):
        def encode(self, texts: Any, input_type: Any) -> Any:
            found = super().encode(texts, input_type)
            found.vectors[0, 0] = np.nan
            return found

    with pytest.raises(InvalidInput, match="holds nan"):
        CorpusIndexes(toy_dataset(100), cache=tmp_path).vectors(Broken(FakeBundle()))


def test_names_beside_the_file(tmp_path: Path) -> None:
    assert partial_path(tmp_path / "x.vectors").name == "x.partial"
    assert journal_path(tmp_path / "x.vectors").name == "x.journal"
