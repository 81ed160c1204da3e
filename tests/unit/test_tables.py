"""Judgments and runs from every source: alike, or refused with the row at fault."""

from __future__ import annotations

import gzip
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import DataError, InvalidInput
from crossfade.measures import evaluate
from crossfade.tables import Qrels, Run

QRELS = {"q1": {"a": 2, "b": 0, "é": -1}, "q2": {"a": 1}}
RUN = {"q1": {"z": 0.75, "é": 0.75, "a": 0.5}, "q2": {"b": 2.0, "a": 1.0}}

IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
NESTED = st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-5, 5), min_size=1, max_size=6), min_size=1, max_size=6)


def columns(nested: dict[Any, dict[Any, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    """Parallel lists of queries, documents and values."""
    rows = [(query, document, value) for query, documents in nested.items() for document, value in documents.items()]
    return tuple(map(list, zip(*rows, strict=True)))  # type: ignore[return-value]


def trec_order(nested: dict[str, dict[str, float]]) -> dict[str, list[str]]:
    """Each query's documents by score, then id in bytes, both descending."""
    return {q: sorted(ds, key=lambda d: (ds[d], d.encode()), reverse=True) for q, ds in nested.items()}


@settings(max_examples=100, deadline=None)
@given(nested=NESTED, shuffle=st.randoms(use_true_random=False))
def test_every_source_gives_the_same_table(nested: dict[str, dict[str, int]], shuffle: Any) -> None:
    queries, documents, values = columns(nested)
    order = list(range(len(values)))
    shuffle.shuffle(order)
    queries, documents, values = ([column[i] for i in order] for column in (queries, documents, values))
    table = pa.table({"query_id": queries, "doc_id": documents, "relevance": values, "score": values})
    cut = len(values) // 2
    for qrels in (
        Qrels.from_dict(nested),
        Qrels.from_arrays(queries, documents, values),
        Qrels.from_arrays(np.array(queries), np.array(documents), np.array(values, dtype=np.int8)),
        Qrels.from_arrow(table),
        Qrels.from_arrow(pa.concat_tables([table.slice(cut), table.slice(0, cut)])),
    ):
        assert qrels.to_dict() == nested
        assert (len(qrels), qrels.rows) == (len(nested), len(values))
        assert set(qrels.query_ids) == nested.keys()
    scores = {query: {document: float(value) for document, value in ds.items()} for query, ds in nested.items()}
    for run in (
        Run.from_dict(scores),
        Run.from_arrays(queries, documents, values),
        Run.from_arrays(np.array(queries, dtype=object), np.array(documents), np.array(values, dtype=np.float32)),
        Run.from_arrow(table),
    ):
        assert run.to_dict() == scores
        assert {query: list(ds) for query, ds in run.to_dict().items()} == trec_order(scores)
        assert (len(run), run.rows) == (len(scores), len(values))


def test_tables_and_mappings_measure_alike() -> None:
    qrels, run = Qrels.from_dict(QRELS), Run.from_dict(RUN)
    wanted = evaluate(QRELS, RUN, ["AP", "nDCG@2", "Bpref"])
    for given_qrels, given_run in ((qrels, run), (QRELS, run), (qrels, RUN)):
        found = evaluate(given_qrels, given_run, ["AP", "nDCG@2", "Bpref"])
        np.testing.assert_array_equal(found.values, wanted.values)
        assert found.query_ids == wanted.query_ids == ("q1", "q2")


def test_the_order_of_queries_is_that_of_the_source() -> None:
    qrels = Qrels.from_arrays(["b", "a", "b"], ["x", "x", "y"], [1, 1, 1])
    assert qrels.query_ids == ("b", "a")
    assert list(qrels.to_dict()["b"]) == ["x", "y"]
    assert evaluate(qrels, {"a": {"x": 1.0}, "b": {}}, ["AP"]).per_query("AP") == {"b": 0.0, "a": 1.0}


def test_whole_numbers_stand_for_their_digits() -> None:
    run = Run.from_arrays([7, 7, -8], np.array([10, 9, 2**62]), [1.0, 1.0, 2.0])
    assert run.to_dict() == {"7": {"9": 1.0, "10": 1.0}, "-8": {str(2**62): 2.0}}
    assert list(run.to_dict()["7"]) == ["9", "10"]  # a tie goes to the greater id as text
    for kind in (np.uint8, np.int16, np.uint64):
        assert Run.from_arrays(np.array([1], dtype=kind), ["d"], [1]).to_dict() == {"1": {"d": 1.0}}
    table = pa.table({"query_id": pa.array([7], pa.uint16()), "doc_id": pa.array([2**62]), "score": [1.0]})
    assert Run.from_arrow(table).to_dict() == {"7": {str(2**62): 1.0}}


def test_matrices_as_a_search_in_batches_returns_them() -> None:
    documents = np.array([[3, 1, 2], [9, 8, 7]])
    scores = np.array([[0.5, 0.25, 0.125], [3.0, 2.0, 1.0]], dtype=np.float32)
    wanted = {"q0": {"3": 0.5, "1": 0.25, "2": 0.125}, "q1": {"9": 3.0, "8": 2.0, "7": 1.0}}
    assert Run.from_arrays(["q0", "q1"], documents, scores).to_dict() == wanted
    # Not contiguous, and names in place of numbers.
    wide = np.repeat(documents, 2, axis=1)[:, ::2]
    assert Run.from_arrays(np.array(["q0", "q1"]), wide, scores[::1]).to_dict() == wanted
    names = np.array([f"d{i}" for i in range(10)])[documents]
    assert Run.from_arrays(["q0", "q1"], names, scores).to_dict() == {
        query: {f"d{document}": score for document, score in documents.items()} for query, documents in wanted.items()
    }
    assert Qrels.from_arrays(["q0", "q1"], documents, scores > 0.3).to_dict()["q0"] == {"3": 1, "1": 0, "2": 0}


@pytest.mark.parametrize(
    "text", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
@pytest.mark.parametrize("number", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint64()])
def test_arrow_types(text: Any, number: Any) -> None:
    table = pa.table(
        {
            "topic": pa.array(["q2", "q1", "q1"]).cast(text),
            "docno": pa.array(["a", "é", "a"]).cast(text),
            "value": pa.array([1, 2, 3], pa.int64()).cast(number),
        }
    )
    wanted = {"q2": {"a": 1}, "q1": {"a": 3, "é": 2}}
    assert Run.from_arrow(table, query="topic", document="docno", score="value").to_dict() == wanted
    assert Run.from_arrow(table.slice(1), query="topic", document="docno", score="value").to_dict() == {
        "q1": wanted["q1"]
    }
    reader = table.to_reader(max_chunksize=1)
    assert Run.from_arrow(reader, query="topic", document="docno", score="value").to_dict() == wanted
    if pa.types.is_integer(number):
        assert Qrels.from_arrow(table, query="topic", document="docno", grade="value").to_dict() == wanted


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = "\ufeffq1 Q0 a 1 0.5 t\r\n\n q1\tQ0 z 2 .75 t\nq2 Q0 a 9 +1e0 t\nq1 Q0 é 1 7.5E-1 t".encode()
    wanted = {"q1": {"z": 0.75, "é": 0.75, "a": 0.5}, "q2": {"a": 1.0}}
    for written in (content, gzip.compress(content), gzip.compress(content[:20]) + gzip.compress(content[20:])):
        path.write_bytes(written)
        run = Run.read_trec(path)
        assert run.to_dict() == wanted
        assert list(run.to_dict()["q1"]) == ["é", "z", "a"]
    path.write_text("q1 0 a 2\nq1 0 b 0\nq1 x é -1\nq2 0 a 1\n", encoding="utf-8")
    assert Qrels.read_trec(path).to_dict() == QRELS
    assert Qrels.read_trec(str(path)).to_dict() == QRELS
    path.write_bytes(gzip.compress("query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq1\té\t-1\nq2\ta\t1".encode()))
    assert Qrels.read_beir(path).to_dict() == QRELS


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"q Q0 d 1 2.5 t\n",))
    writer.start()
    assert Run.read_trec(pipe).to_dict() == {"q": {"d": 2.5}}
    writer.join()


def test_faults_of_files_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("q 0 a 1\n\nq 0 a 2\n")
    with pytest.raises(DataError) as caught:
        Qrels.read_trec(path)
    assert (caught.value.path, caught.value.line) == (str(path), 3)
    assert caught.value.reason == 'document "a" is judged twice for query "q" (grade 1 before, 2 here): keep one'
    path.write_bytes(gzip.compress(b"q\ta\t1\nq\tb\n"))
    with pytest.raises(DataError, match=r"file:2: 2 columns separated by tabs; expected 3"):
        Qrels.read_beir(path)
    path.write_bytes(gzip.compress(b"q Q0 a 1 1 t\n")[:-9])
    with pytest.raises(DataError, match="damaged gzip file"):
        Run.read_trec(path)
    with pytest.raises(DataError, match="no such file"):
        Run.read_trec(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        Run.read_trec(tmp_path)


@pytest.mark.parametrize(
    ("queries", "documents", "scores", "part"),
    [
        (["q", "q"], ["a", "a"], [1.0, 2.0], r'document "a" is twice in the ranking of query "q"'),
        (["q", "r", "q"], [1, 1, 1], [1.0, 2.0, 3.0], r'document "1" is twice in the ranking of query "q"'),
        (["q"], ["a"], [math.nan], r'score of document "a" for query "q" is NaN: scores must be finite'),
        (["q"], ["a"], [-math.inf], r"is -inf"),
        (["q"], ["a"], ["1"], r"scores must be real numbers, not <U1"),
        (["q"], ["a"], [1 + 2j], r"scores must be real numbers, not complex128"),
        (["q"], ["a", "b"], [1.0, 2.0], r"have shapes \(1,\), \(2,\) and \(2,\): expected \(rows,\) three times, or"),
        (["q"], ["a"], 1.0, r"and \(\): expected"),
        ([["q"]], ["a"], [1.0], r"query_ids must have one axis, not shape \(1, 1\)"),
        (["q"], np.zeros((1, 0), int), np.zeros((1, 0)), r"document_ids and scores have no column"),
        (["q", 2], ["a", "b"], [1.0, 2.0], r"query id 1 must be a str, not 2"),
        ([1, "q"], ["a", "b"], [1.0, 2.0], r"query id 0 must be a str, not 1"),
        (["q", "q"], ["a", None], [1.0, 2.0], r"document id 1 must be a str, not None"),
        (["q"], ["\ud800"], [1.0], r"document id 0 is not valid Unicode"),
        (["q"], np.array(["\ud800"]), [1.0], r"document id 0 is not valid Unicode"),
        (["q"], [1.5], [1.0], r"document id 0 must be a str, not 1\.5"),
        (["q"], np.array([1.5]), [1.0], r"document_ids must hold strings or whole numbers, not float64"),
        (["q"], np.array([b"d"]), [1.0], r"document_ids must hold strings or whole numbers, not \|S1"),
        (["q"], np.array([2**63], np.uint64), [1.0], r"document_ids holds 9223372036854775808: whole numbers must fit"),
        ("q", ["a"], [1.0], r"query_ids must be a sequence of ids, not the str 'q'"),
        ([np.zeros(2), np.zeros((2, 3))], ["a"], [1.0], r"query_ids cannot be read as an array"),
    ],
)
def test_bad_arrays_are_named(queries: Any, documents: Any, scores: Any, part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        Run.from_arrays(queries, documents, scores)


@pytest.mark.parametrize(
    ("grades", "part"),
    [
        ([1.0], r"grades must be whole numbers, not float64"),
        ([2**31], r"grades must fit 32 bits"),
        (np.array([2**64 - 1], np.uint64), r"grades must fit 32 bits"),
        ([-(2**31) - 1], r"grades must fit 32 bits"),
    ],
)
def test_bad_grades_are_named(grades: Any, part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        Qrels.from_arrays(["q"], ["d"], grades)
    assert Qrels.from_arrays(["q", "q"], ["d", "e"], [2**31 - 1, -(2**31)]).rows == 2


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"score": None}, r'no column "score": it has "query_id", "doc_id"'),
        ({"score": ["1", "2"]}, r'column "score" is of type Utf8: scores must be numbers'),
        ({"score": [1.0, math.nan]}, r'score of document "b" for query "q" is NaN'),
        ({"doc_id": ["a", "a"]}, r'document "a" is twice in the ranking of query "q"'),
        ({"doc_id": ["a", None]}, r'column "doc_id" is null in row 2 \(of its batch\): drop such rows'),
        ({"doc_id": pa.array(["a", None]).dictionary_encode()}, r'column "doc_id" is null in row 2'),
        ({"query_id": [1.5, 2.5]}, r'column "query_id" is of type Float64: ids must be strings or 64-bit integers'),
        ({"query_id": pa.array([1, 2**63], pa.uint64())}, r'column "query_id" is of type UInt64'),
        ({"score": [None, 1.0]}, r'column "score" is null in row 1'),
    ],
)
def test_bad_tables_are_named(change: dict[str, Any], part: str) -> None:
    sound = {"query_id": ["q", "q"], "doc_id": ["a", "b"], "score": [1.0, 0.5]}
    table = pa.table({name: column for name, column in (sound | change).items() if column is not None})
    with pytest.raises(InvalidInput, match=part):
        Run.from_arrow(table)


