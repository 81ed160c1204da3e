"""BEIR directories: what is read, and every fault by file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import read_beir, splits, write_beir
from crossfade.store.types import Document

CORPUS = ['{"_id": "d1", "title": "One", "text": "first"}', '{"_id": "d2", "text": ""}', '{"_id": "d3", "text": "x"}']
QUERIES = ['{"_id": "q2", "text": "two"}', '{"_id": "q1", "text": "one"}', '{"_id": "q9", "text": "unjudged"}']
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q2\td2\t0", "q1\td3\t-1"]


def make(root: Path, corpus: object = CORPUS, queries: object = QUERIES, qrels: object = QRELS) -> Path:
    directory = root / "toy"
    (directory / "qrels").mkdir(parents=True)
    for name, content in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels/test.tsv", qrels)):
        if isinstance(content, list):
            content = "".join(f"{line}\n" for line in content).encode()
        if content is not None:
            assert isinstance(content, bytes)
            (directory / name).write_bytes(content)
    return directory


def test_reads_what_is_there(tmp_path: Path) -> None:
    dataset = read_beir(make(tmp_path), "test")
    assert (dataset.name, dataset.split) == ("toy", "test")
    assert dataset.documents == [Document("d1", "One", "first"), Document("d2"), Document("d3", "", "x")]
    assert list(dataset.queries.items()) == [("q2", "two"), ("q1", "one")]  # judged only, in file order
    assert dataset.qrels == {"q1": {"d1": 2, "d3": -1}, "q2": {"d2": 0}}
    assert dataset.absent_judgments == 0


def test_tolerates_what_loses_nothing(tmp_path: Path) -> None:
    """Blank lines, CRLF, a byte order mark, no header, a null title, no line end at the end, separators in a text."""
    corpus = '﻿{"_id": "d1", "title": null, "text": "a\u2028b", "url": 3}\r\n\r\n{"_id": "d2", "text": "c"}'.encode()
    directory = make(tmp_path, corpus, [QUERIES[1]], ["q1\td1\t1", "q1\td2\t1"])
    dataset = read_beir(directory)
    assert dataset.documents == [Document("d1", "", "a\u2028b"), Document("d2", "", "c")]
    assert dataset.qrels == {"q1": {"d1": 1, "d2": 1}}


def test_reads_gzipped_jsonl(tmp_path: Path) -> None:
    plain = read_beir(make(tmp_path / "a"))
    directory = make(tmp_path / "b", None)
    (directory / "corpus.jsonl.gz").write_bytes(gzip.compress("\n".join(CORPUS).encode()))
    assert read_beir(directory) == plain


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{oops", "not JSON: Expecting property name"),
        ('{"_id": "d2", "text": "x"} extra', "not JSON: Extra data at column 28"),
        ('["d2"]', "an array; expected a JSON object"),
        ("7", "a number; expected a JSON object"),
        ('{"text": "x"}', "no \"_id\"; found 'text'"),
        ('{"_id": "d2", "body": "x"}', "no \"text\"; found '_id', 'body'"),
        ('{"_id": 2, "text": "x"}', '"_id" is a number; expected a string'),
        ('{"_id": "", "text": "x"}', '"_id" is empty'),
        ('{"_id": "d2", "text": null}', '"text" is null; expected a string'),
        ('{"_id": "d2", "text": "x", "title": false}', '"title" is a boolean; expected a string'),
        ('{"_id": "d1", "text": "x"}', "duplicate id 'd1', first on line 1"),
        ('{"_id": "d2", "text": "\\ud800"}', '"text" holds half a surrogate pair'),
        ("[" * 100_000, "not usable JSON"),
        ('{"_id": "d2", "text": ' + "1" * 5000 + "}", "not usable JSON"),
    ],
)
def test_a_bad_document_is_named_by_line(tmp_path: Path, line: str, reason: str) -> None:
    directory = make(tmp_path, [CORPUS[0], line, CORPUS[2]])
    with pytest.raises(DataError) as caught:
        read_beir(directory)
    assert (caught.value.path, caught.value.line) == (str(directory / "corpus.jsonl"), 2)
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"{directory}/corpus.jsonl:2: ")


def test_invalid_utf8_is_named_by_line_and_column(tmp_path: Path) -> None:
    directory = make(tmp_path, CORPUS[0].encode() + b"\n" + b'{"_id": "d2", "text": "\xff"}\n')
    with pytest.raises(DataError, match=r"corpus.jsonl:2: invalid UTF-8: byte 0xff at column 24"):
        read_beir(directory)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1\td1", "2 columns separated by tabs; expected 3"),
        ("q1 0 d1 1", "1 columns separated by tabs; expected 3"),
        ("q1\td1\t1\tx", "4 columns separated by tabs; expected 3"),
        ("q1\td2\tone", 'grade "one" is not an integer'),
        ("q1\td2\t1.5", 'grade "1.5" is not an integer'),
        ("q1\td2\t1_0", 'grade "1_0" is not an integer'),
        ("q1\td2\t2147483648", 'grade "2147483648" is not an integer (of 32 bits)'),
        ("q1\td1\t2", 'document "d1" is judged twice for query "q1" (grade 2 before, 2 here)'),
        ("q1\td1\t3", 'document "d1" is judged twice for query "q1" (grade 2 before, 3 here)'),
        ("\td1\t3", "an id is empty"),
        ("q7\td1\t1", "query 'q7' is not in queries.jsonl"),
        ("query-id\tcorpus-id\tscore", 'grade "score" is not an integer'),
    ],
)
def test_a_bad_judgment_is_named_by_line(tmp_path: Path, line: str, reason: str) -> None:
    directory = make(tmp_path, qrels=[*QRELS[:2], line])
    with pytest.raises(DataError) as caught:
        read_beir(directory)
    assert caught.value.line == 3
    assert reason in caught.value.reason


def test_a_first_line_that_is_neither_header_nor_judgment(tmp_path: Path) -> None:
    directory = make(tmp_path, qrels=["qid\tdocid\tgrade", *QRELS[1:]])
    with pytest.raises(DataError, match=r'test.tsv:1: grade "grade" is not an integer'):
        read_beir(directory)


def test_absent_documents_are_refused_by_line_and_count_or_kept_when_allowed(tmp_path: Path) -> None:
    directory = make(tmp_path, qrels=[*QRELS, "q2\tgone1\t1", "q1\tgone2\t3"])
    with pytest.raises(DataError, match=r"test.tsv:5: judged document 'gone1' is not in the corpus; 1 more") as caught:
        read_beir(directory)
    assert "--allow-absent" in str(caught.value)
    dataset = read_beir(directory, allow_absent=True)
    assert dataset.absent_judgments == 2
    assert dataset.qrels["q1"]["gone2"] == 3


def test_a_missing_split_lists_those_there_are(tmp_path: Path) -> None:
    directory = make(tmp_path)
    (directory / "qrels" / "train.tsv").write_text("q1\td1\t1\n")
    assert splits(directory) == ["test", "train"]
    with pytest.raises(DataError, match=r"no split 'dev'; the splits there are: test, train"):
        read_beir(directory, "dev")


def test_a_split_is_a_name_not_a_path(tmp_path: Path) -> None:
    directory = make(tmp_path)
    (directory / "outside.tsv").write_text("q1\td1\t1\n")
    with pytest.raises(DataError, match="no split"):
        read_beir(directory, "../outside")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    directory = make(tmp_path)
    (directory / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: empty") as caught:
        read_beir(directory)
    assert caught.value.line is None


def test_a_header_alone_is_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        read_beir(make(tmp_path, qrels=QRELS[:1]))


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    directory = make(tmp_path)
    (directory / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file"):
        read_beir(directory)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such directory"):
        read_beir(tmp_path / "nowhere")


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    directory = make(tmp_path, None)
    (directory / "corpus.jsonl.gz").write_bytes(gzip.compress("\n".join(CORPUS).encode())[:-12])
    with pytest.raises(DataError, match=r"corpus.jsonl.gz:\d: damaged gzip file"):
        read_beir(directory)


def test_written_directories_read_back(tmp_path: Path) -> None:
    documents = [Document("a b", "T\t1", "two\nlines \u2028 é"), Document("c", "", "")]
    write_beir(tmp_path / "out", documents, {"q": "why?"}, {"test": {"q": {"a b": 3, "c": -2}}})
    dataset = read_beir(tmp_path / "out")
    assert dataset.documents == documents
    assert dataset.queries == {"q": "why?"}
    assert dataset.qrels == {"q": {"a b": 3, "c": -2}}
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == [
        "corpus.jsonl",
        "qrels",
        "queries.jsonl",
        "test.tsv",
    ]


@pytest.mark.parametrize(
    ("documents", "queries", "qrels"),
    [
        ([Document("a\tb")], {"q": "x"}, {"test": {"q": {"a": 1}}}),
        ([Document("a", "", "\udc80")], {"q": "x"}, {"test": {"q": {"a": 1}}}),
        ([Document("a")], {"": "x"}, {"test": {"q": {"a": 1}}}),
        ([Document("a")], {"q": "x"}, {"test": {"q": {"a\n": 1}}}),
        ([Document("a")], {"q": "x"}, {"../test": {"q": {"a": 1}}}),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(
    tmp_path: Path, documents: list[Document], queries: dict[str, str], qrels: dict[str, dict[str, dict[str, int]]]
) -> None:
    with pytest.raises(InvalidInput):
        write_beir(tmp_path / "out", documents, queries, qrels)
    assert not list(tmp_path.rglob("*.tmp"))


def test_hashes_follow_content_and_nothing_else(tmp_path: Path) -> None:
    first = read_beir(make(tmp_path / "a"))
    spaced = [json.dumps(json.loads(line), indent=None, separators=(" ,", " : ")) for line in CORPUS]
    swapped = [QRELS[0], QRELS[2], QRELS[3], QRELS[1]]  # the queries in another order, and q1's documents too
    second = read_beir(make(tmp_path / "b", spaced, QUERIES[::-1], swapped))
    for name in ("corpus_hash", "queries_hash", "qrels_hash"):
        assert getattr(first, name) == getattr(second, name)
    moved = [CORPUS[0].replace("One", "Onef").replace("first", "irst"), *CORPUS[1:]]
    assert read_beir(make(tmp_path / "c", moved)).corpus_hash != first.corpus_hash
    graded = [*QRELS[:3], "q1\td3\t1"]
    assert read_beir(make(tmp_path / "d", qrels=graded)).qrels_hash != first.qrels_hash
    reworded = [QUERIES[0], QUERIES[1].replace("one", "won")]
    assert read_beir(make(tmp_path / "e", queries=reworded)).queries_hash != first.queries_hash


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    read_beir(make(tmp_path), progress=lambda *state: seen.append(state))
    size = (tmp_path / "toy" / "corpus.jsonl").stat().st_size
    assert seen[-1] == ("reading corpus", size, size)


def test_an_id_that_no_store_takes_is_refused_by_line(tmp_path: Path) -> None:
    corpus = [*CORPUS, json.dumps({"_id": "é" * 513, "text": "long name"})]
    with pytest.raises(DataError, match=rf'corpus\.jsonl:{len(corpus)}: "_id" is 1,026 bytes long, the limit is 1,024'):
        read_beir(make(tmp_path, corpus))
