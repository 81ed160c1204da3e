"""The pool of a data set: what its splits and other files judge already, and what is left, with its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import jsonl_path, read_corpus, read_qrels_tsv, read_queries, splits
from crossfade.evaluation.dataset import Progress
from crossfade.evaluation.judgments.pool import Pool, PoolSettings, blinded, build_pool, judged_pairs
from crossfade.evaluation.judgments.pool_file import write_pool
from crossfade.evaluation.judgments.systems import System
from crossfade.evaluation.judgments.types import Judgments


@dataclass(frozen=True, slots=True)
class PoolOutput:
    """Where a pool goes and how: see `pool_file.write_pool`."""

    path: Path
    judge: str = ""
    blind: bool = True


def pool_dataset(
    directory: Path,
    systems: Sequence[System],
    output: PoolOutput,
    settings: PoolSettings | None = None,
    *,
    judged_splits: Sequence[str] | None = None,
    judgments: Judgments | None = None,
    progress: Progress | None = None,
) -> Pool:
    """Write what nobody has judged yet. Nothing is written where nothing is left.

    Judged is what a split in `judged_splits` judges, by default every split, or a judge in `judgments`.

    Raises DataError for a data set that cannot be read, InvalidInput as `build_pool` and `write_pool` do, and for a
    split that is not there.
    """
    settings = settings or PoolSettings()
    if not directory.is_dir():
        raise DataError(directory, "no such directory: expected one with corpus.jsonl and queries.jsonl")
    there = splits(directory)
    for name in judged_splits or ():
        if name not in there:
            raise InvalidInput(f"no split {name!r} in {directory}: there are {', '.join(there) or 'none'}")
    judged = {row.pair for row in judgments.rows} if judgments else set()
    for name in there if judged_splits is None else judged_splits:
        judged |= judged_pairs(read_qrels_tsv(directory / "qrels" / f"{name}.tsv"))
    queries = dict(read_queries(jsonl_path(directory, "queries.jsonl")))
    pool = build_pool(systems, judged, queries, settings)
    if pool.entries:
        wanted = {entry.document_id for entry in pool.entries}
        corpus = read_corpus(jsonl_path(directory, "corpus.jsonl"), progress=progress)
        documents = {document.id: document for document in corpus if document.id in wanted}
        entries = blinded(pool.entries, settings.seed) if output.blind else pool.entries
        write_pool(output.path, entries, queries, documents, judge=output.judge, blind=output.blind)
    return pool
