"""Pools as files for judges: JSON lines, CSV or TSV, which `read.py` takes back once the grades are in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.evaluation.judgments.pool import PoolEntry
from crossfade.files import write_atomically
from crossfade.store.types import Document

ENDINGS = (".jsonl", ".csv", ".tsv")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_ending(path: Path) -> None:
    """Raises InvalidInput for an ending that stands for no format."""
    if path.suffix not in ENDINGS:
        raise InvalidInput(f"what {path.name} should hold is not known: end its name in {', '.join(ENDINGS)}")


def write_pool(
    path: Path,
    entries: Sequence[PoolEntry],
    queries: Mapping[str, str],
    documents: Mapping[str, Document],
    *,
    judge: str = "",
    blind: bool = True,
) -> None:
    """Write what is to be judged, in the order given, whole or not at all.

    A row has `query_id`, `document_id`, `judge`, an empty `grade` and `note`, and `query`, `title` and `text`; unless
    it is `blind`, also `weight` and `ranks`. In CSV and TSV, a query, title or text that a spreadsheet would take for
    a formula is preceded by an apostrophe; ids stay as they are.

    Raises InvalidInput for another ending, a document that `documents` lacks, and a place that cannot be written.
    """
    check_ending(path)
    for entry in entries:
        if entry.document_id not in documents:
            names = ", ".join(repr(name) for name, rank in entry.ranks.items() if rank is not None)
            raise InvalidInput(
                f"document {entry.document_id!r}, found for query {entry.query_id!r} by {names}, is not in the corpus: "
                "give runs over this data set"
            )
    rows = (_row(entry, queries, documents, judge, blind=blind) for entry in entries)
    lines = _json_lines(rows) if path.suffix == ".jsonl" else _table(rows, "," if path.suffix == ".csv" else "\t")
    with write_atomically(path) as stream:
        for line in lines:
            stream.write(line.encode())


def _row(
    entry: PoolEntry, queries: Mapping[str, str], documents: Mapping[str, Document], judge: str, *, blind: bool
) -> dict[str, Any]:
    document = documents[entry.document_id]
    row: dict[str, Any] = {
        "query_id": entry.query_id,
        "document_id": entry.document_id,
        "judge": judge,
        "grade": None,
        "note": "",
        "query": queries[entry.query_id],
        "title": document.title,
        "text": document.text,
    }
    if not blind:
        row |= {"weight": round(entry.weight, 4), "ranks": entry.ranks}
    return row


def _json_lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _table(rows: Iterator[dict[str, Any]], delimiter: str) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n" if delimiter == "," else "\n")
    take = _taker(buffer)
    for number, row in enumerate(rows):
        if not number:
            writer.writerow(row)
        for key in ("query", "title", "text"):
            if row[key].startswith(_FORMULA):
                row[key] = f"'{row[key]}"
        if "ranks" in row:
            row["ranks"] = "; ".join(f"{name}: {'-' if rank is None else rank}" for name, rank in row["ranks"].items())
        writer.writerow(row.values())
        yield take()


def _taker(buffer: io.StringIO) -> Callable[[], str]:
    def take() -> str:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    return take
