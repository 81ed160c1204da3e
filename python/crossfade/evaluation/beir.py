"""BEIR directories: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv. Read with every fault named by file and line.

Layout: one JSON object a line with "_id", "text" and, for documents, "title"; judgments as query-id, corpus-id, score,
separated by tabs, under a header line. The two JSONL files may be gzipped (corpus.jsonl.gz).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfade import tables
from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.corpus_file import CorpusFile, CorpusIndex
from crossfade.evaluation.dataset import Dataset, Progress, Qrels
from crossfade.evaluation.json_lines import json_objects
from crossfade.evaluation.lines import is_packed, read_lines
from crossfade.files import write_atomically
from crossfade.json_kinds import kind_of
from crossfade.store.checks import MAX_ID_BYTES
from crossfade.store.types import Document

_HEADER = ("query-id", "corpus-id", "score")
_REPORT_EVERY = 4096

HELD_BYTES = 64 << 20
"""Of a corpus whose documents are kept in memory; those of a larger one stay in its file."""


def read_beir(
    directory: Path, split: str = "test", *, allow_absent: bool = False, progress: Progress | None = None
) -> Dataset:
    """Read one split of a BEIR directory. Linear in the size of the files; documents are kept in file order.

    Documents of a corpus over 64 MiB stay in the file, which must not change meanwhile: each is read again when it is
    asked for. About 200 bytes of each are kept.

    With `allow_absent`, judgments of documents that the corpus lacks are kept and counted; otherwise they are an error,
    because they put every recall out of reach without saying so.

    Raises DataError(path, reason, line) on whatever the format does not promise: see the checks below.
    """
    if not directory.is_dir():
        raise DataError(directory, "no such directory: expected one with corpus.jsonl, queries.jsonl and qrels/")
    qrels_path = _split_path(directory, split)
    qrels = read_qrels_tsv(qrels_path)
    queries_path = jsonl_path(directory, "queries.jsonl")
    texts = {query_id: text for query_id, text in read_queries(queries_path) if query_id in qrels}
    for query_id in qrels:
        if query_id not in texts:
            line, _ = _first_line(qrels_path, 0, {query_id}.__contains__)
            raise DataError(qrels_path, f"query {query_id!r} is not in {queries_path.name}", line=line)
    documents = open_corpus(jsonl_path(directory, "corpus.jsonl"), progress=progress)
    known: Mapping[str, object] | set[str]
    known = documents.places if isinstance(documents, CorpusFile) else {document.id for document in documents}
    absent = sum(1 for grades in qrels.values() for document_id in grades if document_id not in known)
    if absent and not allow_absent:
        judged = {document_id for grades in qrels.values() for document_id in grades}
        line, missing = _first_line(qrels_path, 1, {each for each in judged if each not in known}.__contains__)
        more = f"; {absent - 1:,} more such judgments follow" if absent > 1 else ""
        raise DataError(
            qrels_path,
            f"judged document {missing!r} is not in the corpus{more}: complete the corpus, or allow absent documents "
            "(--allow-absent), which count as relevant but can never be found",
            line=line,
        )
    return Dataset(directory.resolve().name, split, documents, texts, qrels, absent)


def splits(directory: Path) -> list[str]:
    """The names of the splits that the directory holds, sorted."""
    return sorted(path.name.removesuffix(".tsv") for path in (directory / "qrels").glob("*.tsv"))


def open_corpus(path: Path, *, progress: Progress | None = None, held_bytes: int | None = None) -> Sequence[Document]:
    """The documents of a corpus.jsonl, all checked: in memory up to `held_bytes` (None: 64 MiB) of lines, else in the
    file. Raises DataError as `read_beir` does.
    """
    limit = HELD_BYTES if held_bytes is None else held_bytes
    index = CorpusIndex(path, packed=is_packed(path), held_bytes=limit)
    held: list[Document] | None = []
    try:
        for document in read_corpus(path, progress=progress, seen=index.saw):
            index.add(document)
            if held is not None:
                held.append(document)
                if index.size > limit:
                    held = None
        if held is None:
            return index.finish()
    except BaseException:
        index.close()
        raise
    index.close()
    return held


def read_corpus(
    path: Path, *, progress: Progress | None = None, seen: Callable[[bytes], None] | None = None
) -> Iterator[Document]:
    """Yield the documents of a corpus.jsonl. An empty document is a document; an empty file is an error. `seen`: as of
    `read_lines`.
    """
    size = path.stat().st_size if progress and path.is_file() else 0
    read = 0
    for line, record, length in _records(path, seen):
        title = record.get("title")
        if title is None:
            title = ""
        elif not isinstance(title, str):
            raise DataError(path, f'"title" is {kind_of(title)}; expected a string', line=line)
        size_of_id = len(record["_id"].encode())
        if size_of_id > MAX_ID_BYTES:
            # Here, where the line is known, and not when the store refuses it after the corpus is embedded.
            reason = f'"_id" is {size_of_id:,} bytes long, the limit is {MAX_ID_BYTES:,}: use a shorter id'
            raise DataError(path, reason, line=line)
        yield Document(record["_id"], title, record["text"])
        read += length
        if progress and line % _REPORT_EVERY == 0:
            # A gzipped file holds more than its size: the bar then stands at its end until the reading is done.
            progress("reading corpus", min(read, size), size)
    if progress:
        progress("reading corpus", size, size)


def read_queries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (query id, text) of a queries.jsonl."""
    for _, record, _ in _records(path):
        yield record["_id"], record["text"]


