"""TREC runs (query Q0 document rank score tag) and judgments (query 0 document grade), plain or gzipped.

As trec_eval reads them: columns separated by ASCII white space, the rank column ignored, a document twice in a query
refused. Scores are written with the digits that read back as the same number.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import parse_grade
from crossfade.evaluation.dataset import Qrels, Run
from crossfade.evaluation.lines import decode, read_lines
from crossfade.evaluation.order import Ties, trec_order
from crossfade.files import write_atomically

_ASCII_SPACE = re.compile(r"[\t-\r ]")


def read_run(path: Path) -> Run:
    """Read a run: query id -> document id -> score, both in file order.

    Raises DataError on a wrong column count, a score that is not a finite number, a document twice in a query, an
    empty file, invalid UTF-8, damaged gzip.
    """
    run: Run = {}
    for line, (query_id, _, document_id, _, score, _) in _rows(path, 6, "query Q0 document rank score tag"):
        ranking = run.setdefault(query_id, {})
        if document_id in ranking:
            raise DataError(path, f"document {document_id!r} is twice in the ranking of query {query_id!r}", line=line)
        ranking[document_id] = _parse_score(path, line, score)
    return run


def write_run(
    path: Path, run: Mapping[str, Mapping[str, float]], *, tag: str = "crossfade", ties: Ties = "float32"
) -> None:
    """Write a run in trec_eval's order: score descending, then document id descending by bytes; ranks from 1.

    `ties` says at which precision two scores are equal, as in `crossfade.measures.evaluate`. A path that ends in .gz
    is compressed. A query without results leaves no line. Raises InvalidInput when an id cannot stand in the format,
    a score is not finite, or the place cannot be written.
    """
    _check_token(tag, "tag")
    with _output(path) as stream:
        for query_id, ranking in run.items():
            _check_token(query_id, "query id")
            for rank, (document_id, score) in enumerate(trec_order(ranking, ties), start=1):
                _check_token(document_id, "document id")
                stream.write(f"{query_id} Q0 {document_id} {rank} {score!r} {tag}\n".encode())


def read_qrels(path: Path) -> Qrels:
    """Read judgments: query id -> document id -> grade.

    Raises DataError on a wrong column count, a grade that is not an integer, a pair judged twice, an empty file.
    """
    qrels: Qrels = {}
    for line, (query_id, _, document_id, grade) in _rows(path, 4, "query 0 document grade"):
        grades = qrels.setdefault(query_id, {})
        if document_id in grades:
            raise DataError(path, f"document {document_id!r} is judged twice for query {query_id!r}", line=line)
        grades[document_id] = parse_grade(path, line, grade)
    return qrels


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write judgments in the order given. Raises InvalidInput when an id or the place cannot be used."""
    with _output(path) as stream:
        for query_id, grades in qrels.items():
            _check_token(query_id, "query id")
            for document_id, grade in grades.items():
                _check_token(document_id, "document id")
                stream.write(f"{query_id} 0 {document_id} {int(grade)}\n".encode())


def _rows(path: Path, columns: int, names: str) -> Iterator[tuple[int, list[str]]]:
    empty = True
    for line, content in read_lines(path):
        decode(path, line, content)
        # Split as bytes: str.split would also cut at a no-break space inside an id.
        row = [column.decode() for column in content.split()]
        if len(row) != columns:
            raise DataError(path, f"{len(row)} columns; expected {columns}: {names}", line=line)
        empty = False
        yield line, row
    if empty:
        raise DataError(path, f"empty: expected lines of {columns} columns: {names}")


def _parse_score(path: Path, line: int, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    # Python reads 1_0 as 10; no other reader of the format does.
    if not math.isfinite(score) or "_" in text:
        raise DataError(path, f"score {text!r} is not a finite number", line=line)
    return score


def _check_token(token: str, what: str) -> None:
    if not token or _ASCII_SPACE.search(token):
        raise InvalidInput(f"{what} {token!r} cannot stand in a TREC file: it is empty or holds white space")


@contextmanager
def _output(path: Path) -> Iterator[IO[bytes]]:
    with write_atomically(path) as stream:
        if path.suffix == ".gz":
            # No name and no time in the header: the same content gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        else:
            yield stream