def test_grades_of_tables_must_be_integers_of_32_bits() -> None:
    for grades, part in (([1.0], "is of type Float64: grades must be integers"), ([2**31], "grades must fit 32 bits")):
        table = pa.table({"query_id": ["q"], "doc_id": ["d"], "relevance": grades})
        with pytest.raises(InvalidInput, match=part):
            Qrels.from_arrow(table)


def test_what_is_no_table_is_named() -> None:
    wrong: Any = {"query_id": ["q"]}
    with pytest.raises(InvalidInput, match=r"dict is no Arrow table: it has no __arrow_c_stream__"):
        Run.from_arrow(wrong)


def test_nothing_is_a_table_without_rows() -> None:
    empty = pa.table(
        {
            "query_id": pa.array([], pa.string()),
            "doc_id": pa.array([], pa.string()),
            "score": pa.array([], pa.float64()),
        }
    )
    for run in (Run.from_dict({}), Run.from_arrays([], [], []), Run.from_arrow(empty)):
        assert (len(run), run.rows, run.query_ids, run.to_dict()) == (0, 0, (), {})
    assert Run.from_arrays(np.array([], str), np.array([], str), np.array([])).rows == 0
    assert Run.from_dict({"q": {}}).to_dict() == {"q": {}}
    assert repr(Run.from_dict(RUN)) == "Run(2 queries, 5 results)"
    assert repr(Qrels.from_dict(QRELS)) == "Qrels(2 queries, 4 judgments)"


