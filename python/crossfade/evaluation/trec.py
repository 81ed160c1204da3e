"""TREC runs (query Q0 document rank score tag) and judgments (query 0 document grade), plain or gzipped.

As trec_eval reads them: columns separated by ASCII white space, the rank column ignored, a document twice in a query
refused. Scores are written with the digits that read back as the same number.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from crossfade import tables
from crossfade.errors import InvalidInput
from crossfade.evaluation.array_run import ArrayRun
from crossfade.evaluation.dataset import Qrels, Run
from crossfade.evaluation.order import Ties, trec_order
from crossfade.evaluation.stages import TOLD_AFTER, Tell, untold
from crossfade.files import write_atomically

_ASCII_SPACE = re.compile(r"[\t-\r ]")


def read_run(path: Path) -> Run:
    """Read a run: query id -> document id -> score, queries in file order, documents best first.

    Raises DataError on a wrong column count, a score that is not a finite number, a document twice in a query, an
    empty file, invalid UTF-8, damaged gzip.
    """
    return tables.Run.read_trec(path).to_dict()


def write_run(
    path: Path,
    run: Mapping[str, Mapping[str, float]],
    *,
    tag: str = "crossfade",
    ties: Ties = "float32",
    tell: Tell = untold,
) -> None:
    """Write a run in trec_eval's order: score descending, then document id descending by bytes; ranks from 1.

    `ties` says at which precision two scores are equal, as in `crossfade.measures.evaluate`. A path that ends in .gz
    is compressed. A query without results leaves no line. `tell`: told of queries. Raises InvalidInput when an id
    cannot stand in the format, a score is not finite, or the place cannot be written.
    """
    _check_token(tag, "tag")
    with _output(path) as stream:
        for done, query_id in enumerate(run, start=1):
            if done % TOLD_AFTER == 0:
                tell(TOLD_AFTER)
            _check_token(query_id, "query id")
            ranking = ordered(run, query_id, ties)
            for document_id, _ in ranking:
                _check_token(document_id, "document id")
            stream.write(run_lines(query_id, ranking, tag))


def ordered(run: Mapping[str, Mapping[str, float]], query_id: str, ties: Ties = "float32") -> list[tuple[str, float]]:
    """A query's (document id, score) as `trec_order` has them. Raises InvalidInput as it does."""
    # Scores of arrays are single precision: they tie at both.
    return run.trec_ranking(query_id) if isinstance(run, ArrayRun) else trec_order(run[query_id], ties)


def run_lines(query_id: str, ranking: Iterable[tuple[str, float]], tag: str) -> bytes:
    """The lines of one query, ranks from 1. `ranking`: (document id, score) in trec_eval's order."""
    rows = enumerate(ranking, start=1)
    return "".join(
        [f"{query_id} Q0 {document_id} {rank} {score!r} {tag}\n" for rank, (document_id, score) in rows]
    ).encode()


def read_qrels(path: Path) -> Qrels:
    """Read judgments: query id -> document id -> grade, in file order.

    Raises DataError on a wrong column count, a grade that is not an integer, a pair judged twice, an empty file.
    """
    return tables.Qrels.read_trec(path).to_dict()


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write judgments in the order given. Raises InvalidInput when an id or the place cannot be used."""
    with _output(path) as stream:
        for query_id, grades in qrels.items():
            _check_token(query_id, "query id")
            for document_id, grade in grades.items():
                _check_token(document_id, "document id")
                stream.write(f"{query_id} 0 {document_id} {int(grade)}\n".encode())


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
