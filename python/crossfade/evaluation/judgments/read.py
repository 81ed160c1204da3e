"""Judgment files in: JSON lines, CSV, TSV with named columns, and BEIR judgments, one judge a file.

Columns, or keys: `query_id`, `document_id`, `grade` and `judge`; `judge_kind` ("human" or "model"), `note` and `time`
may be left out. Others are ignored, so that a pool that was written for judging (`pool.py`) is read back as it is.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from crossfade import tables
from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.dataset import Progress
from crossfade.evaluation.json_lines import json_objects
from crossfade.evaluation.judgments.types import (
    GREATEST_GRADE,
    JudgeKind,
    Judgment,
    JudgmentFile,
    Judgments,
    Pair,
)
from crossfade.evaluation.lines import read_lines, read_text
from crossfade.json_kinds import kind_of

_REPORT_EVERY = 4096
_NEEDED = ("query_id", "document_id", "grade")
_TEXTS = ("judge", "judge_kind", "note", "time")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class JudgmentSource:
    """A file, and the judge of its rows that name none; of a BEIR file, by default the name of the file."""

    path: Path
    judge: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it stands in a file. `grade`: None where none is given; `kind`: "" where it is not said."""

    line: int
    query_id: str
    document_id: str
    judge: str
    grade: int | None
    kind: str = ""
    note: str = ""
    time: str = ""


def read_judgments(
    sources: Sequence[Path | JudgmentSource],
    *,
    last: bool = False,
    models: Collection[str] = (),
    progress: Progress | None = None,
) -> Judgments:
    """Read judgment files by their endings: .jsonl, .csv, .tsv, each also with .gz. A .tsv without the columns' names
    is a BEIR file.

    `last`: of two judgments of one judge on one pair, the later counts, by the order of files and lines; otherwise two
    are refused. `models`: judges that are models, where files do not say so themselves.

    Raises DataError, naming file and line, for a missing or wrong value, a row without a judge, a judge who is a person
    in one place and a model in another, and a pair judged twice. Raises InvalidInput when nothing is judged at all, and
    for a judge in `models` that is not there.
    """
    rows: dict[tuple[Pair, str], Judgment] = {}
    said: dict[str, tuple[str, Path, int]] = {}  # judge -> the kind that was said first, and where
    judges: dict[str, JudgeKind] = {}
    files = []
    replaced = 0
    for each in sources:
        source = each if isinstance(each, JudgmentSource) else JudgmentSource(each)
        judged = blank = 0
        lines = _lines(source.path) if progress else 0
        for row in _rows(source):
            if progress and (judged + blank) % _REPORT_EVERY == 0:
                progress("reading judgments", min(row.line, lines), lines)
            if row.grade is None:
                blank += 1
                continue
            judged += 1
            _note_kind(said, row, source.path, models)
            judges.setdefault(row.judge, "human")
            key = (row.query_id, row.document_id), row.judge
            if (first := rows.get(key)) is not None:
                if not last:
                    raise DataError(
                        source.path,
                        f"judge {row.judge!r} judged document {row.document_id!r} for query {row.query_id!r} before, "
                        f"at {first.path}:{first.line}: keep one, or let the later one count (--last)",
                        line=row.line,
                    )
                replaced += 1
            rows[key] = Judgment(
                row.query_id, row.document_id, row.judge, row.grade, source.path, row.line, row.note, row.time
            )
        if progress:
            progress("reading judgments", lines, lines)
        files.append(JudgmentFile(source.path.name, _sha256(source.path), judged, blank))
    if not rows:
        raise InvalidInput(_nothing(files))
    kinds: dict[str, JudgeKind] = {
        name: "model" if name in models or said.get(name, ("",))[0] == "model" else "human" for name in judges
    }
    found = Judgments(kinds, list(rows.values()), files, replaced)
    found.check_judges(models)
    return found


def _note_kind(said: dict[str, tuple[str, Path, int]], row: _Row, path: Path, models: Collection[str]) -> None:
    if not row.kind:
        return
    kind, where, line = said.setdefault(row.judge, (row.kind, path, row.line))
    if kind != row.kind:
        raise DataError(
            path, f"judge {row.judge!r} is a {row.kind} here and a {kind} at {where}:{line}: say one", line=row.line
        )
    if row.kind == "human" and row.judge in models:
        raise DataError(path, f"judge {row.judge!r} is a human here and was named as a model: say one", line=row.line)


def _rows(source: JudgmentSource) -> Iterator[_Row]:
    path = source.path
    if path.exists() and not path.is_file():
        raise DataError(path, "not a plain file: judgments are read more than once, and their hash is recorded")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        yield from _json_rows(source)
    elif suffix in _DELIMITERS:
        if suffix == ".tsv" and not _has_names(path):
            yield from _beir_rows(source)
        else:
            yield from _table_rows(source, _DELIMITERS[suffix])
    else:
        raise DataError(path, f"what the ending {suffix!r} stands for is not known: use .jsonl, .csv or .tsv (or .gz)")