def read_query_fields(directory: Path) -> dict[str, dict[str, Any]]:
    """Query id to the whole object of queries.jsonl, keys that an evaluation does not read among them.

    Raises DataError as `read_queries` does.
    """
    return {record["_id"]: record for _, record, _ in _records(jsonl_path(directory, "queries.jsonl"))}


def read_qrels_tsv(path: Path) -> Qrels:
    """Read the judgments of one split: query id -> document id -> grade.

    Raises DataError on a wrong column count, a grade that is no integer, a pair judged twice, an empty file.
    """
    return tables.Qrels.read_beir(path).to_dict()


def write_beir(
    directory: Path, documents: Iterable[Document], queries: Mapping[str, str], qrels: Mapping[str, Qrels]
) -> None:
    """Write a BEIR directory; `qrels` maps split to judgments. Each file appears whole or not at all.

    Raises InvalidInput when an id cannot stand in the format (empty, or with a tab or a line end), a split's name is
    no file name, or a place cannot be written.
    """
    for split in qrels:
        check_split_name(split)
    (directory / "qrels").mkdir(parents=True, exist_ok=True)
    _write_jsonl(directory / "corpus.jsonl", ({"_id": d.id, "title": d.title, "text": d.text} for d in documents))
    _write_jsonl(directory / "queries.jsonl", ({"_id": query_id, "text": text} for query_id, text in queries.items()))
    for split, judged in qrels.items():
        write_qrels_tsv(directory / "qrels" / f"{split}.tsv", judged)


def write_qrels_tsv(path: Path, qrels: Qrels) -> None:
    """Write the judgments of one split; the file appears whole or not at all.

    Raises InvalidInput when an id cannot stand in the format, or the place cannot be written.
    """
    with write_atomically(path) as stream:
        stream.write(("\t".join(_HEADER) + "\n").encode())
        for query_id, grades in qrels.items():
            for document_id, grade in grades.items():
                stream.write(f"{_checked_id(query_id)}\t{_checked_id(document_id)}\t{grade}\n".encode())


def check_split_name(split: str) -> None:
    """Raises InvalidInput for what cannot be a split's name: it is a file's, so no path, "." or "..", and printable."""
    if split in ("", ".", "..") or Path(split).name != split or not split.isprintable():
        raise InvalidInput(f"split {split!r} cannot be a file's name")


def _split_path(directory: Path, split: str) -> Path:
    known = splits(directory)
    if split not in known:
        there = f"the splits there are: {', '.join(known)}" if known else "expected qrels/SPLIT.tsv"
        raise DataError(directory / "qrels" / f"{split}.tsv", f"no split {split!r}; {there}")
    return directory / "qrels" / f"{split}.tsv"


def jsonl_path(directory: Path, name: str) -> Path:
    """The file of this name, or its gzipped form where only that is there."""
    packed = directory / f"{name}.gz"
    return packed if packed.is_file() and not (directory / name).exists() else directory / name


def _records(path: Path, seen: Callable[[bytes], None] | None = None) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Yield (line number, object with string "_id" and "text", bytes of the line)."""
    first_lines: dict[str, int] = {}
    for line, content, record in json_objects(path, seen=seen):
        for key in ("_id", "text"):
            if key not in record:
                found = ", ".join(map(repr, record)) or "nothing"
                raise DataError(path, f'no "{key}"; found {found}', line=line)
            if not isinstance(record[key], str):
                raise DataError(path, f'"{key}" is {kind_of(record[key])}; expected a string', line=line)
        # Valid UTF-8 cannot spell half a surrogate pair, but a JSON escape can; no tokenizer takes it.
        if b"\\ud" in content or b"\\uD" in content:
            _check_surrogates(path, line, record)
        identifier = record["_id"]
        if not identifier:
            raise DataError(path, '"_id" is empty', line=line)
        if (first := first_lines.setdefault(identifier, line)) != line:
            raise DataError(path, f"duplicate id {identifier!r}, first on line {first}", line=line)
        yield line, record, len(content) + 1
    if not first_lines:
        raise DataError(path, "empty: expected one JSON object a line")


def _check_surrogates(path: Path, line: int, record: Mapping[str, Any]) -> None:
    for key in ("_id", "title", "text"):
        value = record.get(key)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise DataError(path, f'"{key}" holds half a surrogate pair (\\ud800-\\udfff)', line=line) from None


def _first_line(path: Path, column: int, wanted: Callable[[str], bool]) -> tuple[int, str]:
    """The first line of a judgments file, known to be sound, whose id in this column is wanted, and that id."""
    rows = ((line, content.decode().split("\t")[column]) for line, content in read_lines(path))
    return next((line, identifier) for line, identifier in rows if wanted(identifier))


def _write_jsonl(path: Path, records: Iterable[Mapping[str, str]]) -> None:
    with write_atomically(path) as stream:
        for record in records:
            _checked_id(record["_id"])
            try:
                stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            except UnicodeEncodeError:
                raise InvalidInput(f"{record['_id']!r} holds half a surrogate pair and cannot be written") from None


def _checked_id(identifier: str) -> str:
    if not identifier or any(character in identifier for character in "\t\r\n"):
        raise InvalidInput(f"id {identifier!r} cannot be written: an id is not empty and holds no tab or line end")
    return identifier
