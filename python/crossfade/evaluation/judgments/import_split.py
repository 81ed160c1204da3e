"""Merged judgments as a split of a BEIR directory, with the record of how it came about beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import check_split_name, jsonl_path, read_corpus, read_queries, write_qrels_tsv
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.judgments.merge import Merged, MergeSettings, merge
from crossfade.evaluation.judgments.results import MergeRecord
from crossfade.evaluation.judgments.types import Judgment, Judgments
from crossfade.files import check_writable, write_atomically
from crossfade.versions import own


def record_path(directory: Path, split: str) -> Path:
    """Where the record of a split lies: beside its judgments."""
    return directory / "qrels" / f"{split}.judgments.json"


def import_split(
    judgments: Judgments,
    directory: Path,
    split: str,
    settings: MergeSettings | None = None,
    *,
    allow_absent: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> MergeRecord:
    """Merge judgments and write `qrels/SPLIT.tsv` and, beside it, `qrels/SPLIT.judgments.json`.

    Each file appears whole or not at all, the record first: there is no split whose record is missing, and one that was
    changed since is told by its `qrels_hash`. A split that is there is kept unless `replace` says otherwise.

    Raises DataError, naming file and line, for a judgment of a query that queries.jsonl lacks and, without
    `allow_absent`, of a document that the corpus lacks. Raises InvalidInput as `merge` does, and when the split is
    there already or its name is no file name.
    """
    settings = settings or MergeSettings()
    target = check_split(directory, split, replace=replace)
    merged = merge(judgments, settings)
    queries_path = jsonl_path(directory, "queries.jsonl")
    queries = {query_id for query_id, _ in read_queries(queries_path)}
    _check_known(
        (row for row in judgments.rows if row.query_id not in queries),
        lambda row: f"query {row.query_id!r} is not in {queries_path.name}",
    )
    documents = {document.id for document in read_corpus(jsonl_path(directory, "corpus.jsonl"), progress=progress)}
    if not allow_absent:
        _check_known(
            (row for row in judgments.rows if row.document_id not in documents),
            lambda row: (
                f"judged document {row.document_id!r} is not in the corpus: complete the corpus, or allow absent "
                "documents (--allow-absent), which count as relevant but can never be found"
            ),
        )
    absent = sum(1 for judged in merged.qrels.values() for document_id in judged if document_id not in documents)
    written = Dataset(directory.resolve().name, split, [], {}, merged.qrels)
    record = _record(judgments, merged, settings, written, absent)
    target.parent.mkdir(exist_ok=True)
    check_writable(target)
    with write_atomically(record_path(directory, split)) as stream:
        stream.write(json.dumps(record.to_json(), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    write_qrels_tsv(target, merged.qrels)
    return record


def check_split(directory: Path, split: str, *, replace: bool) -> Path:
    """Where the split's judgments go. Raises DataError for no data set, InvalidInput for a name that cannot be."""
    if not directory.is_dir():
        raise DataError(directory, "no such directory: expected one with corpus.jsonl and queries.jsonl")
    check_split_name(split)
    target = directory / "qrels" / f"{split}.tsv"
    if target.exists() and not replace:
        raise InvalidInput(f"split {split!r} is there already: give another name, or --replace it")
    return target


def _check_known(unknown: Iterable[Judgment], reason: Callable[[Judgment], str]) -> None:
    rows = list(unknown)
    if rows:
        more = f"; {len(rows) - 1:,} more such judgments follow" if len(rows) > 1 else ""
        raise DataError(rows[0].path, reason(rows[0]) + more, line=rows[0].line)


def _record(judgments: Judgments, merged: Merged, settings: MergeSettings, split: Dataset, absent: int) -> MergeRecord:
    adjudicated = settings.rule == "adjudicated"
    return MergeRecord(
        dataset=split.name,
        split=split.split,
        rule=settings.rule,
        ties=settings.ties,
        judges=merged.judges,
        files=judgments.files,
        pairs=merged.pairs,
        queries=len(merged.qrels),
        grades=merged.grades,
        unanimous=merged.unanimous,
        single=merged.single,
        disagreements=merged.disagreements,
        qrels_hash=split.qrels_hash,
        adjudicator=settings.adjudicator,
        otherwise=settings.otherwise if adjudicated else None,
        min_judges=settings.min_judges,
        included_models=list(settings.include_models),
        undecided=merged.undecided,
        too_few=merged.too_few,
        absent=absent,
        replaced=judgments.replaced,
        settings={"created": datetime.now(UTC).isoformat(timespec="seconds"), "crossfade": own()},
    )