def _json_rows(source: JudgmentSource) -> Iterator[_Row]:
    path = source.path
    for line, _, record in json_objects(path):
        for key in _NEEDED[:2]:
            if key not in record:
                found = ", ".join(map(repr, record)) or "nothing"
                raise DataError(path, f'no "{key}"; found {found}', line=line)
        texts = {}
        for key in (*_NEEDED[:2], *_TEXTS):
            value = record.get(key)
            if value is not None and not isinstance(value, str):
                raise DataError(path, f'"{key}" is {kind_of(value)}; expected a string', line=line)
            texts[key] = value or ""
        grade = record.get("grade")
        if grade is not None and (isinstance(grade, bool) or not isinstance(grade, int)):
            said = repr(grade) if isinstance(grade, float) else kind_of(grade)
            raise DataError(path, f'"grade" is {said}; expected a whole number, or null', line=line)
        yield _checked(source, line, texts, grade)


def _has_names(path: Path) -> bool:
    first = next((content for _, content in read_lines(path)), b"")
    return b"query_id" in first.split(b"\t")


def _table_rows(source: JudgmentSource, delimiter: str) -> Iterator[_Row]:
    path = source.path
    records = _records(path, delimiter)
    line, names = next(records, (1, []))
    for name in _NEEDED:
        if name not in names:
            found = ", ".join(map(repr, names)) or "nothing"
            raise DataError(path, f"no column {name!r} in the first line; found {found}", line=line)
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise DataError(path, f"the column {twice!r} is there twice", line=line)
    for line, values in records:
        if len(values) != len(names):
            raise DataError(path, f"{len(values)} columns; the first line names {len(names)}", line=line)
        texts: Mapping[str, str] = dict(zip(names, values, strict=True))
        written = texts["grade"].strip()
        if written and not _WHOLE_NUMBER.fullmatch(written):
            raise DataError(path, f"grade {written!r} is not a whole number", line=line)
        yield _checked(source, line, texts, int(written) if written else None)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which the record begins, its columns); a quoted column may hold line ends."""
    # csv's own limit of 131,072 characters a column is one for the whole process: a long document's text passes it.
    before = csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader(read_text(path), delimiter=delimiter, strict=True)
        found = []
        begin = 1
        try:
            for values in reader:
                if any(values):
                    found.append((begin, values))
                begin = reader.line_num + 1
        except csv.Error as error:
            raise DataError(path, f"not a table of columns: {error}", line=begin) from None
    finally:
        csv.field_size_limit(before)
    yield from found


def _beir_rows(source: JudgmentSource) -> Iterator[_Row]:
    path = source.path
    qrels = tables.Qrels.read_beir(path).to_dict()
    judge = source.judge or path.name.removesuffix(".gz").removesuffix(".tsv")
    for line, content in read_lines(path):
        query_id, document_id, *_ = content.decode().split("\t")
        if document_id in qrels.get(query_id, {}):  # the header is no judgment
            grade = qrels[query_id][document_id]
            yield _checked(source, line, {"query_id": query_id, "document_id": document_id, "judge": judge}, grade)


def _checked(source: JudgmentSource, line: int, texts: Mapping[str, Any], grade: int | None) -> _Row:
    path = source.path
    values = {key: texts.get(key, "") for key in (*_NEEDED[:2], *_TEXTS)}
    values["judge"] = values["judge"].strip() or source.judge
    for key, value in values.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(path, f'"{key}" holds half a surrogate pair (\\ud800-\\udfff)', line=line) from None
    for key in _NEEDED[:2]:
        if not values[key]:
            raise DataError(path, f'"{key}" is empty', line=line)
    kind = values["judge_kind"].strip()
    if kind and kind not in get_args(JudgeKind):
        raise DataError(path, f'judge_kind {kind!r} is not known: use "human" or "model"', line=line)
    if grade is not None:
        if not 0 <= grade <= GREATEST_GRADE:
            reason = (
                f"grade {grade}: expected a whole number from 0 to {GREATEST_GRADE:,}; leave it empty where none is"
            )
            raise DataError(path, reason, line=line)
        if not values["judge"]:
            raise DataError(path, "no judge: fill in the column, or name the judge of the file (JUDGE=FILE)", line=line)
        if any(not character.isprintable() for character in values["judge"]):
            raise DataError(path, f"judge {values['judge']!r} holds what cannot be printed: use a name", line=line)
    time = values["time"].strip()
    if time:
        try:
            datetime.fromisoformat(time)
        except ValueError:
            raise DataError(path, f"time {time!r} is not ISO 8601 (2026-01-31T12:00:00+00:00)", line=line) from None
    ids = values["query_id"], values["document_id"]
    return _Row(line, *ids, values["judge"], grade, kind, values["note"], time)


def _nothing(files: Sequence[JudgmentFile]) -> str:
    if not files:
        return "no file of judgments was given"
    blank = sum(file.blank for file in files)
    names = ", ".join(file.name for file in files)
    return f"no judgment in {names}" + (f": none of the {blank:,} rows has a grade yet" if blank else "")


def _lines(path: Path) -> int:
    """How many lines there are; of a packed file fewer, so that its bar stands at its end for a while."""
    if not path.is_file():
        return 0
    try:
        with path.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except OSError:  # the reading itself will say what is wrong
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