def test_names_padded_with_zeros_are_names() -> None:
    """NumPy cuts zeros off the end of fixed-width text; inside they stay."""
    run = Run.from_arrays(np.array(["q"]), np.array(["a\0b"]), [1.0])
    assert run.to_dict() == {"q": {"a\0b": 1.0}}
    assert Run.from_arrays(np.array([""]), np.array([""]), [1.0]).to_dict() == {"": {"": 1.0}}
    swapped = np.array(["dé"]).astype(np.dtype("<U2").newbyteorder())
    assert Run.from_arrays(["q"], swapped, [1.0]).to_dict() == {"q": {"dé": 1.0}}
    assert Run.from_arrays(["q"], np.array(["dé"], np.dtypes.StringDType()), [1.0]).to_dict() == {"q": {"dé": 1.0}}


def damaged(change: str) -> pa.Table:
    """A table that its producer did not check."""
    if change == "utf-8":
        ids = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")]
        )
    else:
        keys = pa.array([7 if change == "key" else -1], pa.int8())
        ids = pa.DictionaryArray.from_arrays(keys, pa.array(["a", "b"]), safe=False)
    return pa.table({"query_id": pa.array(["q"]), "doc_id": ids, "score": pa.array([1.0])})


@pytest.mark.parametrize("change", ["utf-8", "key", "negative key"])
def test_a_damaged_table_is_refused(change: str) -> None:
    with pytest.raises(InvalidInput, match='column "doc_id" is damaged'):
        Run.from_arrow(damaged(change))


def test_a_column_that_is_there_twice_is_refused() -> None:
    names = ["query_id", "doc_id", "score", "score"]
    table = pa.Table.from_arrays([pa.array(["q"]), pa.array(["a"]), pa.array([1.0]), pa.array([2.0])], names=names)
    with pytest.raises(InvalidInput, match='the column "score" more than once'):
        Run.from_arrow(table)


def test_masked_and_ragged_values_are_refused() -> None:
    masked = np.ma.MaskedArray([1.0, 2.0], [False, True])
    with pytest.raises(InvalidInput, match="scores: some values are masked"):
        Run.from_arrays(["q", "q"], ["a", "b"], masked)
    with pytest.raises(InvalidInput, match="scores cannot be read as an array"):
        Run.from_arrays(["q", "r"], [["a"], ["b"]], [[1.0], [1.0, 2.0]])  # type: ignore[list-item]  # wrong on purpose


def test_a_dict_that_its_values_change_is_read_as_it_was() -> None:
    documents: dict[str, Any] = {}

    class Growing(float):
        def __float__(self) -> float:
            documents["new"] = 1.0
            return 2.0

    documents |= {"a": Growing(), "b": 1.0}
    assert Run.from_dict({"q": documents}).rows == 2
